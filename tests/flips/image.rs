//! A directory as plain bytes, and a disk that shows it. Copies share what they have in common, so
//! that half a million directories which differ in one bit cost little. The disk takes no change:
//! whoever tries to write is noted, and fails.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use ottla::env::dir_lock::DirLock;
use ottla::env::vfs::{
    DirectoryEntry, FileKind, LockMode, Mapping, Metadata, OpenHow, Vfs, VfsFile, read_up_to,
};

/// Every file with its bytes, by path; folders that are empty end in a slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    files: BTreeMap<String, Arc<Vec<u8>>>,
}

impl Image {
    /// What lies on a disk.
    pub(crate) fn of(vfs: &dyn Vfs) -> Image {
        let mut image = Image::default();
        for entry in vfs.list("").unwrap() {
            match entry.kind {
                FileKind::Directory => {
                    image.files.insert(format!("{}/", entry.name), Arc::default());
                    for inner in vfs.list(&entry.name).unwrap() {
                        let path = format!("{}/{}", entry.name, inner.name);
                        image.put(&path, read_file(vfs, &path));
                    }
                }
                _ => image.put(&entry.name, read_file(vfs, &entry.name)),
            }
        }
        image
    }

    /// Copies everything onto a disk.
    pub(crate) fn write_to(&self, vfs: &dyn Vfs) {
        for (path, bytes) in &self.files {
            match path.strip_suffix('/') {
                Some(folder) => vfs.create_dir(folder).unwrap(),
                None => {
                    let file = vfs.open(path, OpenHow::CreateNew).unwrap();
                    ottla::env::vfs::write_all_at(&*file, bytes, 0).unwrap();
                }
            }
        }
    }

    /// The paths of the files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str).filter(|path| !path.ends_with('/'))
    }

    pub(crate) fn bytes(&self, path: &str) -> &[u8] {
        self.files.get(path).map(|bytes| bytes.as_slice()).unwrap_or_default()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.files.values().map(|bytes| bytes.len()).sum()
    }

    pub(crate) fn put(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), Arc::new(bytes));
    }

    /// Removes a file, or with a slash a folder and all in it.
    pub(crate) fn remove_all(&mut self, path: &str) {
        self.files
            .retain(|other, _| other != path && !(path.ends_with('/') && other.starts_with(path)));
    }

    /// The same directory with one bit of one file flipped.
    pub(crate) fn flipped(&self, path: &str, bit: usize) -> Image {
        let mut bytes = self.bytes(path).to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut image = self.clone();
        image.put(path, bytes);
        image
    }
}

fn read_file(vfs: &dyn Vfs, path: &str) -> Vec<u8> {
    let file = vfs.open(path, OpenHow::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    assert_eq!(read_up_to(&*file, &mut bytes, 0).unwrap(), bytes.len());
    bytes
}

/// A disk that shows an image.
#[derive(Debug)]
pub(crate) struct ImageDisk {
    image: Image,
    /// The first change that somebody tried.
    tried: Mutex<Option<String>>,
}

impl ImageDisk {
    pub(crate) fn new(image: Image) -> Arc<ImageDisk> {
        Arc::new(ImageDisk { image, tried: Mutex::new(None) })
    }

    /// The first change that somebody tried.
    pub(crate) fn tried(&self) -> Option<String> {
        self.tried.lock().unwrap().clone()
    }

    fn refuse<T>(&self, what: String) -> io::Result<T> {
        self.tried.lock().unwrap().get_or_insert(what);
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl Vfs for ImageDisk {
    fn describe(&self, path: &str) -> String {
        path.to_owned()
    }

    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>> {
        if how != OpenHow::Read {
            return self.refuse(format!("open {path} {how:?}"));
        }
        match self.image.files.get(path) {
            Some(bytes) => Ok(Arc::new(ImageFile(Arc::clone(bytes)))),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let mut entries: Vec<DirectoryEntry> = Vec::new();
        for path in self.image.files.range(prefix.clone()..) {
            let Some(rest) = path.0.strip_prefix(&prefix) else { break };
            let (name, kind) = match rest.split_once('/') {
                Some((folder, _)) => (folder, FileKind::Directory),
                None => (rest, FileKind::File),
            };
            if !name.is_empty() && entries.last().is_none_or(|last| last.name != name) {
                entries.push(DirectoryEntry { name: name.to_owned(), kind });
            }
        }
        if entries.is_empty() && !directory.is_empty() && !self.image.has(&prefix) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(entries)
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        if let Some(bytes) = self.image.files.get(path) {
            let length = bytes.len() as u64;
            return Ok(Metadata { kind: FileKind::File, length, modified_ms: 0 });
        }
        if path.is_empty() || self.image.has(&format!("{path}/")) {
            return Ok(Metadata { kind: FileKind::Directory, length: 0, modified_ms: 0 });
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.refuse(format!("create_dir {path}"))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.refuse(format!("remove_dir {path}"))
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        self.refuse(format!("remove_file {path}"))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.refuse(format!("rename {from} {to}"))
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        self.refuse(format!("sync_dir {directory}"))
    }

    fn available_bytes(&self) -> io::Result<u64> {
        Ok(1 << 40)
    }

    fn lock(&self, mode: LockMode) -> ottla::Result<Box<dyn DirLock>> {
        if mode == LockMode::Exclusive {
            self.tried.lock().unwrap().get_or_insert("an exclusive lock".to_owned());
        }
        Ok(Box::new(Held))
    }
}

#[derive(Debug)]
struct Held;

impl DirLock for Held {}

#[derive(Debug)]
struct ImageFile(Arc<Vec<u8>>);

impl VfsFile for ImageFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.0.len());
        let count = buffer.len().min(self.0.len() - from);
        buffer[..count].copy_from_slice(&self.0[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}
