//! Ottla from outside: a supervisor starts programs that write, ends them in some bad way, and
//! compares what is left with what they printed.
//!
//! It trusts nothing but lines of standard output: those of `ottla produce --print-acks`, and those
//! of the drivers here, which use the public API alone and print a line for each deed only after the library
//! has answered. A driver is this program again (`outside driver ...`), in a process of its own.
//!
//! `cargo build -p ottla --features cli && cargo run -p ottla-outside -- help` lists the harnesses;
//! each has `--help`. A harness ends with a line that says what it tried and lost, and with status 0 if
//! nothing was lost or if this machine does not allow it ("not run"). If a promise was broken the status is
//! 1, and a line begins with the law that was broken; 2 says that the harness could not go on.

#![allow(clippy::disallowed_methods, reason = "supervises processes from outside the library")]
#![allow(clippy::print_stdout, reason = "says what was done")]

mod account;
mod aftermath;
mod clock;
mod deeds;
mod descriptors;
mod full_disk;
mod gauge;
mod kill;
mod lines;
mod memory;
mod mounts;
mod names;
mod oracle;
mod photo;
mod power_cut;
mod progress;
mod read_only;
mod reading;
mod recovery;
mod running;
mod scratch;
mod script;
mod session;
mod storm;
mod syscalls;
mod tool;
mod traces;
mod tried;
mod two_processes;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Ottla's promises, checked by a supervisor that trusts only what was printed.
#[derive(Debug, Parser)]
#[command(name = "outside", max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    terms: Terms,
    #[command(subcommand)]
    harness: Harness,
}

/// What holds for every harness.
#[derive(Args, Debug)]
pub(crate) struct Terms {
    /// Repeats a campaign, as far as the scheduler allows. Default: a random one.
    #[arg(long, global = true, env = "OTTLA_SEED")]
    seed: Option<u64>,
    /// Where scratch directories are made. Default: target/tmp.
    #[arg(long, global = true, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// The command line tool. Default: the `ottla` beside this program.
    #[arg(long, global = true, value_name = "FILE", env = "OTTLA_TOOL")]
    tool: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Harness {
    /// Kill -9 at random moments.
    Kill(kill::Kill),
    /// System calls that fail, and kills right at them.
    Syscalls(syscalls::Syscalls),
    /// Cut the power of a real file system.
    PowerCut(power_cut::PowerCut),
    /// Dates far off, clocks that jump.
    Clock(clock::Clock),
    /// Decompression bombs.
    Memory(memory::Memory),
    /// Time and memory of opening after a kill.
    Recovery(recovery::Recovery),
    /// Disks that fill up.
    FullDisk(full_disk::FullDisk),
    /// Few descriptors, many partitions.
    Descriptors(descriptors::Descriptors),
    /// Strange names and links.
    Names(names::Names),
    /// Directories that may not be written.
    ReadOnly(read_only::ReadOnly),
    /// A second process, a second handle, races.
    TwoProcesses(two_processes::TwoProcesses),
    /// Rebuild from traces of system calls what a loss of power may leave.
    Traces(traces::Traces),
    /// The programs that the harnesses start.
    #[command(subcommand, hide = true)]
    Driver(Driver),
}

#[derive(Debug, Subcommand)]
enum Driver {
    /// Many threads that write until they are stopped.
    Storm(storm::Life),
    /// Opens the directory, which recovers it, and does nothing else.
    Opener { directory: PathBuf },
    /// Leaves an unsynced tail, or a full journal.
    Tail(gauge::Tail),
    /// Opens the directory, or reads all, and says how long it took and how much memory.
    Measure {
        directory: PathBuf,
        #[arg(long)]
        read: bool,
    },
    /// One deed after the other, as commands on standard input ask for.
    Script { directory: PathBuf },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Harness::Driver(driver) = arguments.harness {
        match driver {
            Driver::Storm(life) => storm::live(&life),
            Driver::Opener { directory } => storm::open_only(&directory),
            Driver::Tail(tail) => gauge::leave(&tail),
            Driver::Measure { directory, read } => gauge::measure(&directory, read),
            Driver::Script { directory } => script::follow(&directory),
        }
        return ExitCode::SUCCESS;
    }
    let terms = arguments.terms;
    let seed = terms.seed.unwrap_or_else(|| fastrand::u64(..));
    let found = tool::find(terms.tool.clone());
    let run = |name: &str, harness: &dyn Fn() -> verdict::Verdict| {
        println!("{name}: OTTLA_SEED={seed}");
        verdict::tell(name, seed, found.and_then(|()| harness()))
    };
    match &arguments.harness {
        Harness::Kill(kill) => run("kill", &|| kill::campaign(kill, &terms, seed)),
        Harness::Syscalls(it) => run("syscalls", &|| syscalls::campaign(it, &terms, seed)),
        Harness::PowerCut(cut) => run("power-cut", &|| power_cut::campaign(cut, &terms, seed)),
        Harness::Descriptors(it) => run("descriptors", &|| descriptors::campaign(it, &terms, seed)),
        Harness::Clock(it) => run("clock", &|| clock::campaign(it, &terms, seed)),
        Harness::Memory(it) => run("memory", &|| memory::campaign(it, &terms, seed)),
        Harness::Recovery(it) => run("recovery", &|| recovery::campaign(it, &terms, seed)),
        Harness::FullDisk(it) => run("full-disk", &|| full_disk::campaign(it, &terms, seed)),
        Harness::Names(it) => run("names", &|| names::campaign(it, &terms, seed)),
        Harness::ReadOnly(it) => run("read-only", &|| read_only::campaign(it, &terms, seed)),
        Harness::TwoProcesses(it) => {
            run("two-processes", &|| two_processes::campaign(it, &terms, seed))
        }
        Harness::Traces(it) => run("traces", &|| traces::campaign(it, &terms, seed)),
        Harness::Driver(_) => ExitCode::SUCCESS,
    }
}
