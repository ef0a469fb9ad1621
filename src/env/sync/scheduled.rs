//! The locks of a build with `--cfg shuttle`: those of the model checker, with the methods of the
//! locks that they stand for, those of `locks.rs`. tests/races runs them; docs/TESTING.md says how.
//!
//! Time: a wait of less than [`ENDLESS`] may end at any moment, woken or not, as if its time were
//! up; a longer one ends only when it is woken. So a wake-up that is lost leaves a thread that waits for
//! ever, which is reported as a deadlock, and what is built upon a short pause must stand any.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shuttle::sync;

/// A wait of this length or longer never runs out of time.
const ENDLESS: Duration = Duration::from_secs(1);

/// Lets another thread go on, if the scheduler says so.
fn switch() {
    shuttle::thread::sleep(Duration::ZERO);
}

/// As `locks::Mutex`.
#[derive(Default)]
pub(crate) struct Mutex<T> {
    inner: sync::Mutex<T>,
    is_locked: AtomicBool,
}

/// As `locks::MutexGuard`.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// Always there, but for the moments in which a condition takes it and gives it back.
    inner: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    #[track_caller]
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex { inner: sync::Mutex::new(value), is_locked: AtomicBool::new(false) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_locked.store(true, Ordering::Relaxed);
        MutexGuard { mutex: self, inner: Some(inner) }
    }

    pub(crate) fn is_locked(&self) -> bool {
        switch();
        self.is_locked.load(Ordering::Relaxed)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// Unlocks while `wait` runs.
    fn unlocked(&mut self, wait: impl FnOnce(sync::MutexGuard<'a, T>) -> sync::MutexGuard<'a, T>) {
        self.mutex.is_locked.store(false, Ordering::Relaxed);
        self.inner = self.inner.take().map(wait);
        self.mutex.is_locked.store(true, Ordering::Relaxed);
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.is_locked.store(false, Ordering::Relaxed);
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("a guard that is not waiting holds its lock")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("a guard that is not waiting holds its lock")
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// As `locks::Condvar`.
#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

/// As `std::sync::WaitTimeoutResult`, which only the standard library can make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

#[allow(dead_code, reason = "the whole of what the library may use")]
impl Condvar {
    #[track_caller]
    pub(crate) const fn new() -> Condvar {
        Condvar(sync::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.unlocked(|inner| self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn wait_while<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) {
        while condition(&mut *guard) {
            self.wait(guard);
        }
    }

    pub(crate) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        if timeout >= ENDLESS {
            self.wait(guard);
            return WaitTimeoutResult(false);
        }
        let mutex = guard.mutex;
        guard.unlocked(|inner| {
            drop(inner);
            shuttle::hint::spin_loop();
            mutex.inner.lock().unwrap_or_else(PoisonError::into_inner)
        });
        WaitTimeoutResult(true)
    }

    pub(crate) fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        while condition(&mut *guard) {
            if self.wait_for(guard, timeout).timed_out() {
                return WaitTimeoutResult(condition(&mut *guard));
            }
        }
        WaitTimeoutResult(false)
    }
}

/// As `locks::RwLock`.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(sync::RwLock<T>);

impl<T> RwLock<T> {
    #[track_caller]
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock(sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value that is set or swapped without a lock: before each look at it, another thread may go on.
#[derive(Debug, Default)]
pub(crate) struct Watched<V>(V);

impl<V> Deref for Watched<V> {
    type Target = V;

    fn deref(&self) -> &V {
        switch();
        &self.0
    }
}

pub(crate) type ArcSwap<T> = Watched<arc_swap::ArcSwap<T>>;
pub(crate) type ArcSwapOption<T> = Watched<arc_swap::ArcSwapOption<T>>;
pub(crate) type OnceLock<T> = Watched<std::sync::OnceLock<T>>;

impl<T> ArcSwap<T> {
    pub(crate) fn from_pointee(value: T) -> ArcSwap<T> {
        Watched(arc_swap::ArcSwap::from_pointee(value))
    }
}

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> ArcSwapOption<T> {
        Watched(arc_swap::ArcSwapOption::empty())
    }
}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> OnceLock<T> {
        Watched(std::sync::OnceLock::new())
    }

    /// Waits in a circle, which the checker ends if it never does.
    pub(crate) fn wait(&self) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            shuttle::hint::spin_loop();
        }
    }
}
