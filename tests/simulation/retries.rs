//! Idempotent producers: a batch that is sent again, be it after a crash, is there once; one that
//! the crash took is taken as new. Each partition has one such producer, which numbers its records
//! by what the model knows, as a program would by its own notes.

use ottla::env::sim::SimEnv;
use ottla::{Acks, Broker, ProducerIdentity};

use crate::model::{Batch, Model, PartitionModel, SeenPartition, SeenTopic, Span};
use crate::run::{Run, message_of};
use crate::workload::NAMES;

/// Whose batch it is, and the sequence number of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub identity: ProducerIdentity,
    pub sequence: i32,
}

impl Batch {
    /// The sequence number behind its last record.
    fn next_sequence(&self) -> Option<i32> {
        let stamp = self.stamp?;
        Some(ProducerIdentity::sequence_after(stamp.sequence, self.values.len()))
    }
}

impl PartitionModel {
    /// The newest batch of the producer that is, or may be, in the log.
    fn newest(&self) -> Option<&Batch> {
        let is_live = |batch: &&Batch| {
            batch.stamp.is_some() && batch.span.refused.is_none() && batch.cut.is_none()
        };
        self.batches.iter().rev().find(is_live)
    }
}

fn send(
    broker: &Broker,
    (topic, partition): (&str, usize),
    stamp: Stamp,
    values: &[Vec<u8>],
    acks: Acks,
) -> ottla::Result<i64> {
    let messages: Vec<_> = values.iter().map(|value| message_of(value)).collect();
    let handle = broker.partition(topic, partition as i32)?;
    let appended = handle.append_idempotent(stamp.identity, stamp.sequence, &messages, acks)?;
    Ok(appended.base_offset)
}

impl Run {
    /// The producer sends its next batch.
    pub fn send(
        &mut self,
        broker: &Broker,
        (topic, partition, records): (usize, usize, usize),
        bytes: usize,
        acks: Acks,
    ) -> Result<(), String> {
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let Some(identity) = self.producer_of(broker, place)? else { return Ok(()) };
        let newest = self.model.topics[place.0].partitions[place.1].newest();
        let sequence = newest.and_then(Batch::next_sequence).unwrap_or(0);
        let stamp = Stamp { identity, sequence };
        let base = self.end_of(broker, place);
        let values = self.values(records, bytes);
        let mut span = Span::begun(self.at());
        match send(broker, (NAMES[topic], place.1), stamp, &values, acks) {
            Ok(offset) if offset == base => span.acked = Some(self.at()),
            Ok(offset) => return Err(format!("{stamp:?} is new, and at {offset}, not at {base}")),
            Err(error) => {
                if !self.note_failure(error)? || self.at() == span.begun {
                    span.refused = Some(self.at());
                }
            }
        }
        let (cut, durable, group) = (None, None, None);
        let stamp = Some(stamp);
        self.note_batch(place, Batch { base, values, acks, span, cut, durable, group, stamp });
        Ok(())
    }

    /// The producer is not sure of its last batch, and sends it again, at any level.
    pub fn send_again(
        &mut self,
        broker: &Broker,
        (topic, partition): (usize, usize),
        acks: Acks,
    ) -> Result<(), String> {
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let newest = self.model.topics[place.0].partitions[place.1].newest().cloned();
        let Some((newest, stamp)) = newest.and_then(|newest| Some((newest.clone(), newest.stamp?)))
        else {
            return Ok(());
        };
        let handle = broker.partition(NAMES[topic], place.1 as i32).map_err(|e| e.to_string())?;
        if newest.base < handle.log_start_offset() {
            // It was deleted; after a crash nobody knows any more that it was there.
            return Ok(());
        }
        match send(broker, (NAMES[topic], place.1), stamp, &newest.values, acks) {
            Ok(offset) if offset == newest.base => {}
            Ok(offset) => {
                return Err(format!("{stamp:?} is at {}, and again at {offset}", newest.base));
            }
            Err(error) => return self.note_failure(error).map(drop),
        }
        if acks == Acks::All {
            // All up to it is synced now.
            let at = self.at();
            let batches = &mut self.model.topics[place.0].partitions[place.1].batches;
            for batch in batches.iter_mut().filter(|batch| batch.base <= newest.base) {
                if batch.span.acked.is_some() && batch.durable.is_none() {
                    batch.durable = Some(at);
                }
            }
        }
        Ok(())
    }

    /// The producer of a partition; `None` if it could not get an identity.
    fn producer_of(
        &mut self,
        broker: &Broker,
        place: (usize, usize),
    ) -> Result<Option<ProducerIdentity>, String> {
        let known = self.model.topics[place.0].partitions[place.1].producer;
        if known.is_some() {
            return Ok(known);
        }
        match broker.new_producer_identity() {
            Ok(identity) => {
                self.model.topics[place.0].partitions[place.1].producer = Some(identity);
                Ok(Some(identity))
            }
            Err(error) => self.note_failure(error).map(|_| None),
        }
    }
}

/// After a crash each producer goes on: what may be in the log is sent again.
pub fn a_retry_makes_no_second_copy(
    world: &SimEnv,
    broker: &Broker,
    model: &Model,
    at: i64,
    seen: &[SeenTopic],
) -> Result<(), String> {
    let mut promised = Vec::new();
    for topic in model.topics.iter().filter(|topic| topic.may(at)) {
        let Some(seen) = seen.iter().find(|seen| Some(seen.id) == topic.id) else { continue };
        for (number, partition) in topic.partitions.iter().enumerate() {
            let Some(seen) = seen.partitions.get(number) else { continue };
            let place = (topic.name.as_str(), number);
            let end = retry(broker, place, partition, at, seen).map_err(|broken| {
                format!("retry: {broken}, in {}-{number} at {at}: {:?}", topic.name, partition)
            })?;
            promised.push((place, end));
        }
    }
    // What was answered is durable, whenever it was written.
    let disk = world.disk.after_losing_everything_unsynced();
    let broker = crate::run::options()
        .open_in(world.with_disk(disk).env())
        .map_err(|error| format!("retry: it does not open after it: {error}"))?;
    for ((topic, number), end) in promised {
        let handle = broker.partition(topic, number as i32).map_err(|e| format!("retry: {e}"))?;
        if handle.end_offset() != end {
            let found = handle.end_offset();
            return Err(format!("retry: {topic}-{number} ended at {end}, and then at {found}"));
        }
    }
    broker.abandon();
    Ok(())
}

/// Sends again what is in the log, at the least the newest of it, then what is not. Returns the
/// end that must be there.
fn retry(
    broker: &Broker,
    place: (&str, usize),
    partition: &PartitionModel,
    at: i64,
    seen: &SeenPartition,
) -> Result<i64, String> {
    let is_there = |batch: &Batch| {
        if !partition.compactions.is_empty() {
            // Its records may be gone; the prefix says whether it was there.
            return batch.base < seen.end;
        }
        let first = batch.values.first().map(Vec::as_slice);
        seen.records
            .iter()
            .any(|(offset, value)| *offset == batch.base && first == Some(value.as_slice()))
    };
    let sent = partition.batches.iter().filter(|b| b.stamp.is_some() && b.may(at));
    let sent: Vec<&Batch> = sent.filter(|batch| batch.base >= seen.start).collect();
    // Whoever cut the log tells its producers; they begin anew.
    if partition.batches.iter().any(|batch| batch.cut.is_some()) {
        return Ok(seen.end);
    }
    let newest = sent.iter().rposition(|batch| is_there(batch));
    let mut end = seen.end;
    for batch in &sent[newest.unwrap_or(0)..] {
        let Some(stamp) = batch.stamp else { continue };
        let expected = if is_there(batch) { batch.base } else { end };
        // Twice: the second time it is surely there.
        for _ in 0..2 {
            let offset = send(broker, place, stamp, &batch.values, Acks::All)
                .map_err(|error| format!("{stamp:?}: {error}"))?;
            if offset != expected {
                return Err(format!("{stamp:?} is at {offset}, not at {expected}"));
            }
        }
        end = end.max(expected + batch.values.len() as i64);
    }
    let found = broker.partition(place.0, place.1 as i32).map_err(|e| e.to_string())?.end_offset();
    if found == end { Ok(end) } else { Err(format!("the log ends at {found}, not at {end}")) }
}
