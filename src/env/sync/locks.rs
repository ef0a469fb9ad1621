//! The standard library's locks, without poisoning: what a panic left behind is looked at by whoever
//! comes next, as it is.
//!
//! Theirs, because they know nothing but themselves: a thread that waits is in no list of the
//! process. So a child made by fork(), in which the threads that waited are no more, can lock and
//! wait with locks of its own.

use std::ops::{Deref, DerefMut};
use std::sync::{self, PoisonError, TryLockError, WaitTimeoutResult};
use std::time::Duration;

/// One thread at a time.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T: ?Sized>(sync::Mutex<T>);

/// Unlocks when it is dropped.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T: ?Sized> {
    /// Always there, but for the moments in which a condition takes it and gives it back.
    inner: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { inner: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Whether somebody held it a moment ago.
    #[inline]
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.0.try_lock(), Err(TryLockError::WouldBlock))
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.inner.as_ref().expect("a guard that is not waiting holds its lock")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
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

    #[inline]
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    #[inline]
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.inner = guard
            .inner
            .take()
            .map(|inner| self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn wait_while<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) {
        guard.inner = guard.inner.take().map(|inner| {
            self.0.wait_while(inner, condition).unwrap_or_else(PoisonError::into_inner)
        });
    }

    /// Waits for at most `timeout`; it may end earlier for no reason.
    pub(crate) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        let inner = guard.inner.take().expect("a guard that is not waiting holds its lock");
        let (inner, result) =
            self.0.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner);
        guard.inner = Some(inner);
        result
    }

    /// Waits as long as the condition holds, and for at most `timeout`.
    pub(crate) fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) {
        guard.inner = guard.inner.take().map(|inner| {
            let waited = self.0.wait_timeout_while(inner, timeout, condition);
            waited.unwrap_or_else(PoisonError::into_inner).0
        });
    }
}

/// Many threads that read, or one that writes.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T: ?Sized>(sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock(sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    #[inline]
    pub(crate) fn read(&self) -> sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn write(&self) -> sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
