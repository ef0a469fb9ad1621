//! What one thread writes to one partition: records that it numbers from 0 on in each life.

use ottla::{Acks, Error, Message};

use super::Writer;
use crate::oracle::payload::Stamp;
use crate::oracle::protocol::{Ack, Level, Report};

/// What one thread writes to one partition: records numbered from 0.
pub(super) struct Line {
    pub(super) topic: String,
    incarnation: u64,
    pub(super) partition: i32,
    thread: u32,
    pub(super) number: u32,
}

impl Line {
    pub(super) fn new(topic: &str, incarnation: u64, partition: i32, thread: u32) -> Line {
        Line { topic: topic.to_owned(), incarnation, partition, thread, number: 0 }
    }

    pub(super) fn stamp(&self, cycle: u32, number: u32) -> Stamp {
        Stamp {
            topic: self.topic.clone(),
            incarnation: self.incarnation,
            partition: self.partition,
            cycle,
            thread: self.thread,
            number,
            together: None,
        }
    }

    pub(super) fn append(
        &mut self,
        writer: &Writer<'_>,
        random: &mut fastrand::Rng,
    ) -> Result<(), Error> {
        let count = if random.u32(0..10) == 0 { random.u32(1..60) } else { random.u32(1..4) };
        let acks = if random.bool() { Acks::Leader } else { Acks::All };
        let first = self.stamp(writer.cycle, self.number);
        let payloads: Vec<Vec<u8>> = (self.number..self.number + count)
            .map(|number| self.stamp(writer.cycle, number).payload(writer.seed))
            .collect();
        let messages: Vec<Message<'_>> = payloads.iter().map(Message::new).collect();
        let appended =
            writer.broker.partition(&self.topic, self.partition)?.append(&messages, acks)?;
        writer.say(&first.ack(appended.base_offset, count, acks));
        self.number += count;
        Ok(())
    }
}

impl Stamp {
    pub(super) fn ack(&self, base_offset: i64, count: u32, acks: Acks) -> Report {
        Report::Acked(Ack {
            topic: self.topic.clone(),
            incarnation: self.incarnation,
            partition: self.partition,
            base_offset,
            cycle: self.cycle,
            thread: self.thread,
            number: self.number,
            count,
            level: Level::of(acks),
        })
    }
}
