//! Goal: no schedule of threads loses a wake-up, shows half a commit, or takes back an ack. Small
//! scenarios run again and again under a model checker that decides before every lock, atomic and
//! call of the disk which thread goes on. docs/TESTING.md says how to run it, and how to replay a
//! failure. Without `--cfg shuttle` there is nothing in here.

#![allow(clippy::unwrap_used, reason = "a scenario that cannot go on has failed")]

#[cfg(shuttle)]
mod checkpoints;
#[cfg(shuttle)]
mod closing;
#[cfg(shuttle)]
mod commits;
#[cfg(shuttle)]
mod compaction;
#[cfg(shuttle)]
mod disk;
#[cfg(shuttle)]
mod env;
#[cfg(shuttle)]
mod faults;
#[cfg(shuttle)]
mod groups;
#[cfg(shuttle)]
mod keys;
#[cfg(shuttle)]
mod offsets;
#[cfg(shuttle)]
mod opening;
#[cfg(shuttle)]
mod orders;
#[cfg(shuttle)]
mod panics;
#[cfg(all(shuttle, plant))]
mod planted;
#[cfg(shuttle)]
mod producers;
#[cfg(shuttle)]
mod readers;
#[cfg(shuttle)]
mod schedules;
#[cfg(shuttle)]
mod spills;
#[cfg(shuttle)]
mod threads;
#[cfg(shuttle)]
mod topics;
#[cfg(shuttle)]
mod transactions;
#[cfg(shuttle)]
mod world;
