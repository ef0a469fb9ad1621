//! What was tried to break a promise, and what came of it.
//!
//! Every harness tells its [`Evidence`] when it ends: a line for people, and with
//! `OTTLA_EVIDENCE=<folder>` a line of JSON. A [`campaign`] runs harnesses in a chosen length and
//! collects these lines; [`sightings`] does the same for planted bugs; [`table`] makes
//! docs/RELIABILITY.md of both. Nothing here decides whether a harness passes: that is its exit
//! status.

pub mod bugs;
pub mod campaign;
mod evidence;
pub mod faults;
mod layers;
pub mod sightings;
pub mod steps;
pub mod table;
pub mod ways;

pub use evidence::{Evidence, Tried};
pub use layers::{LAYERS, about};
