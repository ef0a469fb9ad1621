//! Directories that are not Ottla's yet: new ones, and those that a Kafka broker wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::admin::{CatalogState, fresh_topic_id, remove_deleted_folder, remove_folders};
use crate::broker::directory::{Directory, read_small_file};
use crate::broker::open::in_memory_over;
use crate::broker::recover::Opener;
use crate::broker::report::RecoveryReport;
use crate::catalog::bootstrap::{self, Identity};
use crate::catalog::create::NewTopic;
use crate::catalog::{self, Catalog, Place};
use crate::commit::Committer;
use crate::commit::replay::Replay;
use crate::commit::ticket::Part;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::poison::Poison;
use crate::env::replace_file::replace_file;
use crate::error::{Error, ErrorKind, Result};
use crate::format::file_names::{META_PROPERTIES, PARTITION_METADATA, parse_metadata_snapshot};
use crate::format::meta_properties::{DirectoryId, MetaProperties};
use crate::format::partition_metadata;
use crate::partition::Partition;
use crate::partition::id::PartitionId;
use crate::partition::shared::{Shared, SharedOptions};
use crate::topic::{CLUSTER_METADATA_TOPIC, TopicId, TopicName};

/// The partition that holds the catalog.
///
/// # Errors
/// None: the name is a legal one.
pub(crate) fn metadata_id() -> Result<PartitionId> {
    let topic = TopicName::new(CLUSTER_METADATA_TOPIC)?;
    Ok(PartitionId::new(topic, 0, TopicId::CLUSTER_METADATA))
}

/// The settings of the catalog's log: nothing is ever deleted, and a change may be large.
///
/// # Errors
/// None: the settings are legal ones.
pub(crate) fn metadata_config() -> Result<TopicConfig> {
    Ok(TopicConfig::new().retention_forever().max_message_bytes(i32::MAX.cast_unsigned()))
}

/// Gives a directory without a catalog the files that a new one has. What is there is kept.
///
/// # Errors
/// If the disk refuses; the next open goes on.
pub(crate) fn make_directory(env: &Env, directory: &Directory) -> Result<()> {
    let failed = |e| Error::io(e, "cannot make the catalog's folder").at_file(env.vfs.describe(""));
    let id = metadata_id()?;
    match env.vfs.create_dir(id.directory()) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.map_err(failed)?,
    }
    let identity = Identity {
        cluster_id: fresh_topic_id(env),
        directory_id: fresh_directory_id(env),
        now_ms: env.clock.wall_ms(),
    };
    for (path, content) in bootstrap::files(identity)? {
        if path == META_PROPERTIES && directory.has_meta_properties {
            continue;
        }
        replace_file(&*env.vfs, &path, &content)?;
    }
    env.vfs.sync_dir("").map_err(failed)
}

/// This node and this directory, as `meta.properties` says.
///
/// # Errors
/// `Corrupt` for an unreadable file.
pub(crate) fn place(env: &Env) -> Result<Place> {
    if env.vfs.metadata(META_PROPERTIES).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        let message = "the file that names the node and the directory is missing";
        let error = Error::new(ErrorKind::Corrupt, message);
        return Err(error.at_file(env.vfs.describe(META_PROPERTIES)));
    }
    let bytes = read_small_file(env, META_PROPERTIES)?;
    let properties = MetaProperties::decode(&bytes)
        .map_err(|error| error.into_error().at_file(env.vfs.describe(META_PROPERTIES)))?;
    Ok(Place {
        node_id: properties.node_id.unwrap_or(bootstrap::NODE_ID),
        directory_id: properties.directory_id.unwrap_or(DirectoryId([0; 16])),
    })
}

fn fresh_directory_id(env: &Env) -> DirectoryId {
    loop {
        let id = DirectoryId(env.random.bytes16());
        if id.is_usable() {
            return id;
        }
    }
}

/// Replays the catalog's log.
///
/// # Errors
/// `Corrupt` for a record that contradicts the others.
pub(crate) fn read_catalog(env: &Env, metadata: &Partition) -> Result<Catalog> {
    let mut catalog = match metadata.log_start_offset() {
        0 => Catalog::new(),
        _ => read_snapshot(env, metadata.id())?,
    };
    let from = catalog.next_offset().max(metadata.log_start_offset());
    let folder = || env.vfs.describe(metadata.id().directory());
    let placed = |error: Error| match error.file() {
        Some(_) => error,
        None => error.at_file(folder()),
    };
    let replayed = metadata.walk_pieces(from, metadata.end_offset(), |piece| catalog.replay(piece));
    replayed.and_then(|()| catalog.check_complete()).map_err(placed)?;
    Ok(catalog)
}

/// The newest snapshot that a broker left beside the catalog's log.
fn read_snapshot(env: &Env, id: &PartitionId) -> Result<Catalog> {
    let entries = env.vfs.list(id.directory()).map_err(|e| {
        Error::io(e, "cannot list the catalog's folder").at_file(env.vfs.describe(id.directory()))
    })?;
    let newest = entries
        .iter()
        .filter_map(|entry| Some((parse_metadata_snapshot(&entry.name)?, &entry.name)))
        .max();
    let Some(((end_offset, epoch), name)) = newest else {
        let message = "the catalog's log does not start at offset 0, and there is no snapshot";
        return Err(
            Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(id.directory()))
        );
    };
    let path = format!("{}/{name}", id.directory());
    Catalog::from_snapshot(&read_small_file(env, &path)?, end_offset, epoch)
        .map_err(|error| error.at_file(env.vfs.describe(&path)))
}

/// Why this node alone must not write here: other nodes hold replicas of the partitions, or vote.
///
/// # Errors
/// If the catalog cannot be read.
pub(crate) fn not_alone(env: &Env, directory: &Directory) -> Result<Option<String>> {
    // Reading the catalog may mean recovering its log: on a layer that is thrown away.
    let env = in_memory_over(env)?;
    let shared = Shared::new(env.clone(), Arc::new(Poison::new()), SharedOptions::default());
    let replay = Replay::default();
    let mut opener = Opener::new(&env, &shared, directory, &replay)?;
    let metadata = opener.open(metadata_id()?, &metadata_config()?)?;
    if let Some(damage) = metadata.damage() {
        return Err(damage.clone());
    }
    let others = read_catalog(&env, &metadata)?.other_nodes(place(&env)?.node_id);
    if others.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!(
        "the directory belongs to a cluster with the nodes {others:?} beside this one; open it \
         with adopt(true) to take it out of the cluster"
    )))
}

/// The first records of a new catalog: what a broker expects there, and the topics that lie in the
/// directory already. They are applied to `catalog`, and committed once the session has begun.
///
/// # Errors
/// If a folder cannot be read.
pub(crate) fn first_records(
    env: &Env,
    catalog: &mut Catalog,
    directory: &Directory,
) -> Result<Vec<Vec<u8>>> {
    let place = place(env)?;
    let mut batches = bootstrap::first_batches(env.clock.wall_ms())?;
    let mut topics: BTreeMap<&TopicName, i32> = BTreeMap::new();
    for (topic, partition) in directory.partitions.keys() {
        if topic.as_str() != CLUSTER_METADATA_TOPIC {
            let count = topics.entry(topic).or_default();
            *count = (*count).max(partition + 1);
        }
    }
    // The log will give these batches the offsets and the epoch that they are given here.
    replay_at_end(catalog, &mut batches)?;
    for (topic, partitions) in topics {
        let id = topic_id_of(env, directory, topic, partitions)?;
        // Nobody knows what the topic's settings were: nothing of it is ever deleted.
        let overrides = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let new = NewTopic { name: topic, id, partition_count: partitions, overrides: &overrides };
        let records = catalog.create_topic(&new, place)?;
        let mut batch = vec![catalog::batch_of(&records, env.clock.wall_ms())?];
        replay_at_end(catalog, &mut batch)?;
        batches.append(&mut batch);
    }
    Ok(batches)
}

fn replay_at_end(catalog: &mut Catalog, batches: &mut [Vec<u8>]) -> Result<()> {
    for batch in batches {
        let epoch = catalog.leader_epoch().max(bootstrap::FIRST_LEADER_EPOCH);
        crate::format::batch_header::stamp(batch, catalog.next_offset(), epoch);
        catalog.replay(batch)?;
    }
    Ok(())
}

/// The id that a topic's folders carry; folders without one get a new one.
fn topic_id_of(
    env: &Env,
    directory: &Directory,
    topic: &TopicName,
    partitions: i32,
) -> Result<TopicId> {
    let mut known = None;
    let folders = (0..partitions).map(|number| directory.partitions.get(&(topic.clone(), number)));
    for folder in folders.clone().flatten() {
        let path = format!("{folder}/{PARTITION_METADATA}");
        if env.vfs.metadata(&path).is_err() {
            continue;
        }
        let id = partition_metadata::decode(&read_small_file(env, &path)?)
            .map_err(|error| error.into_error().at_file(env.vfs.describe(&path)))?;
        if known.is_some_and(|known| known != id) {
            let message = format!("the folders of topic {topic} carry different topic ids");
            return Err(Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(&path)));
        }
        known = Some(id);
    }
    let id = known.unwrap_or_else(|| fresh_topic_id(env));
    for folder in folders.flatten() {
        let path = format!("{folder}/{PARTITION_METADATA}");
        if env.vfs.metadata(&path).is_err() {
            replace_file(&*env.vfs, &path, &partition_metadata::encode(id))?;
        }
    }
    Ok(id)
}

/// Commits the first records.
///
/// # Errors
/// If the disk refuses; the next open tries again.
pub(crate) fn write_first_records(
    committer: &Committer,
    metadata: &Arc<Partition>,
    batches: Vec<Vec<u8>>,
) -> Result<()> {
    let part = |batch: Vec<u8>| Part { partition: Arc::clone(metadata), batch: batch.into() };
    let parts = batches.into_iter().map(part);
    committer.commit(parts.collect()).0.map(drop)
}

/// Finishes deletions: folders that are named as deleted, and those of topics that the catalog
/// removed. Folders of ids that the catalog never knew are reported, never deleted.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn remove_deleted(
    env: &Env,
    committer: &Committer,
    state: &CatalogState,
    directory: &Directory,
    report: &mut RecoveryReport,
) -> Result<()> {
    let mut orphans = Vec::new();
    for ((topic, partition), folder) in &directory.partitions {
        if topic.as_str() == CLUSTER_METADATA_TOPIC {
            continue;
        }
        let path = format!("{folder}/{PARTITION_METADATA}");
        let known = state.catalog.topic(topic.as_str()).ok();
        if known.is_some_and(|known| known.partitions.contains_key(partition)) {
            continue;
        }
        let id = match env.vfs.metadata(&path) {
            Ok(_) => partition_metadata::decode(&read_small_file(env, &path)?).ok(),
            Err(_) => None,
        };
        match id.filter(|id| state.catalog.is_removed(*id)) {
            Some(id) => {
                orphans.push((PartitionId::new(topic.clone(), *partition, id), folder.as_str()));
            }
            None => report.unknown.push(folder.clone()),
        }
    }
    if orphans.is_empty() && directory.deleted.is_empty() {
        return Ok(());
    }
    committer.begin_session()?;
    remove_folders(env, orphans)?;
    for folder in &directory.deleted {
        remove_deleted_folder(env, folder)?;
    }
    env.vfs.sync_dir("").map_err(|e| Error::io(e, "cannot sync the data directory"))
}
