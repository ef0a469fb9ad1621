//! A world for proofs: workloads over the whole API, a plain model that notes for each deed when it
//! began and when it was answered, the laws, and a reader that sees all of a broker.
//!
//! Harnesses run a workload on the simulated disk ([`run::run`]) and hold the laws ([`check::check`])
//! against every state that a crash or a failing call may leave. What is tried, and how often, is
//! theirs; docs/TESTING.md has the whole picture.

pub mod check;
pub mod compacted;
pub mod compaction;
pub mod creations;
pub mod exactly_once;
pub mod expected;
pub mod laws;
pub mod model;
pub mod offsets;
pub mod reader;
pub mod retries;
pub mod run;
pub mod streams;
pub mod transactions;
pub mod workload;
