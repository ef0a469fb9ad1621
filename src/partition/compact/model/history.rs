//! Random histories, and the plain list of all that was appended.

use std::collections::HashMap;

use super::super::{LOG_BYTES_MAX, Round};
use super::laws;
use super::world::{DELETE_RETENTION_MS, Found, World};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::config::compression::Compression;
use crate::format::control_record::{ControlType, EndTransactionMarker};

/// What was met in some histories.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) rounds: u64,
    pub(super) full_maps: u64,
    pub(super) rewritten: u64,
    pub(super) emptied: u64,
    pub(super) tombstones_removed: u64,
    pub(super) keyless_removed: u64,
    pub(super) aborted_removed: u64,
    pub(super) markers_removed: u64,
    pub(super) merged: u64,
    pub(super) untouched: u64,
    pub(super) divided: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Seen) {
        self.rounds += other.rounds;
        self.full_maps += other.full_maps;
        self.rewritten += other.rewritten;
        self.emptied += other.emptied;
        self.tombstones_removed += other.tombstones_removed;
        self.keyless_removed += other.keyless_removed;
        self.aborted_removed += other.aborted_removed;
        self.markers_removed += other.markers_removed;
        self.merged += other.merged;
        self.untouched += other.untouched;
        self.divided += other.divided;
    }
}

/// What became of the transaction of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in none.
    Plain,
    Open,
    /// With the offset of the marker.
    Committed(i64),
    Aborted(i64),
}

/// A batch of data as it was appended.
#[derive(Clone, Debug)]
pub(super) struct Appended {
    pub(super) base_offset: i64,
    pub(super) producer_id: Option<i64>,
    pub(super) fate: Fate,
    pub(super) records: Vec<Found>,
}

/// All that was appended.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) batches: Vec<Appended>,
    /// When a round first met the batch of a tombstone, by the tombstone's offset.
    pub(super) met_ms: HashMap<i64, i64>,
}

impl Model {
    /// The records that readers of committed ones may see, in order.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Found> {
        self.batches
            .iter()
            .filter(|batch| matches!(batch.fate, Fate::Plain | Fate::Committed(_)))
            .flat_map(|batch| &batch.records)
    }

    pub(super) fn is_aborted(&self, offset: i64) -> bool {
        self.batch_of(offset).is_some_and(|batch| matches!(batch.fate, Fate::Aborted(_)))
    }

    pub(super) fn batch_of(&self, offset: i64) -> Option<&Appended> {
        let index = self.batches.partition_point(|batch| batch.base_offset <= offset);
        self.batches.get(index.checked_sub(1)?)
    }

    pub(super) fn record_at(&self, offset: i64) -> Option<&Found> {
        self.batch_of(offset)?.records.iter().find(|record| record.offset == offset)
    }
}

/// A producer with numbered batches.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    id: i64,
    epoch: i16,
    next_sequence: i32,
    transactional: bool,
    is_open: bool,
}

struct History {
    random: fastrand::Rng,
    world: World,
    model: Model,
    producers: Vec<Numbered>,
    now_ms: i64,
    keys: u64,
    values: u64,
    seen: Seen,
}

/// Runs the history of a seed.
///
/// # Errors
/// The law that was broken.
pub(super) fn run(seed: u64) -> Result<Seen, String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let numbered = |id, transactional| Numbered {
        id,
        epoch: 0,
        next_sequence: 0,
        transactional,
        is_open: false,
    };
    let mut history = History {
        world: World::new(["400", "900", "3000"][random.usize(..3)]),
        model: Model::default(),
        producers: vec![
            numbered(1, false),
            numbered(2, false),
            numbered(11, true),
            numbered(12, true),
            numbered(13, true),
        ],
        now_ms: 1_700_000_000_000,
        keys: random.u64(1..20),
        values: 0,
        seen: Seen::default(),
        random,
    };
    for _ in 0..history.random.usize(20..160) {
        history.step()?;
    }
    history.settle()?;
    Ok(history.seen)
}

impl History {
    fn step(&mut self) -> Result<(), String> {
        match self.random.u32(0..100) {
            0..45 => self.append_plain(),
            45..68 => self.append_numbered(),
            68..78 => self.end_transaction(),
            78..86 => self.world.partition.lock().roll().map_err(|error| error.to_string())?,
            86..89 => self.now_ms += self.random.i64(1..DELETE_RETENTION_MS),
            89..90 => self.delete_records(),
            _ => {
                let map_bytes = [72, 200, 1_000, 1 << 20][self.random.usize(..4)];
                let bound = match self.random.u8(0..4) {
                    0 => self.random.i64(0..=self.world.partition.end_offset()),
                    _ => i64::MAX,
                };
                self.clean(map_bytes, bound)?;
            }
        }
        Ok(())
    }

    fn append_plain(&mut self) {
        let options = BatchOptions { compression: self.codec(), ..BatchOptions::default() };
        self.append(&options, Fate::Plain);
    }

    fn append_numbered(&mut self) {
        let index = self.random.usize(..self.producers.len());
        let producer = self.producers[index];
        let options = BatchOptions {
            compression: self.codec(),
            producer: Some(BatchProducer {
                id: producer.id,
                epoch: producer.epoch,
                base_sequence: producer.next_sequence,
            }),
            transactional: producer.transactional,
            ..BatchOptions::default()
        };
        let fate = if producer.transactional { Fate::Open } else { Fate::Plain };
        let count = self.append(&options, fate);
        self.producers[index].next_sequence += count;
        self.producers[index].is_open = producer.transactional;
    }

    fn codec(&mut self) -> Compression {
        let codecs = [Compression::None, Compression::None, Compression::None];
        let more = Compression::ALL.into_iter().filter(|codec| codec.is_available());
        let codecs: Vec<Compression> = codecs.into_iter().chain(more).collect();
        codecs[self.random.usize(..codecs.len())]
    }

    /// Appends a batch of random records; returns how many.
    fn append(&mut self, options: &BatchOptions, fate: Fate) -> i32 {
        let mut builder = BatchBuilder::new();
        builder.start(options);
        let mut records = Vec::new();
        let count = self.random.i32(1..6);
        for _ in 0..count {
            let key = format!("key {}", self.random.u64(0..self.keys)).into_bytes();
            let key = (self.random.u8(0..20) > 0).then_some(key);
            self.values += 1;
            let value = format!("value {}", self.values).into_bytes();
            let value = (self.random.u8(0..6) > 0).then_some(value);
            let timestamp = self.now_ms + self.random.i64(0..3);
            builder.push(timestamp, key.as_deref(), value.as_deref(), &[]).unwrap();
            records.push(Found { offset: 0, timestamp, key, value });
        }
        let base_offset = self.world.append(builder.take().unwrap());
        (base_offset..).zip(&mut records).for_each(|(offset, record)| record.offset = offset);
        let producer_id = options.producer.map(|producer| producer.id);
        self.model.batches.push(Appended { base_offset, producer_id, fate, records });
        count
    }

    /// A marker of a coordinator: of the old protocol, or of the one that bumps the epoch with
    /// each. Now and then of a transaction that wrote nothing here.
    fn end_transaction(&mut self) {
        let index = 2 + self.random.usize(..3);
        let producer = &mut self.producers[index];
        if !producer.is_open && self.random.u8(0..5) > 0 {
            return;
        }
        if self.random.u8(0..4) == 0 {
            producer.epoch += 1;
            producer.next_sequence = 0;
        }
        producer.is_open = false;
        let producer = *producer;
        let is_commit = self.random.bool();
        self.put_marker(&producer, is_commit);
    }

    fn put_marker(&mut self, producer: &Numbered, is_commit: bool) {
        let mut builder = BatchBuilder::new();
        builder.start(&BatchOptions {
            producer: Some(BatchProducer {
                id: producer.id,
                epoch: producer.epoch,
                base_sequence: -1,
            }),
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        let kind = if is_commit { ControlType::Commit } else { ControlType::Abort };
        let value = EndTransactionMarker { coordinator_epoch: 3 }.encode();
        builder.push(self.now_ms, Some(&kind.encode_key()), Some(&value), &[]).unwrap();
        let offset = self.world.append(builder.take().unwrap());
        for batch in &mut self.model.batches {
            if batch.fate == Fate::Open && batch.producer_id == Some(producer.id) {
                batch.fate =
                    if is_commit { Fate::Committed(offset) } else { Fate::Aborted(offset) };
            }
        }
    }

    fn delete_records(&mut self) {
        let start = self.world.partition.log_start_offset();
        let stable = self.world.partition.last_stable_offset().unwrap();
        if start < stable {
            self.world.delete_below(self.random.i64(start..stable));
        }
    }

    /// A round as it would be chosen, and every law.
    fn clean(&mut self, map_bytes: u64, bound: i64) -> Result<bool, String> {
        self.world.partition.close().map_err(|error| error.to_string())?;
        let choice = self
            .world
            .partition
            .choose_round(self.world.cleaned_to, bound, self.now_ms)
            .map_err(|error| error.to_string())?;
        let Some(choice) = choice else { return Ok(false) };
        let round = Round {
            first_dirty: choice.first_dirty,
            upper: choice.upper,
            now_ms: self.now_ms,
            map_bytes,
            log_bytes_max: [LOG_BYTES_MAX, LOG_BYTES_MAX, 300][self.random.usize(..3)],
        };
        laws::check_round(&mut self.world, &mut self.model, &round, &mut self.seen)?;
        Ok(true)
    }

    /// Ends all transactions, and lets all horizons pass: then only what must stay is there.
    fn settle(&mut self) -> Result<(), String> {
        for producer in self.producers.clone() {
            if producer.is_open {
                self.put_marker(&producer, self.values.is_multiple_of(2));
            }
        }
        self.append_plain();
        self.world.partition.lock().roll().map_err(|error| error.to_string())?;
        self.append_plain();
        // Data goes, then markers become idle, then they and the tombstones go. What is the end of
        // a segment stays, empty, until that is put together with another one: again and again.
        for _ in 0..12 {
            self.clean(1 << 20, i64::MAX)?;
            self.now_ms += DELETE_RETENTION_MS;
        }
        laws::check_settled(&self.world, &self.model)
    }
}
