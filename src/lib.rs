//! Ottla: the SQLite of Kafka.

pub mod batch;
pub mod config;
pub mod env;
pub mod error;
pub mod format;
pub mod topic;
