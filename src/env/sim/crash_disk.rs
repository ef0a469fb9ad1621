//! The simulated disk as a directory: it shows what a page cache would show, records every call
//! that changes something, counts calls and lets the planned ones go wrong.

use std::io;
use std::sync::Arc;

use super::choices::Choices;
use super::crash_file::SimFile;
use super::faults::{Call, Effect, Fault, MadeCall};
use super::image::{Name, NameChange, Node, ROOT};
use super::live::Live;
use super::operation::{Entry, Operation, Recording};
use super::power_loss::{lose_everything_unsynced, power_loss};
use super::state::DiskState;
use crate::env::clock::SimClock;
use crate::env::dir_lock::{DirLock, LocalLock};
use crate::env::path::Place;
use crate::env::sync::Mutex;
use crate::env::vfs::{DirectoryEntry, FileKind, LockMode, Metadata, OpenHow, Vfs, VfsFile};
use crate::error::Result;

/// A simulated disk with one directory on it. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    pub(super) live: Arc<Mutex<Live>>,
    lock: LocalLock,
    pub(super) clock: Arc<SimClock>,
}

impl SimDisk {
    /// A disk with an empty directory.
    pub fn new(clock: Arc<SimClock>) -> SimDisk {
        SimDisk::start(DiskState::empty(), clock)
    }

    pub(super) fn start(state: DiskState, clock: Arc<SimClock>) -> SimDisk {
        let live = Arc::new(Mutex::new(Live::new(state)));
        SimDisk { live, lock: LocalLock::default(), clock }
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

    /// How many calls a planned fault has hit so far.
    pub fn faults_met(&self) -> u64 {
        self.live.lock().faults_met
    }

    /// From now on every call is noted: see [`noted_calls`](Self::noted_calls).
    pub fn note_calls(&self) {
        self.live.lock().noted = Some(Vec::new());
    }

    /// The calls that were made since [`note_calls`](Self::note_calls), in their order.
    pub fn noted_calls(&self) -> Vec<MadeCall> {
        self.live.lock().noted.clone().unwrap_or_default()
    }

    /// The first call that a planned fault has hit.
    pub fn first_hit(&self) -> Option<MadeCall> {
        self.live.lock().first_hit.clone()
    }

    /// From now on files may grow by this many bytes in all; then the disk is full.
    pub fn limit_space(&self, bytes: u64) {
        self.live.lock().limit_space(bytes);
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
        let change = NameChange::Add { directory: ROOT, name: name.into(), node };
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
        let change = NameChange::Remove { directory: ROOT, name: name.into() };
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
            (Node::Directory(_), _) if new_directory != ROOT => {
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
