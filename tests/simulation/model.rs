//! What a run has done, in plain vectors: the reference that every crash state is held against.
//!
//! Each deed has a [`Span`]: the position of the recording at which it began, and the one at which
//! its answer came. A crash at a position between the two may keep it or not.

use std::collections::BTreeMap;

use ottla::{Acks, ProducerIdentity, TopicId};

use crate::compacted::Compacted;
pub use crate::offsets::Committed;
use crate::retries::Stamp;

/// A position before everything that was recorded.
pub const BEFORE: i64 = -1;

/// When something was begun, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub begun: i64,
    /// It was promised from this position on.
    pub acked: Option<i64>,
    /// It was denied from this position on.
    pub refused: Option<i64>,
}

impl Span {
    pub fn begun(begun: i64) -> Span {
        Span { begun, acked: None, refused: None }
    }

    /// A crash at this position may keep it: a part of the next write may have been done, too.
    pub fn may(&self, at: i64) -> bool {
        self.begun <= at && (self.acked.is_some() || self.refused.is_none_or(|end| at < end))
    }

    /// A crash at this position must keep it.
    pub fn must(&self, at: i64) -> bool {
        self.acked.is_some_and(|acked| acked <= at)
    }

    /// Nobody knows yet how it ended.
    pub fn is_open(&self) -> bool {
        self.acked.is_none() && self.refused.is_none()
    }

    /// What was seen decides it.
    pub fn settle(&mut self, is_there: bool, at: i64) {
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
pub struct Batch {
    pub base: i64,
    pub values: Vec<Vec<u8>>,
    pub acks: Acks,
    pub span: Span,
    /// The truncation that took it.
    pub cut: Option<Span>,
    /// Since when it is synced, whatever its level: a checkpoint, a close, a recovery.
    pub durable: Option<i64>,
    /// The atomic append that it belongs to.
    pub group: Option<usize>,
    /// The idempotent producer that sent it.
    pub stamp: Option<Stamp>,
}

impl Batch {
    pub fn end(&self) -> i64 {
        self.base + self.values.len() as i64
    }

    /// Whether a crash may show it.
    pub fn may(&self, at: i64) -> bool {
        self.span.may(at) && !self.cut.is_some_and(|cut| cut.must(at))
    }

    /// Whether a crash of this kind must show it.
    pub fn must(&self, at: i64, lost_power: bool) -> bool {
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
pub struct Start {
    /// Where to; if not `exact`, at most there.
    pub offset: i64,
    pub exact: bool,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct PartitionModel {
    pub span: Span,
    pub batches: Vec<Batch>,
    pub starts: Vec<Start>,
    /// The idempotent producer that sends here.
    pub producer: Option<ProducerIdentity>,
    /// What groups committed, in order.
    pub committed: Vec<Committed>,
    pub compactions: Vec<Compacted>,
}

impl PartitionModel {
    pub fn new(span: Span) -> PartitionModel {
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
pub struct TopicModel {
    pub name: String,
    /// `None` if its creation never answered.
    pub id: Option<TopicId>,
    pub created: Span,
    pub deleted: Option<Span>,
    /// Whether it may be compacted.
    pub compacted: bool,
    /// Whether records of it may be deleted.
    pub deletes: bool,
    pub partitions: Vec<PartitionModel>,
    /// What `retention.bytes` was set to.
    pub settings: Vec<(String, Span)>,
}

impl TopicModel {
    pub fn may(&self, at: i64) -> bool {
        self.created.may(at) && !self.deleted.is_some_and(|deleted| deleted.must(at))
    }

    pub fn must(&self, at: i64) -> bool {
        self.created.must(at) && !self.deleted.is_some_and(|deleted| deleted.may(at))
    }
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub topics: Vec<TopicModel>,
    pub groups: usize,
}

/// What a reader sees of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPartition {
    pub start: i64,
    pub end: i64,
    pub records: Vec<(i64, Vec<u8>)>,
    /// Where groups are.
    pub committed: BTreeMap<String, i64>,
}

/// What a reader sees of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTopic {
    pub name: String,
    pub id: TopicId,
    pub setting: Option<String>,
    pub partitions: Vec<SeenPartition>,
}

impl Model {
    /// The life of `name` that goes on at the moment.
    pub fn live(&self, name: &str) -> Option<usize> {
        let lives = |topic: &TopicModel| {
            topic.name == name && topic.created.acked.is_some() && topic.deleted.is_none()
        };
        self.topics.iter().position(lives)
    }

    /// Everything that is there has become durable.
    pub fn sync_all(&mut self, at: i64) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for batch in partitions.flat_map(|partition| &mut partition.batches) {
            if batch.span.acked.is_some() && batch.durable.is_none() {
                batch.durable = Some(at);
            }
        }
    }

    /// What an open has shown, all of it durable, decides what nobody knew.
    pub fn settle(&mut self, seen: &[SeenTopic], at: i64) {
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
    pub fn after_power_loss(&self, at: i64) -> Model {
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
