//! What the hardware allows, written as plainly as possible: the other side of every ratio.
//!
//! Not a log: no offsets, no index, no recovery. Each record is framed with its length and its
//! CRC-32C, and one `write(2)` per call puts the frames of that call at the end of one file.

#![allow(dead_code, reason = "each benchmark uses its part of the baselines")]

pub mod corpus;
pub mod group;
pub mod handover;
pub mod raw;
pub mod scan;
