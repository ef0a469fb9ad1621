//! Appends: alone, anywhere, together, through a producer, with keys.

use std::time::Duration;

use ottla::{Acks, Error, Message, Record};

use super::line::Line;
use super::{
    COMPACTED, KEYED, PRODUCED, SHARED, STEADY, STEADY_PARTITIONS, TOGETHER, Writer, key_of,
};
use crate::oracle::payload::Stamp;

impl Writer<'_> {
    pub(super) fn append_alone(
        &self,
        random: &mut fastrand::Rng,
        thread: u32,
    ) -> Result<(), Error> {
        let mut line = Line::new(STEADY, 0, thread as i32, thread);
        while self.goes_on() {
            line.append(self, random)?;
        }
        Ok(())
    }

    pub(super) fn append_anywhere(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut lines: Vec<Line> =
            (0..STEADY_PARTITIONS).map(|number| Line::new(STEADY, 0, number, SHARED)).collect();
        while self.goes_on() {
            let index = random.usize(..lines.len());
            lines[index].append(self, random)?;
        }
        Ok(())
    }

    /// One record to each of several partitions, in one atomic append.
    pub(super) fn append_together(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut numbers = [0u32; STEADY_PARTITIONS as usize];
        let mut append_number = 0;
        while self.goes_on() {
            let mask = random.u32(1..1 << STEADY_PARTITIONS);
            let mut stamps = Vec::new();
            for partition in (0..STEADY_PARTITIONS).filter(|number| mask & 1 << number != 0) {
                let number = &mut numbers[partition as usize];
                let line = Line::new(STEADY, 0, partition, TOGETHER);
                stamps.push(Stamp {
                    together: Some((append_number, mask)),
                    ..line.stamp(self.cycle, *number)
                });
                *number += 1;
            }
            append_number += 1;
            let payloads: Vec<Vec<u8>> =
                stamps.iter().map(|stamp| stamp.payload(self.seed)).collect();
            let mut append = self.broker.atomic_append();
            for (stamp, payload) in stamps.iter().zip(&payloads) {
                append.add(STEADY, stamp.partition, &[Message::new(payload)])?;
            }
            let appended = append.commit()?;
            let lines: Vec<String> = stamps
                .iter()
                .zip(&appended)
                .map(|(stamp, appended)| stamp.ack(appended.base_offset, 1, Acks::All).line())
                .collect();
            self.print(&lines.concat());
        }
        Ok(())
    }

    /// Through a producer: batches that fill or linger, several on their way at once.
    pub(super) fn produce(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let acks = if random.bool() { Acks::Leader } else { Acks::All };
        let linger = Duration::from_micros(random.u64(0..3_000));
        let producer =
            self.broker.producer().acks(acks).linger(linger).batch_size(4_096).build()?;
        let mut lines: Vec<Line> =
            (0..STEADY_PARTITIONS).map(|number| Line::new(STEADY, 0, number, PRODUCED)).collect();
        while self.goes_on() {
            let mut sent = Vec::new();
            for _ in 0..random.usize(1..80) {
                let index = random.usize(..lines.len());
                let line = &mut lines[index];
                let stamp = line.stamp(self.cycle, line.number);
                let payload = stamp.payload(self.seed);
                let record = Record::new(STEADY, &payload).partition(line.partition);
                sent.push((stamp, producer.send(record)?));
                line.number += 1;
            }
            for (stamp, delivery) in sent {
                self.say(&stamp.ack(delivery.wait()?.offset, 1, acks));
            }
        }
        producer.close()
    }

    /// One record after the other, each with the key that follows from its number.
    pub(super) fn append_keyed(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let line = Line::new(COMPACTED, 0, 0, KEYED);
        let partition = self.broker.partition(COMPACTED, 0)?;
        let mut number = 0;
        while self.goes_on() {
            let acks = if random.bool() { Acks::Leader } else { Acks::All };
            let stamp = line.stamp(self.cycle, number);
            let (key, payload) = (key_of(number), stamp.payload(self.seed));
            let appended = partition.append(&[Message::new(&payload).key(&key)], acks)?;
            self.say(&stamp.ack(appended.base_offset, 1, acks));
            number += 1;
        }
        Ok(())
    }
}
