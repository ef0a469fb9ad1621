//! What producers and consumers are handed of the engine, and how they are made.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, Engine};
use crate::commit::ticket::{Guard, Part};
use crate::config::acks::Acks;
use crate::consumer::builder::ConsumerBuilder;
use crate::consumer::group::Groups;
use crate::env::sync::atomic::Ordering;
use crate::env::user_code;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use crate::partition::expect::Expect;
use crate::partition::writer::Appended;
use crate::producer::builder::{ProducerBuilder, ProducerParts};
use crate::producer::identity::ProducerIdentity;
use crate::producer::sink::{Afterwards, OnDone, Sink};
use crate::transaction::host::KeptOpen;

impl Broker {
    /// A producer, to be configured and built.
    ///
    /// ```
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let producer = broker.producer().build()?;
    /// let written = producer.send(Record::new("orders", "one burger").key("john"))?.wait()?;
    /// assert_eq!(written.offset, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn producer(&self) -> ProducerBuilder {
        // Whoever ticks the producer holds its insides for a moment, and so must not hold the
        // directory open by them: only the producer itself does.
        let engine = self.engine.engine();
        ProducerBuilder::new(ProducerParts {
            topics: engine.clone(),
            sink: engine.clone(),
            env: self.engine.env.clone(),
            keeps_open: Arc::new(KeptOpen(self.engine.clone())),
            register: Box::new(move |producer| {
                let mut producers = engine.producers.lock();
                producers.retain(|producer| producer.strong_count() > 0);
                producers.push(producer);
            }),
        })
    }

    /// A consumer, to be configured and built: with partitions of its own choice, or as a member
    /// of a group, which shares partitions out and keeps positions.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ottla::{Acks, Broker, Message, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// broker.partition("orders", 0)?.append(&[Message::new("one burger")], Acks::All)?;
    /// let mut consumer = broker.consumer().assign([("orders", 0)]).build()?;
    /// for record in &consumer.poll(Duration::from_millis(100))? {
    ///     assert_eq!(record.value(), Some("one burger".as_bytes()));
    /// }
    ///
    /// let mut cook = broker.consumer().group("kitchen").subscribe(["orders"]).build()?;
    /// for record in &cook.poll(Duration::from_millis(100))? {
    ///     assert_eq!(record.offset(), 0);
    /// }
    /// cook.commit()?; // another cook goes on from here
    /// # Ok(())
    /// # }
    /// ```
    pub fn consumer(&self) -> ConsumerBuilder {
        let groups =
            Groups { coordinator: Arc::clone(&self.engine.groups), host: self.engine.clone() };
        ConsumerBuilder::new(self.engine.clone(), self.engine.env.clone(), Some(groups))
    }
}

/// The maintenance thread starts to sync when this part of the bound on unsynced bytes is there.
const EARLY_SYNC_PART: u64 = 4;

impl Engine {
    /// Appends a finished batch; returns its place and the buffer.
    ///
    /// # Durability
    /// As `acks` says.
    pub(crate) fn append_batch(
        &self,
        partition: &Arc<Partition>,
        mut batch: Vec<u8>,
        acks: Acks,
    ) -> (Result<Appended>, Vec<u8>) {
        if acks != Acks::All {
            return (self.append_written(partition, &mut batch, None), batch);
        }
        self.append_durable(partition, batch, None)
    }

    /// Appends a finished batch with `acks=all`, if what is expected holds; returns its place and
    /// the buffer.
    ///
    /// # Durability
    /// As `acks=all`.
    pub(crate) fn append_durable(
        &self,
        partition: &Arc<Partition>,
        batch: Vec<u8>,
        expected: Option<Expect>,
    ) -> (Result<Appended>, Vec<u8>) {
        if let Err(error) = self.check_writable() {
            return (Err(error), batch);
        }
        let part = Part { partition: Arc::clone(partition), batch: batch.into() };
        let Some(expect) = expected else { return single(self.committer.commit(vec![part])) };
        let guard = Guard { partition: Arc::clone(partition), expect };
        single(self.committer.commit_guarded(vec![part], vec![guard], None))
    }

    /// Appends a finished batch so that it survives the death of the process, if what is expected
    /// holds.
    pub(crate) fn append_written(
        &self,
        partition: &Partition,
        batch: &mut [u8],
        expected: Option<&Expect>,
    ) -> Result<Appended> {
        self.check_writable()?;
        self.committer.begin_write()?;
        let _not_now = user_code::not_now();
        // Logs with unsynced bytes keep their descriptors.
        if self.shared.descriptors.take_crowded() {
            self.committer.checkpoint()?;
        }
        let mut writer = partition.lock();
        // Whoever gets the lock after the close had it may write no more.
        if self.committer.is_finished() {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        let appended = match expected {
            None => writer.append_written(batch)?,
            Some(expect) => match writer.append_expected(batch, expect) {
                Ok(appended) => appended,
                Err(error) => {
                    drop(writer);
                    return Err(partition.tell_missed(error));
                }
            },
        };
        // The tail that a power loss may take, and that a durable commit has to sync first, stays
        // bounded. The maintenance thread begins to sync it early, beside the writer; who fills
        // it nevertheless, syncs it.
        let unsynced_bytes = writer.unsynced_tail_bytes();
        if unsynced_bytes > self.options.unsynced_bytes_max {
            writer.sync_tail().map_err(|error| not_synced(&error))?;
        } else if unsynced_bytes > self.options.unsynced_bytes_max / EARLY_SYNC_PART {
            drop(writer);
            self.committer.want_checkpoint();
        }
        Ok(appended)
    }
}

/// What became of a batch that was written, and whose sync failed.
#[cold]
fn not_synced(error: &Error) -> Error {
    let message = format!("{error}; the records were written, whether they stay is unknown");
    Error::new(ErrorKind::Poisoned, message)
}

/// The outcome of a ticket with one part.
fn single((outcome, parts): (Result<Vec<Appended>>, Vec<Part>)) -> (Result<Appended>, Vec<u8>) {
    let batch = parts.into_iter().next().map(|part| part.batch.into_buffer()).unwrap_or_default();
    let lost = || Error::new(ErrorKind::Poisoned, "the commit lost its outcome");
    (outcome.and_then(|appended| appended.first().copied().ok_or_else(lost)), batch)
}

impl Sink for Engine {
    fn submit(
        &self,
        partition: &Arc<Partition>,
        batch: Vec<u8>,
        acks: Acks,
        on_done: OnDone,
        afterwards: Arc<dyn Afterwards>,
    ) {
        if let Err(error) = self.check_writable() {
            return on_done(Err(error), batch);
        }
        if acks == Acks::All {
            let part = Part { partition: Arc::clone(partition), batch: batch.into() };
            let on_outcome = Box::new(move |outcome| {
                let (outcome, batch) = single(outcome);
                on_done(outcome, batch);
            });
            let tell = Box::new(move || afterwards.tell());
            return self.committer.enqueue_then(vec![part], on_outcome, tell);
        }
        let (outcome, batch) = self.append_batch(partition, batch, acks);
        on_done(outcome, batch);
    }

    fn nudge(&self) {
        self.committer.nudge();
    }

    fn work(&self) {
        self.committer.work();
    }

    fn settle(&self) {
        self.committer.settle();
    }

    fn settles_by_itself(&self) -> bool {
        self.has_background.load(Ordering::Acquire)
    }

    fn new_producer_identity(&self) -> Result<ProducerIdentity> {
        Engine::new_producer_identity(self)
    }

    fn schedule(&self, at: Duration) {
        if self.has_background.load(Ordering::Acquire) {
            self.wake_by(at);
        }
    }
}
