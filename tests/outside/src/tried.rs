//! What a harness tried against which fault, told as evidence at its end, however it ends.

use std::collections::BTreeMap;

use ottla_proof::Evidence;

use crate::verdict::{Stop, Verdict};

/// Counts, while a harness runs.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    faults: BTreeMap<&'static str, u64>,
    counts: BTreeMap<&'static str, u64>,
    /// What was tried last: where a promise breaks, it is this one.
    last: &'static [&'static str],
}

impl Tried {
    /// These faults are about to be brought about.
    pub(crate) fn fault(&mut self, faults: &'static [&'static str]) {
        for fault in faults {
            *self.faults.entry(fault).or_default() += 1;
        }
        self.last = faults;
    }

    /// Something else that is worth a number.
    pub(crate) fn count(&mut self, what: &'static str, number: u64) {
        *self.counts.entry(what).or_default() += number;
    }

    /// So many of them.
    pub(crate) fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// All counts as words.
    pub(crate) fn summary(&self) -> String {
        let counts: Vec<String> =
            self.counts.iter().map(|(what, number)| format!("{number} {what}")).collect();
        counts.join(", ")
    }
}

/// Runs a harness and tells what it tried. A harness that tried nothing did not pass.
pub(crate) fn tell(
    layer: &str,
    what: &str,
    seed: u64,
    run: impl FnOnce(&mut Tried) -> Result<(), Stop>,
) -> Verdict {
    let mut evidence = Evidence::of(layer, what).seed(seed);
    let mut tried = Tried::default();
    let ended = run(&mut tried);
    let broken = matches!(ended, Err(Stop::Broken(_)));
    for (what, number) in &tried.counts {
        evidence = evidence.count(what, *number);
    }
    for (fault, number) in &tried.faults {
        let failed = u64::from(broken && tried.last.contains(fault));
        evidence = evidence.fault(fault, *number, failed);
    }
    if let Err(Stop::NotRun(why)) = &ended {
        evidence = evidence.not_run(why);
    }
    let is_empty = tried.faults.is_empty();
    match ended {
        // It says nothing about the promises.
        Err(Stop::Harness(what)) => Err(Stop::Harness(what)),
        Ok(()) if is_empty => Err(Stop::Harness("nothing was tried".to_owned())),
        ended => {
            evidence.tell();
            ended.map(|()| tried.summary())
        }
    }
}
