//! Plain settings under Kafka's names, and the words their values are made of.

pub mod acks;
pub mod compression;
mod keys;
pub mod topic;
mod topic_keys;
