//! The simulated disk as a directory: it shows what a page cache would show, records every call
//! that changes something, counts calls and lets the planned ones go wrong.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::choices::Choices;
use super::faults::{Call, Effect, Fault};
use super::image::{FileId, Image, Name, NameChange, Node};
use super::operation::{CacheAfterFailedSync, Entry, HandleId, Landing, Operation, Recording};
use super::power_loss::{lose_everything_unsynced, power_loss};
use super::state::{DiskState, apply_visible};
use crate::env::clock::{Clock, SimClock};
use crate::env::dir_lock::{DirLock, LocalLock};
use crate::env::path::Place;
use crate::env::vfs::{
    DirectoryEntry, FileKind, LockMode, Mapping, Metadata, OpenHow, Vfs, VfsFile,
};
use crate::error::Result;

/// A simulated disk with one directory on it. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    live: Arc<Mutex<Live>>,
    lock: LocalLock,
    clock: Arc<SimClock>,
}

/// Guarded by one lock: a simulation is deterministic, not parallel.
#[derive(Debug)]
struct Live {
    start: Arc<DiskState>,
    visible: Image,
    entries: Vec<Entry>,
    next_handle: u32,
    open_handles: usize,
    handles_max: usize,
    faults: Vec<Fault>,
    calls: u64,
    /// How many more bytes files may take, and how many each has taken.
    space_left: Option<u64>,
    taken: BTreeMap<u32, u64>,
}

impl SimDisk {
    /// A disk with an empty directory.
    pub fn new(clock: Arc<SimClock>) -> SimDisk {
        SimDisk::start(DiskState::empty(), clock)
    }

    pub(super) fn start(state: DiskState, clock: Arc<SimClock>) -> SimDisk {
        let live = Live {
            visible: state.visible.clone(),
            next_handle: state.next_handle,
            start: Arc::new(state),
            entries: Vec::new(),
            open_handles: 0,
            handles_max: usize::MAX,
            faults: Vec::new(),
            calls: 0,
            space_left: None,
            taken: BTreeMap::new(),
        };
        SimDisk { live: Arc::new(Mutex::new(live)), lock: LocalLock::default(), clock }
    }

    /// How many changing calls were made so far: the position to note when something is acked.
    pub fn position(&self) -> usize {
        self.live.lock().entries.len()
    }

    /// What was done so far.
    pub fn recording(&self) -> Recording {
        let live = self.live.lock();
        Recording { start: Arc::clone(&live.start), entries: Arc::new(live.entries.clone()) }
    }

    /// Plans a call that goes wrong. The counts of its rule start now.
    pub fn plan(&self, fault: Fault) {
        self.live.lock().faults.push(fault);
    }

    /// Forgets all planned faults, and the limits of space and handles.
    pub fn heal(&self) {
        let mut live = self.live.lock();
        live.faults.clear();
        live.space_left = None;
        live.handles_max = usize::MAX;
    }

    /// How many calls were made so far, of any kind: to try "the n-th call fails" for every n.
    pub fn calls(&self) -> u64 {
        self.live.lock().calls
    }

    /// From now on files may grow by this many bytes in all; then the disk is full.
    pub fn limit_space(&self, bytes: u64) {
        let mut live = self.live.lock();
        live.space_left = Some(bytes);
        let mut lengths = BTreeMap::new();
        let visible = live.visible.clone();
        visible.walk(|_, _, node| {
            if let Node::File(id) = node {
                lengths.insert(id.0, visible.content(id).len());
            }
        });
        live.taken = lengths;
    }

    /// From now on no more than this many files may be open at a time.
    pub fn limit_handles(&self, handles: usize) {
        self.live.lock().handles_max = handles;
    }

    /// How many files are open.
    pub fn open_handles(&self) -> usize {
        self.live.lock().open_handles
    }

    /// A hash of everything that programs see.
    pub fn hash(&self) -> u64 {
        self.live.lock().visible.hash()
    }

    /// The disk after a power loss now that keeps nothing that was not synced.
    pub fn after_losing_everything_unsynced(&self) -> SimDisk {
        let image = lose_everything_unsynced(&self.state());
        SimDisk::start(DiskState::of(image), Arc::clone(&self.clock))
    }

    /// The disk after a power loss now.
    pub fn after_power_loss(&self, choices: &mut Choices) -> SimDisk {
        let image = power_loss(&self.state(), choices);
        SimDisk::start(DiskState::of(image), Arc::clone(&self.clock))
    }

    /// The disk after the death of the process now: nothing is lost, but what was not synced is
    /// still not durable.
    pub fn after_kill(&self) -> SimDisk {
        SimDisk::start(self.state(), Arc::clone(&self.clock))
    }

    /// Changes a byte behind the back of whoever uses the disk, durably: bit rot.
    ///
    /// # Errors
    /// There is no such file, or it ends before `position`.
    pub fn rot(&self, path: &str, position: u64, flip: u8) -> io::Result<()> {
        let mut live = self.live.lock();
        let file = live.visible.find_file(Place::of(path)?)?;
        let mut byte = [0];
        if live.visible.content(file).read_at(&mut byte, position) == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut state = live.state();
        byte[0] ^= flip;
        state.durable.content_mut(file).write_at(&byte, position)?;
        state.visible.content_mut(file).write_at(&byte, position)?;
        live.visible = state.visible.clone();
        live.start = Arc::new(state);
        live.entries.clear();
        Ok(())
    }

    /// Every path with its length, one a line: for the message of a failing test.
    pub fn listing(&self) -> String {
        use std::fmt::Write;
        let mut lines = String::new();
        let visible = self.live.lock().visible.clone();
        visible.walk(|directory, name, node| {
            let slash = if directory.is_empty() { "" } else { "/" };
            let _ = match node {
                Node::File(id) => {
                    writeln!(lines, "  {directory}{slash}{name} {}", visible.content(id).len())
                }
                Node::Directory(_) => writeln!(lines, "  {directory}{slash}{name}/"),
            };
        });
        lines
    }

    fn state(&self) -> DiskState {
        self.live.lock().state()
    }

    /// The full state after the first `position` operations, and the operation that came next.
    pub(super) fn state_at(&self, position: usize) -> (DiskState, Option<Entry>) {
        let live = self.live.lock();
        (live.state_at(position), live.entries.get(position).cloned())
    }
}

impl Live {
    fn state(&self) -> DiskState {
        self.state_at(self.entries.len())
    }

    /// The full state: what is durable and what is pending, from what was recorded.
    fn state_at(&self, position: usize) -> DiskState {
        let mut state = (*self.start).clone();
        for entry in &self.entries[..position] {
            state.apply(entry);
        }
        state.next_handle = state.next_handle.max(self.next_handle);
        state
    }

    /// Counts a call and meets the planned faults; those that are errors are returned.
    fn enter(&mut self, call: Call, path: &str) -> io::Result<Option<Effect>> {
        self.calls += 1;
        let mut hit = None;
        for fault in &mut self.faults {
            hit = fault.meet(call, path).or(hit);
        }
        match hit.and_then(Effect::error) {
            Some(error) => Err(error),
            None => Ok(hit),
        }
    }

    fn record(&mut self, clock: &SimClock, operation: Operation) {
        let entry = Entry { wall_ms: clock.wall_ms(), operation };
        apply_visible(&mut self.visible, &entry);
        self.entries.push(entry);
    }

    /// How many of the bytes at `position` find space; takes it.
    fn take_space(&mut self, file: FileId, position: u64, length: u64) -> u64 {
        let Some(left) = &mut self.space_left else { return length };
        let taken = self.taken.entry(file.0).or_default();
        let needed = (position + length).saturating_sub(*taken);
        let granted = needed.min(*left);
        *left -= granted;
        *taken += granted;
        length.saturating_sub(needed - granted)
    }

    fn has_space(&self, file: FileId, position: u64, length: u64) -> bool {
        let taken = self.taken.get(&file.0).copied().unwrap_or(0);
        self.space_left.is_none_or(|left| (position + length).saturating_sub(taken) <= left)
    }

    fn give_back(&mut self, file: FileId, length: u64) {
        if let (Some(left), Some(taken)) = (&mut self.space_left, self.taken.get_mut(&file.0)) {
            *left += taken.saturating_sub(length);
            *taken = length.min(*taken);
        }
    }

    fn open_handle(&mut self) -> io::Result<HandleId> {
        if self.open_handles >= self.handles_max {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.open_handles += 1;
        let handle = HandleId(self.next_handle);
        self.next_handle += 1;
        Ok(handle)
    }
}

impl Vfs for SimDisk {
    fn describe(&self, path: &str) -> String {
        format!("sim:{path}")
    }

    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>> {
        let mut live = self.live.lock();
        live.enter(Call::Open, path)?;
        let place = Place::of(path)?;
        let creates = matches!(how, OpenHow::CreateOrWrite | OpenHow::CreateNew);
        let found = match live.visible.find_file(place) {
            Ok(_) if how == OpenHow::CreateNew => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(file) => Some(file),
            Err(error) if creates && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Before the handle is counted: a file below a missing directory is an error.
        let parent = live.visible.parent_of(place)?;
        let handle = live.open_handle()?;
        let file = found.unwrap_or_else(|| {
            let file = live.visible.file_id_next();
            let (directory, name) = (parent.0, Name::from(parent.1));
            let change = NameChange::Add { directory, name, node: Node::File(file) };
            live.record(&self.clock, Operation::AddFile { change });
            file
        });
        drop(live);
        let (disk, path) = (self.clone(), path.into());
        Ok(Arc::new(SimFile { disk, file, handle, path, writable: how != OpenHow::Read }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>> {
        let mut live = self.live.lock();
        live.enter(Call::List, directory)?;
        let id = live.visible.find_directory(Place::of(directory)?)?;
        let entry = |(name, node): (&Name, &Node)| DirectoryEntry {
            name: name.as_ref().to_owned(),
            kind: node.kind(),
        };
        Ok(live.visible.names(id).iter().map(entry).collect())
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        let mut live = self.live.lock();
        live.enter(Call::Metadata, path)?;
        Ok(match live.visible.find(Place::of(path)?)? {
            Node::Directory(_) => Metadata { kind: FileKind::Directory, length: 0, modified_ms: 0 },
            Node::File(id) => {
                let content = live.visible.content(id);
                let (length, modified_ms) = (content.len(), content.modified_ms);
                Metadata { kind: FileKind::File, length, modified_ms }
            }
        })
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let mut live = self.live.lock();
        live.enter(Call::CreateDir, path)?;
        let Place::Top(name) = Place::of(path)? else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if live.visible.find(Place::Top(name)).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = Node::Directory(live.visible.directory_id_next());
        let change = NameChange::Add { directory: super::image::ROOT, name: name.into(), node };
        live.record(&self.clock, Operation::AddDirectory { change });
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let mut live = self.live.lock();
        live.enter(Call::RemoveDir, path)?;
        let Place::Top(name) = Place::of(path)? else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let id = live.visible.find_directory(Place::Top(name))?;
        if !live.visible.names(id).is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let change = NameChange::Remove { directory: super::image::ROOT, name: name.into() };
        live.record(&self.clock, Operation::Names { change });
        Ok(())
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        let mut live = self.live.lock();
        live.enter(Call::RemoveFile, path)?;
        let place = Place::of(path)?;
        let file = live.visible.find_file(place)?;
        let (directory, name) = live.visible.parent_of(place)?;
        let change = NameChange::Remove { directory, name: name.into() };
        live.record(&self.clock, Operation::Names { change });
        live.give_back(file, 0);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut live = self.live.lock();
        live.enter(Call::Rename, from)?;
        let (from, to) = (Place::of(from)?, Place::of(to)?);
        let node = live.visible.find(from)?;
        let (old_directory, old) = live.visible.parent_of(from)?;
        let (new_directory, new) = live.visible.parent_of(to)?;
        match (node, live.visible.find(to)) {
            (_, Ok(same)) if same == node => return Ok(()),
            (Node::File(_), Ok(Node::Directory(_))) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (Node::Directory(_), Ok(Node::File(_))) => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            (Node::Directory(_), _) if new_directory != super::image::ROOT => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            (Node::Directory(_), Ok(Node::Directory(id))) if !live.visible.names(id).is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (Node::File(_), Ok(Node::File(replaced))) => live.give_back(replaced, 0),
            (_, Ok(Node::Directory(_)) | Err(_)) => {}
        }
        let from = (old_directory, Name::from(old));
        let to = (new_directory, Name::from(new));
        live.record(&self.clock, Operation::Names { change: NameChange::Rename { from, to } });
        Ok(())
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        let mut live = self.live.lock();
        let effect = live.enter(Call::SyncDir, directory)?;
        let directory = live.visible.find_directory(Place::of(directory)?)?;
        match effect {
            // Names that a failed sync did not make durable are still only pending.
            Some(Effect::SyncFails(_)) => return Err(io::Error::from_raw_os_error(libc::EIO)),
            Some(Effect::SyncLies) => return Ok(()),
            _ => {}
        }
        live.record(&self.clock, Operation::SyncDirectory { directory });
        Ok(())
    }

    fn available_bytes(&self) -> io::Result<u64> {
        let mut live = self.live.lock();
        live.enter(Call::AvailableBytes, "")?;
        Ok(live.space_left.unwrap_or(1 << 40))
    }

    fn lock(&self, mode: LockMode) -> Result<Box<dyn DirLock>> {
        self.lock.take(mode, "sim:")
    }
}

/// An open file of the simulated disk.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: FileId,
    handle: HandleId,
    path: Box<str>,
    writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.live.lock().open_handles -= 1;
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut live = self.disk.live.lock();
        let effect = live.enter(Call::ReadAt, &self.path)?;
        let wanted = match effect {
            Some(Effect::Short) => buffer.len().div_ceil(2),
            Some(Effect::Zero) => 0,
            _ => buffer.len(),
        };
        let read = live.visible.content(self.file).read_at(&mut buffer[..wanted], position);
        if effect == Some(Effect::FlippedBit) && read > 0 {
            buffer[0] ^= 0x10;
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.check_writable()?;
        let mut live = self.disk.live.lock();
        let effect = live.enter(Call::WriteAt, &self.path)?;
        let (wanted, landing) = match effect {
            Some(Effect::Short) => (bytes.len().div_ceil(2), Landing::Right),
            Some(Effect::Zero) => (0, Landing::Right),
            Some(Effect::Misdirected(other)) => (bytes.len(), Landing::At(other)),
            Some(Effect::LostWrite) => (bytes.len(), Landing::Nowhere),
            _ => (bytes.len(), Landing::Right),
        };
        if wanted == 0 {
            return Ok(0);
        }
        check_end(position, wanted as u64)?;
        let granted = live.take_space(self.file, position, wanted as u64);
        if granted == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let count = wanted.min(usize::try_from(granted).unwrap_or(usize::MAX));
        let operation = Operation::Write {
            file: self.file,
            handle: self.handle,
            position,
            bytes: bytes[..count].into(),
            landing,
        };
        live.record(&self.disk.clock, operation);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        let mut live = self.disk.live.lock();
        live.enter(Call::Len, &self.path)?;
        Ok(live.visible.content(self.file).len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut live = self.disk.live.lock();
        live.enter(Call::SetLen, &self.path)?;
        check_end(0, length)?;
        live.give_back(self.file, length);
        let operation = Operation::SetLen { file: self.file, handle: self.handle, length };
        live.record(&self.disk.clock, operation);
        Ok(())
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut live = self.disk.live.lock();
        live.enter(Call::Reserve, &self.path)?;
        check_end(position, length)?;
        if !live.has_space(self.file, position, length) {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        live.take_space(self.file, position, length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut live = self.disk.live.lock();
        match live.enter(Call::SyncData, &self.path)? {
            Some(Effect::SyncFails(cache)) => {
                let operation = Operation::SyncFailed { file: self.file, cache };
                live.record(&self.disk.clock, operation);
                if cache == CacheAfterFailedSync::Reverts {
                    let content = live.state().visible.shared_content(self.file);
                    live.visible.set_content(self.file, content);
                }
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            Some(Effect::SyncLies) => return Ok(()),
            _ => {}
        }
        let operation = Operation::SyncData { file: self.file, handle: self.handle };
        live.record(&self.disk.clock, operation);
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}

fn check_end(position: u64, length: u64) -> io::Result<()> {
    match position.checked_add(length) {
        Some(end) if end <= super::content::FILE_BYTES_MAX => Ok(()),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
