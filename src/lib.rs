//! Ottla is the SQLite of Kafka: Kafka's log inside your process.
//!
//! A program opens a directory and has topics, partitions, producers and consumers, without a
//! server. The files in the directory are Kafka's files: Kafka's own tools read them, and a
//! directory that a Kafka broker wrote can be opened.
//!
//! ```
//! use std::time::Duration;
//!
//! use ottla::{Broker, Record, TopicConfig};
//!
//! # fn main() -> ottla::Result<()> {
//! let broker = Broker::in_memory()?; // or Broker::open("data")?
//! broker.ensure_topic("orders", TopicConfig::new().partitions(4))?;
//!
//! let producer = broker.producer().build()?;
//! let delivery = producer.send(Record::new("orders", "one burger").key("john"))?;
//! let written = delivery.wait()?; // synced: it survives power loss
//!
//! let mut consumer = broker.consumer().assign([("orders", written.partition)]).build()?;
//! for record in &consumer.poll(Duration::from_millis(100))? {
//!     assert_eq!(record.value(), Some("one burger".as_bytes()));
//! }
//! broker.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The nouns
//!
//! * [`Broker`]: an open directory. Makes topics, producers and consumers.
//! * [`Producer`]: collects records into batches and sends them; a [`Delivery`] tells when a
//!   record is as safe as its [`Acks`] ask for.
//! * [`Consumer`]: reads partitions from any offset, and follows their ends; as a member of a
//!   group it shares them with others, and the group remembers how far it has come.
//! * [`PartitionHandle`]: one partition, to append to and ask for offsets directly.
//! * [`Transaction`]: records for many partitions and offsets of groups, all or nothing;
//!   a [`TransactionalProducer`] makes one after the other under an id.
//! * [`Snapshot`]: all partitions and groups as of one moment.
//! * [`Stream`]: the records of one key, and appending on the condition that none was overlooked.
//! * [`Table`]: the newest value of each key of a topic, kept current.
//! * [`AtomicAppend`]: several partitions at once, all or nothing.
//! * [`RecoveryReport`]: what opening found and did; [`verify`]: everything read and checked.
//!
//! # Durability
//!
//! With the default, `acks=all`, a record is in the journal and synced when its ack comes: it
//! survives power loss. `docs/DURABILITY.md` says what each level survives, step by step.
//!
//! # Features
//!
//! * `gzip`, `snappy`, `lz4`, `zstd` (default): the codecs.
//! * `cli`: the command line tool `ottla`.
//! * `async`: records as a `futures_core::Stream`, on any runtime.
//! * `sim`: the simulated disk, for tests.

pub mod batch;
mod broker;
mod catalog;
mod commit;
pub mod config;
mod consumer;
#[cfg(feature = "sim")]
#[doc(hidden)]
pub mod doors;
pub mod env;
pub mod error;
pub mod format;
mod group;
mod partition;
mod producer;
mod segment;
pub mod topic;
mod transaction;

pub use batch::message::Message;
pub use broker::Broker;
pub use broker::admin::{PartitionDescription, TopicDescription};
pub use broker::atomic_append::AtomicAppend;
pub use broker::compact::CompactionOptions;
pub use broker::expect_end::ExpectEnd;
pub use broker::group_admin::{OffsetChange, OffsetReset, OffsetScope};
pub use broker::groups::{GroupDescription, GroupPartition};
pub use broker::partition_handle::{Appender, PartitionHandle};
pub use broker::report::RecoveryReport;
pub use broker::retention::{RetentionHold, RetentionOutcome};
pub use broker::stream::Stream;
pub use broker::stream::append::ExpectVersion;
pub use broker::stream::read::StreamRecords;
pub use broker::verify::{VerifiedPartition, VerifyOptions, VerifyReport, verify, verify_in};
pub use config::acks::Acks;
pub use config::broker::BrokerOptions;
pub use config::compression::Compression;
pub use config::consumer::IsolationLevel;
pub use config::offset_reset::AutoOffsetReset;
pub use config::timestamp_type::TimestampType;
pub use config::topic::{CleanupPolicy, TopicConfig};
pub use consumer::Consumer;
pub use consumer::builder::ConsumerBuilder;
pub use consumer::group::ConsumerGroupMetadata;
pub use consumer::iterate::ConsumerRecords;
pub use consumer::listener::RebalanceListener;
pub use consumer::lookup::OffsetAndTimestamp;
pub use consumer::metrics::ConsumerMetrics;
pub use consumer::named::NamesPartition;
pub use consumer::records::{ConsumerRecord, OwnedRecord, Records, RecordsIter};
pub use consumer::snapshot::{Snapshot, SnapshotReader};
#[cfg(feature = "async")]
pub use consumer::stream::{ConsumerStream, PollFuture};
pub use consumer::table::Table;
pub use consumer::wakeup::ConsumerWakeup;
pub use error::conflict::{Conflict, Expected, ExpectedVersion, MissedRecord};
pub use error::{Error, ErrorKind, Result};
pub use group::assign::{
    Assignor, CooperativeStickyAssignor, MemberSubscription, RangeAssignor, RoundRobinAssignor,
    StickyAssignor,
};
pub use group::coordinator::describe::{GroupListing, MemberDescription};
pub use group::coordinator::live_group::GroupCounters;
pub use group::coordinator::stalls::StalledMember;
pub use group::membership::GroupState;
pub use group::offset::OffsetAndMetadata;
pub use group::offsets::ClampedOffset;
pub use partition::compact::outcome::CompactionOutcome;
pub use partition::report::PartitionReport;
pub use partition::writer::Appended;
pub use producer::Producer;
pub use producer::builder::ProducerBuilder;
pub use producer::delivery::{Delivery, OFFSET_UNKNOWN, RecordMetadata};
pub use producer::identity::{ProducerIdentity, ProducerState};
pub use producer::metrics::ProducerMetrics;
pub use producer::partitioner::Partitioner;
pub use producer::record::Record;
pub use topic::{TopicId, TopicName, TopicPartition};
pub use transaction::Transaction;
pub use transaction::builder::TransactionBuilder;
pub use transaction::producer::TransactionalProducer;
pub use transaction::producer_builder::TransactionalProducerBuilder;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
