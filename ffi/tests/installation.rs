//! `make install` puts everything where pkg-config says it is: the examples are built with nothing
//! but what it answers, dynamically and statically, and print what they say they print.

mod c_compiler;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use c_compiler::{built, compiler, package, programs_in, run, succeeded};
use tempfile::TempDir;

const TIME_MAX: Duration = Duration::from_secs(120);

/// Runs `make install` or `make uninstall` with the libraries of this build.
fn make(target: &str, variables: &[String]) {
    let libraries = built("libottla_ffi.so");
    let folder = libraries.parent().expect("a folder").display().to_string();
    let mut command = Command::new("make");
    // What a make around this test would hand down.
    command.env_remove("MAKEFLAGS").env_remove("MFLAGS").arg("-C").arg(package()).arg(target);
    command.args(variables).arg(format!("LIBRARIES={folder}"));
    succeeded(run(&mut command, TIME_MAX)).unwrap_or_else(|reason| panic!("{reason}"));
}

fn installed() -> TempDir {
    let prefix = tempfile::tempdir().expect("a scratch folder");
    make("install", &[format!("PREFIX={}", prefix.path().display())]);
    prefix
}

/// What pkg-config answers, as arguments of a compiler.
fn pkg_config(prefix: &Path, questions: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(questions).arg("ottla");
    let outcome = run(&mut command, TIME_MAX);
    let answer = outcome.printed.split_whitespace().map(str::to_owned).collect();
    succeeded(outcome).unwrap_or_else(|reason| panic!("{reason}"));
    answer
}

/// All files and links below a folder, as paths from there.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else {
                let inside = path.strip_prefix(folder).expect("below the folder");
                found.insert(inside.display().to_string());
            }
        }
    }
    found
}

#[test]
fn everything_is_installed_and_uninstalled() {
    let image = tempfile::tempdir().expect("a scratch folder");
    let variables = [format!("DESTDIR={}", image.path().display()), "PREFIX=/opt/ottla".to_owned()];
    make("install", &variables);
    let version = env!("CARGO_PKG_VERSION");
    let shared = format!("opt/ottla/lib/libottla.so.{version}");
    let expected = [
        "opt/ottla/include/ottla.h",
        "opt/ottla/lib/libottla.a",
        "opt/ottla/lib/libottla.so",
        "opt/ottla/lib/libottla.so.0",
        &shared,
        "opt/ottla/lib/pkgconfig/ottla.pc",
    ];
    assert_eq!(files(image.path()), expected.map(str::to_owned).into());
    let description = fs::read_to_string(image.path().join(expected[5])).expect("ottla.pc");
    assert!(description.contains("prefix=/opt/ottla\n"), "{description}");
    assert!(!description.contains('@') && description.contains(version), "{description}");
    make("uninstall", &variables);
    assert!(files(image.path()).is_empty());
}

/// What the last comment of an example says that it prints.
fn promised(source: &Path) -> String {
    let text = fs::read_to_string(source).expect("an example");
    let (_, end) = text.rsplit_once("/* Prints:\n").expect("an example says what it prints");
    let lines = end.trim_end().strip_suffix("*/").expect("the comment is the end").trim_end();
    lines.lines().map(|line| line.trim_start_matches(" *").trim_start().to_owned() + "\n").collect()
}

/// Builds and runs each example in a folder of its own; `further` goes to the compiler.
fn check_examples(prefix: &Path, questions: &[&str], further: &[&str], programs: &[PathBuf]) {
    for source in programs {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let executable = scratch.path().join("example");
        let mut command = Command::new(compiler("CC", "cc"));
        command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]);
        command.arg(source).arg("-o").arg(&executable).args(further);
        command.args(pkg_config(prefix, questions));
        succeeded(run(&mut command, TIME_MAX)).unwrap_or_else(|reason| panic!("{reason}"));
        let mut program = Command::new(&executable);
        program.current_dir(scratch.path()).env("LD_LIBRARY_PATH", prefix.join("lib"));
        let outcome = run(&mut program, TIME_MAX);
        let printed = outcome.printed.clone();
        succeeded(outcome).unwrap_or_else(|reason| panic!("{}: {reason}", source.display()));
        assert_eq!(printed, promised(source), "{}", source.display());
    }
}

#[test]
fn examples_are_built_with_pkg_config_alone() {
    let (prefix, programs) = (installed(), programs_in(&package().join("examples")));
    assert!(!programs.is_empty());
    check_examples(prefix.path(), &["--cflags", "--libs"], &[], &programs);
    let first = [package().join("examples/quickstart.c")];
    check_examples(prefix.path(), &["--static", "--cflags", "--libs"], &["-static"], &first);
}
