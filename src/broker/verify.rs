//! Reading everything with every check there is, and changing nothing.

use std::fmt;
use std::path::Path;

use crate::broker::Broker;
use crate::broker::directory::read_small_file;
use crate::broker::report::RecoveryReport;
use crate::broker::verify_closed::verify_closed_files;
use crate::config::broker::BrokerOptions;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::clean_shutdown::CleanShutdown;
use crate::format::control_file::ControlFile;
use crate::format::file_names::{
    CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, LOG_START_CHECKPOINT, META_PROPERTIES, OTTLA_CONTROL,
    PARTITION_METADATA, RECOVERY_POINT_CHECKPOINT, REPLICATION_CHECKPOINT,
};
use crate::format::meta_properties::MetaProperties;
use crate::format::{checkpoint, partition_metadata};
use crate::partition::Partition;
use crate::topic::{TopicId, TopicPartition};

/// How [`verify`] works.
#[derive(Default)]
pub struct VerifyOptions {
    progress: Option<Box<dyn Fn(u64, u64) + Send + Sync>>,
}

impl fmt::Debug for VerifyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyOptions").finish_non_exhaustive()
    }
}

impl VerifyOptions {
    /// The defaults.
    pub fn new() -> VerifyOptions {
        VerifyOptions::default()
    }

    /// Calls `progress` with the bytes read so far and the bytes that there are.
    #[must_use]
    pub fn on_progress(self, progress: impl Fn(u64, u64) + Send + Sync + 'static) -> VerifyOptions {
        VerifyOptions { progress: Some(Box::new(progress)) }
    }
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// What opening the directory for writing would do.
    pub recovery: RecoveryReport,
    /// What was read, partition by partition.
    pub partitions: Vec<VerifiedPartition>,
    /// What is wrong with files outside of the partitions, or keeps the directory from being
    /// opened at all.
    pub errors: Vec<Error>,
}

/// What [`verify`] found in one partition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// Segments read.
    pub segments: u64,
    /// Batches read.
    pub batches: u64,
    /// Records decoded.
    pub records: u64,
    /// Bytes of logs read.
    pub bytes: u64,
    /// Everything that is wrong, with file and position.
    pub errors: Vec<Error>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.all_errors().next().is_none()
    }

    /// Everything that is wrong.
    pub fn all_errors(&self) -> impl Iterator<Item = &Error> {
        self.errors.iter().chain(self.partitions.iter().flat_map(|partition| &partition.errors))
    }
}

/// Reads and checks everything in a directory: every batch and record, sums, offsets, indexes,
/// Kafka's small files. Writes nothing; works on a directory without write permission and on one
/// that was not closed cleanly.
///
/// # Errors
/// `Locked` while a writer lives; `Io` if the directory cannot be read. Damage is no error: it is
/// in the report.
pub fn verify(directory: impl AsRef<Path>, options: &VerifyOptions) -> Result<VerifyReport> {
    verify_in(&Env::disk(directory.as_ref(), false)?, options)
}

/// [`verify`] for a directory of any environment.
///
/// # Errors
/// As [`verify`].
pub fn verify_in(env: &Env, options: &VerifyOptions) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    match BrokerOptions::new().read_only(true).background(false).open_in(env.clone()) {
        Ok(broker) => {
            report.recovery = broker.recovery_report().clone();
            verify_partitions(&broker, options, &mut report)?;
        }
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
            report.errors.push(error);
        }
        Err(error) => return Err(error),
    }
    verify_small_files(env, &mut report)?;
    Ok(report)
}

fn verify_partitions(
    broker: &Broker,
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<()> {
    let engine = &broker.engine;
    let metadata = engine.catalog.lock().metadata.clone();
    let mut partitions = vec![metadata];
    for topic in engine.topics.all() {
        partitions.extend(topic.partitions.iter().cloned());
    }
    let total: u64 = partitions.iter().map(|partition| partition.size_bytes()).sum();
    let mut done = 0;
    let is_ours = report.recovery.clean;
    for partition in partitions {
        report.partitions.push(verify_partition(&engine.env, &partition, is_ours)?);
        done += partition.size_bytes();
        if let Some(progress) = &options.progress {
            progress(done, total);
        }
    }
    Ok(())
}

fn verify_partition(env: &Env, partition: &Partition, is_ours: bool) -> Result<VerifiedPartition> {
    let found = partition.verify()?;
    let id = partition.id();
    let mut errors = found.errors;
    let path = format!("{}/{PARTITION_METADATA}", id.directory());
    match check_file(env, &path, |bytes| Ok((partition_metadata::decode(bytes)?, bytes.to_vec()))) {
        Ok(Some((carried, _))) if carried != id.topic_id() => {
            errors.push(other_id(env, &path, carried));
        }
        Ok(Some((_, bytes))) if bytes != partition_metadata::encode(id.topic_id()) => {
            let error = Error::new(ErrorKind::Corrupt, "the file is not as it is always written");
            errors.push(error.at_file(env.vfs.describe(&path)));
        }
        // A broker makes it when it opens a folder without one.
        Ok(None) if is_ours => {
            let error = Error::new(ErrorKind::Corrupt, "the file is missing");
            errors.push(error.at_file(env.vfs.describe(&path)));
        }
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    Ok(VerifiedPartition {
        partition: TopicPartition::new(id.topic().clone(), id.partition()),
        segments: found.segments,
        batches: found.batches,
        records: found.records,
        bytes: found.bytes,
        errors: errors
            .into_iter()
            .map(|error| error.at_partition(id.topic().as_str(), id.partition()))
            .collect(),
    })
}

fn other_id(env: &Env, path: &str, carried: TopicId) -> Error {
    let message = format!("the folder carries the topic id {carried}, which is another topic's");
    Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(path))
}

fn verify_small_files(env: &Env, report: &mut VerifyReport) -> Result<()> {
    let checkpoints = [
        RECOVERY_POINT_CHECKPOINT,
        LOG_START_CHECKPOINT,
        REPLICATION_CHECKPOINT,
        CLEANER_CHECKPOINT,
    ];
    for name in checkpoints {
        report.errors.extend(check_file(env, name, checkpoint::decode).err());
    }
    report.errors.extend(check_file(env, META_PROPERTIES, MetaProperties::decode).err());
    match check_file(env, OTTLA_CONTROL, ControlFile::decode) {
        Ok(None) => report.errors.extend(lost_control(env)),
        Ok(Some(control)) => {
            let mut found = verify_closed_files(env, &control)?;
            // What its own form gave away was said already, and better.
            found.retain(|error| report.all_errors().all(|other| other.file() != error.file()));
            report.errors.append(&mut found);
        }
        // What kept the directory from being opened was said already.
        Err(error) if report.errors.iter().any(|other| other.file() == error.file()) => {}
        Err(error) => report.errors.push(error),
    }
    Ok(())
}

/// A marker of ours without a control file: that was there when the marker was written.
fn lost_control(env: &Env) -> Option<Error> {
    let marker = check_file(env, CLEAN_SHUTDOWN, |bytes| Ok(CleanShutdown::decode(bytes)));
    marker.ok().flatten()?.nonce?;
    let message = "the control file is missing; no record is lost, it is made anew from the log";
    Some(Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(OTTLA_CONTROL)))
}

/// Decodes a small file if it is there.
fn check_file<T>(
    env: &Env,
    path: &str,
    decode: impl FnOnce(&[u8]) -> Result<T, FormatError>,
) -> Result<Option<T>> {
    if env.vfs.metadata(path).is_err() {
        return Ok(None);
    }
    let bytes = read_small_file(env, path)?;
    decode(&bytes).map(Some).map_err(|error| error.into_error().at_file(env.vfs.describe(path)))
}
