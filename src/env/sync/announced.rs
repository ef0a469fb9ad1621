//! The locks of a build with `--cfg tsan`: those of the standard library, which say aloud whom they
//! order. docs/TESTING.md, section 6.
//!
//! ThreadSanitizer sees the memory accesses of what was compiled for it. The standard library that
//! comes with the compiler was not, so the moment in which a contended lock changes hands is hidden,
//! and all that it protects looks like a race. Here each lock has counters beside it that are compiled
//! with the project: letting go adds to one (`Release`), taking it looks (`Acquire`). The invariant:
//! the counters order exactly what the lock orders, so that nothing is excused that is not locked.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{self, PoisonError, TryLockError, WaitTimeoutResult};
use std::time::Duration;

/// Whoever arrives comes after all that left before.
#[derive(Debug, Default)]
struct Order(AtomicUsize);

impl Order {
    const fn new() -> Order {
        Order(AtomicUsize::new(0))
    }

    fn arrive(&self) {
        self.0.load(Ordering::Acquire);
    }

    fn leave(&self) {
        self.0.fetch_add(1, leaving());
    }
}

/// How a lock is let go. One that publishes nothing is planted, to see ThreadSanitizer find it. (Not
/// as the other bugs are: who is awake is behind such a lock.)
#[cfg(plant)]
fn leaving() -> Ordering {
    static IS_WEAK: sync::LazyLock<bool> = sync::LazyLock::new(|| {
        std::env::var("OTTLA_PLANTED").is_ok_and(|bug| bug == "lock_publishes_nothing")
    });
    if *IS_WEAK { Ordering::Relaxed } else { Ordering::Release }
}

#[cfg(not(plant))]
const fn leaving() -> Ordering {
    Ordering::Release
}

/// One thread at a time.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T: ?Sized> {
    order: Order,
    inner: sync::Mutex<T>,
}

/// Unlocks when it is dropped.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T: ?Sized> {
    order: &'a Order,
    /// Always there, but for the moments in which a condition takes it and gives it back.
    inner: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex { order: Order::new(), inner: sync::Mutex::new(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.order.arrive();
        MutexGuard { order: &self.order, inner: Some(inner) }
    }

    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.inner.try_lock(), Err(TryLockError::WouldBlock))
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Unlocks while `wait` runs.
    fn unlocked<R>(
        &mut self,
        wait: impl FnOnce(sync::MutexGuard<'a, T>) -> (sync::MutexGuard<'a, T>, R),
    ) -> R {
        let inner = self.inner.take().expect("a guard that is not waiting holds its lock");
        self.order.leave();
        let (inner, result) = wait(inner);
        self.order.arrive();
        self.inner = Some(inner);
        result
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.order.leave();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("a guard that is not waiting holds its lock")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("a guard that is not waiting holds its lock")
    }
}

/// Lets threads wait until another one says that something changed.
#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
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
        guard.unlocked(|inner| (self.0.wait(inner).unwrap_or_else(PoisonError::into_inner), ()));
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

    /// Waits for at most `timeout`; it may end earlier for no reason.
    pub(crate) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        guard.unlocked(|inner| {
            self.0.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner)
        })
    }

    /// Waits as long as the condition holds, and for at most `timeout`.
    #[expect(clippy::disallowed_methods, reason = "how long a wait may still take, not a time")]
    pub(crate) fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) {
        let begun = std::time::Instant::now();
        while condition(&mut *guard) {
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            self.wait_for(guard, left);
        }
    }
}

/// Many threads that read, or one that writes. Readers come after the writers before them, a writer
/// after all.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T: ?Sized> {
    wrote: Order,
    read: Order,
    inner: sync::RwLock<T>,
}

/// Unlocks when it is dropped.
#[derive(Debug)]
pub(crate) struct ReadGuard<'a, T: ?Sized> {
    order: &'a Order,
    inner: sync::RwLockReadGuard<'a, T>,
}

/// Unlocks when it is dropped.
#[derive(Debug)]
pub(crate) struct WriteGuard<'a, T: ?Sized> {
    order: &'a Order,
    inner: sync::RwLockWriteGuard<'a, T>,
}

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock { wrote: Order::new(), read: Order::new(), inner: sync::RwLock::new(value) }
    }
}

impl<T: ?Sized> RwLock<T> {
    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        self.wrote.arrive();
        ReadGuard { order: &self.read, inner }
    }

    pub(crate) fn write(&self) -> WriteGuard<'_, T> {
        let inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        self.wrote.arrive();
        self.read.arrive();
        WriteGuard { order: &self.wrote, inner }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        self.order.leave();
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        self.order.leave();
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// A value that is set once. It can be seen a moment after it was set.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    inner: sync::OnceLock<T>,
    is_set: AtomicBool,
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> OnceLock<T> {
        OnceLock { inner: sync::OnceLock::new(), is_set: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) { self.inner.get() } else { None }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let set = self.inner.set(value);
        match set {
            Ok(()) => self.is_set.store(true, Ordering::Release),
            Err(_) => {
                self.wait();
            }
        }
        set
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let mut is_mine = false;
        self.inner.get_or_init(|| {
            is_mine = true;
            make()
        });
        if is_mine {
            self.is_set.store(true, Ordering::Release);
        }
        self.wait()
    }

    pub(crate) fn wait(&self) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            std::thread::yield_now();
        }
    }
}
