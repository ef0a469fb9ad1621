//! Runs a script: what comes before on a disk that is well, the deeds on one that is not.

use ottla::env::sim::{MadeCall, SimEnv};
use ottla::{Error, ErrorKind};
use ottla_simulation::run::Run;

use crate::deeds::{Deed, Outcome};
use crate::scenarios::Scenario;

/// Everything up to the deeds, without a fault.
pub(crate) fn prepare(scenario: &Scenario) -> Result<Run, String> {
    let mut run = Run::new(SimEnv::new(1), false);
    run.open()?;
    for deed in &scenario.before {
        deed.perform(&mut run).map_err(|broken| format!("{broken}, before it began"))?;
    }
    Ok(run)
}

/// What a deed answered.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) deed: usize,
    pub(crate) error: Error,
}

impl Failed {
    pub(crate) fn kind(&self) -> ErrorKind {
        self.error.kind()
    }
}

/// What the deeds answered.
#[derive(Debug, Default)]
pub(crate) struct Performed {
    pub(crate) failed: Vec<Failed>,
    /// The session in which a fault was met, if one deed saw no other.
    pub(crate) session: Option<u32>,
}

/// The deeds, whatever they answer; their errors.
pub(crate) fn perform(run: &mut Run, deeds: &[Deed]) -> Result<Performed, String> {
    let mut performed = Performed::default();
    let met = run.world.disk.faults_met();
    let mut is_met = false;
    for (number, deed) in deeds.iter().enumerate() {
        let session = run.sessions;
        let outcome: Outcome = deed.perform(run);
        outcome.map_err(|broken| {
            let failure = run.failure.as_ref().map(ToString::to_string);
            format!("{broken}, in {}, after the failure {failure:?}", deed.name())
        })?;
        let error = run.failure.take();
        performed.failed.extend(error.map(|error| Failed { deed: number, error }));
        if !is_met && run.world.disk.faults_met() > met {
            is_met = true;
            performed.session = (session == run.sessions).then_some(session);
        }
    }
    Ok(performed)
}

/// Which calls the deeds make when nothing fails, and which deed makes each.
pub(crate) struct Trace {
    pub(crate) calls: Vec<MadeCall>,
    deeds: Vec<String>,
}

impl Trace {
    pub(crate) fn of(scenario: &Scenario) -> Result<Trace, String> {
        let mut run = prepare(scenario)?;
        run.world.disk.note_calls();
        let mut deeds = Vec::new();
        for deed in &scenario.deeds {
            deed.perform(&mut run).map_err(|broken| format!("{broken}, in {}", deed.name()))?;
            deeds.resize(run.world.disk.noted_calls().len(), deed.name());
        }
        Ok(Trace { calls: run.world.disk.noted_calls(), deeds })
    }

    /// The deed that makes a call.
    pub(crate) fn deed(&self, call: usize) -> &str {
        &self.deeds[call]
    }
}
