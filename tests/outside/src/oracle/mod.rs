//! What must be in the directory after any number of kills, from nothing but the acks that were
//! read and the records that were seen.
//!
//! Per partition: offsets without a hole; of each thread and cycle a prefix of what it wrote, in
//! order, none twice; every acked record at the offset of its ack; what was seen once is seen for
//! ever, unless retention or a deletion that was begun may have taken it; an append to several
//! partitions in all of them or in none.

pub(crate) mod compacted;
pub(crate) mod payload;
pub(crate) mod planted;
pub(crate) mod protocol;

use std::collections::{BTreeMap, HashMap};

use crate::storm::COMPACTED;
use compacted::Compacted;
use payload::Stamp;
use protocol::{Ack, Report};

/// A record without what its place says already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    cycle: u32,
    thread: u32,
    number: u32,
}

/// What is known of one partition.
#[derive(Debug, Default)]
struct Partition {
    /// The first offset that was there at the last look.
    start: i64,
    /// What was seen from `start` on.
    seen: std::collections::VecDeque<Seen>,
    /// Acks that were not looked up yet.
    acks: Vec<Ack>,
    /// The newest record of each thread.
    newest: HashMap<u32, Seen>,
    /// No start may be below this: a deletion up to here was acked.
    cut: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existence {
    InCreation,
    Present,
    InDeletion,
    Gone,
}

#[derive(Debug)]
struct Topic {
    incarnation: u64,
    existence: Existence,
    partitions: BTreeMap<i32, Partition>,
}

/// What a look into a partition showed.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The first offset of the log.
    pub(crate) start: i64,
    /// The offset behind its last record.
    pub(crate) end: i64,
    /// Where reading began.
    pub(crate) from: i64,
    /// Everything from there to the end.
    pub(crate) records: Vec<(i64, Vec<u8>)>,
}

/// The supervisor's memory.
#[derive(Debug)]
pub(crate) struct Oracle {
    seed: u64,
    topics: BTreeMap<String, Topic>,
    /// What is known of the topic that is compacted, beside its acks.
    compacted: Compacted,
    /// Appends to several partitions, by cycle and number: the partitions meant, and those found.
    together: HashMap<(u32, u32), (u32, u32)>,
    /// How many records were acked in all.
    pub(crate) records_acked: u64,
    /// How many acked records were looked up and found.
    pub(crate) records_checked: u64,
    /// How many acked records had been deleted before they were looked up.
    pub(crate) records_retired: u64,
    /// How many records were seen at least once.
    pub(crate) records_seen: u64,
    /// How many topics were made, reported as done.
    pub(crate) topics_created: u64,
    /// How many topics were deleted, reported as done.
    pub(crate) topics_deleted: u64,
    /// How many deletions of records were reported as done.
    pub(crate) cuts: u64,
}

impl Oracle {
    pub(crate) fn new(seed: u64) -> Oracle {
        Oracle {
            seed,
            topics: BTreeMap::new(),
            compacted: Compacted::default(),
            together: HashMap::new(),
            records_acked: 0,
            records_checked: 0,
            records_retired: 0,
            records_seen: 0,
            topics_created: 0,
            topics_deleted: 0,
            cuts: 0,
        }
    }

    /// Takes in what a writer said.
    pub(crate) fn note(&mut self, report: Report) -> Result<(), String> {
        match report {
            Report::Ready | Report::Cutting(..) => {}
            Report::Failed(what) => return Err(format!("a writer failed: {what}")),
            Report::Creating(name, incarnation) => {
                // A topic that is only ensured is announced again in every cycle.
                let known = self.topics.get(&name);
                let known = known.filter(|topic| topic.existence != Existence::Gone);
                if known.is_none_or(|topic| topic.incarnation != incarnation) {
                    self.begin(name, incarnation);
                }
            }
            Report::Created(name, _) => {
                self.topics_created += 1;
                self.topic(&name)?.existence = Existence::Present;
            }
            Report::Deleting(name, _) => {
                // A topic whose creation was not acked may turn out to exist.
                if let Some(topic) = self.topics.get_mut(&name) {
                    topic.existence = Existence::InDeletion;
                }
            }
            Report::Deleted(name, _) => {
                self.topics_deleted += 1;
                self.topic(&name)?.existence = Existence::Gone;
            }
            Report::Cut(name, offset) => {
                self.cuts += 1;
                let partition = self.topic(&name)?.partitions.entry(0).or_default();
                partition.cut = partition.cut.max(offset);
            }
            Report::Acked(ack) => {
                self.records_acked += u64::from(ack.count);
                let topic = self.topic(&ack.topic)?;
                if topic.incarnation == ack.incarnation {
                    topic.partitions.entry(ack.partition).or_default().acks.push(ack);
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, name: String, incarnation: u64) {
        let topic =
            Topic { incarnation, existence: Existence::InCreation, partitions: BTreeMap::new() };
        self.topics.insert(name, topic);
    }

    fn topic(&mut self, name: &str) -> Result<&mut Topic, String> {
        self.topics.get_mut(name).ok_or_else(|| format!("nobody created {name}"))
    }

    /// Compares the topics that exist with those that must and may exist; from then on each either
    /// exists or does not.
    pub(crate) fn check_topics(&mut self, found: &[String]) -> Result<(), String> {
        for name in found {
            let topic = self.topics.get_mut(name).ok_or(format!("{name} was never created"))?;
            if topic.existence == Existence::Gone {
                return Err(format!("{name} was deleted and is back"));
            }
            topic.existence = Existence::Present;
        }
        for (name, topic) in &mut self.topics {
            if !found.contains(name) {
                if topic.existence == Existence::Present {
                    return Err(format!("{name} was created and is gone"));
                }
                topic.existence = Existence::Gone;
            }
        }
        Ok(())
    }

    /// How many records of the compacted topic are gone.
    pub(crate) fn records_superseded(&self) -> u64 {
        self.compacted.superseded
    }

    /// The log start of a partition at the last look.
    pub(crate) fn start_of(&self, topic: &str, partition: i32) -> i64 {
        let known = self.topics.get(topic).and_then(|topic| topic.partitions.get(&partition));
        known.map_or(0, |partition| partition.start)
    }

    /// From which offset on a partition was not seen yet.
    pub(crate) fn unseen_from(&self, topic: &str, partition: i32) -> i64 {
        let known = self.topics.get(topic).and_then(|topic| topic.partitions.get(&partition));
        known.map_or(0, |partition| partition.start + partition.seen.len() as i64)
    }

    /// Compares what a partition showed with what must be there.
    pub(crate) fn check_partition(
        &mut self,
        name: &str,
        number: i32,
        shown: &Shown,
    ) -> Result<(), String> {
        let seed = self.seed;
        let topic = self.topics.get_mut(name).ok_or(format!("{name} was never created"))?;
        let incarnation = topic.incarnation;
        let partition = topic.partitions.entry(number).or_default();
        if name == COMPACTED {
            let acks = std::mem::take(&mut partition.acks);
            let looked_up = self.compacted.check(seed, shown, &acks);
            self.records_checked += looked_up.map_err(|what| format!("{name}-{number}: {what}"))?;
            return Ok(());
        }
        let place = |offset: i64| format!("{name}-{number} at offset {offset}");
        partition.move_start(shown.start).map_err(|what| format!("{name}-{number}: {what}"))?;
        let mut expected = shown.from.max(shown.start);
        for (offset, payload) in &shown.records {
            if *offset != expected {
                return Err(format!("{}: offset {expected} is missing", place(*offset)));
            }
            expected += 1;
            let stamp =
                Stamp::check(seed, payload).map_err(|w| format!("{}: {w}", place(*offset)))?;
            if stamp.topic != name || stamp.partition != number || stamp.incarnation != incarnation
            {
                return Err(format!("{}: a record of elsewhere: {stamp:?}", place(*offset)));
            }
            let fresh = partition.take(*offset, &stamp);
            let fresh = fresh.map_err(|what| format!("{}: {what}", place(*offset)))?;
            self.records_seen += u64::from(fresh);
            if let (true, Some((append, meant))) = (fresh, stamp.together) {
                let entry = self.together.entry((stamp.cycle, append)).or_insert((meant, 0));
                entry.1 |= 1 << number;
            }
        }
        let seen_end = partition.start + partition.seen.len() as i64;
        if expected != shown.end || shown.end < seen_end {
            let end = shown.end;
            return Err(format!(
                "{name}-{number}: records to {expected}, the end is said to be {end}, and was {seen_end}"
            ));
        }
        let checked =
            partition.look_up_acks().map_err(|what| format!("{name}-{number}: {what}"))?;
        self.records_checked += checked.found;
        self.records_retired += checked.retired;
        Ok(())
    }

    /// To be called when all partitions have been checked: no append to several may be torn, no
    /// partition may have been left out.
    pub(crate) fn check_complete(&mut self) -> Result<(), String> {
        for (name, topic) in &self.topics {
            for (number, partition) in &topic.partitions {
                if topic.existence == Existence::Present && !partition.acks.is_empty() {
                    return Err(format!("{name}-{number} has acked records and is not shown"));
                }
            }
        }
        for ((cycle, number), (meant, found)) in self.together.drain() {
            if meant != found {
                return Err(format!(
                    "append {number} of cycle {cycle} went to partitions {meant:04b}, {found:04b} have it"
                ));
            }
        }
        Ok(())
    }
}

/// Acked records, counted.
#[derive(Debug, Default)]
struct LookedUp {
    found: u64,
    /// They lie below the log start.
    retired: u64,
}

impl Partition {
    fn move_start(&mut self, start: i64) -> Result<(), String> {
        if start < self.start || start < self.cut {
            let least = self.start.max(self.cut);
            return Err(format!("the log starts at {start} again, it was cut to {least}"));
        }
        if start > self.start + self.seen.len() as i64 {
            // What was written since the last look is gone in part; nothing can be said about it.
            self.newest.clear();
        }
        while self.start < start {
            self.start += 1;
            self.seen.pop_front();
        }
        Ok(())
    }

    /// Whether the record is new. One that was seen before must be the same.
    fn take(&mut self, offset: i64, stamp: &Stamp) -> Result<bool, String> {
        let seen = Seen { cycle: stamp.cycle, thread: stamp.thread, number: stamp.number };
        let index = (offset - self.start) as usize;
        if let Some(before) = self.seen.get(index) {
            return if *before == seen {
                Ok(false)
            } else {
                Err(format!("{seen:?} stands where {before:?} was"))
            };
        }
        if index != self.seen.len() {
            // Retention took what lies between; nothing can be said about it.
            self.seen.clear();
            self.newest.clear();
            self.start = offset;
        } else {
            let newest = self.newest.get(&seen.thread);
            let follows = match newest {
                Some(newest) if newest.cycle == seen.cycle => newest.number + 1 == seen.number,
                Some(newest) => newest.cycle < seen.cycle && seen.number == 0,
                None => seen.number == 0 || self.start > 0,
            };
            if !follows {
                return Err(format!("{seen:?} follows {newest:?} of its thread"));
            }
        }
        self.newest.insert(seen.thread, seen);
        self.seen.push_back(seen);
        Ok(true)
    }

    fn look_up_acks(&mut self) -> Result<LookedUp, String> {
        let mut checked = LookedUp::default();
        for ack in std::mem::take(&mut self.acks) {
            for index in 0..ack.count {
                let offset = ack.base_offset + i64::from(index);
                if offset < self.start {
                    checked.retired += 1;
                    continue;
                }
                let wanted =
                    Seen { cycle: ack.cycle, thread: ack.thread, number: ack.number + index };
                match self.seen.get((offset - self.start) as usize) {
                    Some(found) if *found == wanted => checked.found += 1,
                    Some(found) => {
                        return Err(format!(
                            "{wanted:?} was acked at {offset}, {found:?} is there"
                        ));
                    }
                    None => return Err(format!("{wanted:?} was acked at {offset} and is lost")),
                }
            }
        }
        Ok(checked)
    }
}
