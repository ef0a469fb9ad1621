//! The command line as a user meets it: the built program, its output and its exit codes.
//!
//! Each file takes one verb, or one kind of trouble. Nothing here looks into the library: what a
//! verb did is seen by other verbs, or by the bytes it printed.

#![allow(clippy::disallowed_methods, reason = "a test prepares and looks at directories itself")]

mod consume;
mod dump;
mod groups;
mod produce;
mod program;
mod readme;
mod scratch;
mod topics;
mod trouble;
