//! How far a harness has come, on standard error while that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(200);

/// A line that is written over and over.
#[derive(Debug)]
pub(crate) struct Progress {
    is_shown: bool,
    total: u64,
    began: Instant,
    state: Mutex<(u64, Instant)>,
}

impl Progress {
    pub(crate) fn start(total: u64) -> Progress {
        let began = Instant::now();
        let is_shown = std::io::stderr().is_terminal();
        Progress { is_shown, total, began, state: Mutex::new((0, began)) }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.0 += 1;
        if self.is_shown && state.1.elapsed() > PAUSE {
            state.1 = Instant::now();
            let rate = state.0 as f64 / self.began.elapsed().as_secs_f64();
            let mut output = std::io::stderr().lock();
            let _ = write!(output, "\r{} of {}, {rate:.1} a second ", state.0, self.total);
            let _ = output.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}
