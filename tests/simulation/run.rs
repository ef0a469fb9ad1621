//! Runs a workload on a simulated disk and writes down in the model what was done and when.

use ottla::env::sim::{Choices, Fault, Recording, SimEnv};
use ottla::{Acks, Broker, BrokerOptions, Error, ErrorKind, Message};

use crate::laws;
use crate::model::{Batch, Model, PartitionModel, Span, Start};
use crate::reader::read_all;
use crate::streams::INDEXED;
use crate::workload::{NAMES, Operation, Workload};

/// A recording, and what is known about it.
pub struct Era {
    pub recording: Recording,
    pub model: Model,
}

/// The settings of every broker in the simulation.
pub fn options() -> BrokerOptions {
    BrokerOptions::new()
        .background(false)
        .journal_file_bytes(4096)
        .journal_files(2)
        .transaction_buffer_bytes(4096)
}

/// The keys of all records.
pub const KEYS: [&str; 4] = ["burger", "cola", "fries", "salad"];

/// A message with one of a few keys, which its value tells.
pub fn message_of(value: &[u8]) -> Message<'_> {
    Message::new(value).key(key_of(value))
}

/// The key of a value: the number that it begins with decides.
pub fn key_of(value: &[u8]) -> &'static str {
    KEYS[usize::from(value.get(7).copied().unwrap_or(0)) % KEYS.len()]
}

/// A run on its way.
pub struct Run {
    pub world: SimEnv,
    pub broker: Option<Broker>,
    pub model: Model,
    eras: Vec<Era>,
    written: u32,
    /// Calls fail on purpose.
    pub faulty: bool,
    /// A failed sync may have put the old bytes back: what was not synced may be gone already.
    pub cache_reverts: bool,
    /// The broker has said that nothing is written any more.
    pub poisoned: bool,
    /// The last failure.
    pub failure: Option<Error>,
    /// How often the directory was opened.
    pub sessions: u32,
}

/// Runs the whole workload; every call must succeed.
pub fn run(workload: &Workload, seed: u64) -> Result<Vec<Era>, String> {
    run_with(workload, seed, &[])
}

/// Runs the whole workload while calls go wrong as planned.
pub fn run_with(workload: &Workload, seed: u64, faults: &[Fault]) -> Result<Vec<Era>, String> {
    let mut run = Run::new(SimEnv::new(seed), !faults.is_empty());
    run.open()?;
    faults.iter().for_each(|fault| run.world.disk.plan(fault.clone()));
    for (number, operation) in workload.operations.iter().enumerate() {
        let outcome = run.perform(operation);
        outcome
            .map_err(|e| format!("{}: operation {number}, {operation:?}: {e}", workload.name))?;
    }
    Ok(run.finish())
}

impl Run {
    pub fn new(world: SimEnv, faulty: bool) -> Run {
        Run {
            world,
            broker: None,
            model: Model::default(),
            eras: Vec::new(),
            written: 0,
            faulty,
            poisoned: false,
            cache_reverts: false,
            failure: None,
            sessions: 0,
        }
    }

    pub fn at(&self) -> i64 {
        self.world.disk.position() as i64
    }

    /// How many recordings there are, this one not counted.
    pub fn eras(&self) -> usize {
        self.eras.len()
    }

    /// How many records were made so far.
    pub fn written(&self) -> u32 {
        self.written
    }

    /// The end of the run: what was recorded, and what is known about it.
    pub fn finish(mut self) -> Vec<Era> {
        if let Some(broker) = self.broker.take() {
            broker.abandon();
        }
        self.end_era();
        self.eras
    }

    fn end_era(&mut self) {
        let recording = self.world.disk.recording();
        self.eras.push(Era { recording, model: self.model.clone() });
    }

    /// Opens the directory, holds the laws against what it shows, and takes that for the truth.
    pub fn open(&mut self) -> Result<(), String> {
        let began = self.at();
        let lost_power = self.cache_reverts || (!self.eras.is_empty() && began == 0);
        let broker = match options().open_in(self.world.env()) {
            Ok(broker) => broker,
            Err(error) if self.faulty => {
                self.failure = Some(error);
                return Ok(());
            }
            Err(error) => return Err(format!("it does not open: {error}")),
        };
        self.poisoned = false;
        self.sessions += 1;
        let seen = match read_all(&broker) {
            Ok(seen) => seen,
            // A read that fails tells nothing; what was written is still there.
            Err(_) if self.faulty => {
                broker.abandon();
                return Ok(());
            }
            Err(broken) => return Err(broken),
        };
        laws::hold(&self.model, began, lost_power, &seen)?;
        if self.cache_reverts {
            self.model = self.model.after_power_loss(began);
        }
        self.model.settle(&seen, self.at());
        self.broker = Some(broker);
        Ok(())
    }

    /// Does one thing. An error is a failure of the run, unless calls are made to fail.
    pub fn perform(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Close => self.close(),
            Operation::Kill => self.kill(),
            Operation::PowerLoss { choice } => self.lose_power(*choice),
            _ => {
                let Some(broker) = self.broker.clone() else { return Ok(()) };
                self.change(&broker, operation)
            }
        }
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(broker) = self.broker.take() else { return Ok(()) };
        match broker.close() {
            Ok(()) => self.model.sync_all(self.at()),
            Err(error) => drop(self.note_failure(error)?),
        }
        drop(broker);
        self.open()
    }

    pub fn kill(&mut self) -> Result<(), String> {
        self.die();
        self.open()
    }

    /// The process dies, and nobody opens the directory yet.
    pub fn die(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.abandon();
        }
    }

    fn lose_power(&mut self, choice: u64) -> Result<(), String> {
        self.cut_power(choice);
        self.open()
    }

    /// Power is lost, and nobody opens the directory yet.
    pub fn cut_power(&mut self, choice: u64) {
        self.die();
        self.end_era();
        self.model = self.model.after_power_loss(self.at());
        let disk = self.world.disk.after_power_loss(&mut Choices::seeded(choice));
        self.world = self.world.with_disk(disk);
    }

    /// Notes an error; true if nobody can know yet what became of the call.
    pub fn note_failure(&mut self, error: Error) -> Result<bool, String> {
        if !self.faulty {
            return Err(error.to_string());
        }
        let poisoned = error.kind() == ErrorKind::Poisoned;
        // What comes after the first such answer was not even begun.
        let unknown = poisoned && !self.poisoned;
        self.poisoned |= poisoned;
        self.failure = Some(error);
        Ok(unknown)
    }

    /// Notes an error of a call that has several steps: unless the broker refused everything
    /// before, nobody knows which of them were taken.
    pub fn note_partial(&mut self, error: Error, span: &mut Span) -> Result<(), String> {
        let was_poisoned = self.poisoned;
        self.note_failure(error)?;
        if was_poisoned || self.at() == span.begun {
            span.refused = Some(self.at());
        }
        Ok(())
    }

    fn change(&mut self, broker: &Broker, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Create { topic, partitions, segment_bytes } => {
                self.create(broker, NAMES[*topic], *partitions, (*segment_bytes, "delete"))
            }
            Operation::CreateCompacted { topic, partitions, segment_bytes, deletes } => {
                let policy = if *deletes { "compact,delete" } else { "compact" };
                self.create(broker, NAMES[*topic], *partitions, (*segment_bytes, policy))
            }
            Operation::Delete { topic } => self.delete(broker, NAMES[*topic]),
            Operation::AddPartition { topic } => self.add_partition(broker, NAMES[*topic]),
            Operation::Alter { topic, retention_bytes } => {
                self.alter(broker, NAMES[*topic], *retention_bytes)
            }
            Operation::Append { topic, partition, records, bytes, acks } => {
                self.append(broker, (*topic, *partition, *records), *bytes, *acks)
            }
            Operation::Send { topic, partition, records, bytes, acks } => {
                self.send(broker, (*topic, *partition, *records), *bytes, *acks)
            }
            Operation::SendAgain { topic, partition, acks } => {
                self.send_again(broker, (*topic, *partition), *acks)
            }
            Operation::Atomic { parts, bytes } => self.append_atomically(broker, parts, *bytes),
            Operation::Checkpoint => match broker.checkpoint() {
                Ok(()) => {
                    self.model.sync_all(self.at());
                    Ok(())
                }
                Err(error) => self.note_failure(error).map(drop),
            },
            Operation::Retention => self.retain(broker),
            Operation::DeleteRecords { topic, partition, percent } => {
                self.delete_records(broker, NAMES[*topic], *partition, *percent)
            }
            Operation::Truncate { topic, partition, batches } => {
                self.truncate(broker, NAMES[*topic], *partition, *batches)
            }
            Operation::Commit { group, topic, partition, percent } => {
                self.commit_offset(broker, *group, (*topic, *partition), *percent)
            }
            Operation::DeleteOffset { group, topic, partition } => {
                self.delete_offset(broker, *group, (*topic, *partition))
            }
            Operation::Transaction { staged, ending } => self.transact(broker, staged, *ending),
            Operation::AppendIf { topic, partition, records, holds, acks } => {
                self.append_if(broker, (*topic, *partition, *records), *holds, *acks)
            }
            Operation::AppendToStream { partition, holds, acks } => {
                self.append_to_stream(broker, *partition, *holds, *acks)
            }
            Operation::Compact { topic } => self.compact(broker, *topic),
            Operation::Close | Operation::Kill | Operation::PowerLoss { .. } => Ok(()),
        }
    }

    fn delete(&mut self, broker: &Broker, name: &str) -> Result<(), String> {
        let Some(topic) = self.model.live(name) else { return Ok(()) };
        let mut span = Span::begun(self.at());
        match broker.delete_topic(name) {
            Ok(()) => span.acked = Some(self.at()),
            Err(error) => self.note_partial(error, &mut span)?,
        }
        self.model.topics[topic].deleted = Some(span);
        Ok(())
    }

    fn add_partition(&mut self, broker: &Broker, name: &str) -> Result<(), String> {
        let Some(topic) = self.model.live(name) else { return Ok(()) };
        let total = self.model.topics[topic].partitions.len() + 1;
        if total > 4 {
            return Ok(());
        }
        if name == NAMES[INDEXED] {
            // Its streams would be looked for elsewhere.
            return match broker.add_partitions(name, total as i32) {
                Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
                other => Err(format!("more partitions for a topic with streams: {other:?}")),
            };
        }
        let mut span = Span::begun(self.at());
        match broker.add_partitions(name, total as i32) {
            Ok(()) => span.acked = Some(self.at()),
            // Whatever was made before its record was committed is no partition.
            Err(error) => {
                if !self.note_failure(error)? {
                    return Ok(());
                }
            }
        }
        self.model.topics[topic].partitions.push(PartitionModel::new(span));
        Ok(())
    }

    fn alter(&mut self, broker: &Broker, name: &str, retention_bytes: i64) -> Result<(), String> {
        let Some(topic) = self.model.live(name) else { return Ok(()) };
        let value = retention_bytes.to_string();
        let mut span = Span::begun(self.at());
        match broker.alter_topic(name, &[("retention.bytes", Some(&value))]) {
            Ok(()) => span.acked = Some(self.at()),
            Err(error) => self.note_partial(error, &mut span)?,
        }
        self.model.topics[topic].settings.push((value, span));
        Ok(())
    }

    /// Values that are found nowhere else.
    pub fn values(&mut self, records: usize, bytes: usize) -> Vec<Vec<u8>> {
        let value = |_| {
            self.written += 1;
            let mut value = format!("{:08}|", self.written).into_bytes();
            value.resize(bytes.max(9), b'a' + (self.written % 26) as u8);
            value
        };
        (0..records).map(value).collect()
    }

    /// The partition, if it is there.
    pub fn place(&self, topic: usize, partition: usize) -> Option<(usize, usize)> {
        let index = self.model.live(NAMES[topic])?;
        let count = self.model.topics[index].partitions.len();
        let usable =
            |number: &usize| self.model.topics[index].partitions[*number].span.acked.is_some();
        Some((index, partition % count)).filter(|(_, number)| usable(number))
    }

    pub fn end_of(&self, broker: &Broker, place: (usize, usize)) -> i64 {
        let name = &self.model.topics[place.0].name;
        broker.partition(name, place.1 as i32).map_or(0, |handle| handle.end_offset())
    }

    pub fn note_batch(&mut self, place: (usize, usize), batch: Batch) {
        self.model.topics[place.0].partitions[place.1].batches.push(batch);
    }

    fn append(
        &mut self,
        broker: &Broker,
        (topic, partition, records): (usize, usize, usize),
        bytes: usize,
        acks: Acks,
    ) -> Result<(), String> {
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let base = self.end_of(broker, place);
        let values = self.values(records, bytes);
        let mut span = Span::begun(self.at());
        let messages: Vec<_> = values.iter().map(|value| message_of(value)).collect();
        let handle = broker.partition(NAMES[topic], place.1 as i32).map_err(|e| e.to_string())?;
        match handle.append(&messages, acks) {
            Ok(appended) if appended.base_offset == base => span.acked = Some(self.at()),
            Ok(appended) => return Err(format!("{appended:?} at the end {base}")),
            Err(error) => {
                // A call that changed nothing on the disk was refused, whatever it says.
                if !self.note_failure(error)? || self.at() == span.begun {
                    span.refused = Some(self.at());
                }
            }
        }
        let batch =
            Batch { base, values, acks, span, cut: None, durable: None, group: None, stamp: None };
        self.note_batch(place, batch);
        Ok(())
    }

    fn append_atomically(
        &mut self,
        broker: &Broker,
        parts: &[(usize, usize, usize)],
        bytes: usize,
    ) -> Result<(), String> {
        let mut atomic = broker.atomic_append();
        let mut batches: Vec<((usize, usize), Batch)> = Vec::new();
        self.model.groups += 1;
        let mut span = Span::begun(self.at());
        for &(topic, partition, records) in parts {
            let Some(place) = self.place(topic, partition) else { continue };
            let values = self.values(records, bytes);
            let messages: Vec<_> = values.iter().map(|value| message_of(value)).collect();
            if let Err(error) = atomic.add(NAMES[topic], place.1 as i32, &messages) {
                return self.note_failure(error).map(drop);
            }
            let before = batches.iter().rev().find(|(other, _)| *other == place);
            let base = before.map_or_else(|| self.end_of(broker, place), |(_, b)| b.end());
            let group = Some(self.model.groups);
            let (acks, cut, durable) = (Acks::All, None, None);
            let stamp = None;
            let batch = Batch { base, values, acks, span, cut, durable, group, stamp };
            batches.push((place, batch));
        }
        match atomic.commit() {
            Ok(_) => span.acked = Some(self.at()),
            Err(error) => {
                // A call that changed nothing on the disk was refused, whatever it says.
                if !self.note_failure(error)? || self.at() == span.begun {
                    span.refused = Some(self.at());
                }
            }
        }
        for (place, batch) in batches {
            self.note_batch(place, Batch { span, ..batch });
        }
        Ok(())
    }

    fn retain(&mut self, broker: &Broker) -> Result<(), String> {
        let begun = self.at();
        let outcome = broker.run_retention();
        let (span, outcomes) = match outcome {
            Ok(outcomes) => (Span { acked: Some(self.at()), ..Span::begun(begun) }, outcomes),
            Err(error) => {
                self.note_failure(error)?;
                return self.expect_any_start(broker, Span::begun(begun));
            }
        };
        self.model.sync_all(self.at());
        for outcome in outcomes {
            let Some(topic) = self.model.live(outcome.partition.topic.as_str()) else { continue };
            let partition = &mut self.model.topics[topic].partitions;
            let starts = &mut partition[outcome.partition.partition as usize].starts;
            starts.push(Start { offset: outcome.log_start_offset, exact: true, span });
        }
        Ok(())
    }

    /// Retention failed somewhere: every log start up to the end is possible.
    fn expect_any_start(&mut self, broker: &Broker, span: Span) -> Result<(), String> {
        for topic in 0..self.model.topics.len() {
            if self.model.live(&self.model.topics[topic].name) != Some(topic) {
                continue;
            }
            for partition in 0..self.model.topics[topic].partitions.len() {
                let offset = self.end_of(broker, (topic, partition));
                let starts = &mut self.model.topics[topic].partitions[partition].starts;
                starts.push(Start { offset, exact: false, span });
            }
        }
        Ok(())
    }

    fn delete_records(
        &mut self,
        broker: &Broker,
        name: &str,
        partition: usize,
        percent: usize,
    ) -> Result<(), String> {
        let topic = NAMES.iter().position(|other| *other == name).unwrap_or(0);
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        if !self.model.topics[place.0].deletes {
            return Ok(());
        }
        let handle = broker.partition(name, place.1 as i32).map_err(|e| e.to_string())?;
        let (start, end) = (handle.log_start_offset(), handle.end_offset());
        let offset = start + (end - start) * percent as i64 / 100;
        let mut span = Span::begun(self.at());
        match handle.delete_records(offset) {
            Ok(_) => {
                span.acked = Some(self.at());
                self.model.sync_all(self.at());
            }
            Err(error) => self.note_partial(error, &mut span)?,
        }
        let start = Start { offset, exact: span.acked.is_some(), span };
        self.model.topics[place.0].partitions[place.1].starts.push(start);
        Ok(())
    }

    fn truncate(
        &mut self,
        broker: &Broker,
        name: &str,
        partition: usize,
        batches: usize,
    ) -> Result<(), String> {
        let topic = NAMES.iter().position(|other| *other == name).unwrap_or(0);
        let Some(place) = self.place(topic, partition) else { return Ok(()) };
        let handle = broker.partition(name, place.1 as i32).map_err(|e| e.to_string())?;
        let start = handle.log_start_offset();
        let begun = self.at();
        if !self.model.topics[place.0].partitions[place.1].compactions.is_empty() {
            // The batch that begins there may be gone.
            return Ok(());
        }
        let there = &self.model.topics[place.0].partitions[place.1].batches;
        let live = there.iter().rev().filter(|batch| batch.may(begun + 1) && batch.base >= start);
        let Some(offset) = live.take(batches).last().map(|batch| batch.base) else {
            return Ok(());
        };
        let mut span = Span::begun(begun);
        let end = handle.end_offset();
        match handle.truncate_to(offset) {
            Ok(_) => {
                span.acked = Some(self.at());
                self.note_cut_offsets(place, offset, span);
                self.model.sync_all(self.at());
            }
            Err(error) => {
                self.note_partial(error, &mut span)?;
                // Offsets are set back before anything is cut.
                self.note_cut_offsets(place, offset, span);
                self.settle_cut_offsets(broker, place);
                if handle.end_offset() == end {
                    span.refused = Some(self.at());
                }
            }
        }
        if span.refused.is_some() {
            return Ok(());
        }
        for batch in &mut self.model.topics[place.0].partitions[place.1].batches {
            // A cut that failed may be asked for again.
            let whole = batch.cut.is_none_or(|cut| cut.is_open());
            if batch.base >= offset && whole && batch.span.refused.is_none() {
                batch.cut = Some(span);
            }
        }
        Ok(())
    }
}
