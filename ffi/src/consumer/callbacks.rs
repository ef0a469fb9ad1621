//! What a consumer calls back, and how these functions of the program reach the consumer.
//!
//! Rebalance callbacks run within a call of the consumer, on its thread; the consumer is lent to
//! them. Commit callbacks are noted while the call runs and called when it is over, when another
//! thread may free the consumer. They and those that run on any thread are counted, so that none
//! outlives the consumer.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;

use ottla::{Consumer, OffsetAndMetadata, RebalanceListener, TopicPartition};

use super::commit::ottla_commit_callback;
use super::options::Options;
use super::ottla_consumer;
use super::within::Nested;
use crate::elsewhere::{Elsewhere, this_thread};
use crate::entry::Failure;
use crate::error::{give_error, ottla_error_free};
use crate::lock::Mutex;
use crate::offsets::OffsetArray;
use crate::status::{OTTLA_E_CONCURRENT_USE, OTTLA_OK};
use crate::topic_partition::{PartitionArray, ottla_topic_partition};

/// Is told which partitions come or go: `partitions` are `count` of them. It runs within a poll, an
/// unsubscribe, a close or a free of `consumer`, on the thread that called it, and may commit, seek,
/// pause, resume and ask for positions with `consumer`. To poll, subscribe, assign, close or free it
/// there is refused.
///
/// Ownership: `partitions` are the library's, and gone when the callback returns.
pub type ottla_rebalance_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        consumer: *mut ottla_consumer,
        partitions: *const ottla_topic_partition,
        count: usize,
    ),
>;

/// What the program passes to its own callbacks: never looked at.
#[derive(Clone, Copy)]
pub(super) struct UserData(pub(super) *mut c_void);

// SAFETY: it is only passed on; that callbacks may run on other threads is said where they are.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// The functions of the program that are called with the consumer.
#[derive(Clone, Copy)]
pub(super) struct Rebalance {
    pub(super) on_assigned: ottla_rebalance_callback,
    pub(super) on_revoked: ottla_rebalance_callback,
    pub(super) on_lost: ottla_rebalance_callback,
}

/// What the callbacks of one consumer share.
pub(super) struct Callbacks {
    rebalance: Rebalance,
    user_data: UserData,
    /// The consumer's handle, for the callbacks; NULL before there is one.
    consumer: Mutex<Address<ottla_consumer>>,
    lent: Mutex<Option<Lent>>,
    commits: Mutex<VecDeque<Committed>>,
    elsewhere: Elsewhere,
}

/// A pointer that is only passed on.
struct Address<T>(*mut T);

// SAFETY: it is never followed but where its user says why it may be.
unsafe impl<T> Send for Address<T> {}

/// The consumer, while a callback runs.
struct Lent {
    thread: usize,
    consumer: Address<Consumer>,
}

/// A commit that has ended.
pub(super) struct Committed {
    pub(super) callback: ottla_commit_callback,
    pub(super) user_data: UserData,
    pub(super) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    pub(super) result: Result<(), ottla::Error>,
}

impl Callbacks {
    pub(super) fn of(options: &Options) -> Callbacks {
        Callbacks {
            rebalance: options.rebalance,
            user_data: options.user_data,
            consumer: Mutex::new(Address(ptr::null_mut())),
            lent: Mutex::default(),
            commits: Mutex::default(),
            elsewhere: Elsewhere::default(),
        }
    }

    pub(super) fn set_consumer(&self, consumer: *mut ottla_consumer) {
        self.consumer.lock().0 = consumer;
    }

    fn consumer(&self) -> *mut ottla_consumer {
        self.consumer.lock().0
    }

    /// The consumer as a callback on this thread has it.
    ///
    /// # Errors
    /// If there is none, so that it is another thread that is inside of the consumer.
    pub(super) fn nested(&self) -> Result<Nested<'_>, Failure> {
        let this_thread = this_thread();
        let lent = self.lent.lock().take_if(|lent| lent.thread == this_thread);
        let Some(lent) = lent else {
            let message = "another thread is inside of this consumer";
            return Err(Failure::new(OTTLA_E_CONCURRENT_USE, message));
        };
        // SAFETY: it was lent on this thread by a callback that has not returned, for then it would
        // have been taken back; taken out of its place, nobody else gets it.
        Ok(unsafe { Nested::new(self, lent.consumer.0) })
    }

    pub(super) fn lend_again(&self, consumer: *mut Consumer) {
        let lent = Lent { thread: this_thread(), consumer: Address(consumer) };
        *self.lent.lock() = Some(lent);
    }

    fn call(
        &self,
        callback: ottla_rebalance_callback,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) {
        let Some(callback) = callback else { return };
        let array = PartitionArray::of(partitions);
        self.lend_again(consumer);
        // SAFETY: the program promises a function of this type that takes this user data.
        unsafe { callback(self.user_data.0, self.consumer(), array.first(), array.count()) };
        *self.lent.lock() = None;
    }

    /// Notes a commit that has ended, to be told when the call is over.
    pub(super) fn note(&self, committed: Committed) {
        self.commits.lock().push_back(committed);
    }

    /// Calls the callbacks of commits that have ended, in their order.
    pub(super) fn tell_of_commits(&self) {
        while !self.commits.lock().is_empty() {
            let told = self.elsewhere.run(|| {
                let next = self.commits.lock().pop_front();
                next.map(|committed| committed.tell(self.consumer()))
            });
            if told.is_none() {
                return;
            }
        }
    }

    /// Callbacks that run on any thread, or while nobody is inside of the consumer.
    pub(super) fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
    }

    /// From now on none is called, and none runs on another thread.
    pub(super) fn end(&self) {
        self.elsewhere.end();
    }
}

impl Committed {
    fn tell(self, consumer: *mut ottla_consumer) {
        let Committed { callback, user_data, offsets, result } = self;
        let Some(callback) = callback else { return };
        let array = OffsetArray::of(&offsets);
        let mut error = ptr::null_mut();
        let status = match result {
            Ok(()) => OTTLA_OK,
            Err(refusal) => {
                let failure = Failure::from(refusal);
                let status = failure.status();
                // SAFETY: a place of its own.
                unsafe { give_error(failure, &raw mut error) };
                status
            }
        };
        // SAFETY: the program promises a function of this type that takes this user data.
        unsafe { callback(user_data.0, consumer, array.first(), array.count(), status, error) };
        ottla_error_free(error);
    }
}

/// The library's side of the rebalance callbacks.
pub(super) struct Listener(pub(super) std::sync::Arc<Callbacks>);

impl RebalanceListener for Listener {
    fn on_partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        self.0.call(self.0.rebalance.on_revoked, consumer, partitions);
    }

    fn on_partitions_assigned(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        self.0.call(self.0.rebalance.on_assigned, consumer, partitions);
    }

    fn on_partitions_lost(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        let Rebalance { on_lost, on_revoked, .. } = self.0.rebalance;
        self.0.call(on_lost.or(on_revoked), consumer, partitions);
    }
}
