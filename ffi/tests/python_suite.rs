//! The Python package: built from the checkout with the library that `cargo test` built, installed
//! into an environment of its own, and tried by pytest and mypy.
//!
//! The environment is made once in the target directory; it needs `python3` with the venv module and
//! a package index. A machine without them sets `OTTLA_SKIP_PYTHON=1`; without that a missing tool
//! is a failure.

#![allow(clippy::print_stdout, reason = "says what it skips")]

mod c_compiler;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Downloads included.
const TIME_MAX: Duration = Duration::from_secs(900);

#[test]
fn pytest_passes() {
    let Some(python) = python() else { return };
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "-o", "faulthandler_timeout=300"]).current_dir(source());
    run(&mut pytest);
}

#[test]
fn every_type_is_stated_and_fits() {
    let Some(python) = python() else { return };
    let cache = target().join("python-types");
    let mut mypy = Command::new(python);
    mypy.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(cache);
    run(mypy.arg("src/ottla").current_dir(source()));
}

/// The interpreter of the environment with the package in it, or `None` if this is to be skipped.
fn python() -> Option<&'static Path> {
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

/// As a user does it, but for the library, which is there, and the tools to build with, too.
fn install_package(python: &Path) {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "--no-index"]);
    pip.arg("--no-build-isolation").arg(source());
    run(pip.env("OTTLA_STATIC_LIBRARY", c_compiler::built("libottla_ffi.a")));
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").to_owned()
}

fn source() -> PathBuf {
    c_compiler::package().join("python")
}

/// A command that must succeed.
fn run(command: &mut Command) {
    let shown = format!("{command:?}");
    // A checkout stays as it was.
    let outcome = c_compiler::run(command.env("PYTHONDONTWRITEBYTECODE", "1"), TIME_MAX);
    let Some(status) = outcome.status else {
        panic!("{shown}: killed, not done in {TIME_MAX:?}\n{}", outcome.printed);
    };
    assert!(status.success(), "{shown}: {status}\n{}", outcome.printed);
}
