//! The environment in which Python programs of the tests run, with the package of this checkout.
//!
//! It is made once in the target directory; it needs `python3` with the venv module and a package
//! index. A machine without them sets `OTTLA_SKIP_PYTHON=1`.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::print_stdout, reason = "says what it skips")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::c_compiler;

/// Downloads included.
const TIME_MAX: Duration = Duration::from_secs(900);

/// The interpreter of the environment with the package in it, or `None` if this is to be skipped.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(prepare).as_deref()
}

fn prepare() -> Option<PathBuf> {
    if std::env::var_os("OTTLA_SKIP_PYTHON").is_some_and(|value| value == "1") {
        println!("skipped: OTTLA_SKIP_PYTHON is set");
        return None;
    }
    let home = target().join("python-venv");
    let requirements = source().join("tests/requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("requirements.txt");
    let installed = home.join("installed.txt");
    let python = home.join("bin/python");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        install_package(&python);
        return Some(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements));
    fs::write(&installed, wanted).expect("a note of what is installed");
    install_package(&python);
    Some(python)
}

/// Unless what it is made of is as it was: as a user does it, but for the library, which is there, and the tools to build with, too.
fn install_package(python: &Path) {
    let library = c_compiler::built("libottla_ffi.a");
    let made_of = format!("{:?} {:?}", newest(&library), newest(&source()));
    let note = python.with_file_name("package.txt");
    if fs::read_to_string(&note).is_ok_and(|text| text == made_of) {
        return;
    }
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "--no-index"]);
    pip.arg("--no-build-isolation").arg(source());
    run(pip.env("OTTLA_STATIC_LIBRARY", library));
    fs::write(note, made_of).expect("a note of what is installed");
}

/// When something in there was changed last.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = fs::metadata(path).and_then(|data| data.modified()).ok();
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| newest(&entry.path())).chain(own).max()
}

pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").to_owned()
}

pub(crate) fn source() -> PathBuf {
    c_compiler::package().join("python")
}

/// A command that must succeed.
pub(crate) fn run(command: &mut Command) {
    let shown = format!("{command:?}");
    // A checkout stays as it was.
    let outcome = c_compiler::run(command.env("PYTHONDONTWRITEBYTECODE", "1"), TIME_MAX);
    let Some(status) = outcome.status else {
        panic!("{shown}: killed, not done in {TIME_MAX:?}\n{}", outcome.printed);
    };
    assert!(status.success(), "{shown}: {status}\n{}", outcome.printed);
}
