//! Tests of the partition on a directory in memory: each verb, the fixtures that Kafka wrote, what
//! its loader makes of damaged directories, and a model over random operations.

mod appending;
mod bit_rot;
mod crashes;
mod damaged_sources;
mod failing_calls;
pub(crate) mod fixtures;
mod idempotent_lives;
mod kafka_recovery;
mod own_recovery;
mod readers;
mod splitting;
pub(crate) mod support;
mod swapping;
