//! Transactions and conditional appends: what the model notes of them, and the laws that they obey.
//!
//! The law of transactions: after a crash all of one is there or nothing, the offsets of groups
//! among it. What was aborted, or never committed, is nowhere (the model does not have it, so the law of
//! prefixes finds it). Whatever was spilled leaves no file behind once it is not needed.

use std::collections::BTreeMap;

use ottla::env::vfs::Vfs;
use ottla::{Acks, Broker, Error, ErrorKind, Record, Transaction};

use crate::model::{Batch, Committed, PartitionModel, SeenPartition, Span};
use crate::run::{Run, message_of};
use crate::workload::{Ending, GROUPS, NAMES, Staged};

/// A partition of the model.
type Place = (usize, usize);

/// What a transaction would change.
#[derive(Default)]
struct Changes {
    values: BTreeMap<Place, Vec<Vec<u8>>>,
    offsets: BTreeMap<(&'static str, Place), i64>,
}

impl Run {
    /// Stages records and offsets, and commits or aborts them.
    pub fn transact(
        &mut self,
        broker: &Broker,
        staged: &Staged,
        ending: Ending,
    ) -> Result<(), String> {
        let mut transaction = match broker.transaction() {
            Ok(transaction) => transaction,
            Err(error) => return self.note_failure(error).map(drop),
        };
        let changes = match self.stage(broker, &mut transaction, staged)? {
            Ok(changes) => changes,
            Err(error) => return self.note_failure(error).map(drop),
        };
        match ending {
            Ending::Drop => Ok(()),
            Ending::Abort => transaction.abort().map_err(|error| format!("abort: {error}")),
            Ending::Commit => self.commit_transaction(broker, transaction, changes),
            Ending::Conflict => self.conflict(broker, transaction, &changes),
        }
    }

    /// Commits under conditions of which the last does not hold.
    fn conflict(
        &mut self,
        broker: &Broker,
        mut transaction: Transaction,
        changes: &Changes,
    ) -> Result<(), String> {
        let mut ends: Vec<_> = changes.values.keys().map(|&place| (place, 0)).collect();
        for (place, end) in &mut ends {
            *end = self.end_of(broker, *place);
        }
        let Some((_, last)) = ends.last_mut() else { return Ok(()) };
        *last += 1;
        for ((topic, partition), end) in ends {
            let name = self.model.topics[topic].name.clone();
            if let Err(error) = transaction.expect_end(&name, partition as i32, end) {
                return self.note_failure(error).map(drop);
            }
        }
        match transaction.commit() {
            Ok(written) => Err(format!("{written:?} although a condition does not hold")),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => self.note_failure(error).map(drop),
        }
    }

    /// Stages everything. The inner error is that of a call that failed.
    fn stage(
        &mut self,
        broker: &Broker,
        transaction: &mut Transaction,
        staged: &Staged,
    ) -> Result<Result<Changes, Error>, String> {
        let mut changes = Changes::default();
        for &(topic, partition, records) in &staged.parts {
            let Some(place) = self.place(topic, partition) else { continue };
            for value in self.values(records, staged.bytes) {
                let record = Record::from_message(NAMES[topic], message_of(&value));
                let record = record.partition(place.1 as i32);
                let mut sent = transaction.send(record.clone());
                if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoSpace) {
                    // It stays open: what failed may be sent again.
                    sent = transaction.send(record);
                }
                if let Err(error) = sent {
                    return Ok(Err(error));
                }
                changes.values.entry(place).or_default().push(value);
            }
        }
        for &(group, topic, partition, percent) in &staged.offsets {
            let Some(place) = self.place(topic, partition) else { continue };
            let handle = broker.partition(NAMES[topic], place.1 as i32);
            let handle = handle.map_err(|e| e.to_string())?;
            let (start, end) = (handle.log_start_offset(), handle.end_offset());
            let offset = start + (end - start) * percent / 100;
            let offsets = [((NAMES[topic], place.1 as i32), offset)];
            if let Err(error) = transaction.commit_offsets_of(GROUPS[group], offsets) {
                return Ok(Err(error));
            }
            changes.offsets.insert((GROUPS[group], place), offset);
        }
        Ok(Ok(changes))
    }

    fn commit_transaction(
        &mut self,
        broker: &Broker,
        mut transaction: Transaction,
        changes: Changes,
    ) -> Result<(), String> {
        self.model.groups += 1;
        let group = Some(self.model.groups);
        let places = changes.values.into_iter().map(|(place, values)| {
            let base = self.end_of(broker, place);
            (place, base, values)
        });
        let places: Vec<_> = places.collect();
        let mut span = Span::begun(self.at());
        match transaction.commit() {
            Ok(written) => {
                span.acked = Some(self.at());
                let expected = places.iter().map(|(_, base, _)| *base);
                let mut found: Vec<_> =
                    written.iter().map(|(_, place)| place.base_offset).collect();
                let mut expected: Vec<_> = expected.collect();
                found.sort_unstable();
                expected.sort_unstable();
                if found != expected {
                    return Err(format!("a transaction is at {found:?}, not at {expected:?}"));
                }
            }
            Err(error) => {
                if !self.note_failure(error)? || self.at() == span.begun {
                    span.refused = Some(self.at());
                }
            }
        }
        for (place, base, values) in places {
            let (cut, durable, stamp) = (None, None, None);
            let acks = Acks::All;
            self.note_batch(place, Batch { base, values, acks, span, cut, durable, group, stamp });
        }
        for ((name, place), offset) in changes.offsets {
            let committed = Committed { group: name, offset: Some(offset), span, whole: group };
            self.model.topics[place.0].partitions[place.1].committed.push(committed);
        }
        Ok(())
    }

    /// Appends if the partition ends where it does, or where it did not: then nothing is written.
    pub fn append_if(
        &mut self,
        broker: &Broker,
        (topic, partition, records): (usize, usize, usize),
        holds: bool,
        acks: Acks,
    ) -> Result<(), String> {
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let base = self.end_of(broker, place);
        if !holds && base == 0 {
            return Ok(());
        }
        let values = self.values(records, 60);
        let messages: Vec<_> = values.iter().map(|value| message_of(value)).collect();
        let handle = broker.partition(NAMES[topic], place.1 as i32).map_err(|e| e.to_string())?;
        let expected = if holds { base } else { base - 1 };
        let mut span = Span::begun(self.at());
        match handle.expect_end(expected).append(&messages, acks) {
            Ok(appended) if holds && appended.base_offset == base => span.acked = Some(self.at()),
            Ok(appended) => return Err(format!("{appended:?}, expected {expected} of {base}")),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                return match holds {
                    true => Err(format!("{base} is the end, and yet: {error}")),
                    false => Ok(()),
                };
            }
            Err(error) => {
                if !self.note_failure(error)? || self.at() == span.begun {
                    span.refused = Some(self.at());
                }
            }
        }
        if holds {
            let (cut, durable, group, stamp) = (None, None, None, None);
            self.note_batch(place, Batch { base, values, acks, span, cut, durable, group, stamp });
        }
        Ok(())
    }
}

/// Which offsets of transactions are there, where what is seen decides it.
pub fn note_offsets(
    partition: &PartitionModel,
    at: i64,
    seen: &SeenPartition,
    whole: &mut BTreeMap<usize, Vec<bool>>,
) {
    for group in GROUPS {
        let may = |committed: &&Committed| committed.group == group && committed.span.may(at);
        let mut newest_first = partition.committed.iter().rev().filter(may);
        let Some(last) = newest_first.next() else { continue };
        let Some(number) = last.whole else { continue };
        // Without it the group would be where it was before.
        if newest_first.all(|other| other.offset != last.offset) {
            let is_there = seen.committed.get(group).copied() == last.offset;
            whole.entry(number).or_default().push(is_there);
        }
    }
}

/// No spill file is left that nobody needs.
pub fn no_spill_is_left(vfs: &dyn Vfs, when: &str) -> Result<(), String> {
    let entries = vfs.list("").map_err(|error| format!("spills: {error}"))?;
    match entries.iter().find(|entry| entry.name.ends_with(".spill")) {
        Some(left) => Err(format!("spills: {} is there after {when}", left.name)),
        None => Ok(()),
    }
}
