//! Consumers in groups, over a whole broker.
//!
//! Goal: each record reaches each group, partitions go from hand to hand only after their owner
//! let go, commits say what they are told to, and whatever a program does wrong is an error or a
//! clean end. Time is simulated where it matters.
#![allow(clippy::unwrap_used, reason = "a test")]

mod bad_input;
mod commits;
mod listeners;
mod members;
mod static_members;
#[cfg(feature = "async")]
mod tasks;
mod threads;
mod world;
