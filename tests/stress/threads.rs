//! The threads of the scenarios: here those of the operating system, under the names that
//! tests/races has for those of the model checker.
//!
//! ThreadSanitizer does not see how the standard library's locks and scopes change hands (they are
//! compiled without it), so each says it with an atomic of its own, as the library's do.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{self, Arc, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

pub(crate) use std::sync::atomic;
pub(crate) use std::thread::yield_now;

/// What a scenario writes down.
pub(crate) use Mutex as Note;

/// Whoever arrives comes after all that left before.
#[derive(Debug, Default)]
pub(crate) struct Order(AtomicUsize);

impl Order {
    pub(crate) const fn new() -> Order {
        Order(AtomicUsize::new(0))
    }

    pub(crate) fn arrive(&self) {
        self.0.load(Ordering::Acquire);
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// As `std::sync::Mutex`, and nothing is poisoned: the first panic ends the process.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    order: Order,
    inner: sync::Mutex<T>,
}

pub(crate) struct MutexGuard<'a, T> {
    order: &'a Order,
    inner: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex { order: Order::new(), inner: sync::Mutex::new(value) }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as that of std")]
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, T>, std::convert::Infallible> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.order.arrive();
        Ok(MutexGuard { order: &self.order, inner: Some(inner) })
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.order.leave();
    }
}

impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().unwrap()
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().unwrap()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    #[expect(clippy::unnecessary_wraps, reason = "as that of std")]
    pub(crate) fn wait<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
    ) -> Result<MutexGuard<'a, T>, std::convert::Infallible> {
        guard.order.leave();
        guard.inner = guard
            .inner
            .take()
            .map(|inner| self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
        guard.order.arrive();
        Ok(guard)
    }
}

/// As `std::thread::Scope`.
pub(crate) struct Scope<'scope, 'env: 'scope> {
    inner: &'scope std::thread::Scope<'scope, 'env>,
    ended: Arc<Order>,
}

/// Says that its thread has ended, also by a panic.
struct Ending(Arc<Order>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<'scope> Scope<'scope, '_> {
    pub(crate) fn spawn<T: Send + 'scope>(
        &self,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let ending = Ending(Arc::clone(&self.ended));
        self.inner.spawn(move || {
            let _ending = ending;
            work()
        })
    }
}

/// As `std::thread::scope`.
pub(crate) fn scope<'env, T>(work: impl for<'a, 'scope> FnOnce(&'a Scope<'scope, 'env>) -> T) -> T {
    let ended = Arc::new(Order::new());
    let within = Arc::clone(&ended);
    let done = std::thread::scope(|inner| work(&Scope { inner, ended: within }));
    ended.arrive();
    done
}

struct Unpark(std::thread::Thread, Order);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.leave();
        self.0.unpark();
    }
}

/// Waits for a task in this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let unpark = Arc::new(Unpark(std::thread::current(), Order::new()));
    let waker = Arc::clone(&unpark).into();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
        unpark.1.arrive();
    }
}

/// What a call of a disk takes: mostly nothing, now and then so long that others get somewhere.
#[expect(clippy::disallowed_methods, reason = "stands in for a slow disk")]
pub(crate) fn take_time() {
    match draw() % 64 {
        0 => std::thread::sleep(Duration::from_micros(draw() % 300)),
        1..4 => yield_now(),
        _ => {}
    }
}

/// Any time up to this.
#[expect(clippy::disallowed_methods, reason = "when something happens is up to chance")]
pub(crate) fn pause(at_most: Duration) {
    let micros = at_most.as_micros() as u64;
    std::thread::sleep(Duration::from_micros(draw() % micros));
}

static DRAWN: AtomicU64 = AtomicU64::new(0);

/// From now on numbers follow from this seed, and from who asks first.
pub(crate) fn seed(seed: u64) {
    DRAWN.store(seed, Ordering::Relaxed);
}

/// The next number.
pub(crate) fn draw() -> u64 {
    // SplitMix64.
    let mut z = DRAWN.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
