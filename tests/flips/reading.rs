//! Everything that a broker shows: records, ends, offsets of groups, producers, streams, and what
//! is found by time. Read from a directory that is whole it is the truth; read from a damaged one
//! each answer is the truth or an error.

use std::collections::BTreeMap;

use ottla::{Broker, Error, OwnedRecord, ProducerState, Snapshot, TopicPartition};

use crate::canonical::{GROUPS, KEYED, KEYS};

/// All that a directory holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Truth {
    /// Names, ids and settings of the topics.
    pub(crate) topics: Vec<String>,
    pub(crate) partitions: BTreeMap<TopicPartition, PartitionTruth>,
    pub(crate) groups: Vec<Vec<Committed>>,
}

/// An offset that a group committed, and its note.
pub(crate) type Committed = (TopicPartition, i64, String);

#[derive(Debug, PartialEq)]
pub(crate) struct PartitionTruth {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) records: Vec<OwnedRecord>,
    pub(crate) producers: Vec<ProducerState>,
    /// What the log alone says of them: snapshots also know of producers whose batches are gone,
    /// and do not know of some that were forgotten.
    pub(crate) producers_of_log: Vec<ProducerState>,
    /// The first offset at or behind each time that a record has.
    pub(crate) times: Vec<(i64, Option<(i64, i64)>)>,
    pub(crate) newest: Option<(i64, i64)>,
    /// Of each key.
    pub(crate) streams: Vec<StreamTruth>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct StreamTruth {
    version: Option<i64>,
    forwards: Vec<i64>,
    backwards: Vec<i64>,
}

/// An answer that was an error: what was asked, and the answer.
pub(crate) type Refusal = (TopicPartition, Error);

impl Truth {
    /// Reads a directory that is whole; `without` is the same one without producer snapshots.
    pub(crate) fn read(broker: &Broker, without: &Broker) -> Truth {
        let snapshot = broker.snapshot().unwrap();
        let read_one = |place: TopicPartition| {
            let mut truth = PartitionTruth::read(broker, &snapshot, &place).unwrap();
            let of_log = without.partition(place.topic.as_str(), place.partition).unwrap();
            truth.producers_of_log = of_log.producers().unwrap();
            (place, truth)
        };
        let groups = GROUPS.iter().map(|group| offsets_of(broker, group).unwrap());
        Truth {
            topics: topics_of(broker),
            partitions: places(broker).into_iter().map(read_one).collect(),
            groups: groups.collect(),
        }
    }

    /// Reads a directory that may be damaged, and holds every answer against the truth; of some
    /// partitions all answers, of `others` the records.
    ///
    /// # Errors
    /// The law that is broken.
    pub(crate) fn hold(
        &self,
        broker: &Broker,
        others: bool,
        closely: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Refusal>, String> {
        if topics_of(broker) != self.topics {
            return Err(format!("topics: {:?}", topics_of(broker)));
        }
        let mut refused = Vec::new();
        let snapshot = broker.snapshot().map_err(|error| format!("snapshot: {error}"))?;
        for (place, truth) in &self.partitions {
            let mut note = |error| refused.push((place.clone(), error));
            let is_close = closely(&place.to_string());
            if is_close || others {
                truth.hold(broker, &snapshot, place, &mut note)?;
            }
            if is_close {
                truth.hold_closely(broker, place, &mut note)?;
            }
        }
        for (group, truth) in GROUPS.iter().zip(&self.groups) {
            match offsets_of(broker, group) {
                Ok(found) if found == *truth => {}
                Ok(found) if self.are_set_back(broker, truth, &found) => {}
                Ok(found) => return Err(format!("offsets: {group} is at {found:?}")),
                Err(error) => refused.push((offsets_place(&error), error)),
            }
        }
        Ok(refused)
    }
}

impl Truth {
    /// In a damaged partition a group goes no further than what is sound, in memory.
    fn are_set_back(&self, broker: &Broker, truth: &[Committed], found: &[Committed]) -> bool {
        let is_set_back = |(truth, found): (&Committed, &Committed)| {
            let handle = broker.partition(truth.0.topic.as_str(), truth.0.partition);
            let end = handle.ok().filter(|handle| handle.damage().is_some());
            let end = end.map(|handle| handle.end_offset());
            truth == found || (truth.0 == found.0 && Some(found.1) == end && truth.1 > found.1)
        };
        truth.len() == found.len() && truth.iter().zip(found).all(is_set_back)
    }
}

impl PartitionTruth {
    fn read(
        broker: &Broker,
        snapshot: &Snapshot,
        place: &TopicPartition,
    ) -> ottla::Result<PartitionTruth> {
        let handle = broker.partition(place.topic.as_str(), place.partition)?;
        let (start, end) = (handle.log_start_offset(), handle.end_offset());
        let mut records = Vec::new();
        let mut reader = snapshot.read(place.topic.as_str(), place.partition, start)?;
        while let Some(some) = reader.next_records()? {
            records.extend(some.iter().map(|record| record.to_owned()));
        }
        let time = |record: &OwnedRecord| {
            Ok((record.timestamp, handle.offset_for_timestamp(record.timestamp)?))
        };
        let times = records.iter().map(time).collect::<ottla::Result<_>>()?;
        let keys = KEYS.iter().filter(|_| place.topic.as_str() == KEYED);
        let streams = keys.map(|key| StreamTruth::read(broker, key));
        Ok(PartitionTruth {
            start,
            end,
            records,
            producers: handle.producers()?,
            producers_of_log: Vec::new(),
            times,
            newest: handle.offset_of_max_timestamp()?,
            streams: streams.collect::<ottla::Result<_>>()?,
        })
    }

    fn hold(
        &self,
        broker: &Broker,
        snapshot: &Snapshot,
        place: &TopicPartition,
        refuse: &mut dyn FnMut(Error),
    ) -> Result<(), String> {
        let handle = broker.partition(place.topic.as_str(), place.partition);
        let handle = handle.map_err(|error| format!("missing: {place}: {error}"))?;
        if let Some(damage) = handle.damage() {
            refuse(damage);
        }
        let (start, end) = (handle.log_start_offset(), handle.end_offset());
        if (start, end) != (self.start, self.end) && handle.damage().is_none() {
            return Err(format!("ends: {place} goes from {start} to {end}"));
        }
        self.hold_records(snapshot, place, end, refuse)
    }

    /// Producers, times, streams.
    fn hold_closely(
        &self,
        broker: &Broker,
        place: &TopicPartition,
        refuse: &mut dyn FnMut(Error),
    ) -> Result<(), String> {
        let handle = broker.partition(place.topic.as_str(), place.partition);
        let handle = handle.map_err(|error| format!("missing: {place}: {error}"))?;
        if handle.damage().is_some() && handle.end_offset() != self.end {
            // It is shown as far as it is sound.
            return Ok(());
        }
        let mut same = |what: &str, found: ottla::Result<bool>| match found {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{what}: another answer for {place}")),
            Err(error) => {
                refuse(error);
                Ok(())
            }
        };
        let is_known = |found| found == self.producers || found == self.producers_of_log;
        same("producers", handle.producers().map(is_known))?;
        for (time, truth) in &self.times {
            let found = handle.offset_for_timestamp(*time);
            same("time", found.map(|found| found == *truth))?;
        }
        let newest = handle.offset_of_max_timestamp();
        same("newest", newest.map(|found| found == self.newest))?;
        for (key, truth) in KEYS.iter().zip(&self.streams) {
            same("stream", StreamTruth::read(broker, key).map(|found| found == *truth))?;
        }
        Ok(())
    }

    /// Every record is returned as it is, or reading it is an error. A reader goes on behind what
    /// it cannot read.
    fn hold_records(
        &self,
        snapshot: &Snapshot,
        place: &TopicPartition,
        end: i64,
        refuse: &mut dyn FnMut(Error),
    ) -> Result<(), String> {
        let mut expected = self.records.iter().peekable();
        let mut from = self.start;
        loop {
            let failed = match read_on(snapshot, place, from, &mut expected)? {
                None => break,
                Some(error) => error,
            };
            refuse(failed);
            // Over the record that could not be read.
            if expected.next().is_none() {
                return Ok(());
            }
            match expected.peek() {
                Some(next) if next.offset < end => from = next.offset,
                _ => return Ok(()),
            }
        }
        match expected.next() {
            None => Ok(()),
            // A damaged partition says so, and where its sound part ends.
            Some(missed) if missed.offset >= end => Ok(()),
            Some(missed) => Err(format!("missing: {place} {} and no error", missed.offset)),
        }
    }
}

/// Reads from an offset on, and takes what is read off the expected; returns the error that ended
/// it.
fn read_on<'a>(
    snapshot: &Snapshot,
    place: &TopicPartition,
    from: i64,
    expected: &mut std::iter::Peekable<impl Iterator<Item = &'a OwnedRecord>>,
) -> Result<Option<Error>, String> {
    let mut reader = match snapshot.read(place.topic.as_str(), place.partition, from) {
        Ok(reader) => reader,
        Err(error) => return Ok(Some(error)),
    };
    loop {
        let some = match reader.next_records() {
            Ok(Some(some)) => some,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        };
        for record in &some {
            let found = record.to_owned();
            match expected.next() {
                Some(truth) if *truth == found => {}
                truth => return Err(format!("records: {found:?} instead of {truth:?}")),
            }
        }
    }
}

impl StreamTruth {
    fn read(broker: &Broker, key: &str) -> ottla::Result<StreamTruth> {
        let stream = broker.stream_in(KEYED, 0, key)?;
        let offsets = |records: ottla::StreamRecords| -> ottla::Result<Vec<i64>> {
            records.map(|record| Ok(record?.offset)).collect()
        };
        Ok(StreamTruth {
            version: stream.version()?,
            forwards: offsets(stream.read(..))?,
            backwards: offsets(stream.read_backwards(..))?,
        })
    }
}

fn topics_of(broker: &Broker) -> Vec<String> {
    let topics = broker.list_topics().into_iter();
    topics.map(|topic| format!("{} {} {:?}", topic.name, topic.id, topic.config)).collect()
}

fn places(broker: &Broker) -> Vec<TopicPartition> {
    let topics = broker.list_topics().into_iter().filter(|topic| !topic.internal);
    let places = topics.flat_map(|topic| {
        let numbers = topic.partitions.iter().map(|partition| partition.partition);
        let numbers: Vec<i32> = numbers.collect();
        numbers.into_iter().map(move |number| TopicPartition::new(topic.name.clone(), number))
    });
    places.collect()
}

fn offsets_of(broker: &Broker, group: &str) -> ottla::Result<Vec<Committed>> {
    let committed = broker.committed_offsets(group)?;
    Ok(committed.into_iter().map(|(at, with)| (at, with.offset, with.metadata)).collect())
}

/// The partition of the topic of offsets that an error is about.
fn offsets_place(error: &Error) -> TopicPartition {
    let number = error.partition().map_or(0, |(_, number)| number);
    let name = ottla::TopicName::new("__consumer_offsets").unwrap();
    TopicPartition::new(name, number)
}
