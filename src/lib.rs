//! Ottla: the SQLite of Kafka.

pub mod batch;
#[allow(dead_code, reason = "the broker that calls it comes next")]
mod catalog;
pub mod config;
#[allow(dead_code, reason = "the broker that calls it comes next")]
mod consumer;
pub mod env;
pub mod error;
pub mod format;
mod partition;
#[allow(dead_code, reason = "the broker that calls it comes next")]
mod producer;
mod segment;
pub mod topic;

pub use batch::message::Message;
pub use consumer::Consumer;
pub use consumer::builder::ConsumerBuilder;
pub use consumer::records::{ConsumerRecord, OwnedRecord, Records, RecordsIter};
pub use producer::Producer;
pub use producer::builder::ProducerBuilder;
pub use producer::delivery::{Delivery, OFFSET_UNKNOWN, RecordMetadata};
pub use producer::record::Record;
