//! A topic as a table: the newest value of each key, kept current by reading on.
//!
//! The table is in memory and is made by reading the topic once. It moves only in
//! [`catch_up`](Table::catch_up) and [`poll`](Table::poll), and then up to the ends of all
//! partitions as of one moment: so it is always the state at known offsets, and of a transaction
//! it has all or nothing.

mod source;
mod values;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use source::{Buffers, Step, TableSource};
use values::Values;

use super::source::Source;
use crate::env::Env;
use crate::env::clock::Clock;
use crate::env::planted::{linger, planted};
use crate::error::{Error, ErrorKind, Result};
use crate::format::key_hash::HashSecret;
use crate::partition::waiters::Wake;
use crate::topic::{TopicId, TopicPartition};

/// How often a table starts over within one call before it says so.
const STARTS_MAX: u32 = 100;

/// The newest value of each key of a topic. See [`Broker::table`](crate::Broker::table).
pub struct Table {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    topic: String,
    id: TopicId,
    /// The version of the topics that the partitions are of.
    version: u64,
    partitions: Vec<TableSource>,
    values: Values,
    buffers: Buffers,
    wake: Arc<Wake>,
}

impl Table {
    /// Reads the topic.
    pub(crate) fn open(source: Arc<dyn Source>, env: &Env, topic: &str) -> Result<Table> {
        let version = source.version();
        let handle = source.topic(topic)?;
        let mut table = Table {
            clock: Arc::clone(&env.clock),
            topic: topic.to_owned(),
            id: handle.id,
            version,
            partitions: handle.partitions.iter().map(TableSource::new).collect(),
            values: Values::new(HashSecret::of_bytes(env.random.bytes16())),
            buffers: Buffers::default(),
            wake: Wake::new(),
            source,
        };
        table.catch_up()?;
        Ok(table)
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The newest value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.values.get(key.as_ref())
    }

    /// Whether the key has a value.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.get(key).is_some()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All keys with their values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.iter()
    }

    /// As [`iter`](Table::iter), for going through a table in pieces: begins at a place, and has
    /// with each key and value the place behind it. 0 is the first place. A place counts until the
    /// table moves.
    ///
    /// ```
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("prices", TopicConfig::new())?;
    /// let producer = broker.producer().build()?;
    /// for dish in ["burger", "salad", "soup"] {
    ///     producer.send(Record::new("prices", "5").key(dish))?;
    /// }
    /// producer.flush()?;
    /// let table = broker.table("prices")?;
    /// let (place, ..) = table.iter_from(0).next().expect("there are three");
    /// assert_eq!(table.iter_from(place).count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter_from(&self, place: u64) -> impl Iterator<Item = (u64, &[u8], &[u8])> {
        self.values.iter_from(place)
    }

    /// The memory that keys and values take, about: at most twice what they would one by one, and
    /// some more for finding them.
    pub fn memory_bytes(&self) -> usize {
        self.values.memory_bytes()
    }

    /// Where the table stands: the offset of the next record of each partition.
    pub fn offsets(&self) -> Vec<(TopicPartition, i64)> {
        let offset = |source: &TableSource| {
            let id = source.partition.id();
            (TopicPartition::new(id.topic().clone(), id.partition()), source.position)
        };
        self.partitions.iter().map(offset).collect()
    }

    /// Reads on to the ends of all partitions as they are at this moment. Returns how many records
    /// were taken in.
    ///
    /// Where the log was cut, or compaction was ahead of the table, it is made anew.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`] if the topic was deleted, `Closed`; what reading
    /// says. The table may have moved on in some partitions; calling again goes on there.
    pub fn catch_up(&mut self) -> Result<u64> {
        let mut count = 0;
        for _ in 0..STARTS_MAX {
            match self.read_to_ends() {
                Ok(Step::Read(more)) => return Ok(count + more),
                Ok(Step::StartOver) => {
                    self.start_over();
                    count = 0;
                }
                Err(error) => {
                    if self.values.is_torn() {
                        self.start_over();
                    }
                    return Err(error);
                }
            }
        }
        let message = format!("the table of {} was overtaken {STARTS_MAX} times", self.topic);
        Err(Error::new(ErrorKind::Limit, message))
    }

    /// As [`catch_up`](Table::catch_up), but waits up to `timeout` if there is nothing to read
    /// now; 0 if there was nothing all that time.
    ///
    /// # Errors
    /// As [`catch_up`](Table::catch_up).
    pub fn poll(&mut self, timeout: Duration) -> Result<u64> {
        let deadline = self.clock.monotonic().saturating_add(timeout);
        let mut waits = true;
        loop {
            let count = self.catch_up()?;
            let left = deadline.saturating_sub(self.clock.monotonic());
            if count > 0 || !waits || left.is_zero() {
                return Ok(count);
            }
            waits = self.wait(left);
        }
    }

    /// Waits until a partition has news, or so long; then false.
    fn wait(&self, timeout: Duration) -> bool {
        let waiters = || {
            let partitions = self.partitions.iter().map(|source| source.partition.waiters());
            partitions.chain([self.source.closing()])
        };
        let has_news = || self.partitions.iter().any(TableSource::has_news);
        let looked_first = planted!("table_looks_before_registering").then(has_news);
        if looked_first.is_some() {
            linger();
        }
        waiters().for_each(|waiters| waiters.register(&self.wake));
        // Whoever published before that woke nobody.
        let has_news = looked_first.unwrap_or_else(has_news);
        let is_woken = has_news || self.source.is_closed() || self.wake.wait(timeout);
        waiters().for_each(|waiters| waiters.deregister(&self.wake));
        self.wake.take();
        is_woken
    }

    fn read_to_ends(&mut self) -> Result<Step> {
        if self.source.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        self.take_new_partitions()?;
        let mut ends = Vec::with_capacity(self.partitions.len());
        let partitions = &self.partitions;
        self.source.read_section(&mut || {
            ends.clear();
            ends.extend(partitions.iter().map(|source| source.partition.end_offset()));
        });
        let mut count = 0;
        for (source, end) in self.partitions.iter_mut().zip(ends) {
            let end = source.readable_end(end)?;
            loop {
                match source.step(end, &mut self.values, &mut self.buffers)? {
                    Step::StartOver => return Ok(Step::StartOver),
                    Step::Read(more) => count += more,
                }
                // A log that was cut has another end than it had.
                if source.position >= end.min(source.partition.end_offset()) {
                    break;
                }
            }
        }
        Ok(Step::Read(count))
    }

    /// The topic may have been deleted, or have got more partitions.
    fn take_new_partitions(&mut self) -> Result<()> {
        let version = self.source.version();
        if version == self.version {
            return Ok(());
        }
        let handle = self.source.topic(&self.topic)?;
        if handle.id != self.id {
            let message = format!("the topic {} was deleted, and made anew", self.topic);
            return Err(Error::new(ErrorKind::UnknownTopicOrPartition, message));
        }
        let known = self.partitions.len();
        self.partitions.extend(handle.partitions.iter().skip(known).map(TableSource::new));
        self.version = version;
        Ok(())
    }

    fn start_over(&mut self) {
        self.values.clear();
        for source in &mut self.partitions {
            *source = TableSource::new(&source.partition);
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("topic", &self.topic).field("len", &self.len()).finish()
    }
}
