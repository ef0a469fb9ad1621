//! A partition in memory under test: appends as producers and Kafka's transactions make them,
//! rounds of compaction whose result takes its place over a reopening, and reading all back.

use std::sync::Arc;

use super::super::super::Partition;
use super::super::super::tests::support::{
    FOLDER, Place, append, env_of_the_fixtures, id, read_batches,
};
use super::super::output::cleaned_file;
use super::super::{Cleaned, Round};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::error::Result;
use crate::format::control_file::PartitionState;
use crate::format::control_record::ControlType;
use crate::format::file_names::Suffix;
use crate::segment::rebuild;

const SUFFIXES: [Suffix; 4] = [Suffix::Log, Suffix::Index, Suffix::TimeIndex, Suffix::TxnIndex];

pub(super) const DELETE_RETENTION_MS: i64 = 1_000;

/// A record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
}

/// A batch as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundBatch {
    pub(super) bytes: Vec<u8>,
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) producer_id: Option<i64>,
    pub(super) is_transactional: bool,
    pub(super) control: Option<Option<ControlType>>,
    pub(super) delete_horizon_ms: Option<i64>,
    /// Of markers none.
    pub(super) records: Vec<Found>,
}

pub(super) struct World {
    place: Place,
    pub(super) partition: Arc<Partition>,
    pub(super) cleaned_to: Option<i64>,
    /// The base offsets of the segments that the last round made.
    made: Vec<i64>,
}

impl World {
    pub(super) fn new(segment_bytes: &str) -> World {
        // The clock stands still at the time of the first records: nobody is forgotten meanwhile.
        let env = env_of_the_fixtures();
        env.vfs.create_dir(FOLDER).unwrap();
        let settings = [
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "-1"),
            ("internal.segment.bytes", segment_bytes),
            ("index.interval.bytes", "100"),
            ("delete.retention.ms", "1000"),
        ];
        let place = Place::over(env, &settings);
        let partition = place.create();
        World::over(place, partition)
    }

    /// A partition that is there already.
    pub(super) fn over(place: Place, partition: Arc<Partition>) -> World {
        World { place, partition, cleaned_to: None, made: Vec::new() }
    }

    pub(super) fn append(&self, batch: Vec<u8>) -> i64 {
        append(&self.partition, batch).unwrap()
    }

    pub(super) fn delete_below(&self, offset: i64) {
        let state = self.partition.delete_records(offset).unwrap();
        self.partition.delete_below(state.log_start_offset).unwrap();
    }

    /// Runs the round, and puts what it made in place of what it was made of.
    pub(super) fn clean(&mut self, round: &Round) -> Result<Cleaned> {
        // What a round may touch must be below the recovery point.
        self.partition.close()?;
        let mut told = 0;
        let cleaned = self.partition.clean(round, &mut |bytes| {
            told += bytes;
            Ok(())
        })?;
        assert!(told >= cleaned.stats.bytes_before, "the pace was told too little");
        let mut state = self.partition.close()?;
        self.swap(&mut state, &cleaned);
        self.cleaned_to = Some(cleaned.cleaned_to);
        let bases = cleaned.segments.iter().map(|segment| segment.state.base_offset);
        self.made = bases.collect();
        self.reopen(state);
        Ok(cleaned)
    }

    fn swap(&self, state: &mut PartitionState, cleaned: &Cleaned) {
        let path = |name: &str| format!("{FOLDER}/{name}");
        let vfs = self.place.vfs();
        for segment in &cleaned.segments {
            for source in &segment.sources {
                state.segments.retain(|known| known.base_offset != source.base_offset);
                for suffix in SUFFIXES {
                    let _ = vfs.remove_file(&path(&suffix.file(source.base_offset)));
                }
            }
        }
        for segment in &cleaned.segments {
            let base_offset = segment.state.base_offset;
            for suffix in SUFFIXES {
                let from = path(&cleaned_file(suffix, base_offset));
                let has_file = suffix != Suffix::TxnIndex || segment.state.txn_index_bytes > 0;
                let renamed = vfs.rename(&from, &path(&suffix.file(base_offset)));
                assert_eq!(renamed.is_ok(), has_file, "{suffix:?} of {base_offset}");
            }
            state.segments.push(segment.state.clone());
        }
        state.segments.sort_by_key(|segment| segment.base_offset);
        let left = self.place.names().into_iter().filter(|name| name.ends_with(".cleaned"));
        assert_eq!(left.collect::<Vec<_>>(), [""; 0], "files that no segment names");
    }

    fn reopen(&mut self, state: PartitionState) {
        self.place = self.place.again();
        self.partition =
            Partition::open_clean(&self.place.shared, id(), &self.place.config, state).unwrap();
        assert!(self.partition.damage().is_none(), "{:?}", self.partition.damage());
    }

    /// Everything that reading with all checks finds wrong.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> =
            self.partition.verify().unwrap().errors.iter().map(ToString::to_string).collect();
        for segment in self.partition.segments.load().as_slice() {
            let state = segment.state();
            // One that was closed while it grew has an entry more than a rebuild makes.
            if !self.made.contains(&state.base_offset) {
                continue;
            }
            let rebuilt = rebuild::from_log(&segment.log, &state, state.log_bytes, 100).unwrap();
            for (suffix, bytes) in rebuilt.indexes.encode() {
                let name = suffix.file(segment.base_offset);
                if suffix != Suffix::TxnIndex && bytes != self.place.file(&name) {
                    faults.push(format!("{name} is not what a rebuild makes"));
                }
            }
        }
        faults
    }

    /// Removes all snapshots of producers, so that only the log tells of them.
    pub(super) fn forget_snapshots(&self) {
        for name in self.place.names().into_iter().filter(|name| name.ends_with(".snapshot")) {
            self.place.vfs().remove_file(&format!("{FOLDER}/{name}")).unwrap();
        }
    }

    /// All batches from the first segment on, those below the log start included.
    pub(super) fn batches(&self) -> Vec<FoundBatch> {
        read_batches(&self.partition, 300).unwrap().into_iter().map(found_batch).collect()
    }
}

fn found_batch(bytes: Vec<u8>) -> FoundBatch {
    let entry = Entry::decode(&bytes).unwrap();
    let mut scratch = Vec::new();
    let mut records = Vec::new();
    if !entry.is_control() {
        for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
            let record = record.unwrap();
            records.push(Found {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            });
        }
    }
    FoundBatch {
        base_offset: entry.base_offset(),
        last_offset: entry.last_offset(),
        producer_id: entry.producer().map(|producer| producer.id),
        is_transactional: entry.is_transactional(),
        control: entry.is_control().then(|| entry.control_type().unwrap()),
        delete_horizon_ms: entry.header().and_then(|header| header.delete_horizon_ms()),
        records,
        bytes,
    }
}
