//! Taking a snapshot: all ends, and the offsets of groups, as of one moment.

use std::collections::BTreeMap;

use crate::broker::{Broker, Engine};
use crate::consumer::snapshot::{GroupOffsets, Snapshot, TopicMoment};
use crate::env::planted::{linger, planted};
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};

impl Broker {
    /// All partitions as of this moment, to be read at leisure. Writers are not held up, and
    /// nothing is copied. The directory stays open while the snapshot lives.
    ///
    /// ```
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("accounts", TopicConfig::new().partitions(2))?;
    /// let transfer = |amount: &str| {
    ///     let mut transaction = broker.transaction()?;
    ///     transaction.send(Record::new("accounts", &format!("-{amount}")).partition(0))?;
    ///     transaction.send(Record::new("accounts", &format!("+{amount}")).partition(1))?;
    ///     transaction.commit()
    /// };
    /// transfer("5")?;
    /// let snapshot = broker.snapshot()?;
    /// transfer("7")?;
    /// assert_eq!(snapshot.end_offset("accounts", 0)?, 1);
    /// for record in snapshot.read("accounts", 1, 0)? {
    ///     assert_eq!(record?.value.as_deref(), Some("+5".as_bytes()));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Closed`.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.snapshot_with_groups::<&str>(&[])
    }

    /// As [`snapshot`](Broker::snapshot), with what these groups have committed at the same moment:
    /// an offset that a transaction committed is in the snapshot if its records are.
    ///
    /// # Errors
    /// `Closed`; those of reading the committed offsets, the first time.
    pub fn snapshot_with_groups<G: AsRef<str>>(&self, groups: &[G]) -> Result<Snapshot> {
        let engine = &self.engine;
        if engine.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        for group in groups {
            engine.offsets.make_known(&**engine, group.as_ref())?;
        }
        let (topics, groups) = engine.moment(groups);
        Ok(Snapshot::new(engine.clone(), &engine.env, topics, groups))
    }
}

impl Engine {
    /// Everything that a snapshot remembers, of one moment.
    fn moment<G: AsRef<str>>(
        &self,
        groups: &[G],
    ) -> (Vec<TopicMoment>, BTreeMap<String, GroupOffsets>) {
        let mut topics = Vec::new();
        let mut offsets = BTreeMap::new();
        let mut collect = || {
            topics.clear();
            offsets.clear();
            for group in groups {
                let group = group.as_ref();
                offsets.insert(group.to_owned(), self.offsets.known_of(group));
            }
            if planted!("snapshot_end_by_end") {
                linger();
            }
            // Within the section as well: a topic that a commit wrote to is among them.
            self.topics.each(|topic| topics.push(TopicMoment::now(topic)));
        };
        if planted!("snapshot_end_by_end") {
            collect();
        } else {
            self.committer.read_all(&mut collect);
        }
        (topics, offsets)
    }
}
