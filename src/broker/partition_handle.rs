//! One partition, for those who know which one they want: append to it, ask for its offsets, read
//! raw batches.

use std::sync::Arc;

use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::entry::Entry;
use crate::batch::message::Message;
use crate::batch::topic_rules::TopicRules;
use crate::broker::topics::partition_of;
use crate::broker::{Broker, Held};
use crate::catalog::topic_handle::Topics;
use crate::config::acks::Acks;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::TimestampType;
use crate::format::producer_snapshot::ProducerEntry;
use crate::partition::Partition;
use crate::partition::expect::Expect;
use crate::partition::read::{ReadPosition, ReadRequest};
use crate::partition::writer::Appended;
use crate::producer::identity::{ProducerIdentity, ProducerState};
use crate::topic::TopicPartition;

/// A partition of an open topic. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct PartitionHandle {
    engine: Arc<Held>,
    partition: Arc<Partition>,
    rules: Arc<TopicRules>,
    /// The version of the topics that `rules` are of.
    version: u64,
}

impl std::fmt::Debug for PartitionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionHandle({})", self.name())
    }
}

/// Appends to one partition with one level of safety, and keeps its buffer: a warm one allocates
/// nothing with `acks=1`.
#[derive(Debug)]
pub struct Appender {
    handle: PartitionHandle,
    acks: Acks,
    options: BatchOptions,
    builder: BatchBuilder,
    numbered: Option<Numbered>,
    /// What the next append asks for.
    expected: Option<Expect>,
}

/// Whose records an appender appends, and the number of the next.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    identity: ProducerIdentity,
    next_sequence: i32,
}

impl Broker {
    /// A partition of a topic.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`.
    pub fn partition(&self, topic: &str, partition: i32) -> Result<PartitionHandle> {
        let version = self.engine.version();
        let topic = self.engine.topic(topic)?;
        Ok(PartitionHandle {
            engine: Arc::clone(&self.engine),
            partition: Arc::clone(partition_of(&topic, partition)?),
            rules: Arc::new(TopicRules::new(&topic.name, &topic.config)),
            version,
        })
    }
}

impl PartitionHandle {
    /// Topic and number.
    pub fn name(&self) -> TopicPartition {
        let id = self.partition.id();
        TopicPartition::new(id.topic().clone(), id.partition())
    }

    /// Appends the messages as one batch: all of them, or none, at consecutive offsets.
    ///
    /// # Durability
    /// When it returns `Ok`, what `acks` names has happened.
    ///
    /// # Errors
    /// `Limit` if the batch exceeds `max.message.bytes`, `InvalidInput` for no messages or one
    /// that the topic does not take, `NoSpace`, `Poisoned`, `ReadOnly`, `Corrupt` for a damaged
    /// partition, `UnknownTopicOrPartition` if the topic was deleted meanwhile.
    pub fn append(&self, messages: &[Message<'_>], acks: Acks) -> Result<Appended> {
        self.clone().appender(acks).append(messages)
    }

    /// Appends the messages as one batch, once: if the producer has appended the batch of these
    /// sequence numbers before, nothing is appended, and the offsets are those of the first time.
    /// So whoever does not know whether an append has happened does it again, with the same
    /// messages and the same sequence number.
    ///
    /// The records of a producer are numbered per partition: the first batch of an epoch begins at
    /// 0, each other one where the one before it has ended
    /// ([`ProducerIdentity::sequence_after`]). The partition remembers the last five batches of a
    /// producer; after the directory was closed and opened the last one, and those that a crash
    /// left to be recovered. It remembers a producer for `producer.id.expiration.ms` after its last
    /// append; of whom it knows nothing, it takes any sequence number (an empty partition: only 0).
    ///
    /// This is how a program may die between an append and its own note of it:
    ///
    /// ```
    /// use ottla::{Acks, Broker, Message, ProducerIdentity, TopicConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("data");
    /// # let note = scratch.path().join("note");
    /// let broker = Broker::open(&directory)?;
    /// broker.ensure_topic("orders", TopicConfig::new())?;
    /// let identity = broker.new_producer_identity()?;
    /// // The note: who I am, and the sequence number of what I append next.
    /// std::fs::write(&note, format!("{} {} 0", identity.id, identity.epoch))?;
    /// let orders = broker.partition("orders", 0)?;
    /// orders.append_idempotent(identity, 0, &[Message::new("one burger")], Acks::All)?;
    /// // Here the program dies: the order is there, and the note does not say so.
    /// # drop((orders, broker));
    ///
    /// let broker = Broker::open(&directory)?;
    /// let noted = std::fs::read_to_string(&note)?;
    /// let mut noted = noted.split(' ');
    /// let mut next = || noted.next().ok_or("the note is damaged");
    /// let identity = ProducerIdentity::new(next()?.parse()?, next()?.parse()?);
    /// let sequence = next()?.parse()?;
    /// let orders = broker.partition("orders", 0)?;
    /// orders.append_idempotent(identity, sequence, &[Message::new("one burger")], Acks::All)?;
    /// assert_eq!(orders.end_offset(), 1); // one burger, not two
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// As [`append`](Self::append), also where the batch was appended before.
    ///
    /// # Errors
    /// As [`append`](Self::append). `OutOfOrderSequence` if an earlier batch is missing, or this is
    /// one that the partition does not remember any more; `Fenced` if a newer epoch took over;
    /// `InvalidInput` for an identity that is not from this directory.
    pub fn append_idempotent(
        &self,
        identity: ProducerIdentity,
        base_sequence: i32,
        messages: &[Message<'_>],
        acks: Acks,
    ) -> Result<Appended> {
        self.appender(acks).idempotent(identity, base_sequence).append(messages)
    }

    /// What the partition knows of idempotent producers, by their ids.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn producers(&self) -> Result<Vec<ProducerState>> {
        let entries = self.partition.producers()?;
        Ok(entries.iter().map(state_of).collect())
    }

    /// A reusable appender.
    pub fn appender(&self, acks: Acks) -> Appender {
        let mut handle = self.clone();
        handle.heed_alterations();
        Appender {
            options: handle.rules.batch_options(),
            handle,
            acks,
            builder: BatchBuilder::new(),
            numbered: None,
            expected: None,
        }
    }

    /// The first offset that can be read.
    pub fn log_start_offset(&self) -> i64 {
        self.partition.log_start_offset()
    }

    /// The offset behind the newest record that can be read; the next record gets it.
    pub fn end_offset(&self) -> i64 {
        self.partition.end_offset()
    }

    /// The end for readers that skip aborted and undecided transactions: the first offset of the
    /// earliest transaction that is still open.
    ///
    /// # Errors
    /// If the producers' state cannot be read.
    pub fn last_stable_offset(&self) -> Result<i64> {
        self.partition.last_stable_offset()
    }

    /// The bytes of its segments.
    pub fn size_bytes(&self) -> u64 {
        self.partition.size_bytes()
    }

    /// Why the partition cannot be written, if it is damaged.
    pub fn damage(&self) -> Option<Error> {
        self.partition.damage().cloned()
    }

    /// The first record, by position in the log, whose timestamp is `timestamp_ms` or later: its
    /// offset and its timestamp.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading.
    pub fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<(i64, i64)>> {
        self.partition.offset_for_timestamp(timestamp_ms, self.partition.end_offset())
    }

    /// Whole batches as they are stored, starting with the one that contains `offset`, into
    /// `buffer`: at least one if there is one, further ones up to `bytes_max`. Returns where in
    /// the buffer they are and the offset behind them; equal to `offset` at the end of the log.
    ///
    /// # Errors
    /// `OffsetOutOfRange`; `Corrupt` with the position of a damaged batch; `Io`.
    pub fn read(
        &self,
        offset: i64,
        bytes_max: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(std::ops::Range<usize>, i64)> {
        let end = self.partition.end_offset();
        let request = ReadRequest { from: offset, end, bytes_max, check: true };
        let outcome = self.partition.read(&request, &mut ReadPosition::default(), buffer)?;
        Ok((outcome.start..outcome.start + outcome.bytes, outcome.next_offset))
    }

    /// Deletes the records below `offset` (-1: all of them): moves the log start offset there.
    ///
    /// # Durability
    /// When it returns `Ok` the records are gone for good.
    ///
    /// # Errors
    /// `OffsetOutOfRange` beyond the end; `InvalidInput` if the topic's cleanup policy does not
    /// contain `delete`.
    pub fn delete_records(&self, offset: i64) -> Result<i64> {
        self.engine.check_writable()?;
        // Whole segments go only below the durable recovery point.
        self.engine.committer.checkpoint()?;
        let partition = &self.partition;
        let plan = || partition.delete_records(offset).map(Some);
        let carry_out = |log_start| partition.delete_below(log_start).map(|_| log_start);
        let moved = self.engine.committer.move_log_start(partition, plan, carry_out)?;
        Ok(moved.unwrap_or_else(|| self.log_start_offset()))
    }

    /// Cuts off all records from `offset` on: the next record gets that offset. Batches go whole:
    /// if `offset` lies within one, the log ends where that one began. Returns the new end.
    /// Offsets that groups committed behind it are set back to it before.
    ///
    /// # Durability
    /// When it returns `Ok` the records do not come back.
    ///
    /// # Errors
    /// `OffsetOutOfRange` outside of what the partition holds; `InvalidInput` for a topic that Kafka
    /// keeps for itself; if the disk refuses.
    pub fn truncate_to(&self, offset: i64) -> Result<i64> {
        self.engine.check_writable()?;
        if self.partition.id().topic().is_internal() {
            let message = "what Kafka keeps for itself is not cut off";
            return Err(self.named(Error::new(ErrorKind::InvalidInput, message)));
        }
        let held = self.log_start_offset()..=self.end_offset();
        if !held.contains(&offset) {
            let (start, end) = held.into_inner();
            let message = format!("cannot cut at the offset {offset}: there are {start} to {end}");
            return Err(self.named(Error::new(ErrorKind::OffsetOutOfRange, message)));
        }
        let offset = self.batch_start(offset)?;
        let engine = &self.engine;
        let cut = || engine.committer.truncate(&self.partition, offset);
        engine.offsets.while_cutting(&**engine, &self.partition, offset, cut)?;
        Ok(offset)
    }

    /// The base offset of the batch that holds `offset`, or `offset` if none does.
    fn batch_start(&self, offset: i64) -> Result<i64> {
        let mut buffer = Vec::new();
        let (range, _) = self.read(offset, 1, &mut buffer)?;
        if range.is_empty() {
            return Ok(offset);
        }
        Ok(Entry::decode_first(&buffer[range])?.base_offset().min(offset))
    }

    /// The record with the greatest timestamp: its offset (that of the last record of its batch)
    /// and the timestamp.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<(i64, i64)>> {
        self.partition.offset_of_max_timestamp(self.partition.end_offset())
    }
}

impl Appender {
    /// Appends as an idempotent producer: what is appended next begins at `next_sequence` (0 for a
    /// new identity), and the appender counts on. A failed append leaves the number as it was, so
    /// the same messages can be appended again; see
    /// [`PartitionHandle::append_idempotent`].
    #[must_use]
    pub fn idempotent(self, identity: ProducerIdentity, next_sequence: i32) -> Appender {
        Appender { numbered: Some(Numbered { identity, next_sequence }), ..self }
    }

    /// The sequence number of what is appended next, if this is an idempotent producer's.
    pub fn next_sequence(&self) -> Option<i32> {
        self.numbered.map(|numbered| numbered.next_sequence)
    }

    /// Appends the messages as one batch; see [`PartitionHandle::append`].
    ///
    /// # Durability
    /// As the `acks` that the appender was made with.
    ///
    /// # Errors
    /// As [`PartitionHandle::append`].
    pub fn append(&mut self, messages: &[Message<'_>]) -> Result<Appended> {
        let expected = self.expected.take();
        if let Some(expected) = &expected {
            expected.validate().map_err(|error| self.handle.named(error))?;
            if let Expect::Version { .. } = expected {
                self.handle.partition.warm_keys()?;
            }
        }
        self.build(messages)?;
        let handle = &self.handle;
        let appended = if self.acks == Acks::All {
            let batch = self.builder.take()?;
            handle.engine.append_durable(&handle.partition, batch, expected).0?
        } else {
            let batch = self.builder.finish()?;
            handle.engine.append_written(&handle.partition, batch, expected.as_ref())?
        };
        if let Some(numbered) = &mut self.numbered {
            numbered.next_sequence =
                ProducerIdentity::sequence_after(numbered.next_sequence, messages.len());
        }
        Ok(appended)
    }

    /// Lets the next append ask for something.
    pub(crate) fn expect(&mut self, expected: Expect) -> &mut Appender {
        self.expected = Some(expected);
        self
    }

    fn build(&mut self, messages: &[Message<'_>]) -> Result<()> {
        if messages.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no message to append"));
        }
        if self.handle.heed_alterations() {
            self.options = self.handle.rules.batch_options();
        }
        let mut now_ms = None;
        let clock = &self.handle.engine.env.clock;
        let mut now = || *now_ms.get_or_insert_with(|| clock.wall_ms());
        if self.options.timestamp_type == TimestampType::LogAppendTime {
            self.options.now_ms = now();
        }
        self.builder.start(&self.options);
        if let Some(Numbered { identity, next_sequence }) = self.numbered {
            self.handle.engine.producer_ids.check(identity)?;
            self.builder.set_producer(Some(identity.stamp(next_sequence)));
        }
        let topic = self.handle.partition.id().topic().as_str();
        for message in messages {
            self.handle.rules.check(topic, message, &mut now).map_err(|e| self.handle.named(e))?;
            let timestamp = message.timestamp_ms().unwrap_or_else(&mut now);
            self.builder
                .push(timestamp, message.key_bytes(), message.value_bytes(), message.headers())
                .map_err(|e| self.handle.named(e))?;
        }
        Ok(())
    }
}

fn state_of(entry: &ProducerEntry) -> ProducerState {
    ProducerState {
        identity: ProducerIdentity::new(entry.producer_id, entry.producer_epoch),
        last_sequence: (entry.last_sequence >= 0).then_some(entry.last_sequence),
        last_offset: (entry.last_offset >= 0).then_some(entry.last_offset),
        last_timestamp_ms: entry.timestamp,
    }
}

impl PartitionHandle {
    /// Takes the settings of the topic as they are now; whether they may have changed.
    #[inline]
    fn heed_alterations(&mut self) -> bool {
        let version = self.engine.version();
        if version == self.version {
            return false;
        }
        self.version = version;
        let id = self.partition.id();
        if let Some(topic) = self.engine.topics.get(id.topic().as_str())
            && topic.id == id.topic_id()
        {
            self.rules = Arc::new(TopicRules::new(&topic.name, &topic.config));
        }
        true
    }

    #[cold]
    pub(super) fn named(&self, error: Error) -> Error {
        let id = self.partition.id();
        error.at_partition(id.topic().as_str(), id.partition())
    }

    pub(crate) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    pub(crate) fn build_batch(&self, messages: &[Message<'_>]) -> Result<Vec<u8>> {
        let mut appender = self.appender(Acks::All);
        appender.build(messages)?;
        appender.builder.take()
    }
}
