//! What must be in the directory after any number of ends, from nothing but the lines that were
//! read and the records that were seen.
//!
//! Per partition: offsets without a hole; of each thread and cycle a prefix of what it wrote, in
//! order, none twice; every record acked at a level that survives what happened, at the offset of
//! its ack; what was seen once is seen for ever, unless retention or a deletion that was begun may
//! have taken it; an append to several partitions in all of them or in none. Committed offsets are
//! where they were put; transactions are whole, together with their offset.

pub(crate) mod compacted;
mod counts;
mod offsets;
mod partition;
pub(crate) mod payload;
pub(crate) mod planted;
mod processed;
pub(crate) mod protocol;

use std::collections::{BTreeMap, HashMap};

use crate::storm::retries::{Numbered, batch_at};
use crate::storm::{COMPACTED, DONE, ORDERS, READERS, RETRIED, STEADY, WORKERS};
use compacted::Compacted;
pub(crate) use counts::Counts;
use offsets::Offsets;
use partition::{Partition, Told};
use payload::Stamp;
use processed::Processed;
use protocol::{Level, Report};

/// What happens to the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It dies; the operating system goes on.
    Kill,
    /// The power goes: only what was synced must survive.
    Power,
}

/// When a line was read: it may have come too late to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    InTime,
    /// The power was being cut. What was begun may have happened; that it was done is no promise.
    TooLate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existence {
    InCreation,
    Present,
    InDeletion,
    Gone,
}

#[derive(Clone, Debug)]
struct Topic {
    /// `None` if nobody can tell which of two it is.
    incarnation: Option<u64>,
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
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    seed: u64,
    fault: Fault,
    topics: BTreeMap<String, Topic>,
    /// What is known of the topic that is compacted, beside its acks.
    compacted: Compacted,
    processed: Processed,
    readers: Offsets,
    producer: Option<Numbered>,
    /// Nobody knows whether its id was durably given out, unless a batch of it is there.
    producer_is_doubtful: bool,
    /// Appends to several partitions, by cycle and number: the partitions meant, and those found.
    together: HashMap<(u32, u32), (u32, u32)>,
    pub(crate) counts: Counts,
}

impl Oracle {
    pub(crate) fn new(seed: u64, fault: Fault) -> Oracle {
        Oracle {
            seed,
            fault,
            topics: BTreeMap::new(),
            compacted: Compacted::default(),
            processed: Processed::default(),
            readers: Offsets::default(),
            producer: None,
            producer_is_doubtful: false,
            together: HashMap::new(),
            counts: Counts::default(),
        }
    }

    /// Takes in what a writer said.
    pub(crate) fn note(&mut self, report: Report, read: Read) -> Result<(), String> {
        let in_time = read == Read::InTime;
        match report {
            Report::Closed if in_time => self.everything_is_synced(),
            Report::Ready | Report::Cutting(..) => {}
            // Without power everything fails.
            Report::Failed(what) if in_time => return Err(what),
            Report::Failed(_) => {}
            Report::Creating(name, incarnation) => self.creating(name, incarnation),
            Report::Created(name, _) if in_time => {
                self.counts.topics_created += 1;
                self.topic(&name)?.existence = Existence::Present;
            }
            Report::Deleting(name, _) => {
                // A topic whose creation was not acked may turn out to exist.
                if let Some(topic) = self.topics.get_mut(&name) {
                    topic.existence = Existence::InDeletion;
                }
            }
            Report::Deleted(name, _) if in_time => {
                self.counts.topics_deleted += 1;
                self.topic(&name)?.existence = Existence::Gone;
            }
            Report::Cut(name, offset) if in_time => {
                self.counts.cuts += 1;
                let partition = self.topic(&name)?.partitions.entry(0).or_default();
                partition.cut = partition.cut.max(offset);
            }
            Report::Acked(ack) => {
                self.counts.records_acked += u64::from(ack.count);
                let survives = self.fault == Fault::Kill || ack.level == Level::Synced;
                let topic = self.topic(&ack.topic)?;
                if topic.incarnation == Some(ack.incarnation) {
                    let partition = topic.partitions.entry(ack.partition).or_default();
                    let is_certain = survives && in_time;
                    partition.acks.push(Told { ack, is_certain, is_believed: in_time });
                }
            }
            Report::Processed(orders) if in_time => {
                self.counts.transactions += 1;
                self.processed.acked(orders);
            }
            Report::Committing(commit) => self.readers.begin(commit),
            Report::Committed(commit) if in_time => {
                self.counts.commits += 1;
                self.readers.end(commit);
            }
            Report::Producer(producer) => {
                self.producer_is_doubtful = !in_time && self.producer.is_none();
                self.producer = Some(producer);
            }
            Report::Closed
            | Report::Created(..)
            | Report::Deleted(..)
            | Report::Cut(..)
            | Report::Processed(_)
            | Report::Committed(_) => {}
        }
        Ok(())
    }

    /// A close, and a recovery of what a kill has left, make durable what was acked at any level.
    pub(crate) fn everything_is_synced(&mut self) {
        let partitions = self.topics.values_mut().flat_map(|topic| topic.partitions.values_mut());
        for told in partitions.flat_map(|partition| &mut partition.acks) {
            told.is_certain |= told.is_believed;
        }
    }

    fn creating(&mut self, name: String, incarnation: u64) {
        // A topic that is only ensured is announced again in every cycle.
        let known = self.topics.get(&name);
        let known = known.filter(|topic| topic.existence != Existence::Gone);
        if known.is_some_and(|topic| topic.incarnation == Some(incarnation)) {
            return;
        }
        // The end of the one before was told too late: it may still be there.
        let incarnation = known.is_none().then_some(incarnation);
        let existence = Existence::InCreation;
        let topic = Topic { incarnation, existence, partitions: BTreeMap::new() };
        self.topics.insert(name, topic);
    }

    fn topic(&mut self, name: &str) -> Result<&mut Topic, String> {
        self.topics.get_mut(name).ok_or_else(|| format!("topics: nobody created {name}"))
    }

    /// Compares the topics that exist with those that must and may exist; from then on each either
    /// exists or does not.
    pub(crate) fn check_topics(&mut self, found: &[String]) -> Result<(), String> {
        let found: Vec<&String> = found.iter().filter(|name| !name.starts_with("__")).collect();
        for name in &found {
            let topic =
                self.topics.get_mut(*name).ok_or(format!("topics: {name} was never created"))?;
            if topic.existence == Existence::Gone {
                return Err(format!("topics: {name} was deleted and is back"));
            }
            topic.existence = Existence::Present;
        }
        for (name, topic) in &mut self.topics {
            if !found.contains(&name) {
                if topic.existence == Existence::Present {
                    return Err(format!("topics: {name} was created and is gone"));
                }
                topic.existence = Existence::Gone;
            }
        }
        Ok(())
    }

    fn known(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(&partition)
    }

    /// From which offset on a partition was not seen yet.
    pub(crate) fn unseen_from(&self, topic: &str, partition: i32) -> i64 {
        if topic == DONE {
            return self.processed.end(partition);
        }
        self.known(topic, partition).map_or(0, Partition::end)
    }

    /// What the idempotent producer of the next life sends first: the last batch that is there. To
    /// be asked after a look.
    pub(crate) fn producer(&mut self) -> Option<Numbered> {
        let next = u32::try_from(self.unseen_from(RETRIED, 0)).ok().and_then(batch_at)?;
        if next == 0 && std::mem::take(&mut self.producer_is_doubtful) {
            self.producer = None;
        }
        let known = self.producer.as_mut()?;
        known.base = known.base.min(next);
        known.batch = next - u32::from(next > known.base);
        self.counts.retries += u64::from(next > known.base);
        self.producer
    }

    /// Compares what a partition showed with what must be there.
    pub(crate) fn check_partition(
        &mut self,
        name: &str,
        number: i32,
        shown: &Shown,
    ) -> Result<(), String> {
        let told = |what: String| format!("{what} [{name}-{number}]");
        match name {
            DONE => {
                let fresh = self.processed.check_copy(number, shown).map_err(told)?;
                self.counts.records_seen += fresh;
                Ok(())
            }
            COMPACTED => self.check_compacted(shown).map_err(told),
            _ => self.check_log(name, number, shown).map_err(told),
        }
    }

    fn check_compacted(&mut self, shown: &Shown) -> Result<(), String> {
        let partition = self.topic(COMPACTED)?.partitions.entry(0).or_default();
        let told = std::mem::take(&mut partition.acks);
        let known = told.len();
        // Those that went with the power are a suffix.
        let acks: Vec<_> = told
            .into_iter()
            .filter(|told| told.is_certain || told.ack.base_offset < shown.end)
            .map(|told| told.ack)
            .collect();
        self.counts.records_lost += (known - acks.len()) as u64;
        let gone_before = self.compacted.superseded;
        self.counts.records_checked += self.compacted.check(self.seed, shown, &acks)?;
        self.counts.records_superseded += self.compacted.superseded - gone_before;
        Ok(())
    }

    fn check_log(&mut self, name: &str, number: i32, shown: &Shown) -> Result<(), String> {
        let seed = self.seed;
        let topic = self.topics.get_mut(name).ok_or(format!("topics: {name} was never created"))?;
        let partition = topic.partitions.entry(number).or_default();
        partition.move_start(shown.start)?;
        let mut expected = shown.from.max(shown.start);
        for (offset, payload) in &shown.records {
            if *offset != expected {
                return Err(format!("prefix: offset {expected} is missing, {offset} follows"));
            }
            expected += 1;
            let at = |what: String| format!("{what}, at offset {offset}");
            let stamp = Stamp::check(seed, payload).map_err(at)?;
            let incarnation = *topic.incarnation.get_or_insert(stamp.incarnation);
            if stamp.topic != name || stamp.partition != number || stamp.incarnation != incarnation
            {
                return Err(at(format!("prefix: a record of elsewhere: {stamp:?}")));
            }
            let fresh = partition.take(*offset, &stamp).map_err(at)?;
            self.counts.records_seen += u64::from(fresh);
            if let (true, Some((append, meant))) = (fresh, stamp.together) {
                let entry = self.together.entry((stamp.cycle, append)).or_insert((meant, 0));
                entry.1 |= 1 << number;
            }
        }
        let seen_end = partition.end();
        if expected != shown.end || shown.end < seen_end {
            let end = shown.end;
            return Err(format!(
                "prefix: records to {expected}, the end is said to be {end}, and was {seen_end}"
            ));
        }
        let checked = partition.look_up_acks()?;
        self.counts.records_checked += checked.found;
        self.counts.records_retired += checked.retired;
        self.counts.records_lost += checked.lost;
        if name == RETRIED && u32::try_from(seen_end).ok().and_then(batch_at).is_none() {
            return Err(format!("all or nothing: a batch is cut, the log ends at {seen_end}"));
        }
        Ok(())
    }

    /// To be called when all partitions have been checked, with the offsets that a group has
    /// committed, as (topic, partition, offset).
    pub(crate) fn check_offsets(
        &mut self,
        group: &str,
        found: &[(String, i32, i64)],
    ) -> Result<(), String> {
        let at = |wanted: i32| {
            found.iter().find(|(_, number, _)| *number == wanted).map(|(_, _, offset)| *offset)
        };
        match group {
            WORKERS => self.processed.check_offset(at(0)),
            READERS => {
                for number in 0..crate::storm::STEADY_PARTITIONS {
                    self.readers.check(number, at(number))?;
                    let end = self.unseen_from(STEADY, number);
                    if at(number).is_some_and(|offset| offset > end) {
                        return Err(format!("offsets: {:?} is beyond the end {end}", at(number)));
                    }
                }
                Ok(())
            }
            other => Err(format!("offsets: nobody committed as {other}")),
        }
    }

    /// The group goes on where it stopped, and every order that is not done is still to come.
    pub(crate) fn check_orders_left(&self, left: &[i64]) -> Result<(), String> {
        let wanted = self.processed.end(0)..self.unseen_from(ORDERS, 0);
        if wanted.clone().eq(left.iter().copied()) {
            return Ok(());
        }
        Err(format!("offsets: the group gets {left:?}, it has yet to do {wanted:?}"))
    }

    /// To be called when all partitions have been checked: no append to several may be torn, no
    /// partition may have been left out.
    pub(crate) fn check_complete(&mut self) -> Result<(), String> {
        for (name, topic) in &self.topics {
            for (number, partition) in &topic.partitions {
                let is_missed = partition.acks.iter().any(|told| told.is_certain);
                if topic.existence == Existence::Present && is_missed {
                    return Err(format!(
                        "topics: {name}-{number} has acked records and is not shown"
                    ));
                }
            }
        }
        for ((cycle, number), (meant, found)) in self.together.drain() {
            if meant != found {
                return Err(format!(
                    "all or nothing: append {number} of cycle {cycle} went to partitions \
                     {meant:04b}, {found:04b} have it"
                ));
            }
        }
        Ok(())
    }
}
