//! Transactions, over a whole broker.
//!
//! Goal: what a transaction staged is there as a whole or not at all, for every reader and in every
//! group; nothing of it is in the log before; whatever a program does wrong is an error with a
//! sentence, and leaves nothing half-done. Time is simulated where it matters.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "looks at the files of a log directory")]

#[cfg(feature = "sim")]
mod faults;
mod fencing;
mod offsets;
mod sending;
mod snapshots;
mod spilling;
mod states;
mod transfers;
mod world;
