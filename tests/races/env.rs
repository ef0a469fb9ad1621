//! What the files that `orders.rs` includes import of the library, here from loom.

pub(crate) mod planted {
    macro_rules! planted {
        ($bug:literal) => {
            false
        };
    }
    pub(crate) use planted;

    pub(crate) fn linger() {}
}

pub(crate) mod user_code {
    pub(crate) fn run(code: impl FnOnce() + 'static) {
        code();
    }
}

pub(crate) mod sync {
    use std::time::Duration;

    pub(crate) use loom::hint::spin_loop;
    use loom::sync;
    pub(crate) use loom::sync::atomic;

    /// Set once; whoever sees that it is set sees the value.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        is_set: atomic::AtomicBool,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> OnceLock<T> {
            let value = std::sync::OnceLock::new();
            OnceLock { value, is_set: atomic::AtomicBool::new(false) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(atomic::Ordering::Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            let value = self.value.get_or_init(make);
            self.is_set.store(true, atomic::Ordering::Release);
            value
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    /// Empty while a condition holds the lock.
    pub(crate) struct MutexGuard<'a, T>(Option<sync::MutexGuard<'a, T>>);

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(sync::Condvar);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap()))
        }
    }

    impl<T> std::ops::Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    impl Condvar {
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        /// Waits for ever: a wake-up that is lost is a deadlock.
        pub(crate) fn wait_while_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            mut condition: impl FnMut(&mut T) -> bool,
            _: Duration,
        ) {
            while condition(&mut *guard) {
                let held = guard.0.take().unwrap();
                guard.0 = Some(self.0.wait(held).unwrap());
            }
        }
    }
}
