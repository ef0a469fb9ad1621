//! What goes on beside the appends: topics that come and go, logs that are cut, compaction,
//! checkpoints.

use std::thread;
use std::time::Duration;

use ottla::Error;

use super::line::Line;
use super::{COMPACTED, EATEN, FLEETING, FLEETING_PARTITIONS, SHORT, Writer, small_segments};
use crate::oracle::protocol::Report;

impl Writer<'_> {
    /// Appends to a topic that is cut at its start, by retention and by hand.
    pub(super) fn append_and_eat(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut line = Line::new(SHORT, 0, 0, EATEN);
        let partition = self.broker.partition(SHORT, 0)?;
        while self.goes_on() {
            line.append(self, random)?;
            match random.u32(0..12) {
                0 => {
                    self.broker.run_retention()?;
                }
                1 => {
                    let (start, end) = (partition.log_start_offset(), partition.end_offset());
                    let offset = random.i64(start..=end.min(start + 200));
                    self.say(&Report::Cutting(SHORT.to_owned(), offset));
                    partition.delete_records(offset)?;
                    self.say(&Report::Cut(SHORT.to_owned(), offset));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Topics that live for a few appends. Names return, with another incarnation.
    pub(super) fn create_and_delete(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        for topic in self.broker.list_topics() {
            if topic.name.as_str().starts_with("fleeting") {
                self.delete(topic.name.as_str())?;
            }
        }
        let mut incarnation = u64::from(self.cycle) << 32;
        let mut alive: Vec<String> = Vec::new();
        while self.goes_on() {
            if alive.len() == 3 {
                let gone = alive.swap_remove(random.usize(..alive.len()));
                self.delete(&gone)?;
            }
            let Some(name) = (0..4).map(|n| format!("fleeting-{n}")).find(|n| !alive.contains(n))
            else {
                continue;
            };
            incarnation += 1;
            self.say(&Report::Creating(name.clone(), incarnation));
            let config = small_segments(65_536)?.partitions(FLEETING_PARTITIONS);
            self.broker.create_topic(&name, config)?;
            self.say(&Report::Created(name.clone(), incarnation));
            let mut lines: Vec<Line> = (0..FLEETING_PARTITIONS)
                .map(|number| Line::new(&name, incarnation, number, FLEETING))
                .collect();
            for _ in 0..random.usize(0..12) {
                let index = random.usize(..lines.len());
                lines[index].append(self, random)?;
            }
            alive.push(name);
        }
        Ok(())
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), Error> {
        self.say(&Report::Deleting(name.to_owned(), 0));
        self.broker.delete_topic(name)?;
        self.say(&Report::Deleted(name.to_owned(), 0));
        Ok(())
    }

    /// Beside the cleaner's own thread.
    pub(super) fn compact(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        while self.goes_on() {
            thread::sleep(Duration::from_micros(random.u64(0..30_000)));
            self.broker.compact_now(COMPACTED)?;
        }
        Ok(())
    }

    pub(super) fn checkpoint(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        while self.goes_on() {
            thread::sleep(Duration::from_micros(random.u64(0..20_000)));
            self.broker.checkpoint()?;
        }
        Ok(())
    }
}
