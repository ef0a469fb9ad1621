//! Plain settings under Kafka's names, and the words their values are made of.

pub mod acks;
pub mod broker;
pub mod compression;
pub mod consumer;
mod keys;
pub mod offset_reset;
pub mod producer;
pub mod timestamp_type;
pub mod topic;
mod topic_keys;
