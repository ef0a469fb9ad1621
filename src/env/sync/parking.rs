//! Threads that wait for one another, each for what it is told.
//!
//! As `std::thread::current`, which panics in a thread that is going away. The destructors of a
//! program's thread locals run there, and they may call the library: to close what they hold. The
//! invariant: a thread that waits is found by whoever has its [`Thread`], also then.

use std::cell::OnceCell;
use std::sync::Arc;
use std::thread;

use super::{Condvar, Mutex};

thread_local! {
    static THIS: OnceCell<thread::Thread> = const { OnceCell::new() };
    /// Where it is tells threads apart for as long as they live: it is never dropped.
    static HERE: u8 = const { 0 };
}

/// A thread, to be told something.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    here: usize,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Living(thread::Thread),
    /// It is going away, and waits here.
    Ending(Arc<Bell>),
}

#[derive(Debug, Default)]
struct Bell {
    has_rung: Mutex<bool>,
    rings: Condvar,
}

fn here() -> usize {
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}

/// The calling thread.
pub(crate) fn current() -> Thread {
    let this = THIS.try_with(|this| this.get_or_init(thread::current).clone());
    let way = this.map_or_else(|_| Way::Ending(Arc::default()), Way::Living);
    Thread { here: here(), way }
}

impl Thread {
    /// Whether it is the calling thread.
    pub(crate) fn is_current(&self) -> bool {
        self.here == here()
    }

    /// Lets [`park`](Self::park) return: the one under way, or else the next one.
    pub(crate) fn unpark(&self) {
        match &self.way {
            Way::Living(thread) => thread.unpark(),
            Way::Ending(bell) => {
                *bell.has_rung.lock() = true;
                bell.rings.notify_one();
            }
        }
    }

    /// Waits until it is told, or for no reason at all. Only the thread itself may.
    pub(crate) fn park(&self) {
        match &self.way {
            Way::Living(_) => thread::park(),
            Way::Ending(bell) => {
                let mut has_rung = bell.has_rung.lock();
                while !*has_rung {
                    bell.rings.wait(&mut has_rung);
                }
                *has_rung = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::threads::spawn;

    #[test]
    fn a_thread_that_is_going_away_can_wait() {
        struct AtTheEnd;
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                let this = current();
                assert!(this.is_current() && matches!(this.way, Way::Ending(_)));
                let other = this.clone();
                let tell = move || {
                    assert!(!other.is_current());
                    other.unpark();
                };
                let teller = spawn("teller", tell).unwrap();
                this.park();
                teller.join().unwrap();
            }
        }
        thread_local!(static END: AtTheEnd = const { AtTheEnd });
        let work = || {
            END.with(|_| ());
            current().unpark();
            current().park();
        };
        spawn("ending", work).unwrap().join().unwrap();
    }
}
