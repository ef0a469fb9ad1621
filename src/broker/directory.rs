//! What lies in a data directory before anything of it is opened. Reads names and three small
//! files, writes nothing.

use std::collections::BTreeMap;

use crate::env::Env;
use crate::env::planted::planted;
use crate::env::vfs::{FileKind, OpenHow, read_up_to};
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::clean_shutdown::CleanShutdown;
use crate::format::control_file::ControlFile;
use crate::format::file_names::{
    CLEAN_SHUTDOWN, LEADER_EPOCH_CHECKPOINT, META_PROPERTIES, OTTLA_CONTROL, OTTLA_OPEN,
    PARTITION_METADATA, ParsedDir, Suffix, parse_base_offset, parse_journal_file, parse_leftover,
    parse_partition_dir, parse_spill_file,
};
use crate::topic::{CLUSTER_METADATA_TOPIC, TopicName};

/// More than any small file of a directory has.
const SMALL_FILE_BYTES_MAX: u64 = 256 << 20;

/// How the last program left the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// There is nothing yet.
    Empty,
    /// By Ottla, cleanly, and nobody was here since.
    Clean(ControlFile),
    /// By Ottla, without a close: the journal counts.
    Unclean(ControlFile),
    /// By another program, or by one that we cannot tell from another: only Kafka's own files
    /// count.
    Foreign {
        /// Whether it left the clean shutdown marker.
        clean: bool,
    },
}

/// The survey of a directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) left: Left,
    /// The folders that are partitions, by topic and number.
    pub(crate) partitions: BTreeMap<(TopicName, i32), String>,
    /// Folders of partitions whose deletion was begun.
    pub(crate) deleted: Vec<String>,
    /// Everything else that is no loose file: left alone, and reported.
    pub(crate) unknown: Vec<String>,
    /// Spill files, whoever wrote them.
    pub(crate) spills: Vec<String>,
    /// Whether `meta.properties` is there.
    pub(crate) has_meta_properties: bool,
}

impl Directory {
    /// Looks at a directory.
    ///
    /// # Errors
    /// `Corrupt` if the control file is damaged and the journal would be needed; `Unsupported` if
    /// a newer Ottla wrote it.
    pub(crate) fn survey(env: &Env) -> Result<Directory> {
        let entries = env.vfs.list("").map_err(|e| {
            Error::io(e, "cannot list the data directory").at_file(env.vfs.describe(""))
        })?;
        let mut directory = Directory {
            left: Left::Empty,
            partitions: BTreeMap::new(),
            deleted: Vec::new(),
            unknown: Vec::new(),
            spills: Vec::new(),
            has_meta_properties: false,
        };
        let mut names = Vec::new();
        for entry in entries {
            match entry.kind {
                FileKind::File => names.push(entry.name),
                FileKind::Directory if entry.name == OTTLA_OPEN => names.push(entry.name),
                FileKind::Directory => directory.sort_folder(entry.name),
                FileKind::Other => directory.unknown.push(entry.name),
            }
        }
        let spills = names.iter().filter(|name| parse_spill_file(name).is_some());
        directory.spills = spills.cloned().collect();
        directory.spills.sort();
        directory.has_meta_properties = names.iter().any(|name| name == META_PROPERTIES);
        directory.forget_unfinished_catalog(env)?;
        if !directory.has_catalog() {
            directory.doubt_folders(env)?;
        }
        directory.left = directory.how_left(env, &names)?;
        Ok(directory)
    }

    fn sort_folder(&mut self, name: String) {
        match parse_partition_dir(&name) {
            ParsedDir::Partition { topic, partition } => {
                self.partitions.insert((topic, partition), name);
            }
            ParsedDir::Delete { .. } => self.deleted.push(name),
            _ => self.unknown.push(name),
        }
    }

    /// A new directory gets `meta.properties` last: a catalog's folder that has no log yet, without
    /// that file beside it, is one whose making was interrupted. It is made again.
    fn forget_unfinished_catalog(&mut self, env: &Env) -> Result<()> {
        let is_catalog = |topic: &TopicName| topic.as_str() == CLUSTER_METADATA_TOPIC;
        let found = self.partitions.iter().find(|((topic, _), _)| is_catalog(topic));
        let Some((key, folder)) = found.filter(|_| !self.has_meta_properties) else {
            return Ok(());
        };
        let files = env.vfs.list(folder).map_err(|e| {
            Error::io(e, "cannot list the catalog's folder").at_file(env.vfs.describe(folder))
        })?;
        if !files.iter().any(|file| matches!(parse_base_offset(&file.name), Some((_, Suffix::Log))))
        {
            let key = key.clone();
            self.partitions.remove(&key);
        }
        Ok(())
    }

    /// Without a catalog only its content tells a partition's folder from somebody's `photos-2024`:
    /// it holds a log or a topic id, and nothing that is not Kafka's. Others are nobody's business.
    fn doubt_folders(&mut self, env: &Env) -> Result<()> {
        let partitions = std::mem::take(&mut self.partitions);
        for (key, folder) in partitions {
            match is_partition(env, &folder)? {
                true => drop(self.partitions.insert(key, folder)),
                false => self.unknown.push(folder),
            }
        }
        for folder in std::mem::take(&mut self.deleted) {
            match is_partition(env, &folder)? {
                true => self.deleted.push(folder),
                false => self.unknown.push(folder),
            }
        }
        Ok(())
    }

    /// Whether there is a catalog to read.
    pub(crate) fn has_catalog(&self) -> bool {
        self.partitions.keys().any(|(topic, _)| topic.as_str() == CLUSTER_METADATA_TOPIC)
    }

    fn how_left(&self, env: &Env, names: &[String]) -> Result<Left> {
        let has = |name: &str| names.iter().any(|other| other == name);
        let marker = match has(CLEAN_SHUTDOWN) {
            true => Some(CleanShutdown::decode(&read_small_file(env, CLEAN_SHUTDOWN)?)),
            false => None,
        };
        let was_open = has(OTTLA_OPEN);
        let control = match has(OTTLA_CONTROL) {
            true => read_control(env, marker.is_none() && was_open)?,
            false => None,
        };
        let has_journal = names.iter().any(|name| parse_journal_file(name).is_some());
        Ok(match (control, marker) {
            (Some(control), Some(marker))
                if control.closed
                    && (marker.nonce == Some(control.nonce) || planted!("nonce_not_compared")) =>
            {
                Left::Clean(control)
            }
            // No crash leaves an open session without `ottla.open/`; a copy that dropped empty
            // folders does. The journal counts all the same.
            (Some(control), None) if was_open || !control.closed => Left::Unclean(control),
            (Some(control), Some(_)) if !control.closed => return Err(two_stories(env)),
            (None, None) if was_open && has_journal => return Err(no_control(env)),
            (None, None) if !was_open && self.looks_empty() => Left::Empty,
            (_, marker) => Left::Foreign { clean: marker.is_some() },
        })
    }

    fn looks_empty(&self) -> bool {
        !self.has_meta_properties && self.partitions.is_empty() && self.deleted.is_empty()
    }
}

/// Whether a folder is a partition's, by what is in it.
fn is_partition(env: &Env, folder: &str) -> Result<bool> {
    let files = env.vfs.list(folder).map_err(|e| {
        Error::io(e, "cannot list a folder of the data directory").at_file(env.vfs.describe(folder))
    })?;
    let mut holds_evidence = false;
    for file in files {
        let of_segment = parse_base_offset(&file.name);
        let is_ours = of_segment.is_some()
            || parse_leftover(&file.name).is_some()
            || file.name.starts_with(PARTITION_METADATA)
            || file.name.starts_with(LEADER_EPOCH_CHECKPOINT);
        if file.kind != FileKind::File || !is_ours {
            return Ok(false);
        }
        holds_evidence |=
            matches!(of_segment, Some((_, Suffix::Log))) || file.name == PARTITION_METADATA;
    }
    Ok(holds_evidence)
}

/// The control file, or `None` if it is damaged and not `needed`.
fn read_control(env: &Env, needed: bool) -> Result<Option<ControlFile>> {
    let bytes = read_small_file(env, OTTLA_CONTROL)?;
    match ControlFile::decode(&bytes) {
        Ok(control) => Ok(Some(control)),
        Err(error) => {
            let error = error.into_error().at_file(env.vfs.describe(OTTLA_CONTROL));
            // A damaged one of a closed directory can be made anew from the log.
            if needed || error.kind() == ErrorKind::Unsupported { Err(error) } else { Ok(None) }
        }
    }
}

fn two_stories(env: &Env) -> Error {
    let message = "the clean shutdown marker says that the directory was closed, the control file \
                   that it was not, and nobody can tell whether commits of the journal are still \
                   to be applied: nothing was changed; remove the marker if no other program \
                   wrote here since";
    Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(CLEAN_SHUTDOWN))
}

fn no_control(env: &Env) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the directory was not closed cleanly and its control file is missing, so nobody can tell \
         which commits of the journal are still to be applied: nothing was changed, restore the \
         file from a copy",
    )
    .at_file(env.vfs.describe(OTTLA_CONTROL))
}

/// The content of a small file in the root or a partition's folder.
///
/// # Errors
/// `Corrupt` if it is larger than such a file can be.
pub(crate) fn read_small_file(env: &Env, path: &str) -> Result<Vec<u8>> {
    let failed = |e| Error::io(e, "cannot read the file").at_file(env.vfs.describe(path));
    let file = env.vfs.open(path, OpenHow::Read).map_err(failed)?;
    let length = file.len().map_err(failed)?;
    if length > SMALL_FILE_BYTES_MAX {
        let message = format!("the file has {length} bytes, far more than belong there");
        return Err(Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(path)));
    }
    let mut bytes = room::zeros(usize::try_from(length).unwrap_or(usize::MAX)).map_err(failed)?;
    let read = read_up_to(&*file, &mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(bytes)
}
