//! All that the laws expect of a disk after a loss of power, as one number: two moments of two runs
//! that have the same ask the same of the same disk.
//!
//! Whatever a law looks at has to be in here. What is in here and is looked at by no law does no
//! harm: a disk is checked once more than needed.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Batch, Model, PartitionModel, Span, TopicModel};

impl Model {
    /// A hash of what is expected after a loss of power at this position.
    pub fn expected(&self, at: i64) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.topics.len().hash(&mut hasher);
        for topic in &self.topics {
            topic.expected(at, &mut hasher);
        }
        hasher.finish()
    }
}

/// Whether a crash may, and whether it must, keep it. Of what it cannot keep nothing is expected.
fn fate(span: &Span, at: i64) -> Option<bool> {
    (span.may(at) || span.must(at)).then(|| span.must(at))
}

impl TopicModel {
    fn expected(&self, at: i64, hasher: &mut DefaultHasher) {
        self.name.hash(hasher);
        self.id.map(|id| id.to_string()).hash(hasher);
        (self.may(at), self.must(at), self.compacted, self.deletes).hash(hasher);
        for (value, span) in &self.settings {
            fate(span, at).map(|must| (value, must)).hash(hasher);
        }
        self.partitions.len().hash(hasher);
        for partition in &self.partitions {
            partition.expected(at, hasher);
        }
    }
}

impl PartitionModel {
    fn expected(&self, at: i64, hasher: &mut DefaultHasher) {
        fate(&self.span, at).hash(hasher);
        for start in &self.starts {
            fate(&start.span, at).map(|must| (start.offset, start.exact, must)).hash(hasher);
        }
        // A producer that was told of a cut begins anew, whenever that was.
        self.batches.iter().any(|batch| batch.cut.is_some()).hash(hasher);
        for batch in self.batches.iter().filter(|batch| batch.may(at)) {
            batch.expected(at, hasher);
        }
        for committed in &self.committed {
            let what = (committed.group, committed.offset, committed.whole);
            fate(&committed.span, at).map(|must| (what, must)).hash(hasher);
        }
        self.compactions.len().hash(hasher);
        for compacted in &self.compactions {
            fate(&compacted.span, at).map(|must| (compacted.upper, must)).hash(hasher);
        }
    }
}

impl Batch {
    fn expected(&self, at: i64, hasher: &mut DefaultHasher) {
        (self.base, self.must(at, true), self.cut.is_some(), self.group).hash(hasher);
        self.values.hash(hasher);
        if let Some(stamp) = &self.stamp {
            (format!("{:?}", stamp.identity), stamp.sequence).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::run::run;
    use crate::workload::fixed;

    #[test]
    fn what_is_expected_changes_with_an_ack_and_with_nothing_else() {
        let workload = fixed().swap_remove(0);
        let eras = run(&workload, 1).expect("it keeps its promises");
        let model = &eras[0].model;
        let batch = &model.topics[0].partitions[0].batches[0];
        let (begun, acked) = (batch.span.begun, batch.span.acked.expect("it was acked"));
        assert!(begun + 1 < acked);
        assert_eq!(model.expected(begun), model.expected(acked - 1));
        assert_ne!(model.expected(begun - 1), model.expected(begun));
        assert_ne!(model.expected(acked - 1), model.expected(acked));
    }
}
