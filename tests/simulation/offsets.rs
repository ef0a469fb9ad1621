//! Offsets that groups commit: what the model notes of them, and the law that they obey.
//!
//! The law: after a crash a group is in a partition where it was put last, or where it was being
//! put then; never before what was acked, never beyond the end. That the records below are there
//! is the law of prefixes.

use std::collections::BTreeMap;

use ottla::{Broker, OffsetReset, OffsetScope, TopicName, TopicPartition};

use crate::model::{PartitionModel, SeenPartition, Span};
use crate::run::Run;
use crate::workload::{GROUPS, NAMES};

/// Something that was done to the offset of a group in a partition.
#[derive(Clone, Debug)]
pub struct Committed {
    pub group: &'static str,
    /// Where the group goes on; `None` if its offset was deleted.
    pub offset: Option<i64>,
    pub span: Span,
    /// The transaction that it belongs to.
    pub whole: Option<usize>,
}

impl PartitionModel {
    /// Where a group may be after a crash.
    fn allowed(&self, group: &str, at: i64) -> Vec<Option<i64>> {
        let of_group: Vec<_> = self.committed.iter().filter(|c| c.group == group).collect();
        let last = of_group.iter().rposition(|committed| committed.span.must(at));
        let later = of_group.iter().skip(last.map_or(0, |last| last + 1));
        let later = later.filter(|committed| committed.span.may(at));
        let mut allowed: Vec<_> = later.map(|committed| committed.offset).collect();
        allowed.push(last.and_then(|last| of_group[last].offset));
        allowed
    }

    /// Whether a group may be behind `end` by what was acked last. One whose offset was deleted is
    /// nowhere.
    fn may_be_behind(&self, group: &str, end: i64) -> bool {
        let acked =
            |committed: &&Committed| committed.group == group && committed.span.acked.is_some();
        match self.committed.iter().rev().find(acked) {
            Some(newest) => newest.offset.is_some_and(|offset| offset > end),
            None => true,
        }
    }

    /// Holds the law against what was seen.
    pub fn hold_offsets(&self, at: i64, seen: &SeenPartition) -> Result<(), String> {
        for group in GROUPS {
            let offset = seen.committed.get(group).copied();
            let allowed = self.allowed(group, at);
            if !allowed.contains(&offset) {
                return Err(format!("offsets: {group} is at {offset:?}, not one of {allowed:?}"));
            }
            if offset.is_some_and(|offset| offset > seen.end) {
                return Err(format!("offsets: {group} is at {offset:?}, the end is {}", seen.end));
            }
        }
        Ok(())
    }

    /// What an open has shown decides what nobody knew.
    pub fn settle_offsets(&mut self, seen: &SeenPartition, at: i64) {
        for group in GROUPS {
            let offset = seen.committed.get(group).copied();
            let is_seen = |committed: &Committed| {
                committed.group == group && committed.offset == offset && committed.span.may(at)
            };
            let last = self.committed.iter().rposition(is_seen);
            let of_group = self.committed.iter_mut().enumerate();
            for (index, committed) in of_group.filter(|(_, c)| c.group == group) {
                committed.span.settle(last.is_some_and(|last| index <= last), at);
            }
        }
        self.committed.retain(|committed| committed.span.refused.is_none());
    }
}

/// Where all groups are, by partition.
pub fn read_offsets(
    broker: &Broker,
) -> Result<BTreeMap<TopicPartition, BTreeMap<String, i64>>, String> {
    let mut offsets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for group in GROUPS {
        let committed = broker.committed_offsets(group);
        for (partition, committed) in committed.map_err(|e| format!("offsets: {e}"))? {
            offsets.entry(partition).or_default().insert(group.to_owned(), committed.offset);
        }
    }
    Ok(offsets)
}

impl Run {
    /// Puts a group to a part of what there is.
    pub fn commit_offset(
        &mut self,
        broker: &Broker,
        group: usize,
        (topic, partition): (usize, usize),
        percent: i64,
    ) -> Result<(), String> {
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let group = GROUPS[group];
        let name = name_of(topic, place.1);
        let handle = broker.partition(NAMES[topic], place.1 as i32).map_err(|e| e.to_string())?;
        let (start, end) = (handle.log_start_offset(), handle.end_offset());
        let offset = start + (end - start) * percent / 100;
        let scope = OffsetScope::Partitions(vec![name.clone()]);
        let mut span = Span::begun(self.at());
        match broker.reset_offsets(group, &scope, OffsetReset::Offset(offset), false) {
            Ok(_) => span.acked = Some(self.at()),
            Err(error) => {
                self.note_partial(error, &mut span)?;
                self.nothing_unsynced_is_shown(broker, group, place, &name)?;
            }
        }
        self.note_committed(place, Committed { group, offset: Some(offset), span, whole: None });
        Ok(())
    }

    /// Deletes what a group committed for a partition.
    pub fn delete_offset(
        &mut self,
        broker: &Broker,
        group: usize,
        (topic, partition): (usize, usize),
    ) -> Result<(), String> {
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let group = GROUPS[group];
        if broker.committed_offsets(group).is_ok_and(|offsets| offsets.is_empty()) {
            return Ok(());
        }
        let scope = OffsetScope::Partitions(vec![name_of(topic, place.1)]);
        let mut span = Span::begun(self.at());
        match broker.delete_offsets(group, &scope) {
            Ok(()) => span.acked = Some(self.at()),
            Err(error) => self.note_partial(error, &mut span)?,
        }
        self.note_committed(place, Committed { group, offset: None, span, whole: None });
        Ok(())
    }

    /// Groups that are behind a cut are put to it.
    pub fn note_cut_offsets(&mut self, place: (usize, usize), end: i64, span: Span) {
        for group in GROUPS {
            let partition = &self.model.topics[place.0].partitions[place.1];
            // What was refused is not there: a transaction that failed puts no group anywhere.
            let counts = |c: &&Committed| c.group == group && c.span.refused.is_none();
            let behind = |c: &Committed| c.offset.is_some_and(|offset| offset > end);
            let was_behind = partition.committed.iter().filter(counts).any(behind);
            // What nobody knows to be there may have had to be put back, or not.
            let is_sure = |c: &Committed| behind(c) && c.span.acked.is_some();
            let is_sure = partition.committed.iter().filter(counts).any(is_sure);
            let span = Span { acked: span.acked.filter(|_| is_sure), ..span };
            if was_behind && partition.may_be_behind(group, end) {
                self.note_committed(
                    place,
                    Committed { group, offset: Some(end), span, whole: None },
                );
            }
        }
    }

    /// A cut failed: which groups were put to it before, the living broker shows.
    pub fn settle_cut_offsets(&mut self, broker: &Broker, place: (usize, usize)) {
        let name = self.model.topics[place.0].name.clone();
        let at = self.at();
        for group in GROUPS {
            let Ok(shown) = broker.committed_offsets(group) else { continue };
            let is_here = |(at, _): &&(TopicPartition, _)| {
                at.topic.as_str() == name && at.partition == place.1 as i32
            };
            let shown = shown.iter().find(is_here).map(|(_, committed)| committed.offset);
            let committed = &mut self.model.topics[place.0].partitions[place.1].committed;
            if let Some(last) = committed.iter_mut().rev().find(|c| c.group == group)
                && last.span.is_open()
                && last.offset == shown
            {
                last.span.acked = Some(at);
            }
        }
    }

    fn note_committed(&mut self, place: (usize, usize), committed: Committed) {
        if committed.span.refused.is_none() {
            self.model.topics[place.0].partitions[place.1].committed.push(committed);
        }
    }

    /// A commit that failed shows nothing: it may not be durable.
    fn nothing_unsynced_is_shown(
        &self,
        broker: &Broker,
        group: &str,
        place: (usize, usize),
        name: &TopicPartition,
    ) -> Result<(), String> {
        let Ok(shown) = broker.committed_offsets(group) else { return Ok(()) };
        let shown = shown.into_iter().find(|(partition, _)| partition == name);
        let shown = shown.map(|(_, committed)| committed.offset);
        let partition = &self.model.topics[place.0].partitions[place.1];
        // A commit before may have been durable and not shown: then the broker is poisoned.
        let known = partition.committed.iter().filter(|c| c.group == group).map(|c| c.offset);
        if shown.is_none() || known.clone().any(|offset| offset == shown) {
            return Ok(());
        }
        Err(format!("offsets: {group} is shown at {shown:?}, which was not acked"))
    }
}

fn name_of(topic: usize, partition: usize) -> TopicPartition {
    let name = TopicName::new(NAMES[topic]).expect("a legal name");
    TopicPartition::new(name, partition as i32)
}
