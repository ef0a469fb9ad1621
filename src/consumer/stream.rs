//! A consumer in async code: a stream of records, and a poll that can be awaited. Any runtime.
//!
//! There is no thread and no timer behind it: whoever publishes a record wakes the task. What
//! needs a timer does not happen while a call is pending: automatic commits are done when it goes
//! on, and nothing waits for `fetch.min.bytes`.
//!
//! The invariant: while a call is pending, the consumer's waiter is registered with all that it
//! waits for; dropping the call takes that back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Consumer;
use super::iterate::is_final;
use super::records::{OwnedRecord, Records};
use crate::error::Result;

/// The consumer, as long as a task may wait for it.
#[derive(Debug)]
struct Pending<'a> {
    consumer: &'a mut Consumer,
    is_polling: bool,
    is_registered: bool,
}

impl Pending<'_> {
    fn of(consumer: &mut Consumer) -> Pending<'_> {
        Pending { consumer, is_polling: false, is_registered: false }
    }

    fn poll(&mut self, context: &Context<'_>, records_max: usize) -> Poll<Result<Records>> {
        if !self.is_polling {
            self.consumer.begin_poll()?;
            self.consumer.fetcher.may_hold(false);
            self.is_polling = true;
        }
        let outcome = ready!(self.poll_once_begun(context, records_max));
        self.end();
        Poll::Ready(outcome)
    }

    fn poll_once_begun(
        &mut self,
        context: &Context<'_>,
        records_max: usize,
    ) -> Poll<Result<Records>> {
        loop {
            self.deregister();
            let records = self.consumer.round(records_max)?;
            if !records.is_empty() {
                return Poll::Ready(Ok(records));
            }
            self.consumer.register();
            self.is_registered = true;
            // Looked at after registering: whatever happens from now on wakes.
            if !self.consumer.has_news()
                && self.consumer.begin_wait()
                && self.consumer.wake.set_waker(context.waker())
            {
                return Poll::Pending;
            }
        }
    }

    fn deregister(&mut self) {
        if std::mem::take(&mut self.is_registered) {
            self.consumer.end_wait();
            self.consumer.deregister();
        }
    }

    fn end(&mut self) {
        self.deregister();
        if std::mem::take(&mut self.is_polling) {
            self.consumer.fetcher.may_hold(true);
            self.consumer.end_poll();
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// An endless stream over the records of a consumer. See [`Consumer::stream`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct ConsumerStream<'a> {
    pending: Pending<'a>,
    is_over: bool,
}

impl ConsumerStream<'_> {
    /// The consumer, for calls between two records: to commit, to seek, to pause.
    pub fn consumer(&mut self) -> &mut Consumer {
        self.pending.end();
        self.pending.consumer
    }
}

impl Stream for ConsumerStream<'_> {
    type Item = Result<OwnedRecord>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<OwnedRecord>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let records = ready!(self.pending.poll(context, 1));
        Poll::Ready(match records {
            Ok(records) => records.iter().next().map(|record| Ok(record.to_owned())),
            Err(error) => {
                self.is_over = is_final(&error);
                Some(Err(error))
            }
        })
    }
}

/// What [`Consumer::poll_async`] returns: resolves to the next records, at least one.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct PollFuture<'a> {
    pending: Pending<'a>,
}

impl Future for PollFuture<'_> {
    type Output = Result<Records>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Records>> {
        let records_max = self.pending.consumer.records_max;
        self.pending.poll(context, records_max)
    }
}

impl Consumer {
    /// All records from the positions on, one by one and each with its own bytes; the task is
    /// woken when there are more. Position, commits, errors and the end are as with
    /// [`records`](Consumer::records). Works on any runtime; feature `async`.
    ///
    /// # Cancel safety
    /// Dropping the stream loses no record.
    pub fn stream(&mut self) -> ConsumerStream<'_> {
        ConsumerStream { pending: Pending::of(self), is_over: false }
    }

    /// As [`poll`](Consumer::poll) without a timeout, to be awaited: the next records, at least
    /// one. Works on any runtime; feature `async`.
    ///
    /// # Cancel safety
    /// Dropping the future loses no record.
    pub fn poll_async(&mut self) -> PollFuture<'_> {
        PollFuture { pending: Pending::of(self) }
    }
}
