//! An idempotent producer over many lives: each begins by sending again the last batch that is there,
//! which must keep its place, and goes on behind it. Now and then it is fenced by its next epoch.
//!
//! Batches are numbered from 0 on over all lives. From its number follow a batch's records, so that one
//! that is sent again is the same.

use std::str::FromStr;

use ottla::{Acks, Error, ErrorKind, Message, ProducerIdentity};

use super::{AGAIN, RETRIED, Writer};
use crate::oracle::payload::Stamp;
use crate::oracle::protocol::{Ack, Level, Report};

/// The producer, the batch that was the first of its epoch, and the next one to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) base: u32,
    pub(crate) batch: u32,
}

impl FromStr for Numbered {
    type Err = String;

    fn from_str(text: &str) -> Result<Numbered, String> {
        let words: Vec<&str> = text.split(',').collect();
        let [id, epoch, base, batch] = words[..] else { return Err(format!("{text}: 4 numbers")) };
        let wrong = |word: &str| format!("{word} is no number");
        Ok(Numbered {
            id: id.parse().map_err(|_| wrong(id))?,
            epoch: epoch.parse().map_err(|_| wrong(epoch))?,
            base: base.parse().map_err(|_| wrong(base))?,
            batch: batch.parse().map_err(|_| wrong(batch))?,
        })
    }
}

impl std::fmt::Display for Numbered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},{},{}", self.id, self.epoch, self.base, self.batch)
    }
}

/// The number of a batch's first record: batches of one, two and three records follow each other.
pub(crate) fn first_record(batch: u32) -> u32 {
    batch / 3 * 6 + [0, 1, 3][batch as usize % 3]
}

/// The batch that begins with this record; `None` if none does.
pub(crate) fn batch_at(record: u32) -> Option<u32> {
    let batch = record / 6 * 3 + [0, 1, 1, 2, 2, 2][record as usize % 6];
    (first_record(batch) == record).then_some(batch)
}

/// A record of it: of all lives, so it names none.
fn stamp(number: u32) -> Stamp {
    Stamp {
        topic: RETRIED.to_owned(),
        incarnation: 0,
        partition: 0,
        cycle: 0,
        thread: AGAIN,
        number,
        together: None,
    }
}

impl Writer<'_> {
    pub(super) fn send_again(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut producer = match self.producer {
            Some(known) => known,
            None => {
                let ProducerIdentity { id, epoch, .. } = self.broker.new_producer_identity()?;
                let new = Numbered { id, epoch, base: 0, batch: 0 };
                self.say(&Report::Producer(new));
                new
            }
        };
        let mut is_fence_due = random.u32(0..6) == 0;
        while self.goes_on() {
            self.send_batch(&producer, random)?;
            producer.batch += 1;
            if std::mem::take(&mut is_fence_due) {
                producer = self.fence(producer)?;
            }
        }
        Ok(())
    }

    fn send_batch(&self, producer: &Numbered, random: &mut fastrand::Rng) -> Result<(), Error> {
        let (first, next) = (first_record(producer.batch), first_record(producer.batch + 1));
        let payloads: Vec<Vec<u8>> =
            (first..next).map(|number| stamp(number).payload(self.seed)).collect();
        let messages: Vec<Message<'_>> = payloads.iter().map(Message::new).collect();
        let identity = ProducerIdentity::new(producer.id, producer.epoch);
        let sequence = (first - first_record(producer.base)) as i32;
        let acks = if random.bool() { Acks::Leader } else { Acks::All };
        let partition = self.broker.partition(RETRIED, 0)?;
        let appended = partition.append_idempotent(identity, sequence, &messages, acks)?;
        self.say(&Report::Acked(Ack {
            topic: RETRIED.to_owned(),
            incarnation: 0,
            partition: 0,
            base_offset: appended.base_offset,
            cycle: 0,
            thread: AGAIN,
            number: first,
            count: next - first,
            level: Level::of(acks),
        }));
        Ok(())
    }

    /// The next epoch takes over; a new batch of the old one must be refused.
    fn fence(&self, old: Numbered) -> Result<Numbered, Error> {
        let identity = ProducerIdentity::new(old.id, old.epoch);
        let ProducerIdentity { id, epoch, .. } = self.broker.fence_producer(identity)?;
        let new = Numbered { id, epoch, base: old.batch, batch: old.batch };
        self.say(&Report::Producer(new));
        let sequence = (first_record(old.batch) - first_record(old.base)) as i32;
        let partition = self.broker.partition(RETRIED, 0)?;
        let late = [Message::new("behind the fence")];
        match partition.append_idempotent(identity, sequence, &late, Acks::All) {
            Err(error) if error.kind() == ErrorKind::Fenced => Ok(new),
            Err(error) => Err(error),
            Ok(_) => {
                self.say(&Report::Failed("fence: the old epoch was let through".to_owned()));
                Ok(new)
            }
        }
    }
}
