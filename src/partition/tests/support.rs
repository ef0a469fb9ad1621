//! What the tests of the partition share: a directory in memory, batches, and reading all back.

use std::sync::Arc;

use super::super::Partition;
use super::super::id::PartitionId;
use super::super::read::{ReadPosition, ReadRequest};
use super::super::shared::{Shared, SharedOptions};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::clock::SimClock;
use crate::env::poison::Poison;
use crate::env::vfs::{OpenHow, Vfs, read_up_to, write_all_at};
use crate::error::Result;
use crate::topic::{TopicId, TopicName};

/// A directory in memory at the time when the records of the fixtures were made: later on their
/// producers are forgotten.
pub(crate) fn env_of_the_fixtures() -> Env {
    Env { clock: Arc::new(SimClock::new(1_700_000_100_000)), ..Env::memory() }
}

/// A directory with one partition's folder.
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: TopicConfig,
}

pub(crate) const FOLDER: &str = "orders-0";

impl Place {
    pub(crate) fn new(settings: &[(&str, &str)]) -> Place {
        let env = Env::memory();
        env.vfs.create_dir(FOLDER).unwrap();
        Place::over(env, settings)
    }

    pub(crate) fn over(env: Env, settings: &[(&str, &str)]) -> Place {
        let config = TopicConfig::from_overrides(settings.iter().copied());
        // Few descriptors, so that they are closed and opened again all the time.
        let options = SharedOptions { descriptors_max: 2, ..SharedOptions::default() };
        let shared = Shared::new(env, Arc::new(Poison::new()), options);
        Place { shared, config }
    }

    /// The same directory, as another process would open it.
    pub(crate) fn again(&self) -> Place {
        let place = Place::over(self.shared.env.clone(), &[]);
        Place { config: self.config.clone(), ..place }
    }

    pub(crate) fn vfs(&self) -> &dyn Vfs {
        &*self.shared.env.vfs
    }

    pub(crate) fn create(&self) -> Arc<Partition> {
        Partition::create(&self.shared, id(), &self.config).unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        let file = self.vfs().open(&format!("{FOLDER}/{name}"), OpenHow::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        read_up_to(&*file, &mut bytes, 0).unwrap();
        bytes
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = format!("{FOLDER}/{name}");
        let file = self.vfs().open(&path, OpenHow::CreateOrWrite).unwrap();
        file.set_len(0).unwrap();
        write_all_at(&*file, bytes, 0).unwrap();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.vfs().list(FOLDER).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }
}

pub(crate) fn id() -> PartitionId {
    PartitionId::new(TopicName::new("orders").unwrap(), 0, TopicId([7; 16]))
}

/// A batch of `count` records whose values are `value_bytes` long, at one timestamp.
pub(crate) fn batch(count: usize, value_bytes: usize, timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions::default());
    for index in 0..count {
        let value = vec![index as u8; value_bytes];
        builder.push(timestamp, None, Some(&value), &[]).unwrap();
    }
    builder.take().unwrap()
}

/// Appends with `acks=1`; returns the base offset.
pub(crate) fn append(partition: &Partition, mut batch: Vec<u8>) -> Result<i64> {
    partition.lock().append_written(&mut batch).map(|appended| appended.base_offset)
}

/// All batches from the log start to the end, read `bytes_max` at a time.
pub(crate) fn read_batches(partition: &Partition, bytes_max: usize) -> Result<Vec<Vec<u8>>> {
    let (mut position, mut buffer) = (ReadPosition::default(), Vec::new());
    let mut from = partition.log_start_offset();
    let mut batches = Vec::new();
    let end = partition.end_offset();
    while from < end {
        let request = ReadRequest { from, end, bytes_max, check: true };
        let outcome = partition.read(&request, &mut position, &mut buffer)?;
        let mut bytes = &buffer[outcome.start..outcome.start + outcome.bytes];
        while !bytes.is_empty() {
            let entry = Entry::decode_first(bytes).unwrap();
            batches.push(entry.bytes().to_vec());
            bytes = &bytes[entry.bytes().len()..];
        }
        assert!(outcome.next_offset > from, "no progress at {from}");
        from = outcome.next_offset;
    }
    Ok(batches)
}

/// The offsets of all data records.
pub(super) fn offsets(batches: &[Vec<u8>]) -> Vec<i64> {
    let (mut scratch, mut offsets) = (Vec::new(), Vec::new());
    for batch in batches {
        let entry = Entry::decode(batch).unwrap();
        if !entry.is_control() {
            let records = entry.records(&DecodeLimits::default(), &mut scratch).unwrap();
            offsets.extend(records.map(|record| record.unwrap().offset));
        }
    }
    offsets
}
