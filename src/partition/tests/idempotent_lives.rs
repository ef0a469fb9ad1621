//! Random lives of a partition whose producers send again what they are not sure of: duplicates,
//! gaps, new epochs, failed commits, rolls, checkpoints, clean reopens, crashes and the passing of
//! days, against a plain model. What must hold: what was appended is there once, at the offsets that
//! its producer was told, and a producer that comes back in time is known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::super::Partition;
use super::super::recover::Known;
use super::super::writer::Placed;
use super::support::{FOLDER, Place, id, read_batches};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::entry::Entry;
use crate::env::sim::{SimEnv, seed};
use crate::env::vfs::Vfs;
use crate::error::{ErrorKind, Result};
use crate::format::batch_header::advance_sequence;
use crate::format::control_file::PartitionState;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A batch that a producer has sent, and where it went.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sent {
    epoch: i16,
    first: i32,
    count: usize,
    base_offset: i64,
}

impl Sent {
    fn next_sequence(&self) -> i32 {
        advance_sequence(self.first, self.count as i32)
    }
}

/// What a producer remembers of itself.
#[derive(Clone, Debug, Default)]
struct Producer {
    sent: Vec<Sent>,
    /// How many of its newest batches the partition must remember.
    remembered: usize,
    /// From when on its day is counted: from its last append, or from a later beginning of the session.
    counted_from: Duration,
}

struct Life {
    world: SimEnv,
    place: Place,
    partition: Arc<Partition>,
    random: Rng,
    producers: HashMap<i64, Producer>,
    /// The ids of the three producers that are at work.
    ids: [i64; 3],
    /// Every batch that should be in the log, by producer, epoch and first sequence.
    expected: Vec<(i64, Sent)>,
    /// The newest control file, and what the journal has since.
    state: PartitionState,
    journal: Vec<(i64, Vec<u8>)>,
    now: Duration,
}

fn batch(id: i64, epoch: i16, first: i32, count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let producer = Some(BatchProducer { id, epoch, base_sequence: first });
    builder.start(&BatchOptions { producer, ..BatchOptions::default() });
    for index in 0..count {
        // Records of long ago: nobody may be forgotten for that.
        let value = format!("{id} {epoch} {}", advance_sequence(first, index as i32));
        builder.push(index as i64, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.take().unwrap()
}

impl Life {
    fn new(seed: u64) -> Life {
        let world = SimEnv::new(seed);
        world.disk.create_dir(FOLDER).unwrap();
        let settings = [("internal.segment.bytes", "2000"), ("index.interval.bytes", "300")];
        let place = Place::over(world.env(), &settings);
        let partition = place.create();
        let state = partition.state();
        Life {
            world,
            place,
            partition,
            random: Rng::with_seed(seed),
            producers: HashMap::new(),
            ids: [1, 2, 3],
            expected: Vec::new(),
            state,
            journal: Vec::new(),
            now: Duration::ZERO,
        }
    }

    fn step(&mut self) {
        match self.random.u32(0..20) {
            0..8 => self.send_next(),
            8..12 => self.send_again(),
            12 => self.send_wrongly(),
            13 => self.begin_epoch(),
            14 => self.commit_and_take_back(),
            15 => self.partition.lock().roll().unwrap(),
            16 => self.checkpoint(),
            17 => self.close(),
            18 => self.crash(),
            _ => self.pass_time(),
        }
    }

    /// One way or the other: `acks=1` or through the journal.
    fn append(&mut self, mut batch: Vec<u8>) -> Result<(i64, bool)> {
        let mut writer = self.partition.lock();
        let end = writer.state.next_offset;
        let base_offset = if self.random.bool() {
            writer.append_written(&mut batch)?.base_offset
        } else {
            if writer.has_unsynced_tail() {
                writer.sync_tail()?;
            }
            let placed = writer.stage(&mut batch)?;
            if matches!(placed, Placed::Staged(_)) {
                self.journal.push((placed.appended().base_offset, batch.clone()));
                // In the same frame it shares the place of the first.
                let again = writer.stage(&mut batch.clone())?;
                assert!(matches!(again, Placed::Present(_)), "{again:?}");
                assert_eq!(again.appended(), placed.appended());
                writer.apply(&again, &batch)?;
                writer.unstage(again);
            }
            writer.apply(&placed, &batch)?;
            writer.publish();
            placed.appended().base_offset
        };
        Ok((base_offset, base_offset < end))
    }

    fn note(&mut self, id: i64, sent: Sent) {
        let producer = self.producers.entry(id).or_default();
        if producer.sent.last().is_some_and(|last| last.epoch != sent.epoch) {
            producer.remembered = 0;
        }
        producer.sent.push(sent);
        producer.remembered = (producer.remembered + 1).min(5);
        producer.counted_from = self.now;
        self.expected.push((id, sent));
    }

    fn send(&mut self, id: i64, epoch: i16, first: i32) {
        let count = self.random.usize(1..4);
        let (base_offset, was_there) = self.append(batch(id, epoch, first, count)).unwrap();
        assert!(!was_there, "{id} {epoch} {first} is new");
        self.note(id, Sent { epoch, first, count, base_offset });
    }

    fn send_next(&mut self) {
        let id = self.ids[self.random.usize(..3)];
        let last = self.producers.get(&id).and_then(|producer| producer.sent.last().copied());
        match last {
            Some(last) => self.send(id, last.epoch, last.next_sequence()),
            None => self.send(id, 0, 0),
        }
    }

    fn begin_epoch(&mut self) {
        let id = self.ids[self.random.usize(..3)];
        let Some(last) = self.producers.get(&id).and_then(|producer| producer.sent.last()) else {
            return;
        };
        let epoch = last.epoch + 1;
        self.send(id, epoch, 0);
    }

    fn send_again(&mut self) {
        let id = self.ids[self.random.usize(..3)];
        let Some(producer) = self.producers.get(&id).cloned() else { return };
        if producer.remembered == 0 {
            return;
        }
        let sent =
            producer.sent[producer.sent.len() - 1 - self.random.usize(..producer.remembered)];
        let again = self.append(batch(id, sent.epoch, sent.first, sent.count)).unwrap();
        assert_eq!(again, (sent.base_offset, true), "{id}: {sent:?}");
    }

    /// What does not follow is refused, and leaves no trace.
    fn send_wrongly(&mut self) {
        let id = self.ids[self.random.usize(..3)];
        let Some(producer) = self.producers.get(&id).filter(|p| p.remembered > 0) else { return };
        let last = *producer.sent.last().unwrap();
        let next = last.next_sequence();
        let wrong = [
            (last.epoch, next + 1, ErrorKind::OutOfOrderSequence),
            (last.epoch + 1, 1, ErrorKind::OutOfOrderSequence),
            (last.epoch - 1, 0, ErrorKind::Fenced),
        ];
        let (epoch, first, kind) = wrong[self.random.usize(..wrong.len())];
        let kind = if epoch < 0 { ErrorKind::InvalidInput } else { kind };
        let error = self.append(batch(id, epoch, first, 1)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }

    /// A group whose frame fails: what was staged comes again, and is new.
    fn commit_and_take_back(&mut self) {
        let mut writer = self.partition.lock();
        let mut staged = Vec::new();
        let mut next: HashMap<i64, (i16, i32)> = HashMap::new();
        for _ in 0..self.random.usize(1..9) {
            let id = self.ids[self.random.usize(..3)];
            let last = self.producers.get(&id).and_then(|producer| producer.sent.last());
            let place = next
                .entry(id)
                .or_insert_with(|| last.map_or((0, 0), |last| (last.epoch, last.next_sequence())));
            if self.random.u8(..) < 30 {
                *place = (place.0 + 1, 0);
            }
            let mut batch = batch(id, place.0, place.1, 2);
            place.1 = advance_sequence(place.1, 2);
            staged.push(writer.stage(&mut batch).unwrap());
        }
        staged.into_iter().rev().for_each(|placed| writer.unstage(placed));
        writer.publish();
    }

    fn checkpoint(&mut self) {
        let part = self.partition.checkpoint_begin().unwrap();
        part.sync().unwrap();
        self.state = part.state().clone();
        self.partition.checkpoint_end(part);
        self.journal.clear();
    }

    fn close(&mut self) {
        self.state = self.partition.close().unwrap();
        self.journal.clear();
        let place = self.place.again();
        self.partition =
            Partition::open_clean(&place.shared, id(), &place.config, self.state.clone()).unwrap();
        self.place = place;
        self.forget_all_but_the_newest();
    }

    fn crash(&mut self) {
        let place = self.place.again();
        let known = Known::State(self.state.clone());
        let mut recovery =
            Partition::start_recovery(&place.shared, id(), &place.config, known, 0).unwrap();
        for (base_offset, batch) in &self.journal {
            recovery.apply(*base_offset, batch).unwrap();
        }
        let (partition, _) = recovery.finish().unwrap();
        assert!(partition.damage().is_none(), "{:?}", partition.damage());
        self.state = partition.state();
        self.journal.clear();
        (self.partition, self.place) = (partition, place);
        self.forget_all_but_the_newest();
    }

    /// A session begins. The snapshot has one; what a scan saw beside it is more than was promised.
    fn forget_all_but_the_newest(&mut self) {
        for producer in self.producers.values_mut() {
            producer.counted_from = self.now;
            producer.remembered = producer.remembered.min(1);
        }
    }

    fn pass_time(&mut self) {
        let passed = DAY.mul_f64(self.random.f64() * 0.4);
        self.world.clock.advance(passed);
        self.now += passed;
        // What was not read since the reopen is read now, and then looked at.
        self.partition.producers().unwrap();
        self.partition.expire_producers();
        let known = self.partition.producers().unwrap();
        for id in &mut self.ids {
            let Some(producer) = self.producers.get(id) else { continue };
            if self.now - producer.counted_from >= DAY {
                let forgotten = known.iter().all(|known| known.producer_id != *id);
                assert!(forgotten, "{id}: {known:?}");
                // Nothing is promised any more: it comes back under another name.
                *id += 3;
            }
        }
    }

    fn check(&self) {
        let mut found = Vec::new();
        for batch in read_batches(&self.partition, 1 << 20).unwrap() {
            let entry = Entry::decode(&batch).unwrap();
            let stamp = entry.producer().unwrap();
            let count = entry.record_count().unwrap();
            let (epoch, first, base_offset) =
                (stamp.epoch, stamp.base_sequence, entry.base_offset());
            found.push((stamp.id, Sent { epoch, first, count, base_offset }));
        }
        assert_eq!(found, self.expected);
    }
}

#[test]
fn every_batch_is_there_once_at_the_offsets_that_were_told() {
    let seed = seed();
    for run in 0..60 {
        let mut life = Life::new(seed.wrapping_add(run));
        for _ in 0..150 {
            life.step();
        }
        life.check();
    }
}
