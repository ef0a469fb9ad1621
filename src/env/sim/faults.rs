//! Calls that go wrong on purpose: which call, from a count, a kind and a path; and how.

use std::io;

use super::operation::CacheAfterFailedSync;

/// The calls of the seam, to be counted and made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `Vfs::open`
    Open,
    /// `Vfs::list`
    List,
    /// `Vfs::metadata`
    Metadata,
    /// `Vfs::create_dir`
    CreateDir,
    /// `Vfs::remove_dir`
    RemoveDir,
    /// `Vfs::remove_file`
    RemoveFile,
    /// `Vfs::rename`
    Rename,
    /// `Vfs::sync_dir`
    SyncDir,
    /// `Vfs::available_bytes`
    AvailableBytes,
    /// `VfsFile::read_at`
    ReadAt,
    /// `VfsFile::write_at`
    WriteAt,
    /// `VfsFile::len`
    Len,
    /// `VfsFile::set_len`
    SetLen,
    /// `VfsFile::reserve`
    Reserve,
    /// `VfsFile::sync_data`
    SyncData,
}

impl Call {
    /// Every call.
    pub const ALL: [Call; 15] = [
        Call::Open,
        Call::List,
        Call::Metadata,
        Call::CreateDir,
        Call::RemoveDir,
        Call::RemoveFile,
        Call::Rename,
        Call::SyncDir,
        Call::AvailableBytes,
        Call::ReadAt,
        Call::WriteAt,
        Call::Len,
        Call::SetLen,
        Call::Reserve,
        Call::SyncData,
    ];
}

/// A call that was made: its kind, and the path that it names (that under which a file was
/// opened).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCall {
    /// Its kind.
    pub call: Call,
    /// Its path.
    pub path: Box<str>,
}

/// What happens instead of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It fails with this `errno`, and does nothing.
    Errno(i32),
    /// It fails with this kind, and does nothing.
    Kind(io::ErrorKind),
    /// A read or a write does half of what was asked, at least one byte.
    Short,
    /// A read or a write says that it did nothing: 0.
    Zero,
    /// A sync fails; the pages are clean from then on, though they are not durable.
    SyncFails(CacheAfterFailedSync),
    /// A sync says that it succeeded, and does nothing: a lying disk. To see a test go red.
    SyncLies,
    /// A write lands at another position on the disk, though the page cache shows it in place.
    Misdirected(u64),
    /// A write never lands on the disk, though syncs succeed and the page cache shows it.
    LostWrite,
    /// A read gets its first byte with one bit flipped.
    FlippedBit,
}

/// A rule for calls that go wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    call: Option<Call>,
    path_part: Option<String>,
    nth: u64,
    persistent: bool,
    matches: u64,
}

impl Fault {
    /// The first call of any kind has this effect, once. Narrow it down with the other methods.
    pub fn new(effect: Effect) -> Fault {
        Fault { effect, call: None, path_part: None, nth: 1, persistent: false, matches: 0 }
    }

    /// Only calls of this kind count.
    #[must_use]
    pub fn on(self, call: Call) -> Fault {
        Fault { call: Some(call), ..self }
    }

    /// Only calls with this in their path count (the path under which a file was opened).
    #[must_use]
    pub fn at_path(self, part: &str) -> Fault {
        Fault { path_part: Some(part.to_owned()), ..self }
    }

    /// The `nth` call that counts is hit; the first is 1.
    #[must_use]
    pub fn nth(self, nth: u64) -> Fault {
        Fault { nth, ..self }
    }

    /// All later calls that count are hit too.
    #[must_use]
    pub fn from_then_on(self) -> Fault {
        Fault { persistent: true, ..self }
    }

    /// Counts a call; what is to happen to it, if it is hit.
    pub(super) fn meet(&mut self, call: Call, path: &str) -> Option<Effect> {
        let meant = self.call.is_none_or(|wanted| wanted == call)
            && self.path_part.as_ref().is_none_or(|part| path.contains(part.as_str()));
        if !meant {
            return None;
        }
        self.matches += 1;
        let hit = self.matches == self.nth || (self.persistent && self.matches > self.nth);
        hit.then_some(self.effect)
    }
}

impl Effect {
    /// The error, for the effects that are nothing but one.
    pub(super) fn error(self) -> Option<io::Error> {
        match self {
            Effect::Errno(errno) => Some(io::Error::from_raw_os_error(errno)),
            Effect::Kind(kind) => Some(kind.into()),
            _ => None,
        }
    }
}
