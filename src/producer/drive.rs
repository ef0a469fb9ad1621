//! Those who wait for a batch bring it to its decision themselves: one thread of a queue drives,
//! the others sleep until their batch is decided or it is their turn to drive.
//!
//! So a batch that many wait for costs each of them one wake-up, and what they send while another
//! batch is being committed gathers in one that follows it at once. The invariant: while somebody
//! sleeps, somebody drives, or a sleeper has been called. Driving twice at a time does no harm: a
//! driver may be held up, by a callback that it runs, and then others do.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::completion::{Completion, Stage};
use super::notices::is_in_callback;
use super::queue::PartitionQueue;

/// How long another thread is left to drive: longer than disks take, mostly.
const PATIENCE: Duration = Duration::from_millis(100);

/// Who drives the batches of a queue, and which batches are slept for.
#[derive(Default)]
pub(super) struct Drivers {
    has_driver: bool,
    /// In the order in which sleeping began; a batch may be in it that nobody sleeps for any more.
    /// Weakly, for a batch knows its queue: who sleeps for one holds it, and the others can go.
    slept_for: VecDeque<Weak<Completion>>,
}

impl Drivers {
    /// The first batch that somebody may still sleep for.
    fn next_slept_for(&mut self) -> Option<Arc<Completion>> {
        loop {
            let first = self.slept_for.pop_front()?.upgrade();
            if let Some(first) = first.filter(|first| first.stage() != Stage::Done) {
                return Some(first);
            }
        }
    }
}

/// The role of the one that drives. Given up when dropped, and handed to a sleeper if there is one.
struct Driving<'a>(&'a PartitionQueue);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let next = {
            let drivers = &mut self.0.state.lock().drivers;
            drivers.has_driver = false;
            drivers.next_slept_for()
        };
        if let Some(next) = next {
            next.call_driver();
        }
    }
}

impl PartitionQueue {
    /// Has the batch of `completion` on its way soon, and decided by whoever does that; without
    /// anybody who would, it is decided when this returns.
    pub(super) fn hurry(self: &Arc<Self>, completion: &Arc<Completion>) {
        if !self.outlet().sink.settles_by_itself() {
            self.drive(completion);
            return self.outlet().notices.deliver();
        }
        let mut state = self.state.lock();
        if !state.is_open(completion) {
            return;
        }
        if state.in_flight > 0 {
            state.is_awaited = true;
            return;
        }
        let closing = self.close_open(&mut state);
        drop(state);
        self.send_off(closing);
    }

    /// Returns when the batch of `completion` is decided, which this thread sees to if no other
    /// does. Called under no lock and from within no commit.
    pub(super) fn drive(self: &Arc<Self>, completion: &Arc<Completion>) {
        // A callback may run on the very thread that drives: it waits for nobody.
        if is_in_callback() {
            return self.drive_alone(completion);
        }
        while completion.stage() != Stage::Done {
            match self.begin_driving(completion) {
                Some(_driving) => self.drive_alone(completion),
                None if completion.sleep(PATIENCE) => {}
                None => self.drive_alone(completion),
            }
        }
    }

    fn begin_driving(&self, completion: &Arc<Completion>) -> Option<Driving<'_>> {
        let drivers = &mut self.state.lock().drivers;
        if drivers.has_driver {
            let last = drivers.slept_for.back().map(Weak::as_ptr);
            if last != Some(Arc::as_ptr(completion)) {
                drivers.slept_for.push_back(Arc::downgrade(completion));
            }
            return None;
        }
        drivers.has_driver = true;
        Some(Driving(self))
    }

    fn drive_alone(self: &Arc<Self>, completion: &Arc<Completion>) {
        loop {
            match completion.stage() {
                Stage::Done => return,
                Stage::Submitted => {
                    self.outlet().sink.work();
                    // The sink has decided it by now, or another thread is about to say so.
                    completion.wait_while(Stage::Submitted);
                }
                Stage::Closing => completion.wait_while(Stage::Closing),
                Stage::Open => {
                    // Whoever waits is in a hurry; `linger.ms` is for records that nobody waits
                    // for. Records that come while an earlier batch is under way share the next one.
                    let earlier = self.state.lock().newest.clone();
                    match earlier.filter(|earlier| earlier.stage() != Stage::Done) {
                        Some(earlier) if !Arc::ptr_eq(&earlier, completion) => {
                            self.drive_alone(&earlier);
                        }
                        _ => self.close_if_open(completion),
                    }
                }
            }
        }
    }
}
