//! Shows the planted bugs to every harness that is known to see them:
//! `cargo run -p ottla-proof --bin planted -- [--only bug] [layer ...]`.

use std::path::Path;
use std::process::{Command, ExitCode};

use ottla_proof::sightings::Search;
use ottla_proof::ways::WAYS;

#[expect(clippy::print_stdout, reason = "says how far it is")]
fn main() -> ExitCode {
    let mut layers = Vec::new();
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--only" => only = arguments.next(),
            _ => layers.push(argument),
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let commit = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&root).output();
    let search = Search {
        sightings: root.join("docs/reliability/planted.jsonl"),
        logs: root.join("target/planted"),
        commit: commit
            .map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
            .unwrap_or_default(),
        only,
        root,
    };
    let mut missed = 0;
    for way in WAYS.iter().filter(|way| layers.is_empty() || layers.contains(&way.layer.into())) {
        println!("{}", way.line(None));
        match search.go(way) {
            Ok(bugs) => {
                for bug in &bugs {
                    println!("      {bug}: NOT SEEN by {}", way.layer);
                }
                missed += bugs.len();
            }
            Err(error) => {
                println!("      {error}");
                missed += 1;
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
