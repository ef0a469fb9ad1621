//! The names of a directory that is kept in memory: files, and directories of files, two levels
//! deep as the paths are. Answers as a disk would.

use std::collections::BTreeMap;
use std::io;

use super::path::Place;

/// Names with something behind each; `F` is what a file is.
#[derive(Clone, Debug)]
pub(super) struct Tree<F> {
    root: BTreeMap<String, Node<F>>,
}

#[derive(Clone, Debug)]
enum Node<F> {
    File(F),
    Directory(BTreeMap<String, F>),
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Found<'a, F> {
    File(&'a F),
    Directory,
}

impl<F> Default for Tree<F> {
    fn default() -> Tree<F> {
        Tree { root: BTreeMap::new() }
    }
}

impl<F: Clone> Tree<F> {
    pub(super) fn find(&self, place: Place<'_>) -> io::Result<Found<'_, F>> {
        match place {
            Place::Root => Ok(Found::Directory),
            Place::Top(name) => match self.root.get(name) {
                Some(Node::File(file)) => Ok(Found::File(file)),
                Some(Node::Directory(_)) => Ok(Found::Directory),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Place::Inside(directory, name) => match self.files_in(directory)?.get(name) {
                Some(file) => Ok(Found::File(file)),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    pub(super) fn file(&self, place: Place<'_>) -> io::Result<&F> {
        match self.find(place)? {
            Found::File(file) => Ok(file),
            Found::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The names in a directory; those without a file behind them are directories.
    pub(super) fn list(&self, place: Place<'_>) -> io::Result<Vec<(&str, Option<&F>)>> {
        match place {
            Place::Root => Ok(self
                .root
                .iter()
                .map(|(name, node)| match node {
                    Node::File(file) => (name.as_str(), Some(file)),
                    Node::Directory(_) => (name.as_str(), None),
                })
                .collect()),
            Place::Top(name) => {
                let files = self.files_in(name)?.iter();
                Ok(files.map(|(name, file)| (name.as_str(), Some(file))).collect())
            }
            Place::Inside(..) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn files_in(&self, directory: &str) -> io::Result<&BTreeMap<String, F>> {
        match self.root.get(directory) {
            Some(Node::Directory(files)) => Ok(files),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Puts a file there, in the place of one that may be there.
    pub(super) fn insert(&mut self, place: Place<'_>, file: F) -> io::Result<()> {
        match place {
            Place::Root => return Err(io::ErrorKind::IsADirectory.into()),
            Place::Top(name) => {
                if let Some(Node::Directory(_)) = self.root.get(name) {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                self.root.insert(name.to_owned(), Node::File(file));
            }
            Place::Inside(directory, name) => match self.root.get_mut(directory) {
                Some(Node::Directory(files)) => {
                    files.insert(name.to_owned(), file);
                }
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            },
        }
        Ok(())
    }

    pub(super) fn remove_file(&mut self, place: Place<'_>) -> io::Result<F> {
        let file = self.file(place)?.clone();
        match place {
            Place::Root => {}
            Place::Top(name) => {
                self.root.remove(name);
            }
            Place::Inside(directory, name) => {
                if let Some(Node::Directory(files)) = self.root.get_mut(directory) {
                    files.remove(name);
                }
            }
        }
        Ok(file)
    }

    pub(super) fn create_dir(&mut self, place: Place<'_>) -> io::Result<()> {
        let Place::Top(name) = place else { return Err(io::ErrorKind::InvalidInput.into()) };
        if self.root.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.root.insert(name.to_owned(), Node::Directory(BTreeMap::new()));
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, place: Place<'_>) -> io::Result<()> {
        let Place::Top(name) = place else { return Err(io::ErrorKind::InvalidInput.into()) };
        if !self.files_in(name)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.root.remove(name);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        match self.find(from)? {
            Found::Directory => self.rename_directory(from, to),
            Found::File(file) => {
                let file = file.clone();
                if from != to {
                    self.insert(to, file)?;
                    self.remove_file(from)?;
                }
                Ok(())
            }
        }
    }

    fn rename_directory(&mut self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        let (Place::Top(old), Place::Top(new)) = (from, to) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        match self.root.get(new) {
            _ if old == new => return Ok(()),
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            Some(Node::Directory(files)) if !files.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        if let Some(node) = self.root.remove(old) {
            self.root.insert(new.to_owned(), node);
        }
        Ok(())
    }
}
