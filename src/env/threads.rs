//! Threads: named ones, and a loop that calls something every so often until it is stopped.
//!
//! Nothing in the library needs a thread of its own: whatever a loop does here, a caller may do
//! by calling the same function (`Broker::tick`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::planted::planted;
use super::signals::Blocked;
use super::sync::thread::{Builder, JoinHandle, Thread, current};
use super::sync::{Condvar, Mutex};

/// Starts a thread that debuggers and `ps` show by `name` (at most 15 bytes are shown). It runs no
/// signal handlers of the program: signals are blocked in it.
///
/// # Errors
/// What the operating system says when it has no more threads.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let _while_it_is_born = Blocked::begin();
    Builder::new().name(name.to_owned()).spawn(work)
}

/// A thread that calls a function at a period, or earlier when it is woken. Dropping it stops it.
#[derive(Debug)]
pub struct PeriodicLoop {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    pid: u32,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    woken: bool,
    /// Once it has begun.
    thread: Option<Thread>,
}

impl PeriodicLoop {
    /// Calls `tick` after every `period`. What `tick` returns is the longest wait before the next
    /// call, if that is to come sooner than after a whole period.
    ///
    /// # Errors
    /// No more threads.
    pub fn start(
        name: &str,
        period: Duration,
        mut tick: impl FnMut() -> Option<Duration> + Send + 'static,
    ) -> io::Result<PeriodicLoop> {
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = spawn(name, move || {
            inner.state.lock().thread = Some(current());
            let mut wait = period;
            while inner.wait(wait) {
                wait = tick().map_or(period, |sooner| sooner.min(period));
            }
        })?;
        Ok(PeriodicLoop { shared, thread: Some(thread), pid: std::process::id() })
    }

    /// Makes the next call happen now.
    pub fn wake(&self) {
        self.shared.state.lock().woken = true;
        self.shared.changed.notify_one();
    }

    /// Ends the loop and waits until a call that is under way has returned. Called from within
    /// `tick`, it does not wait.
    pub fn stop(&mut self) {
        let is_the_loop = {
            let mut state = self.shared.state.lock();
            state.stop = true;
            state.thread.as_ref().is_some_and(Thread::is_current)
        };
        self.shared.changed.notify_one();
        let Some(thread) = self.thread.take() else { return };
        // A child made by fork() has no such thread, and a thread cannot wait for itself.
        if self.pid == std::process::id() && !is_the_loop {
            // A tick that panicked has said so on standard error; stopping is what was asked for.
            let _ = thread.join();
        }
    }

    /// Whether the thread still runs: it ends early only if `tick` panicked.
    #[cfg(not(shuttle))]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for PeriodicLoop {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Waits for the period or to be woken; false means stop.
    fn wait(&self, period: Duration) -> bool {
        let mut state = self.state.lock();
        if planted!("loop_wake_forgotten") {
            state.woken = false;
        }
        if !state.stop && !state.woken {
            self.changed.wait_for(&mut state, period);
        }
        state.woken = false;
        !state.stop
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[cfg(target_os = "linux")]
    #[expect(clippy::disallowed_methods, reason = "looks at the thread, not at a log directory")]
    #[test]
    fn signals_are_blocked_in_a_thread_and_not_in_the_one_that_started_it() {
        let blocked = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        let before = blocked();
        let (sender, masks) = mpsc::channel();
        let thread = spawn("ottla-test", move || sender.send(blocked()).unwrap()).unwrap();
        thread.join().unwrap();
        let bit = |signal: libc::c_int| 1 << (signal - 1);
        let within = masks.recv().unwrap();
        assert!(within & bit(libc::SIGINT) != 0 && within & bit(libc::SIGALRM) != 0);
        assert!(within & bit(libc::SIGSEGV) == 0);
        assert_eq!(blocked(), before);
    }

    #[test]
    fn it_ticks_when_woken_and_stops_when_dropped() {
        let (sender, calls) = mpsc::channel();
        let ticking = PeriodicLoop::start("ottla-test", Duration::from_secs(3600), move || {
            sender.send(()).unwrap();
            None
        })
        .unwrap();
        ticking.wake();
        calls.recv().unwrap();
        assert!(ticking.is_running());
        drop(ticking);
        assert!(calls.recv().is_err(), "the loop must have ended, and its sender with it");
    }

    #[test]
    fn a_tick_may_ask_to_be_called_sooner() {
        let (sender, calls) = mpsc::channel();
        let _ticking = PeriodicLoop::start("ottla-test", Duration::from_millis(1), move || {
            sender.send(()).unwrap();
            Some(Duration::ZERO)
        })
        .unwrap();
        for _ in 0..3 {
            calls.recv().unwrap();
        }
    }
}
