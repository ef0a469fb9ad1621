//! What a run has done, in plain vectors: the reference that every crash state is held against.
//!
//! Each deed has a [`Span`]: the position of the recording at which it began, and the one at which
//! its answer came. A crash at a position between the two may keep it or not.

use std::collections::BTreeMap;

use ottla::{Acks, ProducerIdentity, TopicId};

use crate::compacted::Compacted;
pub(crate) use crate::offsets::Committed;
use crate::retries::Stamp;

/// A position before everything that was recorded.
pub(crate) const BEFORE: i64 = -1;

/// When something was begun, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begun: i64,
    /// It was promised from this position on.
    pub(crate) acked: Option<i64>,
    /// It was denied from this position on.
    pub(crate) refused: Option<i64>,
}

impl Span {
    pub(crate) fn begun(begun: i64) -> Span {
        Span { begun, acked: None, refused: None }
    }

    /// A crash at this position may keep it: a part of the next write may have been done, too.
    pub(crate) fn may(&self, at: i64) -> bool {
        self.begun <= at && (self.acked.is_some() || self.refused.is_none_or(|end| at < end))
    }

    /// A crash at this position must keep it.
    pub(crate) fn must(&self, at: i64) -> bool {
        self.acked.is_some_and(|acked| acked <= at)
    }

    /// Nobody knows yet how it ended.
    pub(crate) fn is_open(&self) -> bool {
        self.acked.is_none() && self.refused.is_none()
    }

    /// What was seen decides it.
    pub(crate) fn settle(&mut self, is_there: bool, at: i64) {
        if self.is_open() {
            *(if is_there { &mut self.acked } else { &mut self.refused }) = Some(at);
        }
    }

    /// The same, seen from a recording that begins with a crash at `at`; `None` if the crash
    /// cannot have kept it.
    fn after_crash(&self, at: i64, must: bool) -> Option<Span> {
        let acked = must.then_some(BEFORE);
        self.may(at).then_some(Span { begun: BEFORE - 1, acked, refused: None })
    }
}

/// What one append wrote into one partition.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) base: i64,
    pub(crate) values: Vec<Vec<u8>>,
    pub(crate) acks: Acks,
    pub(crate) span: Span,
    /// The truncation that took it.
    pub(crate) cut: Option<Span>,
    /// Since when it is synced, whatever its level: a checkpoint, a close, a recovery.
    pub(crate) durable: Option<i64>,
    /// The atomic append that it belongs to.
    pub(crate) group: Option<usize>,
    /// The idempotent producer that sent it.
    pub(crate) stamp: Option<Stamp>,
}

impl Batch {
    pub(crate) fn end(&self) -> i64 {
        self.base + self.values.len() as i64
    }

    /// Whether a crash may show it.
    pub(crate) fn may(&self, at: i64) -> bool {
        self.span.may(at) && !self.cut.is_some_and(|cut| cut.must(at))
    }

    /// Whether a crash of this kind must show it.
    pub(crate) fn must(&self, at: i64, lost_power: bool) -> bool {
        let synced = self.durable.is_some_and(|durable| durable <= at);
        let named = match self.acks {
            Acks::All => true,
            Acks::Leader => !lost_power,
            Acks::None => false,
        };
        let acked = self.span.must(at) && named;
        (acked || synced) && !self.cut.is_some_and(|cut| cut.may(at))
    }
}

/// A log start that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Where to; if not `exact`, at most there.
    pub(crate) offset: i64,
    pub(crate) exact: bool,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct PartitionModel {
    pub(crate) span: Span,
    pub(crate) batches: Vec<Batch>,
    pub(crate) starts: Vec<Start>,
    /// The idempotent producer that sends here.
    pub(crate) producer: Option<ProducerIdentity>,
    /// What groups committed, in order.
    pub(crate) committed: Vec<Committed>,
    pub(crate) compactions: Vec<Compacted>,
}

impl PartitionModel {
    pub(crate) fn new(span: Span) -> PartitionModel {
        PartitionModel {
            span,
            batches: Vec::new(),
            starts: Vec::new(),
            producer: None,
            committed: Vec::new(),
            compactions: Vec::new(),
        }
    }
}

/// One life of a topic: deleted and made anew it is another one.
#[derive(Clone, Debug)]
pub(crate) struct TopicModel {
    pub(crate) name: String,
    /// `None` if its creation never answered.
    pub(crate) id: Option<TopicId>,
    pub(crate) created: Span,
    pub(crate) deleted: Option<Span>,
    /// Whether it may be compacted.
    pub(crate) compacted: bool,
    /// Whether records of it may be deleted.
    pub(crate) deletes: bool,
    pub(crate) partitions: Vec<PartitionModel>,
    /// What `retention.bytes` was set to.
    pub(crate) settings: Vec<(String, Span)>,
}

impl TopicModel {
    pub(crate) fn may(&self, at: i64) -> bool {
        self.created.may(at) && !self.deleted.is_some_and(|deleted| deleted.must(at))
    }

    pub(crate) fn must(&self, at: i64) -> bool {
        self.created.must(at) && !self.deleted.is_some_and(|deleted| deleted.may(at))
    }
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) topics: Vec<TopicModel>,
    pub(crate) groups: usize,
}

/// What a reader sees of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenPartition {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) records: Vec<(i64, Vec<u8>)>,
    /// Where groups are.
    pub(crate) committed: BTreeMap<String, i64>,
}

/// What a reader sees of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenTopic {
    pub(crate) name: String,
    pub(crate) id: TopicId,
    pub(crate) setting: Option<String>,
    pub(crate) partitions: Vec<SeenPartition>,
}

impl Model {
    /// The life of `name` that goes on at the moment.
    pub(crate) fn live(&self, name: &str) -> Option<usize> {
        let lives = |topic: &TopicModel| {
            topic.name == name && topic.created.acked.is_some() && topic.deleted.is_none()
        };
        self.topics.iter().position(lives)
    }

    /// Everything that is there has become durable.
    pub(crate) fn sync_all(&mut self, at: i64) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for batch in partitions.flat_map(|partition| &mut partition.batches) {
            if batch.span.acked.is_some() && batch.durable.is_none() {
                batch.durable = Some(at);
            }
        }
    }

    /// What an open has shown, all of it durable, decides what nobody knew.
    pub(crate) fn settle(&mut self, seen: &[SeenTopic], at: i64) {
        let known: Vec<_> = self.topics.iter().filter_map(|topic| topic.id).collect();
        for topic in &mut self.topics {
            let by_id = |seen: &&SeenTopic| match topic.id {
                Some(id) => seen.id == id,
                None => seen.name == topic.name && !known.contains(&seen.id),
            };
            let found = seen.iter().find(by_id);
            topic.created.settle(found.is_some(), at);
            topic.id = topic.id.or(found.map(|seen| seen.id));
            if let Some(deleted) = &mut topic.deleted {
                deleted.settle(found.is_none(), at);
                if deleted.refused.is_some() {
                    topic.deleted = None;
                }
            }
            let Some(found) = found else { continue };
            topic
                .settings
                .retain(|(value, span)| !span.is_open() || found.setting.as_ref() == Some(value));
            for (_, span) in &mut topic.settings {
                span.settle(true, at);
            }
            for (number, partition) in topic.partitions.iter_mut().enumerate() {
                partition.span.settle(number < found.partitions.len(), at);
                if let Some(seen) = found.partitions.get(number) {
                    partition.settle(seen, at);
                }
            }
            topic.partitions.retain(|partition| partition.span.refused.is_none());
        }
        self.topics.retain(|topic| topic.created.refused.is_none());
        self.sync_all(at);
    }

    /// The same run, seen from a recording that begins with a power loss at `at`.
    pub(crate) fn after_power_loss(&self, at: i64) -> Model {
        let after = |span: &Span| span.after_crash(at, span.must(at));
        let topics = self.topics.iter().filter(|topic| topic.may(at)).filter_map(|topic| {
            Some(TopicModel {
                created: after(&topic.created)?,
                deleted: topic.deleted.as_ref().and_then(after),
                partitions: topic
                    .partitions
                    .iter()
                    .filter_map(|partition| partition.after_power_loss(at))
                    .collect(),
                settings: topic
                    .settings
                    .iter()
                    .filter_map(|(value, span)| Some((value.clone(), after(span)?)))
                    .collect(),
                ..topic.clone()
            })
        });
        Model { topics: topics.collect(), groups: self.groups }
    }
}

impl PartitionModel {
    fn settle(&mut self, seen: &SeenPartition, at: i64) {
        for batch in &mut self.batches {
            let is_there = batch.base < seen.end;
            batch.span.settle(is_there && !batch.cut.is_some_and(|cut| cut.must(at)), at);
            if let Some(cut) = &mut batch.cut {
                cut.settle(!is_there, at);
            }
            batch.cut = batch.cut.filter(|cut| cut.refused.is_none());
        }
        for start in &mut self.starts {
            if start.span.is_open() && !start.exact {
                (start.offset, start.exact) = (seen.start, true);
            }
            start.span.settle(start.offset <= seen.start, at);
        }
        self.settle_offsets(seen, at);
    }

    fn after_power_loss(&self, at: i64) -> Option<PartitionModel> {
        let batches = self.batches.iter().filter(|batch| batch.may(at)).filter_map(|batch| {
            let must = batch.must(at, true);
            Some(Batch {
                span: batch.span.after_crash(at, must)?,
                cut: batch.cut.and_then(|cut| cut.after_crash(at, false)),
                durable: must.then_some(BEFORE),
                ..batch.clone()
            })
        });
        let starts = self.starts.iter().filter_map(|start| {
            Some(Start { span: start.span.after_crash(at, start.span.must(at))?, ..*start })
        });
        let committed = self.committed.iter().filter_map(|committed| {
            let span = committed.span.after_crash(at, committed.span.must(at))?;
            Some(Committed { span, ..committed.clone() })
        });
        let compactions = self.compactions.iter().filter_map(|compacted| {
            let span = compacted.span.after_crash(at, compacted.span.must(at))?;
            Some(Compacted { span, ..*compacted })
        });
        Some(PartitionModel {
            compactions: compactions.collect(),
            span: self.span.after_crash(at, self.span.must(at))?,
            batches: batches.collect(),
            starts: starts.collect(),
            producer: self.producer,
            committed: committed.collect(),
        })
    }
}
