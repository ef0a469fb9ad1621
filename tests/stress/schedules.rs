//! Runs a scenario again and again for a while. Nobody chooses its schedules but the operating system.
//!
//! A broken law is a panic of any thread: the process ends at once, with status 1 and a line that
//! begins with what broke, because other threads may wait for ever by then. A scenario in which
//! nothing happens for long has a thread that waits for ever, which is a broken law, too.

use std::io::Write;
use std::sync::Once;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::faults::{evidence, name_of, tell};
use crate::threads;

/// How long all of it runs if nobody says otherwise.
const SECONDS: f64 = 10.0;

/// About so many scenarios share the time.
const SCENARIOS: f64 = 60.0;

/// Nothing in a scenario takes so long, even on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(if cfg!(tsan) { 120 } else { 20 });

/// Watches a scenario from a thread of its own, which is told of each step; dropping it ends the watch.
pub(crate) struct Watch(Sender<()>);

impl Watch {
    pub(crate) fn over(scenario: &'static str, seed: u64) -> Watch {
        let (sender, steps) = channel();
        let watching = move || {
            loop {
                match steps.recv_timeout(PATIENCE) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        broken(&format!("nobody waits for ever: {scenario} stands still"), seed);
                    }
                }
            }
        };
        ottla::env::threads::spawn("watch", watching).unwrap();
        Watch(sender)
    }

    pub(crate) fn step(&self) {
        let _ = self.0.send(());
    }
}

/// Says which law broke, and ends the process.
fn broken(law: &str, seed: u64) -> ! {
    // Not the macro, whose output a test runner keeps for itself until the test ends.
    let _ = writeln!(std::io::stderr(), "{law}\nto see it again: OTTLA_SEED={seed}");
    std::process::exit(1);
}

/// From now on any panic that is reported ends the process. (Scenarios that panic on purpose go
/// around the hook.)
pub(crate) fn end_at_the_first_panic(seed: u64) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let law = panic.payload().downcast_ref::<String>().map(String::as_str);
            let law = law.or_else(|| panic.payload().downcast_ref::<&str>().copied());
            let law = law.unwrap_or("a panic");
            broken(&format!("{law}\nbroken at {place}"), seed);
        }));
    });
}

/// A number of the environment.
pub(crate) fn number(name: &str) -> Option<f64> {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok())
}

/// In this build: the same work is evidence of another layer.
const LAYER: &str = if cfg!(tsan) { "tsan" } else { "stress" };

/// Half of `OTTLA_STRESS_SECONDS` is shared among the small scenarios.
pub(crate) fn check(scenario: impl Fn()) {
    run(scenario, 0.5 / SCENARIOS);
}

/// The other half is for one.
pub(crate) fn check_half(scenario: impl Fn()) {
    run(scenario, 0.5);
}

/// Runs `scenario` for this part of the time, at least once.
#[expect(clippy::disallowed_methods, reason = "how long a test runs on a real machine")]
fn run(scenario: impl Fn(), part: f64) {
    let (name, seed) = (name_of(&scenario), ottla::env::sim::seed());
    end_at_the_first_panic(seed);
    threads::seed(seed);
    // The first look wakes a bug that the environment names: before there are threads.
    #[cfg(plant)]
    let _ = ottla::env::planted::is("");
    let seconds = part * number("OTTLA_STRESS_SECONDS").unwrap_or(SECONDS);
    let evidence = evidence(LAYER, name, seed);
    let watch = Watch::over(name, seed);
    let (begun, mut runs) = (Instant::now(), 0);
    while runs == 0 || begun.elapsed().as_secs_f64() < seconds {
        watch.step();
        scenario();
        runs += 1;
    }
    tell(evidence, name, runs, 0);
}
