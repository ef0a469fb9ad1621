//! Every target with its committed corpus and mutations of it, on any compiler. `OTTLA_FUZZ_RUNS`
//! says how many mutations each target gets, `OTTLA_FUZZ_TARGET` names one, `OTTLA_SEED` replays.
//! `OTTLA_FUZZ_INPUT` names a file: that input alone.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "reads the corpus, and says which input it was"
)]

use std::fs;
use std::path::PathBuf;

use ottla_fuzz_targets::mutate::mutated;
use ottla_fuzz_targets::{TARGETS, Target};
use ottla_proof::Evidence;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file of the corpus")).collect()
}

/// What the environment says, as a number.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok())
}

/// Tells which input it was if a target panics.
struct Blame<'a> {
    target: &'a str,
    input: &'a [u8],
}

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = std::env::temp_dir().join(format!("ottla-fuzz-{}", self.target));
            let kept = fs::write(&path, self.input);
            let hex: String = self.input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("fuzz target {}: broken by {hex}", self.target);
            eprintln!("kept as {}: {}", path.display(), kept.is_ok());
        }
    }
}

fn run(target: &Target, input: &[u8]) {
    let _blame = Blame { target: target.name, input };
    (target.run)(input);
}

#[test]
fn the_corpus_and_its_neighbours_break_nothing() {
    let seed = number("OTTLA_SEED").unwrap_or(20_261_120);
    println!("OTTLA_SEED={seed}");
    let only = std::env::var("OTTLA_FUZZ_TARGET").ok();
    let mut evidence = Evidence::of("fuzz", "the corpus and its neighbours").seed(seed);
    let mut total = 0;
    for target in TARGETS.iter().filter(|target| only.as_ref().is_none_or(|o| o == target.name)) {
        if let Some(path) = std::env::var_os("OTTLA_FUZZ_INPUT") {
            run(target, &fs::read(path).expect("the input"));
            total += 1;
            continue;
        }
        let corpus = corpus(target.name);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        corpus.iter().for_each(|input| run(target, input));
        let mut random = fastrand::Rng::with_seed(seed);
        let runs = number("OTTLA_FUZZ_RUNS").unwrap_or(u64::from(target.short));
        for _ in 0..runs {
            run(target, &mutated(&mut random, &corpus));
        }
        let executions = corpus.len() as u64 + runs;
        for fault in target.faults {
            evidence = evidence.fault(fault, executions, 0);
        }
        total += executions;
    }
    assert!(total > 0, "no target has this name");
    evidence.count("executions", total).tell();
}
