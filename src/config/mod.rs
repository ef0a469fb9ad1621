//! Settings: plain data under Kafka's names. Knows no file, no clock and no floor above.

pub mod acks;
pub mod compression;
mod keys;
pub mod topic;
mod topic_keys;
