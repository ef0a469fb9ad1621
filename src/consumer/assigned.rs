//! One assigned partition: the consumer's position in it, and what was fetched and is not yet
//! handed out.
//!
//! The invariant: the position is the offset after the last record that was handed out, or passed
//! over; an error never moves it.

use std::sync::Arc;

use super::isolation::AbortedFilter;
use super::piece::{Fetched, Piece};
use super::pool::Pool;
use super::records::Run;
use crate::config::consumer::IsolationLevel;
use crate::config::offset_reset::AutoOffsetReset;
use crate::env::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use crate::partition::read::{ReadPosition, ReadRequest};
use crate::topic::TopicPartition;

/// How a partition is to be fetched.
#[derive(Clone, Debug)]
pub(super) struct FetchRules {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reset: AutoOffsetReset,
    pub(super) isolation: IsolationLevel,
    pub(super) check_crcs: bool,
    /// A partition that was deleted is no error: the group will take it away.
    pub(super) pass_deleted: bool,
}

/// A partition that a consumer reads.
pub(super) struct Assigned {
    name: Arc<TopicPartition>,
    partition: Arc<Partition>,
    /// Unknown until the first poll, if nobody sought.
    position: Option<i64>,
    fetched: Option<Fetched>,
    piece: Option<Piece>,
    /// The first slot of the piece that was not handed out.
    next_slot: usize,
    /// Where the reader stands in the log's files.
    read_position: ReadPosition,
    /// Polls pass it by.
    paused: bool,
    /// The position will be where the group was, which is not known yet.
    awaits_committed: bool,
    /// What this consumer committed last, or found committed.
    committed: Option<i64>,
    /// The partition's generation that the position is of: other records may stand behind a cut.
    generation: u32,
}

impl Assigned {
    pub(super) fn new(name: TopicPartition, partition: Arc<Partition>) -> Assigned {
        Assigned {
            name: Arc::new(name),
            generation: partition.generation(),
            partition,
            position: None,
            fetched: None,
            piece: None,
            next_slot: 0,
            read_position: ReadPosition::default(),
            paused: false,
            awaits_committed: false,
            committed: None,
        }
    }

    pub(super) fn name(&self) -> &TopicPartition {
        &self.name
    }

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// The end of what may be read, if `end` is the end of what is published.
    ///
    /// # Errors
    /// Those of the disk, where open transactions have to be looked up first.
    pub(super) fn readable_end(&self, end: i64, isolation: IsolationLevel) -> Result<i64> {
        match isolation {
            IsolationLevel::ReadUncommitted => Ok(end),
            IsolationLevel::ReadCommitted => Ok(end.min(self.partition.last_stable_offset()?)),
        }
    }

    /// Whether there is nothing to read now, and nothing to complain about.
    pub(super) fn is_idle(&self, rules: &FetchRules) -> bool {
        if self.is_passed_by() {
            return true;
        }
        if self.partition.is_deleted() {
            return rules.pass_deleted;
        }
        let end = self.readable_end(self.partition.end_offset(), rules.isolation);
        end.is_ok_and(|end| self.position.is_some_and(|position| position >= end))
            && self.generation == self.partition.generation()
    }

    /// About how many bytes a fetch would find, and no fewer.
    ///
    /// # Errors
    /// What the fetch would say.
    pub(super) fn waiting_bytes(&self, rules: &FetchRules) -> Result<u64> {
        if self.is_passed_by() {
            return Ok(0);
        }
        let end = self.readable_end(self.partition.end_offset(), rules.isolation)?;
        let position = self.position(rules, end)?;
        if position >= end {
            return Ok(0);
        }
        self.partition.bytes_from(position, &self.read_position)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether polls take nothing of it.
    #[inline]
    pub(super) fn is_passed_by(&self) -> bool {
        self.paused || self.awaits_committed
    }

    /// Polls pass it by, or do not any more. What was fetched stays.
    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The position, if there is one yet.
    pub(super) fn known_position(&self) -> Option<i64> {
        self.position
    }

    /// The position to commit: none before anybody looked, and none of a topic that was deleted.
    pub(super) fn position_to_commit(&self) -> Option<i64> {
        self.uncut_position().filter(|_| !self.partition.is_deleted())
    }

    /// The bytes that were fetched and are not handed out.
    pub(super) fn ready_bytes(&self) -> usize {
        self.fetched.as_ref().map_or(0, Fetched::left_bytes)
    }

    /// The position is not known before [`start_at`](Self::start_at), unless somebody seeks.
    pub(super) fn await_committed(&mut self) {
        self.awaits_committed = true;
    }

    pub(super) fn awaits_committed(&self) -> bool {
        self.awaits_committed
    }

    /// Goes on where the group was, if it was anywhere.
    pub(super) fn start_at(&mut self, committed: Option<i64>) {
        self.awaits_committed = false;
        self.position = committed;
        self.committed = committed;
    }

    pub(super) fn set_committed(&mut self, offset: i64) {
        self.committed = Some(offset);
    }

    /// Whether there is a position that was not committed.
    pub(super) fn is_uncommitted(&self) -> bool {
        let position = self.position_to_commit();
        position.is_some() && position != self.committed
    }

    /// Goes to `offset` and forgets what was fetched.
    pub(super) fn seek(&mut self, offset: i64, pool: &Pool) {
        self.awaits_committed = false;
        self.forget(pool);
        self.generation = self.partition.generation();
        self.position = Some(offset);
    }

    /// The position; if the log was cut off in front of it, where that was: what was written there
    /// since is new.
    fn uncut_position(&self) -> Option<i64> {
        let position = self.position?;
        if self.generation == self.partition.generation() {
            return Some(position);
        }
        let cut = self.partition.cut_since(self.generation);
        Some(cut.map_or(position, |end| position.min(end)))
    }

    /// The position; where there is none, or none that exists, where the rules say to go. `end` is
    /// the end of what may be read.
    ///
    /// # Errors
    /// [`ErrorKind::OffsetOutOfRange`] if they say nowhere; those of the disk.
    pub(super) fn position(&self, rules: &FetchRules, end: i64) -> Result<i64> {
        self.valid(self.uncut_position(), rules, end)
    }

    /// `position`, if it exists; else where the rules say to go.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub(super) fn valid(&self, position: Option<i64>, rules: &FetchRules, end: i64) -> Result<i64> {
        let start = self.partition.log_start_offset();
        if let Some(position) = position
            && position >= start
            && (position <= end || position <= self.partition.end_offset())
        {
            return Ok(position);
        }
        match rules.reset {
            AutoOffsetReset::Earliest => Ok(start),
            AutoOffsetReset::Latest => Ok(end.max(start)),
            AutoOffsetReset::ByDuration(age) => {
                let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                let since = rules.clock.wall_ms().saturating_sub(age_ms).max(0);
                let found = self.partition.offset_for_timestamp(since, end)?;
                Ok(found.map_or(end.max(start), |(offset, _)| offset))
            }
            AutoOffsetReset::None => Err(self.out_of_range(start)),
        }
    }

    /// Goes to the [`position`](Self::position), which exists from now on.
    fn resolve(&mut self, rules: &FetchRules, end: i64) -> Result<i64> {
        let generation = self.partition.generation();
        let position = self.position(rules, end)?;
        self.position = Some(position);
        self.generation = generation;
        Ok(position)
    }

    fn out_of_range(&self, start: i64) -> Error {
        let end = self.partition.end_offset();
        let what = match self.position {
            Some(position) => format!("the offset {position} is not"),
            None => "there is no position".to_owned(),
        };
        let message = format!(
            "{what} within offsets {start} to {end}, and auto.offset.reset is none: seek first"
        );
        self.named(Error::new(ErrorKind::OffsetOutOfRange, message))
    }

    /// Hands out at most `records_max` of the records that are ready, if there are any.
    ///
    /// # Errors
    /// If the batch at the position is bad.
    pub(super) fn take(&mut self, records_max: usize, pool: &Pool) -> Result<Option<Run>> {
        loop {
            if let Some(run) = self.take_of_piece(records_max, pool) {
                return Ok(Some(run));
            }
            let (Some(fetched), Some(position)) = (&mut self.fetched, self.position) else {
                return Ok(None);
            };
            if fetched.is_done() {
                self.forget(pool);
                return Ok(None);
            }
            match fetched.decode(position, records_max, pool) {
                Ok(piece) => {
                    self.piece = Some(piece);
                    self.next_slot = 0;
                }
                Err(error) => {
                    self.forget(pool);
                    return Err(self.named(error));
                }
            }
        }
    }

    fn take_of_piece(&mut self, records_max: usize, pool: &Pool) -> Option<Run> {
        let piece = self.piece.as_ref()?;
        let from = self.next_slot;
        let to = piece.slots.len().min(from.saturating_add(records_max));
        let run = (from < to).then(|| Run {
            partition: Arc::clone(&self.name),
            bytes: Arc::clone(&piece.bytes),
            slots: Arc::clone(&piece.slots),
            from,
            to,
        });
        self.next_slot = to;
        if to < piece.slots.len() {
            let last = piece.slots.get(to.wrapping_sub(1));
            self.position = last.map(|slot| slot.offset.saturating_add(1)).or(self.position);
        } else {
            self.position = Some(piece.next_offset);
            self.drop_piece(pool);
        }
        run
    }

    /// Reads from the position on, up to the published `end` and about `bytes_max` bytes, at
    /// least one batch. Returns how many bytes there were.
    ///
    /// # Errors
    /// What reading says; it names the partition, the file and the place in it.
    pub(super) fn fetch(
        &mut self,
        end: i64,
        bytes_max: usize,
        rules: &FetchRules,
        pool: &Pool,
    ) -> Result<usize> {
        if self.partition.is_deleted() {
            let message = "the topic was deleted";
            return Err(self.named(Error::new(ErrorKind::UnknownTopicOrPartition, message)));
        }
        let end = self.readable_end(end, rules.isolation)?;
        let from = self.resolve(rules, end)?;
        if from >= end {
            return Ok(0);
        }
        let mut request = ReadRequest { from, end, bytes_max, check: rules.check_crcs };
        let mut buffer = pool.take_bytes();
        let mut result = self.partition.read(&request, &mut self.read_position, &mut buffer);
        if matches!(&result, Err(error) if error.kind() == ErrorKind::Corrupt) && bytes_max > 1 {
            // A bad batch further on must not hide the good ones before it.
            request.bytes_max = 1;
            result = self.partition.read(&request, &mut self.read_position, &mut buffer);
        }
        match result {
            Ok(outcome) if outcome.bytes > 0 => {
                let aborted = self.aborted(from, outcome.next_offset, rules.isolation)?;
                let range = outcome.start..outcome.start.saturating_add(outcome.bytes);
                self.fetched = Some(Fetched::new(buffer, range, aborted));
                Ok(outcome.bytes)
            }
            Ok(outcome) => {
                // Nothing but a hole up to there.
                pool.keep_bytes(Arc::new(buffer));
                self.position = Some(from.max(outcome.next_offset));
                Ok(0)
            }
            Err(error) => {
                pool.keep_bytes(Arc::new(buffer));
                if error.kind() == ErrorKind::OffsetOutOfRange {
                    // Records were deleted between looking at the start and reading.
                    self.resolve(rules, end)?;
                    return Ok(0);
                }
                Err(self.named(error))
            }
        }
    }

    fn aborted(&self, from: i64, to: i64, isolation: IsolationLevel) -> Result<AbortedFilter> {
        match isolation {
            IsolationLevel::ReadUncommitted => Ok(AbortedFilter::default()),
            IsolationLevel::ReadCommitted => {
                let transactions = self.partition.aborted_transactions(from, to)?;
                Ok(AbortedFilter::new(&transactions))
            }
        }
    }

    /// Forgets what was fetched; the position stays.
    fn forget(&mut self, pool: &Pool) {
        self.drop_piece(pool);
        if let Some(fetched) = self.fetched.take() {
            fetched.give_back(pool);
        }
    }

    fn drop_piece(&mut self, pool: &Pool) {
        self.next_slot = 0;
        if let Some(piece) = self.piece.take() {
            pool.keep_bytes(piece.bytes);
            pool.keep_slots(piece.slots);
        }
    }

    fn named(&self, error: Error) -> Error {
        error.at_partition(self.name.topic.as_str(), self.name.partition)
    }
}
