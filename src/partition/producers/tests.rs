//! Goal: each rule of idempotence on its own, then all of them at once against a plain model.
//! Method: a log that is nothing but the table and a next offset.

use std::collections::HashMap;

use super::admit::{Admission, Circumstances};
use super::expire::SessionTime;
use super::recent::{RECENT_BATCHES, StoredBatch};
use super::{AppendTime, ProducerUndo, Producers};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::entry::Entry;
use crate::env::sim::seed;
use crate::error::ErrorKind;
use crate::format::batch_header::{BatchHeader, TRANSACTIONAL_BIT, advance_sequence};
use crate::format::producer_snapshot::{ProducerEntry, decode};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const NOW_MS: i64 = 1_767_225_600_000;

/// Where a batch went: its base offset, and whether it was there before.
type Place = (i64, bool);

#[derive(Debug, Default)]
struct Log {
    producers: Producers,
    next_offset: i64,
    epoch_min: i16,
}

impl Log {
    /// A log that held records which are gone, so that any sequence may begin.
    fn aged() -> Log {
        Log { next_offset: 100, ..Log::default() }
    }

    fn try_append(
        &mut self,
        header: &BatchHeader,
    ) -> Result<(Place, Option<ProducerUndo>), ErrorKind> {
        let circumstances = Circumstances {
            never_held_a_record: self.next_offset == 0,
            epoch_min: self.epoch_min,
            now_ms: NOW_MS,
        };
        let judged = self.producers.judge(header, &circumstances);
        let admitted = self.producers.admit(header, self.next_offset, &circumstances);
        // Looking alone says the same.
        match (&judged, &admitted) {
            (Ok(None), Ok(Admission::Append(_))) => {}
            (Ok(Some(looked)), Ok(Admission::Present(found))) => assert_eq!(looked, found),
            (Err(looked), Err(found)) => assert_eq!(looked.kind(), found.kind()),
            _ => panic!("{judged:?}, then {admitted:?}"),
        }
        match admitted.map_err(|error| error.kind())? {
            Admission::Present(stored) => Ok(((stored.base_offset(), true), None)),
            Admission::Append(undo) => {
                let base_offset = self.next_offset;
                self.next_offset += i64::from(header.last_offset_delta) + 1;
                Ok(((base_offset, false), Some(undo)))
            }
        }
    }

    fn append(&mut self, epoch: i16, first: i32, count: i32) -> Result<Place, ErrorKind> {
        self.try_append(&header(7, epoch, first, count)).map(|(place, _)| place)
    }

    /// What a reopen leaves: the snapshot.
    fn reopen(&mut self) {
        self.producers = Producers::of_entries(self.producers.snapshot_entries());
    }
}

fn header(id: i64, epoch: i16, first: i32, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset: 0,
        batch_length: 100,
        partition_leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: NOW_MS,
        max_timestamp: NOW_MS,
        producer_id: id,
        producer_epoch: epoch,
        base_sequence: first,
        record_count: count,
    }
}

#[test]
fn a_batch_that_comes_again_is_there_and_has_its_first_offsets() {
    let mut log = Log::default();
    assert_eq!(log.append(0, 0, 3), Ok((0, false)));
    assert_eq!(log.append(0, 3, 1), Ok((3, false)));
    assert_eq!(log.append(0, 3, 1), Ok((3, true)));
    assert_eq!(log.append(0, 0, 3), Ok((0, true)));
    assert_eq!(log.next_offset, 4);
    // Other bounds are another batch, and none that could follow.
    for (first, count) in [(0, 2), (0, 4), (1, 2), (2, 2)] {
        assert_eq!(log.append(0, first, count), Err(ErrorKind::OutOfOrderSequence));
    }
}

#[test]
fn five_batches_are_remembered_and_not_six() {
    let mut log = Log::default();
    for sequence in 0..=RECENT_BATCHES as i32 {
        log.append(0, sequence, 1).unwrap();
    }
    assert_eq!(log.append(0, 0, 1), Err(ErrorKind::OutOfOrderSequence));
    for sequence in 1..=RECENT_BATCHES as i32 {
        assert_eq!(log.append(0, sequence, 1), Ok((i64::from(sequence), true)));
    }
}

#[test]
fn after_a_reopen_the_newest_batch_is_remembered() {
    let mut log = Log::default();
    for sequence in 0..3 {
        log.append(0, sequence * 2, 2).unwrap();
    }
    log.reopen();
    assert_eq!(log.append(0, 4, 2), Ok((4, true)));
    assert_eq!(log.append(0, 2, 2), Err(ErrorKind::OutOfOrderSequence));
    assert_eq!(log.append(0, 6, 1), Ok((6, false)));
}

#[test]
fn a_sequence_that_does_not_follow_is_refused_and_named() {
    let mut log = Log::default();
    log.append(0, 0, 5).unwrap();
    let circumstances = Circumstances { never_held_a_record: false, epoch_min: 0, now_ms: NOW_MS };
    for first in [4, 6, 100, i32::MAX] {
        let error = log.producers.admit(&header(7, 0, first, 1), 5, &circumstances).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfOrderSequence);
        let expected = format!("begins at the sequence {first}, expected is 5");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    assert_eq!(log.append(0, 5, 1), Ok((5, false)));
}

#[test]
fn the_largest_sequence_is_followed_by_zero() {
    let mut log = Log::aged();
    assert_eq!(log.append(0, i32::MAX, 1), Ok((100, false)));
    assert_eq!(log.append(0, 0, 1), Ok((101, false)));
    // A batch may wrap within itself.
    let mut log = Log::aged();
    assert_eq!(log.append(0, i32::MAX - 1, 5), Ok((100, false)));
    assert_eq!(log.append(0, i32::MAX - 1, 5), Ok((100, true)));
    assert_eq!(log.append(0, 3, 2), Ok((105, false)));
    log.reopen();
    assert_eq!(log.append(0, 3, 2), Ok((105, true)));
}

#[test]
fn an_older_epoch_is_fenced_and_a_newer_one_begins_at_zero() {
    let mut log = Log::default();
    log.append(3, 0, 2).unwrap();
    assert_eq!(log.append(4, 2, 1), Err(ErrorKind::OutOfOrderSequence));
    assert_eq!(log.append(4, 0, 1), Ok((2, false)));
    for first in [0, 2, 3] {
        assert_eq!(log.append(3, first, 2), Err(ErrorKind::Fenced));
    }
    // The batches of the old epoch are forgotten with it.
    assert_eq!(log.append(4, 0, 2), Err(ErrorKind::OutOfOrderSequence));
    assert_eq!(log.append(4, 0, 1), Ok((2, true)));
    log.reopen();
    assert_eq!(log.append(3, 0, 1), Err(ErrorKind::Fenced));
    assert_eq!(log.append(4, 1, 1), Ok((3, false)));
}

#[test]
fn a_fence_ends_an_epoch_before_the_next_one_comes() {
    let mut log = Log::default();
    log.append(0, 0, 1).unwrap();
    log.epoch_min = 1;
    assert_eq!(log.append(0, 1, 1), Err(ErrorKind::Fenced));
    // What is there is told, whoever asks.
    assert_eq!(log.append(0, 0, 1), Ok((0, true)));
    assert_eq!(log.append(1, 0, 1), Ok((1, false)));
    // It also holds where the producer is not known.
    let mut log = Log { epoch_min: 1, ..Log::aged() };
    assert_eq!(log.append(0, 0, 1), Err(ErrorKind::Fenced));
}

#[test]
fn an_unknown_producer_begins_anywhere_but_in_a_log_that_never_held_a_record() {
    let mut log = Log::default();
    assert_eq!(log.append(0, 3, 1), Err(ErrorKind::OutOfOrderSequence));
    assert_eq!(log.append(9, 3, 1), Err(ErrorKind::OutOfOrderSequence));
    assert_eq!(log.append(0, 0, 1), Ok((0, false)));
    let mut log = Log::aged();
    assert_eq!(log.append(9, 3, 1), Ok((100, false)));
    assert_eq!(log.append(9, 4, 1), Ok((101, false)));
}

#[test]
fn a_stamp_that_no_batch_can_have_is_refused() {
    let mut log = Log::aged();
    assert_eq!(log.append(-1, 0, 1), Err(ErrorKind::InvalidInput));
    assert_eq!(log.append(0, -1, 1), Err(ErrorKind::InvalidInput));
    assert!(log.producers.is_empty());
}

#[test]
fn a_batch_outside_of_the_open_transaction_is_refused() {
    let mut log = Log::default();
    let mut inside = header(7, 0, 0, 1);
    inside.attributes = TRANSACTIONAL_BIT;
    assert_eq!(log.try_append(&inside).map(|(place, _)| place), Ok((0, false)));
    assert_eq!(log.producers.first_unstable(), Some(0));
    assert_eq!(log.append(0, 1, 1), Err(ErrorKind::InvalidInput));
    inside.base_sequence = 1;
    let (_, undo) = log.try_append(&inside).unwrap();
    log.producers.undo(undo.unwrap());
    assert_eq!(log.producers.first_unstable(), Some(0));
}

#[test]
fn what_is_in_the_log_is_believed() {
    let mut producers = Producers::default();
    for (base_offset, epoch, base_sequence) in [(0, 2, 500), (1, 2, 7), (2, 1, 90)] {
        let mut builder = BatchBuilder::new();
        let producer = Some(BatchProducer { id: 7, epoch, base_sequence });
        builder.start(&BatchOptions { producer, base_offset, ..BatchOptions::default() });
        builder.push(NOW_MS, None, None, &[]).unwrap();
        let batch = builder.take().unwrap();
        let entry = Entry::decode(&batch).unwrap();
        producers.observe(&entry, AppendTime::Unknown).unwrap();
    }
    let entry = producers.entries()[0];
    assert_eq!((entry.producer_epoch, entry.last_sequence, entry.last_offset), (1, 90, 2));
}

#[test]
fn the_producers_of_a_broker_go_on_where_they_were() {
    let file =
        include_bytes!("../../../tests/fixtures/golden/golden-0/00000000000000000199.snapshot");
    let entries = decode(file).unwrap();
    assert!(entries.len() > 1);
    for entry in &entries {
        let producers = Producers::of_entries(entries.clone());
        let mut log = Log { producers, next_offset: 199, epoch_min: 0 };
        let (id, epoch) = (entry.producer_id, entry.producer_epoch);
        let transactional = if entry.current_txn_first_offset >= 0 { TRANSACTIONAL_BIT } else { 0 };
        let mut append = |first, count| {
            let attributes = transactional;
            log.try_append(&BatchHeader { attributes, ..header(id, epoch, first, count) })
                .map(|(place, _)| place)
        };
        if entry.last_sequence < 0 {
            assert_eq!(append(1, 1), Err(ErrorKind::OutOfOrderSequence), "{entry:?}");
            assert_eq!(append(0, 1), Ok((199, false)), "{entry:?}");
            continue;
        }
        let first = advance_sequence(entry.last_sequence, -entry.offset_delta);
        let there = entry.last_offset - i64::from(entry.offset_delta);
        assert_eq!(append(first, entry.offset_delta + 1), Ok((there, true)), "{entry:?}");
        let next = advance_sequence(entry.last_sequence, 1);
        assert_eq!(append(next + 1, 1), Err(ErrorKind::OutOfOrderSequence), "{entry:?}");
        assert_eq!(append(next, 1), Ok((199, false)), "{entry:?}");
    }
}

#[test]
fn producers_are_forgotten_a_day_after_their_last_append_whatever_their_records_say() {
    let mut log = Log::default();
    for (id, timestamp) in [(1, NOW_MS), (2, 7), (3, -1), (4, NOW_MS + 400 * DAY_MS)] {
        let header = BatchHeader { max_timestamp: timestamp, ..header(id, 0, 0, 1) };
        log.next_offset = 0;
        log.try_append(&header).unwrap();
    }
    let known = |producers: &Producers| -> Vec<i64> {
        producers.entries().iter().map(|entry| entry.producer_id).collect()
    };
    let at = |now_ms| SessionTime { began_ms: NOW_MS, now_ms };
    assert_eq!(log.producers.expire(at(NOW_MS + DAY_MS - 1), DAY_MS), 0);
    // The snapshot has the time of the append where it must.
    let mut reopened = Producers::of_entries(log.producers.snapshot_entries());
    assert_eq!(reopened.expire(at(NOW_MS + DAY_MS - 1), DAY_MS), 0);
    assert_eq!(known(&reopened), [1, 2, 3, 4]);
    assert_eq!(reopened.expire(at(NOW_MS + DAY_MS), DAY_MS), 4);
    assert_eq!(log.producers.expire(at(NOW_MS + DAY_MS), DAY_MS), 4);
    assert!(log.producers.is_empty());
}

/// A directory that lay in a drawer, or a clock that jumped while it was closed: a retry is a
/// retry all the same. Of what short sessions leave behind only so much is kept.
#[test]
fn time_before_the_session_lets_only_surplus_producers_go() {
    let entry = |producer_id: i64| ProducerEntry {
        producer_id,
        producer_epoch: 0,
        last_sequence: 0,
        last_offset: producer_id,
        offset_delta: 0,
        timestamp: NOW_MS + producer_id,
        coordinator_epoch: -1,
        current_txn_first_offset: -1,
    };
    let began_ms = NOW_MS + 400 * DAY_MS;
    let at = |now_ms| SessionTime { began_ms, now_ms };
    let mut producers = Producers::of_entries((0..1_000).map(entry).collect());
    assert_eq!(producers.expire(at(began_ms + DAY_MS - 1), DAY_MS), 0);
    assert_eq!(producers.expire(at(began_ms + DAY_MS), DAY_MS), 1_000);
    let mut producers = Producers::of_entries((0..1_007).map(entry).collect());
    assert_eq!(producers.expire(at(began_ms), DAY_MS), 7);
    assert_eq!(producers.entries()[0].producer_id, 7);
    // Those that append now are not among the surplus.
    producers.introduce(2_000, 0, began_ms);
    assert_eq!(producers.expire(at(began_ms), DAY_MS), 0);
}

#[test]
fn a_snapshot_has_the_time_of_the_records_where_a_broker_could_believe_it() {
    let mut log = Log::default();
    for (id, timestamp, expected) in
        [(1, NOW_MS - 60_000, NOW_MS - 60_000), (2, NOW_MS - DAY_MS, NOW_MS), (3, -1, NOW_MS)]
    {
        let header = BatchHeader { max_timestamp: timestamp, ..header(id, 0, 0, 1) };
        log.next_offset = 0;
        log.try_append(&header).unwrap();
        let entries = log.producers.snapshot_entries();
        let entry = entries.iter().find(|entry| entry.producer_id == id).unwrap();
        assert_eq!(entry.timestamp, expected);
        assert_eq!(ProducerEntry { timestamp, ..*entry }, log.producers.entries()[id as usize - 1]);
    }
}

#[test]
fn open_transactions_and_records_from_the_future_expire_as_they_should() {
    let entry = ProducerEntry {
        producer_id: 1,
        producer_epoch: 0,
        last_sequence: 0,
        last_offset: 0,
        offset_delta: 0,
        timestamp: 5,
        coordinator_epoch: -1,
        current_txn_first_offset: 0,
    };
    let future = ProducerEntry {
        producer_id: 2,
        timestamp: i64::MAX,
        current_txn_first_offset: -1,
        ..entry
    };
    let mut producers = Producers::of_entries(vec![entry, future]);
    let at = |now_ms| SessionTime { began_ms: NOW_MS, now_ms };
    assert_eq!(producers.expire(at(NOW_MS), DAY_MS), 0);
    assert_eq!(producers.expire(at(NOW_MS + DAY_MS), DAY_MS), 1);
    assert_eq!(producers.entries(), [entry]);
}

/// What should be known of one producer.
#[derive(Clone, Debug)]
struct Known {
    epoch: i16,
    /// Of the epoch, the oldest first: first sequence, count, base offset.
    batches: Vec<(i32, i32, i64)>,
}

/// The plain model: the rules again, in the words of the truth table.
#[derive(Clone, Debug, Default)]
struct Model {
    known: HashMap<i64, Known>,
    next_offset: i64,
}

impl Model {
    fn append(&mut self, id: i64, epoch: i16, first: i32, count: i32) -> Result<Place, ErrorKind> {
        let Some(known) = self.known.get_mut(&id) else {
            if self.next_offset == 0 && first != 0 {
                return Err(ErrorKind::OutOfOrderSequence);
            }
            self.known.insert(id, Known { epoch, batches: vec![(first, count, self.next_offset)] });
            self.next_offset += i64::from(count);
            return Ok((self.next_offset - i64::from(count), false));
        };
        if known.epoch == epoch {
            let recent = known.batches.iter().rev().take(RECENT_BATCHES);
            for &(there, length, base_offset) in recent {
                if (there, length) == (first, count) {
                    return Ok((base_offset, true));
                }
            }
        }
        if epoch < known.epoch {
            return Err(ErrorKind::Fenced);
        }
        let expected = match known.batches.last() {
            Some(&(last, length, _)) if epoch == known.epoch => {
                ((i64::from(last) + i64::from(length)) % (1 << 31)) as i32
            }
            _ => 0,
        };
        if first != expected {
            return Err(ErrorKind::OutOfOrderSequence);
        }
        if epoch > known.epoch {
            *known = Known { epoch, batches: Vec::new() };
        }
        known.batches.push((first, count, self.next_offset));
        self.next_offset += i64::from(count);
        Ok((self.next_offset - i64::from(count), false))
    }

    fn reopen(&mut self) {
        for known in self.known.values_mut() {
            known.batches.drain(..known.batches.len().saturating_sub(1));
        }
    }
}

#[test]
fn random_producers_agree_with_a_plain_model() {
    let seed = seed();
    for run in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(run));
        let mut log = if random.bool() { Log::aged() } else { Log::default() };
        let mut model = Model { next_offset: log.next_offset, ..Model::default() };
        for step in 0..300 {
            let id = random.i64(1..4);
            let known = model.known.get(&id).cloned();
            let last = known.as_ref().and_then(|known| known.batches.last().copied());
            let count = random.i32(1..4);
            let (epoch, first, count) = match (random.u32(0..20), known, last) {
                (0..9, Some(known), Some((first, length, _))) => {
                    (known.epoch, advance_sequence(first, length), count)
                }
                (9..15, Some(known), Some(_)) => {
                    // One of the last seven comes again.
                    let back = random.usize(..known.batches.len().min(7));
                    let (first, length, _) = known.batches[known.batches.len() - 1 - back];
                    (known.epoch, first, length)
                }
                (15, Some(known), _) => (known.epoch + random.i16(-1..2), 0, count),
                (16, ..) => {
                    log.reopen();
                    model.reopen();
                    continue;
                }
                _ => (random.i16(0..3), random.choice([0, 1, 7, i32::MAX - 1]).unwrap(), count),
            };
            let before = (log.producers.clone(), model.clone(), log.next_offset);
            let expected = model.append(id, epoch.max(0), first, count);
            let found = log.try_append(&header(id, epoch.max(0), first, count));
            let (place, undo) = match found {
                Ok((place, undo)) => (Ok(place), undo),
                Err(kind) => (Err(kind), None),
            };
            assert_eq!(place, expected, "run {run}, step {step}");
            if let Some(undo) = undo
                && random.u8(..) < 50
            {
                log.producers.undo(undo);
                (model, log.next_offset) = (before.1, before.2);
                assert_eq!(
                    format!("{:?}", sorted(&log.producers)),
                    format!("{:?}", sorted(&before.0))
                );
            }
        }
    }
}

/// Everything that a table knows, in a fixed order.
fn sorted(producers: &Producers) -> Vec<(ProducerEntry, Vec<StoredBatch>, i64)> {
    let states = producers.states.values();
    let mut all: Vec<_> = states
        .map(|state| (state.entry, state.recent.as_slice().to_vec(), state.used_ms))
        .collect();
    all.sort_by_key(|(entry, ..)| entry.producer_id);
    all
}
