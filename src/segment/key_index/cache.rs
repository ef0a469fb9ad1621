//! Bounds how much of the key indexes of sealed segments is held, over all partitions.
//!
//! What is let go of is mapped again when it is needed: the file stays.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::super::Segment;
use crate::env::sync::Mutex;

/// The indexes that are held, the one that was looked at longest ago first.
#[derive(Debug)]
pub(crate) struct KeyIndexCache {
    bytes_max: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    segments: VecDeque<(Weak<Segment>, u64)>,
    bytes: u64,
}

impl KeyIndexCache {
    pub(crate) fn new(bytes_max: u64) -> KeyIndexCache {
        KeyIndexCache { bytes_max, held: Mutex::new(Held::default()) }
    }

    /// A segment holds so many bytes from now on; others let go of theirs if it is too much.
    pub(crate) fn holds(&self, segment: &Arc<Segment>, bytes: u64) {
        let mut held = self.held.lock();
        held.segments.push_back((Arc::downgrade(segment), bytes));
        held.bytes += bytes;
        // Each at most twice: once to see that it was used, once to see that it was not since.
        let mut looks = held.segments.len() * 2;
        while held.bytes > self.bytes_max && held.segments.len() > 1 && looks > 0 {
            looks -= 1;
            let Some((oldest, bytes)) = held.segments.pop_front() else { break };
            match oldest.upgrade() {
                Some(candidate) if Arc::ptr_eq(&candidate, segment) => {
                    held.segments.push_back((oldest, bytes));
                }
                Some(candidate) if !candidate.let_go_of_keys() => {
                    held.segments.push_back((oldest, bytes));
                }
                _ => held.bytes = held.bytes.saturating_sub(bytes),
            }
        }
    }
}
