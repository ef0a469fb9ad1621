//! Runs fuzz targets one after the other, each for some seconds, adds up their executions and tells
//! them as evidence: `fuzz/run 60` or `fuzz/run 60 batch scan`. A finding does not stop the others;
//! the exit status says that there was one.
//!
//! What fuzzing finds to be new goes to `fuzz/target/corpus`, not to the committed corpus.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "starts programs, and says what they found"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use ottla_fuzz_targets::{TARGETS, Target};
use ottla_proof::Evidence;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `address`, or `none`: without it the code is about twice as fast.
fn sanitizer() -> String {
    std::env::var("OTTLA_FUZZ_SANITIZER").unwrap_or_else(|_| "address".to_owned())
}

fn build(targets: &[&Target]) -> Result<(), String> {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments).current_dir(folder());
        command
    };
    let is_there = cargo(&["--version"]).output().is_ok_and(|output| output.status.success());
    if !is_there {
        return Err("it needs a nightly toolchain and `cargo install cargo-fuzz`".to_owned());
    }
    let sanitizer = format!("--sanitizer={}", sanitizer());
    let all = [String::new()];
    let names: Vec<String> = targets.iter().map(|target| target.name.to_owned()).collect();
    let wanted = if targets.len() == TARGETS.len() { &all[..] } else { &names };
    for name in wanted {
        let mut build = cargo(&["build", &sanitizer]);
        build.args(Some(name).filter(|name| !name.is_empty()));
        let built = build.status().expect("it was there a moment ago");
        assert!(built.success(), "{name} does not build");
    }
    Ok(())
}

fn fuzz(target: &Target, seconds: u64) -> Output {
    let folder = folder();
    let new = folder.join("target/corpus").join(target.name);
    let artifacts = folder.join("artifacts").join(target.name);
    fs::create_dir_all(&new).expect("a folder for new inputs");
    fs::create_dir_all(&artifacts).expect("a folder for findings");
    let program = folder.join("target").join(TRIPLE).join("release").join(target.name);
    let mut command = Command::new(program);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-rss_limit_mb=512", "-print_final_stats=1", "-timeout=30"]);
    let dictionary = folder.join("dictionaries").join(format!("{}.dict", target.name));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command.arg(&new).arg(folder.join("corpus").join(target.name));
    // A sanitizer keeps what was freed for a while; that counts as memory.
    command.env("ASAN_OPTIONS", "quarantine_size_mb=32:detect_odr_violation=0");
    command.output().expect("the target starts")
}

/// What libFuzzer says at its end.
fn executions(log: &str) -> u64 {
    let said = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    // A finding ends it without statistics: then the last line that counts.
    let counted = || {
        let lines = log.lines().filter_map(|line| line.strip_prefix('#'));
        lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).next_back()
    };
    said.and_then(|number| number.trim().parse().ok()).or_else(counted).unwrap_or(0)
}

/// The law that broke: the line behind that of the panic.
fn law(log: &str) -> String {
    let mut lines = log.lines();
    let panic = lines.by_ref().find(|line| line.contains("panicked at")).and_then(|_| lines.next());
    let error = log.lines().find(|line| line.contains("ERROR:"));
    panic.or(error).unwrap_or("it said nothing").trim().to_owned()
}

/// Runs one target and tells what came of it; whether it held.
fn campaign(target: &Target, seconds: u64) -> bool {
    let layer = if target.name == "differential" { "differential" } else { "fuzz" };
    let mut evidence = Evidence::of(layer, target.name);
    let output = fuzz(target, seconds);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let executions = executions(&log);
    let held = output.status.success();
    for fault in target.faults {
        evidence = evidence.fault(fault, executions, u64::from(!held));
    }
    evidence = evidence.count("executions", executions);
    if !held {
        let law = law(&log);
        println!("{law}");
        let finding = log.lines().find(|line| line.contains("Test unit written"));
        println!("{}: {}", target.name, finding.unwrap_or("no input was kept"));
        evidence = evidence.broke(&law);
    }
    evidence.tell();
    held
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let Some(seconds) = seconds else {
        println!("usage: fuzz/run <seconds for each target> [target ...]");
        return ExitCode::FAILURE;
    };
    let names: Vec<String> = arguments.collect();
    let wanted = |target: &&Target| names.is_empty() || names.iter().any(|n| n == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    if targets.is_empty() {
        println!("no target is called that; there are:");
        TARGETS.iter().for_each(|target| println!("  {}", target.name));
        return ExitCode::FAILURE;
    }
    if let Err(why) = build(&targets) {
        println!("not run: {why}");
        Evidence::of("fuzz", "all targets").not_run(&why).tell();
        return ExitCode::SUCCESS;
    }
    let broken = targets.iter().filter(|target| !campaign(target, seconds)).count();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
