//! Reading, processing and writing in transactions: each order is done once, in all partitions or in
//! none, together with the offset that says so. Beside it a group that commits any offsets.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ottla::{Error, Record};

use super::line::Line;
use super::{
    DONE, DONE_COPIES, ORDERS, PROCESSED, READERS, STEADY, STEADY_PARTITIONS, WORKERS, Writer,
};
use crate::oracle::protocol::{Commit, Report};

/// One order in so many makes its transaction larger than the buffer of transactions: it is spilled.
const LARGE_EVERY: i64 = 40;
const LARGE_BYTES: usize = 12 << 10;

/// What becomes of an order.
pub(crate) fn done_of(order: i64) -> String {
    let filler = if order % LARGE_EVERY == 0 { LARGE_BYTES } else { 0 };
    format!("{order}{}", ".".repeat(filler))
}

impl Writer<'_> {
    /// Orders are appended here, too: with `acks=1` half of the time, so that a committed offset
    /// has to see to the data below it.
    pub(super) fn process_orders(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut line = Line::new(ORDERS, 0, 0, PROCESSED);
        let consumer = self.broker.consumer().group(WORKERS).subscribe([ORDERS]);
        let mut consumer = consumer.max_poll_records(7).build()?;
        while self.goes_on() {
            line.append(self, random)?;
            if random.u32(0..6) == 0 {
                self.abort(random.bool())?;
            }
            let records = consumer.poll(Duration::ZERO)?;
            let Some(last) = records.iter().last().map(|record| record.offset()) else {
                continue;
            };
            let mut transaction = self.broker.transaction()?;
            for record in &records {
                let value = done_of(record.offset());
                for copy in 0..DONE_COPIES {
                    transaction.send(Record::new(DONE, &value).partition(copy))?;
                }
            }
            transaction.commit_offsets(&consumer)?;
            transaction.commit()?;
            self.say(&Report::Processed(last + 1));
        }
        consumer.close()
    }

    /// What is staged here must never be seen.
    fn abort(&self, is_spilled: bool) -> Result<(), Error> {
        let mut transaction = self.broker.transaction()?;
        let value = "aborted".repeat(if is_spilled { LARGE_BYTES / 7 } else { 1 });
        for copy in 0..DONE_COPIES {
            transaction.send(Record::new(DONE, &value).partition(copy))?;
        }
        transaction.abort()
    }

    /// Offsets go forwards and backwards, but never beyond the end; half of the time nobody waits.
    pub(super) fn commit_offsets(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let places = (0..STEADY_PARTITIONS).map(|number| (STEADY, number));
        let consumer = self.broker.consumer().group(READERS).assign(places);
        let mut consumer = consumer.build()?;
        let (told, committed) = channel();
        while self.goes_on() {
            let partition = random.i32(0..STEADY_PARTITIONS);
            let end = self.broker.partition(STEADY, partition)?.end_offset();
            let offset = if random.bool() { end } else { random.i64(0..=end) };
            let commit = Commit { partition, offset };
            self.say(&Report::Committing(commit));
            let place = [((STEADY, partition), offset)];
            if random.bool() {
                let told = told.clone();
                consumer.commit_offsets_async(place, move |_, outcome| {
                    // Nobody listens any more when the life is over.
                    let _ = told.send(outcome.map(|()| commit));
                })?;
                continue;
            }
            consumer.commit_offsets(place)?;
            // Those before were told on the way, in their order.
            for earlier in committed.try_iter() {
                self.say(&Report::Committed(earlier?));
            }
            self.say(&Report::Committed(commit));
            thread::sleep(Duration::from_micros(random.u64(0..1_000)));
        }
        Ok(())
    }
}
