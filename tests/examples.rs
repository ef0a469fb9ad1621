//! The examples, run as a user runs them: each in an empty directory, to its end, printing what
//! its story says. `cargo test` builds them; whoever runs this test alone builds them first with
//! `cargo build --examples`.

#![allow(clippy::disallowed_methods, reason = "a test starts programs and makes directories")]

use std::path::PathBuf;
use std::process::Command;

/// The built example beside this test.
fn program(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.is_file(), "{} is not built: cargo build --examples", path.display());
    path
}

/// Runs an example so often in one directory; returns what the last run printed.
fn run(name: &str, times: usize) -> String {
    let directory = tempfile::tempdir().expect("a scratch folder");
    let mut printed = String::new();
    for _ in 0..times {
        let output = Command::new(program(name))
            .current_dir(directory.path())
            .output()
            .expect("the program starts");
        printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{printed}\n{complaint}", output.status);
    }
    printed
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[test]
fn quickstart_goes_on_where_it_stopped() {
    let printed = run("quickstart", 2);
    assert_eq!(count(&printed, "one burger"), 2, "ordered and cooked once more: {printed}");
}

#[test]
fn tail_sees_every_record() {
    assert!(run("tail", 1).contains("2000 records seen"));
}

#[test]
fn at_most_once_does_nothing_twice() {
    let printed = run("at_most_once", 1);
    for rocket in ["red!", "green!", "silver!"] {
        assert_eq!(count(&printed, rocket), 1, "{rocket} {printed}");
    }
    assert_eq!(count(&printed, "gold!"), 0, "committed, and then it rained: {printed}");
}

#[test]
fn at_least_once_loses_nothing() {
    let printed = run("at_least_once", 1);
    for letter in ["Anna", "Bert", "Dora"] {
        assert_eq!(count(&printed, letter), 1, "{letter} {printed}");
    }
    assert_eq!(count(&printed, "Cleo"), 2, "delivered, and not committed: {printed}");
}

#[test]
fn exactly_once_counts_every_coin_once() {
    let printed = run("exactly_once", 1);
    assert!(printed.contains("done; the ledger says Ledger { sum: 5050, next_offset: 100 }"));
}

#[test]
fn a_database_stays_in_step_with_the_log() {
    let printed = run("with_sqlite", 1);
    assert_eq!(count(&printed, "counted up to offset 8: ada has 9"), 5, "{printed}");
    assert!(printed.contains("done: counted up to offset 60: ada has 630"), "{printed}");
}

#[test]
fn every_order_becomes_one_delivery() {
    let printed = run("read_process_write", 1);
    assert!(printed.contains("died after the offsets (signal: 6"), "{printed}");
    assert!(printed.contains("done: 100 orders, 100 deliveries"), "{printed}");
}

#[test]
fn no_money_is_made_or_lost_by_optimists() {
    let printed = run("bank_accounts", 1);
    assert!(printed.contains("opening ada's account again: the newest record"), "{printed}");
    assert!(printed.contains("together they have 4000"), "{printed}");
}

#[test]
fn the_group_cooks_every_order() {
    let printed = run("consumer_group", 1);
    assert!(printed.contains("600 orders were cooked, 0 are left"), "{printed}");
    assert!(printed.contains("Ben gets") && printed.contains("Ben goes home"), "{printed}");
}

#[test]
fn event_sourcing_rebuilds_its_state() {
    let printed = run("event_sourcing", 2);
    assert!(printed.contains("rebuilt from 3 events: {\"ada\": 30, \"ben\": 90}"), "{printed}");
    assert!(printed.contains("now: {\"ada\": 60, \"ben\": 180}"), "{printed}");
}
