//! Threads of a build with `--cfg shuttle`: those of the model checker.

/// A thread, to be told something.
#[derive(Clone, Debug)]
pub(crate) struct Thread(shuttle::thread::Thread);

/// The calling thread.
pub(crate) fn current() -> Thread {
    Thread(shuttle::thread::current())
}

impl Thread {
    pub(crate) fn is_current(&self) -> bool {
        self.0.id() == shuttle::thread::current().id()
    }

    pub(crate) fn unpark(&self) {
        self.0.unpark();
    }

    pub(crate) fn park(&self) {
        shuttle::thread::park();
    }
}
