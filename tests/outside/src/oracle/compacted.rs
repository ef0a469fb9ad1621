//! What must be in a topic that is compacted while it is written to and killed: every record that
//! was acked or seen is there, unchanged and at its offset, or a newer one of its key is; none comes
//! back once it was seen to be gone.

use std::collections::{BTreeMap, HashMap};

use crate::oracle::Shown;
use crate::oracle::payload::Stamp;
use crate::oracle::protocol::Ack;
use crate::storm::COMPACTED_KEYS;

/// A record: its cycle, and its number in it.
type Name = (u32, u32);

/// What is known of the partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compacted {
    /// What was there at the last look, by offset.
    there: BTreeMap<i64, Name>,
    /// The end at the last look.
    end: i64,
    /// How many records were acked or seen, and are gone.
    pub(crate) superseded: u64,
}

impl Compacted {
    /// Compares what is shown with what must be there; returns how many acks were looked up.
    pub(crate) fn check(&mut self, seed: u64, shown: &Shown, acks: &[Ack]) -> Result<u64, String> {
        if shown.start != 0 || shown.end < self.end {
            return Err(format!(
                "prefix: {} to {}, the end was {}",
                shown.start, shown.end, self.end
            ));
        }
        let mut found = BTreeMap::new();
        let mut newest: HashMap<u32, i64> = HashMap::new();
        let mut last = None;
        for (offset, payload) in &shown.records {
            let stamp =
                Stamp::check(seed, payload).map_err(|what| format!("{what}, at {offset}"))?;
            if last.is_some_and(|last| last >= *offset) || *offset >= shown.end {
                return Err(format!("prefix: the offset {offset} follows {last:?}"));
            }
            last = Some(*offset);
            newest.insert(stamp.number % COMPACTED_KEYS, *offset);
            found.insert(*offset, (stamp.cycle, stamp.number));
        }
        let acked = acks.iter().map(|ack| (ack.base_offset, (ack.cycle, ack.number)));
        let before = std::mem::take(&mut self.there);
        for (offset, name) in acked.chain(before.clone()) {
            match found.get(&offset) {
                Some(other) if *other == name => {}
                Some(other) => {
                    return Err(format!(
                        "acked is there: {other:?} stands at {offset}, not {name:?}"
                    ));
                }
                None if newest.get(&(name.1 % COMPACTED_KEYS)).is_some_and(|at| *at > offset) => {
                    self.superseded += 1;
                }
                None => {
                    return Err(format!(
                        "compaction: {name:?} at {offset} is lost, it was the newest"
                    ));
                }
            }
        }
        let old = found.range(..self.end).find(|(offset, _)| !before.contains_key(offset));
        if let Some((offset, name)) = old {
            return Err(format!("compaction: {name:?} at {offset} was gone and is back"));
        }
        self.there = found;
        self.end = shown.end;
        Ok(acks.len() as u64)
    }
}
