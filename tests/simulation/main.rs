//! Goal: no crash and no failing call breaks a promise. Workloads run on the simulated disk, every
//! state that a crash may leave is opened and held against a plain model; docs/TESTING.md says how
//! to run it long and how to replay a failure.

mod check;
mod compacted;
mod compaction;
mod exactly_once;
mod explore;
mod failing_calls;
mod laws;
mod model;
mod offsets;
#[cfg(plant)]
mod planted;
mod reader;
mod retries;
mod run;
mod streams;
mod transactions;
mod workload;
