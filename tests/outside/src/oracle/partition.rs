//! What is known of one partition: what was acked and not looked up yet, what was seen.

use std::collections::{HashMap, VecDeque};

use super::payload::Stamp;
use super::protocol::Ack;

/// A record without what its place says already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    cycle: u32,
    thread: u32,
    number: u32,
}

/// An ack, and whether its record must be there.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) ack: Ack,
    pub(super) is_certain: bool,
    /// It was read in time, whatever its level.
    pub(super) is_believed: bool,
}

/// What is known of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// The first offset that was there at the last look.
    pub(super) start: i64,
    /// What was seen from `start` on.
    seen: VecDeque<Seen>,
    /// Acks that were not looked up yet.
    pub(super) acks: Vec<Told>,
    /// The newest record of each thread.
    newest: HashMap<u32, Seen>,
    /// No start may be below this: a deletion up to here was acked.
    pub(super) cut: i64,
}

/// Acked records, counted.
#[derive(Debug, Default)]
pub(super) struct LookedUp {
    pub(super) found: u64,
    /// They lie below the log start.
    pub(super) retired: u64,
    /// They were acked at a level that does not survive what happened, and are gone.
    pub(super) lost: u64,
}

impl Partition {
    /// The offset behind what was seen.
    pub(super) fn end(&self) -> i64 {
        self.start + self.seen.len() as i64
    }

    pub(super) fn move_start(&mut self, start: i64) -> Result<(), String> {
        if start < self.start || start < self.cut {
            let least = self.start.max(self.cut);
            return Err(format!(
                "log start: the log starts at {start} again, it was cut to {least}"
            ));
        }
        if start > self.start + self.seen.len() as i64 {
            // What was written since the last look is gone in part; nothing can be said about it.
            self.newest.clear();
        }
        while self.start < start {
            self.start += 1;
            self.seen.pop_front();
        }
        Ok(())
    }

    /// Whether the record is new. One that was seen before must be the same.
    pub(super) fn take(&mut self, offset: i64, stamp: &Stamp) -> Result<bool, String> {
        let seen = Seen { cycle: stamp.cycle, thread: stamp.thread, number: stamp.number };
        let index = (offset - self.start) as usize;
        if let Some(before) = self.seen.get(index) {
            return if *before == seen {
                Ok(false)
            } else {
                Err(format!("prefix: {seen:?} stands where {before:?} was"))
            };
        }
        if index != self.seen.len() {
            // Retention took what lies between; nothing can be said about it.
            self.seen.clear();
            self.newest.clear();
            self.start = offset;
        } else {
            let newest = self.newest.get(&seen.thread);
            let follows = match newest {
                Some(newest) if newest.cycle == seen.cycle => newest.number + 1 == seen.number,
                Some(newest) => newest.cycle < seen.cycle && seen.number == 0,
                None => seen.number == 0 || self.start > 0,
            };
            if !follows {
                return Err(format!("prefix: {seen:?} follows {newest:?} of its thread"));
            }
        }
        self.newest.insert(seen.thread, seen);
        self.seen.push_back(seen);
        Ok(true)
    }

    pub(super) fn look_up_acks(&mut self) -> Result<LookedUp, String> {
        let mut checked = LookedUp::default();
        for Told { ack, is_certain, .. } in std::mem::take(&mut self.acks) {
            for index in 0..ack.count {
                let offset = ack.base_offset + i64::from(index);
                if offset < self.start {
                    checked.retired += 1;
                    continue;
                }
                let wanted =
                    Seen { cycle: ack.cycle, thread: ack.thread, number: ack.number + index };
                match self.seen.get((offset - self.start) as usize) {
                    Some(found) if *found == wanted => checked.found += 1,
                    Some(found) => {
                        return Err(format!(
                            "acked is there: {wanted:?} was acked at {offset}, {found:?} is there"
                        ));
                    }
                    None if !is_certain => checked.lost += 1,
                    None => {
                        return Err(format!(
                            "acked is there: {wanted:?} was acked at {offset} and is lost"
                        ));
                    }
                }
            }
        }
        Ok(checked)
    }
}
