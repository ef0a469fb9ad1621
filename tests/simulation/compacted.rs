//! Compacted topics: what the model notes of a compaction, and the law that it obeys.
//!
//! The law: of the records below the point up to which a compaction may have cleaned, one may be
//! gone if a newer one of its key lies below that point, too, and is there. After a compaction that
//! was answered, each key has one record below its point: a map of the newest values. At or above
//! that point nothing is touched.

use std::collections::BTreeMap;

use ottla::Broker;

use crate::model::{PartitionModel, SeenPartition, Span};
use crate::run::{Run, key_of};
use crate::workload::NAMES;

/// A compaction of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Compacted {
    /// Nothing at or above this was touched.
    pub upper: i64,
    pub span: Span,
}

impl Run {
    /// Compacts a topic, if it is one that is compacted.
    pub fn compact(&mut self, broker: &Broker, topic: usize) -> Result<(), String> {
        let Some(index) = self.model.live(NAMES[topic]) else { return Ok(()) };
        if !self.model.topics[index].compacted {
            return Ok(());
        }
        let count = self.model.topics[index].partitions.len();
        let uppers: Vec<_> =
            (0..count).map(|number| self.end_of(broker, (index, number))).collect();
        let mut span = Span::begun(self.at());
        match broker.compact_now(NAMES[topic]) {
            Ok(_) => span.acked = Some(self.at()),
            Err(error) => self.note_partial(error, &mut span)?,
        }
        let partitions = self.model.topics[index].partitions.iter_mut();
        for (partition, upper) in partitions.zip(uppers) {
            partition.compactions.push(Compacted { upper, span });
        }
        Ok(())
    }
}

impl PartitionModel {
    /// Below which offset records may be gone after a crash.
    fn thinned_below(&self, at: i64) -> i64 {
        let may = self.compactions.iter().filter(|compacted| compacted.span.may(at));
        may.map(|compacted| compacted.upper).max().unwrap_or(0)
    }

    /// By key, the newest record that lies below the point of any compaction.
    pub fn newest_below(&self, at: i64, seen: &SeenPartition) -> BTreeMap<&'static str, i64> {
        let below = self.thinned_below(at).min(seen.end);
        let mut newest = BTreeMap::new();
        for batch in self.batches.iter().filter(|batch| batch.may(at) && batch.base < below) {
            for (offset, value) in (batch.base..below).zip(&batch.values) {
                newest.insert(key_of(value), offset);
            }
        }
        newest
    }

    /// What was compacted has one record per key.
    pub fn hold_compacted(&self, at: i64, seen: &SeenPartition) -> Result<(), String> {
        let done = self.compactions.iter().filter(|compacted| compacted.span.must(at));
        let Some(below) = done.map(|compacted| compacted.upper).max() else { return Ok(()) };
        let mut keys = BTreeMap::new();
        for (offset, value) in seen.records.iter().filter(|(offset, _)| *offset < below) {
            let key = key_of(value);
            if let Some(older) = keys.insert(key, *offset) {
                return Err(format!(
                    "compaction: {key} is at {older} and at {offset}, all below {below} is clean"
                ));
            }
        }
        Ok(())
    }
}
