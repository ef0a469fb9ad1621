//! Goal: what holds under chosen schedules holds under those of a real machine, too. The scenarios of
//! tests/races run on threads of the operating system, again and again; and many threads do
//! everything at once beside a model (`mixture`). docs/TESTING.md, section 6, says how to run it
//! long, under ThreadSanitizer, and with planted races.
//!
//! What it cannot: replay. A seed gives the same work, not the same schedule.

#![allow(clippy::unwrap_used, reason = "a scenario that cannot go on has failed")]

#[path = "../races/checkpoints.rs"]
mod checkpoints;
#[path = "../races/closing.rs"]
mod closing;
#[path = "../races/commits.rs"]
mod commits;
#[path = "../races/compaction.rs"]
mod compaction;
#[path = "../races/disk.rs"]
mod disk;
#[path = "../races/faults.rs"]
mod faults;
#[path = "../races/groups.rs"]
mod groups;
#[path = "../races/keys.rs"]
mod keys;
mod mixture;
mod model;
#[path = "../races/offsets.rs"]
mod offsets;
#[path = "../races/opening.rs"]
mod opening;
#[path = "../races/panics.rs"]
mod panics;
#[path = "../races/producers.rs"]
mod producers;
#[path = "../races/readers.rs"]
mod readers;
mod schedules;
#[path = "../races/spills.rs"]
mod spills;
mod threads;
#[path = "../races/topics.rs"]
mod topics;
#[path = "../races/transactions.rs"]
mod transactions;
#[cfg(tsan)]
mod tsan;
#[path = "../races/world.rs"]
mod world;
