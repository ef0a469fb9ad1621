//! The command line of Ottla. Each verb has its own file; this one only hands out the arguments
//! and ends the process.

mod arguments;
mod consume;
mod directory;
mod dump;
mod exit;
mod group;
mod info;
mod produce;
mod topic;
mod verify;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Verb};
use exit::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let outcome = run(&arguments, &mut out).and_then(|()| Ok(out.flush()?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What was printed before the failure is still worth reading.
            let _ = out.flush();
            failure.report();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::Topic(topic) => topic::run(arguments, topic, out),
        Verb::Produce(produce) => produce::run(arguments, produce, out),
        Verb::Consume(consume) => consume::run(arguments, consume, out),
        Verb::Group(group) => group::run(arguments, group, out),
        Verb::Dump(dump) => dump::run(dump, out),
        Verb::Verify(verify) => verify::run(arguments, verify, out),
        Verb::Info(info) => info::run(arguments, info, out),
    }
}
