//! Streams: in one of the topics the records of each key are found by the key index.
//!
//! The law: after any crash a stream is what a reader of the whole partition finds of its key,
//! forwards and backwards, and its version is the offset of the newest of that. An append under a
//! version that the stream has is written, under any other it is refused.

use ottla::{Acks, Broker, ErrorKind, ExpectedVersion};

use crate::model::{Batch, SeenTopic, Span};
use crate::run::{KEYS, Run, key_of, message_of};
use crate::workload::NAMES;

/// The topic that has a key index.
pub const INDEXED: usize = 2;

/// Holds the law against what was seen.
pub fn hold_streams(broker: &Broker, seen: &[SeenTopic]) -> Result<(), String> {
    let indexed = seen.iter().filter(|topic| topic.name == NAMES[INDEXED]);
    for (topic, number, partition) in indexed.flat_map(|topic| {
        let partitions = topic.partitions.iter().enumerate();
        partitions.map(move |(number, partition)| (topic, number, partition))
    }) {
        for key in KEYS {
            let law = |error| format!("streams: {}-{number}, {key}: {error}", topic.name);
            let said = |error: ottla::Error| law(error.to_string());
            let of_key = partition.records.iter().filter(|(_, value)| key_of(value) == key);
            let expected: Vec<i64> = of_key.map(|(offset, _)| *offset).collect();
            let stream = broker.stream_in(&topic.name, number as i32, key).map_err(said)?;
            let version = stream.version().map_err(said)?;
            if version != expected.last().copied() {
                return Err(law(format!("the version is {version:?}, the log has {expected:?}")));
            }
            let forwards: Result<Vec<_>, _> = stream.read(..).map(|r| Ok(r?.offset)).collect();
            let backwards = stream.read_backwards(..).map(|r| Ok(r?.offset));
            let backwards: Result<Vec<_>, _> = backwards.collect();
            let (forwards, mut backwards) = (forwards.map_err(said)?, backwards.map_err(said)?);
            backwards.reverse();
            if forwards != expected || backwards != expected {
                let found = format!("{forwards:?} and backwards {backwards:?}");
                return Err(law(format!("it has {found}, the log {expected:?}")));
            }
        }
    }
    Ok(())
}

impl Run {
    /// Appends to a stream whose version is as expected, or is not: then nothing is written.
    pub fn append_to_stream(
        &mut self,
        broker: &Broker,
        partition: usize,
        holds: bool,
        acks: Acks,
    ) -> Result<(), String> {
        let Some(place) = self.place(INDEXED, partition) else { return Ok(()) };
        let values = self.values(1, 60);
        let stream = broker.stream_in(NAMES[INDEXED], place.1 as i32, key_of(&values[0]));
        let stream = stream.map_err(|error| error.to_string())?;
        let version = match stream.version() {
            Ok(version) => version,
            Err(error) => return self.note_failure(error).map(drop),
        };
        let expected = match (holds, version) {
            (true, Some(version)) => ExpectedVersion::At(version),
            (true, None) => ExpectedVersion::NoStream,
            (false, Some(_)) => ExpectedVersion::NoStream,
            (false, None) => ExpectedVersion::At(0),
        };
        let base = self.end_of(broker, place);
        let mut span = Span::begun(self.at());
        match stream.expect_version(expected).append(&[message_of(&values[0])], acks) {
            Ok(appended) if holds && appended.base_offset == base => span.acked = Some(self.at()),
            Ok(appended) => return Err(format!("{appended:?}, expected {expected:?}")),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                return match holds {
                    true => Err(format!("the version is {version:?}, and yet: {error}")),
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
