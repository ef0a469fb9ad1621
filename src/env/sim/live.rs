//! The running part of a simulated disk: what programs see, what was recorded, and the plans for
//! calls that go wrong.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::faults::{Call, Effect, Fault, MadeCall};
use super::image::{FileId, Image, Node};
use super::operation::{Entry, HandleId, Operation};
use super::state::{DiskState, apply_visible};
use crate::env::clock::{Clock, SimClock};

/// Guarded by one lock: a simulation is deterministic, not parallel.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) start: Arc<DiskState>,
    pub(super) visible: Image,
    pub(super) entries: Vec<Entry>,
    pub(super) next_handle: u32,
    pub(super) open_handles: usize,
    pub(super) handles_max: usize,
    pub(super) faults: Vec<Fault>,
    pub(super) calls: u64,
    pub(super) faults_met: u64,
    /// The calls since somebody asked for them.
    pub(super) noted: Option<Vec<MadeCall>>,
    /// The first call that a planned fault has hit.
    pub(super) first_hit: Option<MadeCall>,
    /// How many more bytes files may take, and how many each has taken.
    pub(super) space_left: Option<u64>,
    pub(super) taken: BTreeMap<u32, u64>,
    /// How far each file has reserved space, while there was no limit.
    pub(super) reserved: BTreeMap<u32, u64>,
}

impl Live {
    pub(super) fn new(state: DiskState) -> Live {
        Live {
            visible: state.visible.clone(),
            next_handle: state.next_handle,
            start: Arc::new(state),
            entries: Vec::new(),
            open_handles: 0,
            handles_max: usize::MAX,
            faults: Vec::new(),
            calls: 0,
            faults_met: 0,
            noted: None,
            first_hit: None,
            space_left: None,
            taken: BTreeMap::new(),
            reserved: BTreeMap::new(),
        }
    }

    /// Lets files grow by this many bytes in all.
    pub(super) fn limit_space(&mut self, bytes: u64) {
        self.space_left = Some(bytes);
        self.taken.clear();
        self.visible.walk(|_, _, node| {
            if let Node::File(id) = node {
                let reserved = self.reserved.get(&id.0).copied().unwrap_or(0);
                self.taken.insert(id.0, self.visible.content(id).len().max(reserved));
            }
        });
    }

    pub(super) fn state(&self) -> DiskState {
        self.state_at(self.entries.len())
    }

    /// The full state: what is durable and what is pending, from what was recorded.
    pub(super) fn state_at(&self, position: usize) -> DiskState {
        let mut state = (*self.start).clone();
        for entry in &self.entries[..position] {
            state.apply(entry);
        }
        state.next_handle = state.next_handle.max(self.next_handle);
        state
    }

    /// Counts a call and meets the planned faults; those that are errors are returned.
    pub(super) fn enter(&mut self, call: Call, path: &str) -> io::Result<Option<Effect>> {
        self.calls += 1;
        if let Some(noted) = &mut self.noted {
            noted.push(MadeCall { call, path: path.into() });
        }
        let mut hit = None;
        for fault in &mut self.faults {
            hit = fault.meet(call, path).or(hit);
        }
        self.faults_met += u64::from(hit.is_some());
        if hit.is_some() && self.first_hit.is_none() {
            self.first_hit = Some(MadeCall { call, path: path.into() });
        }
        match hit.and_then(Effect::error) {
            Some(error) => Err(error),
            None => Ok(hit),
        }
    }

    pub(super) fn record(&mut self, clock: &SimClock, operation: Operation) {
        let entry = Entry { wall_ms: clock.wall_ms(), operation };
        apply_visible(&mut self.visible, &entry);
        self.entries.push(entry);
    }

    /// How many of the bytes at `position` find space; takes it.
    pub(super) fn take_space(&mut self, file: FileId, position: u64, length: u64) -> u64 {
        let Some(left) = &mut self.space_left else { return length };
        let taken = self.taken.entry(file.0).or_default();
        let needed = (position + length).saturating_sub(*taken);
        let granted = needed.min(*left);
        *left -= granted;
        *taken += granted;
        length.saturating_sub(needed - granted)
    }

    /// Space that was reserved stays, also if the disk is limited later.
    pub(super) fn note_reserved(&mut self, file: FileId, end: u64) {
        let reserved = self.reserved.entry(file.0).or_default();
        *reserved = end.max(*reserved);
    }

    pub(super) fn has_space(&self, file: FileId, position: u64, length: u64) -> bool {
        let taken = self.taken.get(&file.0).copied().unwrap_or(0);
        self.space_left.is_none_or(|left| (position + length).saturating_sub(taken) <= left)
    }

    pub(super) fn give_back(&mut self, file: FileId, length: u64) {
        if let Some(reserved) = self.reserved.get_mut(&file.0) {
            *reserved = length.min(*reserved);
        }
        if let (Some(left), Some(taken)) = (&mut self.space_left, self.taken.get_mut(&file.0)) {
            *left += taken.saturating_sub(length);
            *taken = length.min(*taken);
        }
    }

    pub(super) fn open_handle(&mut self) -> io::Result<HandleId> {
        if self.open_handles >= self.handles_max {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.open_handles += 1;
        let handle = HandleId(self.next_handle);
        self.next_handle += 1;
        Ok(handle)
    }
}
