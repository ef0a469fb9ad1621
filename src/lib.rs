//! Ottla: the SQLite of Kafka.

pub mod batch;
#[allow(dead_code, reason = "the broker that calls it comes next")]
mod catalog;
pub mod config;
pub mod env;
pub mod error;
pub mod format;
mod partition;
mod segment;
pub mod topic;

pub use batch::message::Message;
