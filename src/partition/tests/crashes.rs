//! A random life of a partition on the simulated disk, against a model; then a crash at every
//! position of it, with every kind of loss, and recovery with what the journal would hold.
//!
//! The journal and the control file are played by the test: both are durable at the moment when
//! the partition is told so. What must hold: all that was committed is there, all that was written
//! is there unless power was lost, nothing else is, and nothing is called damage.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;

use super::super::Partition;
use super::super::hold::Hold;
use super::super::producers::{AppendTime, ProducerSlot, Producers};
use super::super::recover::Known;
use super::support::{FOLDER, Place, batch, id, read_batches};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::entry::Entry;
use crate::env::sim::{Acked, CrashState, Explorer, SimEnv, seed};
use crate::env::vfs::Vfs;
use crate::format::control_file::PartitionState;
use crate::format::control_record::{ControlType, EndTransactionMarker};
use crate::format::producer_snapshot::ProducerEntry;

pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("internal.segment.bytes", "1500"),
    ("index.interval.bytes", "200"),
    ("segment.index.bytes", "48"),
    ("retention.bytes", "3000"),
];

/// What the world outside of the partition knows.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The folder is there.
    Born,
    /// Appended with `acks=1`.
    Written(Vec<u8>),
    /// In the journal; it will be in the log.
    Committed(Vec<u8>),
    /// All before is synced.
    Synced,
    /// A control file with this state is durable.
    Control(PartitionState),
}

/// What should be there, from the events before a crash.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) batches: Vec<Vec<u8>>,
    pub(super) journal: Vec<Vec<u8>>,
    state: Option<PartitionState>,
    /// Batches that survive power loss.
    durable: usize,
}

impl Model {
    pub(super) fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Model {
        let mut model = Model::default();
        for event in events {
            match event {
                Event::Born => {}
                Event::Written(batch) => model.batches.push(batch.clone()),
                Event::Committed(batch) => {
                    model.batches.push(batch.clone());
                    model.journal.push(batch.clone());
                    model.durable = model.batches.len();
                }
                Event::Synced => model.durable = model.batches.len(),
                Event::Control(state) => {
                    let recovery_point = state.recovery_point;
                    model.journal.retain(|batch| last_offset(batch) >= recovery_point);
                    model.state = Some(state.clone());
                }
            }
        }
        model
    }

    /// Where the log must reach after a crash.
    pub(super) fn promised_end(&self, lost_power: bool) -> i64 {
        let kept = if lost_power { self.durable } else { self.batches.len() };
        self.batches[..kept].last().map_or(0, |batch| last_offset(batch) + 1)
    }

    pub(super) fn state(&self) -> PartitionState {
        self.state.clone().unwrap_or(PartitionState {
            topic_id: id().topic_id(),
            partition: 0,
            log_start_offset: 0,
            recovery_point: 0,
            cleaned_to: 0,
            has_producers: false,
            segments: Vec::new(),
        })
    }
}

fn last_offset(batch: &[u8]) -> i64 {
    Entry::decode(batch).unwrap().last_offset()
}

/// One life: random operations on a partition, noting what each promised.
struct Life {
    world: SimEnv,
    place: Place,
    partition: Arc<Partition>,
    events: Acked<Event>,
    random: Rng,
    /// The next sequence of each producer.
    sequences: HashMap<i64, i32>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let world = SimEnv::new(seed);
        world.disk.create_dir(FOLDER).unwrap();
        world.disk.sync_dir("").unwrap();
        let place = Place::over(world.env(), SETTINGS);
        let partition = place.create();
        let random = Rng::with_seed(seed);
        let (events, sequences) = (Acked::default(), HashMap::new());
        let mut life = Life { world, place, partition, events, random, sequences };
        life.note(Event::Born);
        life
    }

    fn note(&mut self, event: Event) {
        self.events.note(&self.world.disk, event);
    }

    fn random_batch(&mut self) -> Vec<u8> {
        let size = if self.random.u8(..) < 20 { 700 } else { 90 };
        let id = self.random.i64(1..4);
        match self.random.u32(0..6) {
            0 => return marker(id, ControlType::Abort),
            1 => return marker(id, ControlType::Commit),
            2 | 3 => {
                let sequence = self.sequences.entry(id).or_default();
                let count = self.random.usize(1..4);
                let base_sequence = *sequence;
                *sequence += count as i32;
                return transactional(id, base_sequence, count);
            }
            _ => {}
        }
        batch(self.random.usize(1..4), self.random.usize(0..size), self.random.i64(0..10_000))
    }

    fn step(&mut self) {
        match self.random.u32(0..20) {
            0..8 => {
                let mut batch = self.random_batch();
                self.partition.lock().append_written(&mut batch).unwrap();
                self.note(Event::Written(batch));
            }
            8..13 => self.commit(),
            13..16 => self.checkpoint(),
            16 => self.partition.lock().roll().unwrap(),
            17 => self.retain(),
            18 => self.delete(),
            _ => {
                let state = self.partition.close().unwrap();
                self.note(Event::Synced);
                self.note(Event::Control(state.clone()));
                let place = self.place.again();
                self.partition =
                    Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
                self.place = place;
            }
        }
        self.compare();
    }

    fn commit(&mut self) {
        let count = self.random.usize(1..4);
        let sequences = self.sequences.clone();
        let mut batches: Vec<_> = (0..count).map(|_| self.random_batch()).collect();
        let partition = Arc::clone(&self.partition);
        let mut writer = partition.lock();
        if writer.has_unsynced_tail() {
            writer.sync_tail().unwrap();
            self.note(Event::Synced);
        }
        let mut staged = Vec::new();
        for batch in &mut batches {
            staged.push(writer.stage(batch).unwrap());
        }
        if self.random.u8(..) < 40 {
            staged.into_iter().rev().for_each(|staged| writer.unstage(staged));
            self.sequences = sequences;
            return;
        }
        for batch in &batches {
            self.note(Event::Committed(batch.clone()));
        }
        for (placed, batch) in staged.iter().zip(&batches) {
            writer.apply(placed, batch).unwrap();
        }
        writer.publish();
    }

    fn checkpoint(&mut self) {
        let part = self.partition.checkpoint_begin().unwrap();
        part.sync().unwrap();
        self.note(Event::Synced);
        self.note(Event::Control(part.state().clone()));
        self.partition.checkpoint_end(part);
    }

    fn retain(&mut self) {
        if let Some(plan) = self.partition.retention_plan(0, &Hold::NONE).unwrap() {
            let log_start = plan.state.log_start_offset;
            self.note(Event::Control(plan.state));
            self.partition.delete_below(log_start).unwrap();
        }
    }

    fn delete(&mut self) {
        // Only what is synced, as a checkpoint before would have made sure.
        self.checkpoint();
        let (start, end) = (self.partition.log_start_offset(), self.partition.end_offset());
        let plan = self.partition.delete_records(self.random.i64(start..=end)).unwrap();
        let log_start = plan.log_start_offset;
        self.note(Event::Control(plan));
        self.partition.delete_below(log_start).unwrap();
    }

    fn compare(&self) {
        let model = Model::of(self.events.all());
        check_content(&self.partition, &model.batches).unwrap();
    }
}

fn marker(id: i64, kind: ControlType) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let producer = Some(BatchProducer { id, epoch: 0, base_sequence: -1 });
    let options =
        BatchOptions { producer, transactional: true, control: true, ..Default::default() };
    builder.start(&options);
    let value = EndTransactionMarker { coordinator_epoch: 3 }.encode();
    builder.push(7, Some(&kind.encode_key()), Some(&value), &[]).unwrap();
    builder.take().unwrap()
}

fn transactional(id: i64, base_sequence: i32, count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let producer = Some(BatchProducer { id, epoch: 0, base_sequence });
    builder.start(&BatchOptions { producer, transactional: true, ..Default::default() });
    for index in 0..count {
        builder.push(index as i64, None, Some(b"in a transaction"), &[]).unwrap();
    }
    builder.take().unwrap()
}

/// The producers, the open transactions and the aborted ones are those of the batches.
fn check_producers(partition: &Partition, batches: &[Vec<u8>]) -> Result<(), String> {
    if partition.log_start_offset() > 0 {
        // Whose batches were deleted may be forgotten.
        return Ok(());
    }
    let end = partition.end_offset();
    let (mut producers, mut aborted) = (Producers::default(), Vec::new());
    for batch in batches.iter().filter(|batch| last_offset(batch) < end) {
        let entry = Entry::decode(batch).unwrap();
        let observed = producers.observe(&entry, AppendTime::Unknown).unwrap();
        aborted.extend(observed.and_then(|(_, aborted)| aborted));
    }
    let stable = producers.first_unstable().unwrap_or(end);
    let said = |error: crate::error::Error| error.to_string();
    let found = partition.last_stable_offset().map_err(said)?;
    if found != stable {
        return Err(format!("the last stable offset is {found}, not {stable}"));
    }
    let found = partition.aborted_transactions(0, end).map_err(said)?;
    // The search stops early where all before the end is decided.
    if !aborted.starts_with(&found) || (found.len() < aborted.len() && stable < end) {
        return Err(format!("aborted: {found:?}, not {aborted:?}"));
    }
    let mut writer = partition.lock();
    partition.load_producers(&mut writer.state).map_err(said)?;
    match &writer.state.producers {
        ProducerSlot::Read(found) if timeless(found) == timeless(&producers) => Ok(()),
        other => Err(format!("producers: {other:?}, not {producers:?}")),
    }
}

/// What is known of the producers, less the times: those of these records are far from the appends.
fn timeless(producers: &Producers) -> Vec<ProducerEntry> {
    let entries = producers.entries().into_iter();
    entries.map(|entry| ProducerEntry { timestamp: 0, ..entry }).collect()
}

/// The partition holds a prefix of the batches, from its log start on.
pub(super) fn check_content(partition: &Partition, batches: &[Vec<u8>]) -> Result<(), String> {
    let (start, end) = (partition.log_start_offset(), partition.end_offset());
    let expected: Vec<_> = batches
        .iter()
        .filter(|batch| last_offset(batch) >= start && last_offset(batch) < end)
        .collect();
    let found = read_batches(partition, 600).map_err(|error| error.to_string())?;
    if !found.iter().eq(expected.iter().copied()) {
        return Err(format!("{start}..{end}: {} batches, not {}", found.len(), expected.len()));
    }
    check_producers(partition, batches)
}

fn check(events: &Acked<Event>, crash: &CrashState) -> Result<(), String> {
    if !matches!(events.at(crash).next(), Some(Event::Born)) {
        return Ok(());
    }
    let model = Model::of(events.at(crash));
    let place = Place::over(crash.env(), SETTINGS);
    let said = |error: crate::error::Error| error.to_string();
    let known = Known::State(model.state());
    let mut recovery =
        Partition::start_recovery(&place.shared, id(), &place.config, known, 0).map_err(said)?;
    for batch in &model.journal {
        let base_offset = Entry::decode(batch).unwrap().base_offset();
        recovery.apply(base_offset, batch).map_err(said)?;
    }
    let (partition, report) = recovery.finish().map_err(said)?;
    crash.recovery_ends_here();
    if let Some(damage) = partition.damage() {
        return Err(format!("{damage}; {:?}", model.state()));
    }
    let promised = model.promised_end(crash.lost_power());
    if partition.end_offset() < promised {
        return Err(format!("the end is {}, not {promised}; {report:?}", partition.end_offset()));
    }
    check_content(&partition, &model.batches)?;
    let errors = partition.verify().map_err(said)?.errors;
    if let Some(error) = errors.first() {
        return Err(error.to_string());
    }
    let end = partition.end_offset();
    let appended = partition.lock().append_written(&mut batch(1, 10, 0)).map_err(said)?;
    if appended.base_offset != end {
        return Err(format!("the next offset is {}, not {end}", appended.base_offset));
    }
    partition.close().map(drop).map_err(said)
}

#[test]
fn a_life_on_a_disk_that_holds_agrees_with_the_model() {
    let seed = seed();
    for run in 0..40 {
        let mut life = Life::new(seed.wrapping_add(run));
        for _ in 0..120 {
            life.step();
        }
    }
}

#[test]
fn every_crash_of_a_life_recovers() {
    let seed = seed();
    for run in 0..6 {
        let mut life = Life::new(seed.wrapping_add(run));
        for _ in 0..25 {
            life.step();
        }
        let events = &life.events;
        let mut explorer = Explorer::new(seed.wrapping_add(run));
        explorer.power_losses = 4;
        let explored = explorer.run(&life.world.disk.recording(), |crash| check(events, crash));
        match explored {
            Ok(explored) => assert!(explored.executed > 100),
            Err(failure) => panic!("run {run}: {failure}"),
        }
    }
}
