//! Keeping the key index of the active segment: loaded when first needed, added to with every
//! batch that is placed, taken back with it, written when the segment is sealed or closed.

use std::sync::Arc;

use super::super::Partition;
use super::super::writer::{Active, Writer, WriterState};
use super::Wanted;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::Result;
use crate::format::control_file::SegmentState;
use crate::segment::Segment;
use crate::segment::key_index::growing::GrowingKeys;
use crate::segment::key_index::sealed::log_of;
use crate::segment::key_index::{SegmentKeys, hash_keys};

/// The key index of the active segment, and what noting a batch needs.
#[derive(Debug)]
pub(crate) struct ActiveKeys {
    keys: Arc<SegmentKeys>,
    /// All that was noted is published.
    settled: bool,
    /// The keys of the batch that is being placed.
    hashes: Vec<(u128, u32)>,
    /// For decompressing.
    scratch: Vec<u8>,
}

/// What is kept of the buffers for the next batch.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;

impl ActiveKeys {
    pub(super) fn growing(&self) -> Option<&GrowingKeys> {
        match &*self.keys {
            SegmentKeys::Growing(keys) => Some(keys),
            SegmentKeys::Sealed(_) => None,
        }
    }

    /// Adds the keys of the batch that was hashed last; returns how many records there were.
    pub(in crate::partition) fn note(&mut self, position: u64) -> u32 {
        let Some(growing) = self.growing() else { return 0 };
        // Positions in a log of ours have 31 bits.
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let before = growing.add(position, &self.hashes, self.settled);
        self.settled = false;
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        before
    }

    /// Takes back what was noted since there were `count` records.
    pub(in crate::partition) fn take_back(&self, count: u32) {
        if let Some(growing) = self.growing()
            && !planted!("keys_not_taken_back")
        {
            growing.truncate(count);
        }
    }

    /// What was noted is published.
    #[inline]
    pub(in crate::partition) fn settle(&mut self) {
        self.settled = true;
    }

    /// The relative offset of a key's newest record in this segment.
    #[inline]
    pub(super) fn newest(&self, wanted: &Wanted<'_>, below: u64) -> Option<u32> {
        let growing = self.growing()?;
        growing.newest(wanted.hash(growing.secret()), below)
    }
}

impl Active {
    /// Writes the key index of the segment as it is described. A disk that does not take it is
    /// no error: it is made anew when it is asked for.
    pub(in crate::partition) fn write_keys(&self, state: &SegmentState) {
        if let Some(growing) = self.keys.as_ref().and_then(|keys| keys.growing()) {
            let _ = self.segment.write_keys(&growing.encode(&log_of(state)));
        }
    }
}

impl Writer<'_> {
    /// Whether the keys of every batch are remembered, so that all of it is needed to place it.
    pub(crate) fn keeps_keys(&self) -> bool {
        self.state.settings.key_index
    }

    /// Hashes the keys of a batch that has its offsets. Nothing is changed by it.
    pub(in crate::partition) fn hash_keys(&mut self, batch: &[u8]) -> Result<()> {
        self.load_keys()?;
        let partition = self.partition;
        let Some(active) = &mut self.state.active else { return Err(self.not_prepared()) };
        let Some(keys) = &mut active.keys else { return Ok(()) };
        let (secret, base_offset) = (keys.keys.secret(), active.segment.base_offset);
        Entry::decode(batch)
            .and_then(|entry| {
                let (hashes, scratch) = (&mut keys.hashes, &mut keys.scratch);
                hash_keys(&entry, secret, base_offset, hashes, scratch)
            })
            .map_err(|error| partition.name(error.into_error()))
    }

    /// Has the key index of the active segment in memory, to be added to.
    #[inline]
    pub(super) fn load_keys(&mut self) -> Result<()> {
        match &self.state.active {
            Some(active) if active.keys.is_some() => Ok(()),
            _ => self.load_keys_anew(),
        }
    }

    #[cold]
    fn load_keys_anew(&mut self) -> Result<()> {
        self.prepare()?;
        let partition = self.partition;
        debug_assert_eq!(self.state.staged, 0, "what is staged is not in the log to be read");
        let Some(active) = &mut self.state.active else { return Err(self.not_prepared()) };
        let keys = match active.segment.loaded_keys() {
            Some(keys) if matches!(*keys, SegmentKeys::Growing(_)) => keys,
            _ => {
                let mut state = active.segment.state();
                active.tally.describe_in(&mut state);
                partition.load_growing_keys(&active.segment, &state)?
            }
        };
        let (hashes, scratch) = (Vec::new(), Vec::new());
        let keys = ActiveKeys { keys, settled: true, hashes, scratch };
        active.keys = Some(Box::new(keys));
        Ok(())
    }

    /// Writes the key index of the active segment at a close, if it is in memory and there is no
    /// file of it.
    pub(in crate::partition) fn write_active_keys(&mut self) {
        let segment = self.partition.segments.load().last().cloned();
        let Some(segment) = segment.filter(|segment| !segment.state().sealed) else { return };
        let mut state = segment.state();
        if let Some(active) = &self.state.active {
            active.tally.describe_in(&mut state);
        }
        if let Some(keys) = segment.loaded_keys()
            && let SegmentKeys::Growing(growing) = &*keys
            && !segment.has_keys_file(&state)
        {
            let _ = segment.write_keys(&growing.encode(&log_of(&state)));
        }
    }
}

impl Partition {
    /// Reads the key index of a segment that is not sealed, and gives it to the segment. Called
    /// under the partition's lock.
    pub(super) fn load_growing_keys(
        &self,
        segment: &Arc<Segment>,
        state: &SegmentState,
    ) -> Result<Arc<SegmentKeys>> {
        let is_aborted = |entry: &Entry<'_>| self.is_aborted(entry);
        let growing = segment
            .growing_keys(state, self.shared.key_secret, &is_aborted)
            .map_err(|error| self.name(error))?;
        let keys = Arc::new(SegmentKeys::Growing(growing));
        segment.set_keys(Some(Arc::clone(&keys)));
        Ok(keys)
    }

    /// Lets go of the key index of the active segment, which is not kept any more.
    pub(in crate::partition) fn forget_keys(&self, writer: &mut WriterState) {
        if let Some(active) = &mut writer.active {
            active.keys = None;
        }
        if let Some(segment) = self.segments.load().last() {
            segment.set_keys(None);
        }
    }
}
