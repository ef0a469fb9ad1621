//! What was tried to break a promise, and what came of it.
//!
//! Every harness tells its [`Evidence`] when it ends: a line for people, and with
//! `OTTLA_EVIDENCE=<folder>` a line of JSON for the tables. Nothing here decides whether a harness
//! passes: that is its exit status.

mod evidence;

pub use evidence::{Evidence, LAYERS, Tried};
