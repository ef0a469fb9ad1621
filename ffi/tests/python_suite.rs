//! The Python package: built from the checkout with the library that `cargo test` built, installed
//! into an environment of its own, and tried by pytest and mypy.
//!
//! A machine without Python sets `OTTLA_SKIP_PYTHON=1`; without that a missing tool is a failure.

mod c_compiler;
mod python_environment;

use std::process::Command;

use python_environment::{python, run, source, target};

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
    run(mypy.args(["src/ottla", "tests/typed_program.py"]).current_dir(source()));
}
