//! Compiles C programs against the libraries that `cargo test` built, and runs them with a limit.
//!
//! Nothing here is skipped: without a compiler, or without a library, a test fails and says so.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No program takes as long, not even in a debug build on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(180);

/// The folder of the package.
pub(crate) fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A library that cargo built together with the running test: it is beside the test's executable.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test is a file");
    let library = test.parent().expect("in a folder").join(name);
    assert!(library.exists(), "{} was not built: cargo test builds it", library.display());
    library
}

/// A folder in which the shared library has the names that it has when it is installed.
pub(crate) fn library_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let library = built("libottla_ffi.so");
    for name in ["libottla.so", "libottla.so.0"] {
        symlink(&library, folder.path().join(name)).expect("a link");
    }
    folder
}

/// How a program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it is.
    Plain,
    /// With AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer.
    Sanitized,
}

/// The C files of a folder, sorted by name.
pub(crate) fn programs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut programs: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "c")).collect();
    programs.sort();
    programs
}

/// Compiles and links `program` into `into`.
pub(crate) fn compile(
    program: &Path,
    libraries: &Path,
    mode: Mode,
    into: &Path,
) -> Result<(), String> {
    let mut command = Command::new(compiler("CC", "cc"));
    command.args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]);
    if mode == Mode::Sanitized {
        command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        command.arg("-fno-omit-frame-pointer");
    }
    command.arg("-I").arg(package().join("include")).arg("-I").arg(libraries);
    command.arg("-I").arg(program.parent().expect("a folder")).arg(program).arg("-o").arg(into);
    command.arg("-L").arg(libraries).arg(format!("-Wl,-rpath,{}", libraries.display()));
    // A program that does not call the library is not linked with it.
    command.args(["-Wl,--as-needed", "-lottla", "-pthread", "-ldl"]);
    succeeded(run(&mut command, TIME_MAX))
}

/// The compiler that the environment names, or `otherwise`.
pub(crate) fn compiler(variable: &str, otherwise: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| otherwise.to_owned())
}

/// Runs a compiled program in a scratch folder of its own.
pub(crate) fn run_in_scratch(program: &Path, libraries: &Path, mode: Mode) -> Outcome {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let mut command = Command::new(program);
    command.current_dir(scratch.path()).env("LD_LIBRARY_PATH", libraries);
    if mode == Mode::Sanitized {
        command.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
        command.env("UBSAN_OPTIONS", "print_stacktrace=1");
    }
    run(&mut command, TIME_MAX)
}

/// As [`run_in_scratch`], under valgrind: a wrong access and a leak are failures.
pub(crate) fn run_under_valgrind(program: &Path, libraries: &Path) -> Outcome {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let mut command = Command::new("valgrind");
    command.args(["-q", "--error-exitcode=9", "--leak-check=full"]);
    command.arg("--errors-for-leak-kinds=definite").arg(program);
    command.current_dir(scratch.path()).env("LD_LIBRARY_PATH", libraries);
    run(&mut command, TIME_MAX)
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// None if the time was up, and it was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) printed: String,
}

/// All that the command printed as the reason, unless it ended with 0.
pub(crate) fn succeeded(outcome: Outcome) -> Result<(), String> {
    let Outcome { name, status, printed } = outcome;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{name}: {status}\n{printed}")),
        None => Err(format!("{name}: killed, not done in {TIME_MAX:?}\n{printed}")),
    }
}

/// Runs a command to its end, or kills it when the time is up.
pub(crate) fn run(command: &mut Command, at_most: Duration) -> Outcome {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = tempfile::NamedTempFile::new().expect("a scratch file");
    // Both streams go to one file, each through a descriptor that appends.
    let appending = || {
        let opened = fs::OpenOptions::new().append(true).open(output.path());
        Stdio::from(opened.expect("the scratch file"))
    };
    command.stdin(Stdio::null()).stdout(appending()).stderr(appending());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!(
                "{name} is not installed, and the tests need it: .ci/run installs what is missing"
            )
        }
        Err(error) => panic!("{name}: {error}"),
    };
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break Some(status),
            None if begun.elapsed() > at_most => {
                child.kill().expect("a child can be killed");
                child.wait().expect("a child can be waited for");
                break None;
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let printed = fs::read(output.path()).expect("the scratch file");
    Outcome { name, status, printed: String::from_utf8_lossy(&printed).into_owned() }
}
