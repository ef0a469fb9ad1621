//! What must be in the topic that transactions write: the orders below the committed offset, each
//! once, in order and in every partition; and nothing that was aborted.

use super::Shown;
use crate::storm::{DONE_COPIES, exactly_once::done_of};

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Processed {
    /// Orders below this are done: their transaction was acked, or seen.
    certain: i64,
    /// How many orders each partition has.
    copies: [i64; DONE_COPIES as usize],
}

impl Processed {
    pub(super) fn acked(&mut self, orders: i64) {
        self.certain = self.certain.max(orders);
    }

    /// Up to where a partition was seen.
    pub(super) fn end(&self, partition: i32) -> i64 {
        self.copies.get(partition as usize).copied().unwrap_or_default()
    }

    pub(super) fn check_copy(&mut self, partition: i32, shown: &Shown) -> Result<u64, String> {
        let copy = self.copies.get_mut(partition as usize).ok_or("a partition too many")?;
        let mut fresh = 0;
        for (next, (offset, value)) in (shown.from..).zip(&shown.records) {
            if *offset != next {
                return Err(format!("prefix: offset {next} is missing, {offset} follows"));
            }
            if *value != done_of(next).as_bytes() {
                let start = String::from_utf8_lossy(&value[..value.len().min(20)]);
                return Err(format!("all or nothing: {start:?} stands for the order {next}"));
            }
            fresh += u64::from(next >= *copy);
        }
        let end = shown.from + shown.records.len() as i64;
        if end != shown.end || end < *copy {
            let last = shown.end;
            return Err(format!("prefix: orders to {end}, the end is {last}, and was {copy}"));
        }
        *copy = end;
        Ok(fresh)
    }

    /// To be called when all partitions have been checked.
    pub(super) fn check_offset(&mut self, committed: Option<i64>) -> Result<(), String> {
        let committed = committed.unwrap_or_default();
        if self.copies.iter().any(|copy| *copy != committed) {
            let copies = &self.copies;
            return Err(format!(
                "all or nothing: orders below {committed} are committed, done are {copies:?}"
            ));
        }
        if committed < self.certain {
            return Err(format!(
                "acked is there: orders below {} were done, now below {committed}",
                self.certain
            ));
        }
        self.certain = committed;
        Ok(())
    }
}
