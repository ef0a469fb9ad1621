//! The records of a transaction: one open batch per partition, and those that are full.
//!
//! What memory has no room for is spilled: finished batches go to a file of the transaction's own.
//!
//! The invariants: the batches of a partition are in the order of their records; all batches
//! together never have more than `ottla.transaction.max.bytes`, and those in memory hardly more
//! than `ottla.transaction.buffer.bytes`; a record that is refused leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::message::Message;
use crate::batch::split::split;
use crate::commit::Committer;
use crate::commit::spill::SpillFile;
use crate::commit::ticket::{Part, Payload};
use crate::config::compression::Compression;
use crate::env::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::BATCH_HEADER_LEN;
use crate::format::journal_frame::ENTRY_HEADER_BYTES;
use crate::partition::Partition;
use crate::producer::ratio::CompressionRatio;
use crate::topic::TopicId;
use crate::transaction::host::TransactionHost;
use crate::transaction::open_transactions::OpenTransactions;
use crate::transaction::route::Route;

/// What was staged of records.
#[derive(Default)]
pub(super) struct Batches {
    /// By topic and partition.
    open: BTreeMap<(TopicId, i32), OpenBatch>,
    /// Finished, in the order in which they are to be written.
    pub(super) closed: Vec<Part>,
    /// What the finished ones take in memory.
    memory_bytes: u64,
    /// What the open ones take, before compression.
    open_bytes: u64,
    spilled_bytes: u64,
    /// How many of the finished ones, from the first on, are not in memory.
    spilled: usize,
    spill: Option<SpillFile>,
}

/// A batch that takes records.
struct OpenBatch {
    partition: Arc<Partition>,
    builder: BatchBuilder,
    options: BatchOptions,
    /// A record that would make it larger, before compression, closes it first.
    bytes_max: usize,
    /// What the topic takes.
    message_bytes_max: usize,
    ratio: CompressionRatio,
    opened_ms: i64,
}

/// What batches are made with.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) transactions: &'a OpenTransactions,
    pub(super) committer: &'a Committer,
    pub(super) clock: &'a dyn Clock,
}

impl<'a> Surroundings<'a> {
    pub(super) fn of(host: &'a dyn TransactionHost) -> Surroundings<'a> {
        let clock = &*host.env().clock;
        Surroundings { transactions: host.transactions(), committer: host.committer(), clock }
    }
}

/// A record on its way into a batch.
pub(super) struct Addition<'a> {
    pub(super) message: &'a Message<'a>,
    /// The most bytes that it takes.
    pub(super) bytes: usize,
    /// The time of the call, for records that have none of their own.
    pub(super) now_ms: i64,
    /// The partition that was chosen.
    pub(super) index: usize,
    /// Another partition would do as well.
    pub(super) sticky: bool,
}

impl Batches {
    /// Adds a record.
    ///
    /// # Errors
    /// `Limit` if the transaction would be too large; what building a batch says; `NoSpace` and
    /// `Io` if something had to be spilled.
    pub(super) fn add(
        &mut self,
        route: &Route,
        addition: &Addition<'_>,
        around: Surroundings<'_>,
    ) -> Result<()> {
        let Surroundings { transactions, clock, .. } = around;
        self.check_limit(addition.bytes, transactions)?;
        self.make_room(addition.bytes, around)?;
        let mut index = addition.index;
        if self.is_full(route, index, addition.bytes) {
            self.close(&(route.id(), number_of(index)), clock)?;
            if addition.sticky {
                index = route.chooser.leave(index);
                if self.is_full(route, index, addition.bytes) {
                    self.close(&(route.id(), number_of(index)), clock)?;
                }
            }
        }
        let batch = match self.open.entry((route.id(), number_of(index))) {
            std::collections::btree_map::Entry::Occupied(batch) => batch.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let partition = Arc::clone(route.partition(index)?);
                place.insert(OpenBatch::new(route, partition, transactions.builder()))
            }
        };
        if batch.builder.is_empty() {
            batch.start(route, addition.now_ms);
        }
        let before = batch.len_bytes();
        let message = addition.message;
        let now_ms = addition.now_ms.max(batch.opened_ms);
        let timestamp = message.timestamp_ms().unwrap_or(now_ms);
        let (key, value) = (message.key_bytes(), message.value_bytes());
        batch.builder.push(timestamp, key, value, message.headers())?;
        self.open_bytes += (batch.len_bytes() - before) as u64;
        Ok(())
    }

    fn is_full(&self, route: &Route, index: usize, bytes: usize) -> bool {
        let open = self.open.get(&(route.id(), number_of(index)));
        open.is_some_and(|open| !open.fits(bytes))
    }

    fn check_limit(&self, bytes: usize, transactions: &OpenTransactions) -> Result<()> {
        let limit = transactions.limits.bytes_max;
        let wanted = self.bytes().saturating_add((bytes + BATCH_HEADER_LEN) as u64);
        if wanted <= limit {
            return Ok(());
        }
        let message = format!(
            "the transaction would have about {wanted} bytes, more than \
             ottla.transaction.max.bytes, which is {limit}"
        );
        Err(Error::new(ErrorKind::Limit, message))
    }

    /// About how many bytes there are.
    pub(super) fn bytes(&self) -> u64 {
        let entries = (self.closed.len() + self.open.len()) * ENTRY_HEADER_BYTES;
        self.memory_bytes + self.spilled_bytes + self.open_bytes + entries as u64
    }

    /// Spills, if the record would be too much for the memory.
    fn make_room(&mut self, bytes: usize, around: Surroundings<'_>) -> Result<()> {
        let limit = around.transactions.limits.buffer_bytes;
        if self.memory_bytes + self.open_bytes + bytes as u64 <= limit {
            return Ok(());
        }
        // Half of it may be in batches that are far from full.
        if self.open_bytes > limit / 2 {
            self.close_all(around.clock)?;
        }
        self.spill(around.committer)
    }

    /// Spills all finished batches. Those that cannot be stay in memory.
    fn spill(&mut self, committer: &Committer) -> Result<()> {
        let Batches { closed, spill, spilled, spilled_bytes, memory_bytes, .. } = self;
        for part in closed.iter_mut().skip(*spilled) {
            if let Payload::Memory(batch) = &part.batch {
                let file = match spill {
                    Some(file) => file,
                    None => spill.insert(committer.new_spill()?),
                };
                let length = batch.len() as u64;
                part.batch = Payload::Spilled(file.push(batch)?);
                *memory_bytes -= length;
                *spilled_bytes += length;
            }
            *spilled += 1;
        }
        Ok(())
    }

    /// Finishes everything for the commit. What came last may be more than a frame has room for.
    ///
    /// # Errors
    /// What building a batch says; the batch stays open. `NoSpace` and `Io` of a spill.
    pub(super) fn finish(&mut self, around: Surroundings<'_>) -> Result<()> {
        self.close_all(around.clock)?;
        if self.memory_bytes > around.transactions.limits.buffer_bytes {
            self.spill(around.committer)?;
        }
        Ok(())
    }

    /// Finishes all open batches.
    fn close_all(&mut self, clock: &dyn Clock) -> Result<()> {
        let keys: Vec<_> = self.open.keys().copied().collect();
        keys.iter().try_for_each(|key| self.close(key, clock))
    }

    fn close(&mut self, key: &(TopicId, i32), clock: &dyn Clock) -> Result<()> {
        let Some(open) = self.open.get_mut(key).filter(|open| !open.builder.is_empty()) else {
            return Ok(());
        };
        let plain_bytes = open.len_bytes();
        let pieces = open.finish(clock.wall_ms())?;
        self.open_bytes -= plain_bytes as u64;
        for batch in pieces {
            self.memory_bytes += batch.len() as u64;
            let partition = Arc::clone(&open.partition);
            self.closed.push(Part { partition, batch: batch.into() });
        }
        Ok(())
    }

    /// Gives the buffers to the transactions to come; `used` are those that were finished.
    pub(super) fn recycle(self, used: Vec<Part>, transactions: &OpenTransactions) {
        let mut used = used.into_iter();
        for open in self.open.into_values() {
            let mut builder = open.builder;
            if let Some(part) = used.next() {
                builder.recycle(part.batch.into_buffer());
            }
            transactions.keep(builder);
        }
    }
}

impl OpenBatch {
    fn new(route: &Route, partition: Arc<Partition>, builder: BatchBuilder) -> OpenBatch {
        let mut open = OpenBatch {
            partition,
            builder,
            options: BatchOptions::default(),
            bytes_max: 0,
            message_bytes_max: 0,
            ratio: CompressionRatio::default(),
            opened_ms: 0,
        };
        open.start(route, 0);
        open
    }

    /// Begins a batch by the rules that the topic has now.
    fn start(&mut self, route: &Route, now_ms: i64) {
        self.options = BatchOptions {
            compression: route.rules.compression,
            level: route.rules.level,
            timestamp_type: route.rules.timestamp_type,
            now_ms,
            ..BatchOptions::default()
        };
        self.message_bytes_max = route.rules.message_bytes_max;
        self.bytes_max = route.rules.plain_bytes_max(self.ratio);
        self.opened_ms = now_ms;
        self.builder.start(&self.options);
    }

    /// What it takes so far; nothing without a record.
    fn len_bytes(&self) -> usize {
        if self.builder.is_empty() { 0 } else { self.builder.len_bytes() }
    }

    /// Whether a record of at most `bytes` joins it. The first one always does.
    fn fits(&self, bytes: usize) -> bool {
        self.builder.is_empty() || self.builder.len_bytes().saturating_add(bytes) <= self.bytes_max
    }

    /// The finished batch, in pieces if it is larger than the topic takes.
    fn finish(&mut self, now_ms: i64) -> Result<Vec<Vec<u8>>> {
        let (count, plain_bytes) = (self.builder.record_count(), self.builder.len_bytes());
        // What the log calls the time of the append is that of the end of the batch.
        self.options.now_ms = now_ms;
        self.builder.set_now_ms(now_ms);
        let batch = self.builder.take()?;
        if self.options.compression != Compression::None {
            self.ratio.observe(plain_bytes, batch.len());
        }
        if batch.len() <= self.message_bytes_max || count <= 1 {
            return Ok(vec![batch]);
        }
        self.ratio.start_again();
        let pieces = split(batch, &self.options, self.message_bytes_max)?;
        Ok(pieces.into_iter().map(|piece| piece.batch).collect())
    }
}

fn number_of(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
