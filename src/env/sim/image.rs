//! What a directory holds at one moment: names and files, shared between moments until changed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::content::Content;
use crate::env::path::Place;
use crate::env::random::mix;
use crate::env::vfs::FileKind;

/// A file, whatever its name is. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u32);

/// A directory, whatever its name is. Never reused; the data directory is [`ROOT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryId(pub(super) u32);

pub(super) const ROOT: DirectoryId = DirectoryId(0);

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(FileId),
    Directory(DirectoryId),
}

pub(super) type Name = Arc<str>;
pub(super) type Names = BTreeMap<Name, Node>;

/// A change of names.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Add { directory: DirectoryId, name: Name, node: Node },
    Remove { directory: DirectoryId, name: Name },
    Rename { from: (DirectoryId, Name), to: (DirectoryId, Name) },
}

impl NameChange {
    /// The one or two names that it touches.
    pub(super) fn names(&self) -> ((DirectoryId, &Name), Option<(DirectoryId, &Name)>) {
        match self {
            NameChange::Add { directory, name, .. } | NameChange::Remove { directory, name } => {
                ((*directory, name), None)
            }
            NameChange::Rename { from, to } => ((from.0, &from.1), Some((to.0, &to.1))),
        }
    }

    pub(super) fn touches_same(&self, other: &NameChange) -> bool {
        let (first, second) = self.names();
        let (other_first, other_second) = other.names();
        first == other_first
            || Some(first) == other_second
            || second.is_some_and(|name| name == other_first || Some(name) == other_second)
    }
}

/// Names and files. Cloning costs two counters.
#[derive(Clone, Debug)]
pub(super) struct Image {
    directories: Arc<Vec<Arc<Names>>>,
    files: Arc<Vec<Arc<Content>>>,
}

impl Image {
    pub(super) fn empty() -> Image {
        Image { directories: Arc::new(vec![Arc::default()]), files: Arc::default() }
    }

    pub(super) fn names(&self, directory: DirectoryId) -> &Names {
        &self.directories[directory.0 as usize]
    }

    pub(super) fn content(&self, file: FileId) -> &Content {
        &self.files[file.0 as usize]
    }

    pub(super) fn content_mut(&mut self, file: FileId) -> &mut Content {
        Arc::make_mut(&mut Arc::make_mut(&mut self.files)[file.0 as usize])
    }

    pub(super) fn set_content(&mut self, file: FileId, content: Arc<Content>) {
        Arc::make_mut(&mut self.files)[file.0 as usize] = content;
    }

    pub(super) fn shared_content(&self, file: FileId) -> Arc<Content> {
        Arc::clone(&self.files[file.0 as usize])
    }

    /// A new file that no name leads to yet.
    pub(super) fn add_file(&mut self) -> FileId {
        let files = Arc::make_mut(&mut self.files);
        files.push(Arc::default());
        FileId(count(files.len()) - 1)
    }

    /// A new directory that no name leads to yet.
    pub(super) fn add_directory(&mut self) -> DirectoryId {
        let directories = Arc::make_mut(&mut self.directories);
        directories.push(Arc::default());
        DirectoryId(count(directories.len()) - 1)
    }

    /// The id of the next file that will be added.
    pub(super) fn file_id_next(&self) -> FileId {
        FileId(count(self.files.len()))
    }

    /// The id of the next directory that will be added.
    pub(super) fn directory_id_next(&self) -> DirectoryId {
        DirectoryId(count(self.directories.len()))
    }

    pub(super) fn change_names(&mut self, change: &NameChange) {
        match change {
            NameChange::Add { directory, name, node } => {
                self.names_mut(*directory).insert(Arc::clone(name), *node);
            }
            NameChange::Remove { directory, name } => {
                self.names_mut(*directory).remove(name);
            }
            NameChange::Rename { from, to } => {
                if let Some(node) = self.names_mut(from.0).remove(&from.1) {
                    self.names_mut(to.0).insert(Arc::clone(&to.1), node);
                }
            }
        }
    }

    fn names_mut(&mut self, directory: DirectoryId) -> &mut Names {
        Arc::make_mut(&mut Arc::make_mut(&mut self.directories)[directory.0 as usize])
    }

    /// The directory that holds the place's last name, and that name.
    pub(super) fn parent_of<'p>(&self, place: Place<'p>) -> io::Result<(DirectoryId, &'p str)> {
        match place {
            Place::Root => Err(io::ErrorKind::IsADirectory.into()),
            Place::Top(name) => Ok((ROOT, name)),
            Place::Inside(directory, name) => match self.names(ROOT).get(directory) {
                Some(Node::Directory(id)) => Ok((*id, name)),
                Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    pub(super) fn find(&self, place: Place<'_>) -> io::Result<Node> {
        if place == Place::Root {
            return Ok(Node::Directory(ROOT));
        }
        let (directory, name) = self.parent_of(place)?;
        self.names(directory).get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn find_directory(&self, place: Place<'_>) -> io::Result<DirectoryId> {
        match self.find(place)? {
            Node::Directory(id) => Ok(id),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn find_file(&self, place: Place<'_>) -> io::Result<FileId> {
        match self.find(place)? {
            Node::File(id) => Ok(id),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Calls `visit` for every name, with its path, in order.
    pub(super) fn walk(&self, mut visit: impl FnMut(&str, &str, Node)) {
        for (name, node) in self.names(ROOT) {
            visit("", name, *node);
            if let Node::Directory(id) = node {
                for (inner, node) in self.names(*id) {
                    visit(name, inner, *node);
                }
            }
        }
    }

    /// A hash of all names and bytes that can be reached.
    pub(super) fn hash(&self) -> u64 {
        let mut hash = 0;
        // The names below a directory follow it, and the next directory ends them.
        self.walk(|directory, name, node| {
            let below = u64::from(!directory.is_empty());
            hash = mix(hash ^ text_hash(name).wrapping_add(below));
            hash = mix(match node {
                Node::File(id) => hash ^ self.content(id).hash(),
                Node::Directory(_) => hash ^ 1,
            });
        });
        hash
    }
}

fn text_hash(text: &str) -> u64 {
    text.as_bytes().chunks(8).fold(text.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    })
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Node {
    pub(super) fn kind(self) -> FileKind {
        match self {
            Node::File(_) => FileKind::File,
            Node::Directory(_) => FileKind::Directory,
        }
    }
}
