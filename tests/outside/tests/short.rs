//! The short forms of those harnesses that need no rights, no loop device and little time.

#![allow(clippy::disallowed_methods, reason = "starts programs")]
#![allow(clippy::print_stdout, reason = "a test shows what its program said")]

use std::path::Path;
use std::process::Command;

/// Builds the tool beside the program under test, in the same profile and with the same flags.
fn tool() -> String {
    let beside = Path::new(env!("CARGO_BIN_EXE_outside"));
    let folder = beside.parent().expect("a folder of the profile");
    let target = folder.parent().expect("a target directory");
    let profile = match folder.file_name().and_then(|name| name.to_str()).expect("a name") {
        "debug" => "dev",
        other => other,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "ottla", "--features", "cli", "--bin", "ottla"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .status()
        .expect("cargo is there");
    assert!(built.success(), "the tool cannot be built");
    folder.join("ottla").to_str().expect("a path of text").to_owned()
}

fn run(arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outside"));
    let output = command.args(arguments).args(["--tool", &tool()]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{said}\n{complained}", output.status);
}

#[test]
fn nothing_is_lost_by_kills() {
    run(&["kill", "--cycles", "40"]);
}

#[test]
fn nothing_is_lost_by_system_calls_that_fail() {
    run(&["syscalls", "--runs", "60"]);
}

#[test]
fn nothing_that_was_synced_is_lost_with_the_power() {
    run(&["power-cut", "--cycles", "8", "--life", "10000"]);
}

#[test]
fn few_descriptors_lose_nothing() {
    run(&["descriptors", "--from", "10", "--to", "20", "--partitions", "150"]);
}

#[test]
fn a_directory_has_one_writer() {
    run(&["two-processes"]);
}

#[test]
fn strange_names_and_links_lead_nowhere() {
    run(&["names"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_read() {
    run(&["read-only"]);
}

#[test]
fn no_state_that_the_system_calls_allow_lacks_what_was_acked() {
    run(&["traces", "--runs", "1", "--states", "15"]);
}

#[test]
fn a_full_disk_is_an_error_and_nothing_else() {
    run(&["full-disk", "--rounds", "1"]);
}

#[test]
fn clocks_that_jump_delete_nothing() {
    run(&["clock", "--lives", "8"]);
}

#[test]
fn bombs_are_a_limit() {
    run(&["memory", "--mebibytes", "100"]);
}

#[test]
fn recovery_is_bounded() {
    run(&["recovery", "--mebibytes", "10", "--partitions", "1,50", "--seconds", "60"]);
}
