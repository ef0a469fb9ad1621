//! Running one short workload: what its last operation did, to be crashed.

use ottla::env::sim::SimEnv;
use ottla_simulation::run::{Era, Run};

use crate::alphabet::Context;

/// A workload that was run.
pub(crate) struct Life {
    /// What was recorded since the last loss of power.
    pub(crate) era: Era,
    /// The position in it at which the last operation began.
    pub(crate) last_begins: usize,
}

/// Runs a context and a workload in it; `None` if one of its operations did not fit, and was passed
/// over: then there is a shorter workload that is the same.
pub(crate) fn live(
    context: &Context,
    workload: &[usize],
    seed: u64,
) -> Result<Option<Life>, String> {
    let mut run = Run::new(SimEnv::new(seed), false);
    let begun = run.open().and_then(|()| {
        let mut operations = context.operations.iter();
        operations.try_for_each(|operation| run.perform(operation))
    });
    begun.map_err(|broken| format!("{broken}\nin {}", context.name))?;
    let mut last_begins = 0;
    for &number in workload {
        let operation = &context.alphabet[number];
        let (era, at, before) = (run.eras(), run.at(), signs(&run));
        let performed = run.perform(operation);
        performed.map_err(|broken| format!("{broken}\nof {operation:?}"))?;
        if run.eras() == era && signs(&run) == before {
            return Ok(None);
        }
        last_begins = if run.eras() == era { usize::try_from(at).unwrap_or(0) } else { 0 };
    }
    let era = run.finish().pop();
    Ok(era.map(|era| Life { era, last_begins }))
}

/// What changes when an operation is performed: calls of the disk, records that were made.
fn signs(run: &Run) -> (u64, u32) {
    (run.world.disk.calls(), run.written())
}
