//! Topics: create, ensure, delete, alter, add partitions, describe, list.
//!
//! A topic is there when its record in the catalog is: folders are made and synced before, and
//! removed after. *If we stop between*, a folder without a topic stays, which is reported and,
//! if it is empty, used by the next topic of that name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::topics::unknown_topic;
use crate::broker::{Broker, Engine};
use crate::catalog::create::NewTopic;
use crate::catalog::topic_handle::TopicHandle;
use crate::catalog::{self, Catalog, Place, TopicEntry};
use crate::commit::Committer;
use crate::commit::ticket::{Effect, Part};
use crate::config::topic::{CleanupPolicy, TopicConfig};
use crate::env::Env;
use crate::env::planted::planted;
use crate::env::replace_file::replace_file;
use crate::env::user_code;
use crate::error::{Error, ErrorKind, Result};
use crate::format::file_names::{PARTITION_METADATA, delete_dir, log_file, stray_dir};
use crate::format::partition_metadata;
use crate::partition::Partition;
use crate::partition::id::PartitionId;
use crate::topic::{TopicId, TopicName};

/// The catalog and the log that it is kept in.
pub(crate) struct CatalogState {
    pub(crate) catalog: Catalog,
    pub(crate) metadata: Arc<Partition>,
    /// Which node and directory new partitions are put on.
    pub(crate) place: Place,
}

/// What a topic is, as [`Broker::describe_topic`] tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// The topic's name.
    pub name: TopicName,
    /// Its id: another one after it was deleted and made anew.
    pub id: TopicId,
    /// Kafka keeps topics of this name for itself.
    pub internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
    /// The settings that were made for this topic; all others have their defaults.
    pub config: BTreeMap<String, String>,
}

/// What a partition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// The partition's number.
    pub partition: i32,
    /// The first offset that can be read.
    pub log_start_offset: i64,
    /// The offset behind the newest record.
    pub end_offset: i64,
    /// The bytes of its segments.
    pub size_bytes: u64,
    /// All below this offset went through compaction; 0 if nothing did.
    pub cleaned_to_offset: i64,
    /// Why it is not compacted any more before the directory is opened again, if it is so.
    pub compaction_error: Option<String>,
    /// Why it cannot be written, if it is damaged.
    pub damage: Option<String>,
}

impl Broker {
    /// Makes a topic.
    ///
    /// # Durability
    /// When it returns `Ok` the topic survives power loss.
    ///
    /// # Errors
    /// `TopicExists`; `InvalidInput` for a name, a partition count or a setting that is not
    /// allowed.
    #[expect(clippy::needless_pass_by_value, reason = "a config is made for the call")]
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<TopicDescription> {
        refuse_internal(&TopicName::new(name)?, "created")?;
        self.engine.create_topic(name, &config)
    }

    /// Makes a topic unless there is one of that name, whose settings are then left as they are.
    ///
    /// # Durability
    /// As [`create_topic`](Self::create_topic).
    ///
    /// # Errors
    /// As [`create_topic`](Self::create_topic), less `TopicExists`; `InvalidInput` if the topic is
    /// there with another number of partitions than `config` asks for.
    #[expect(clippy::needless_pass_by_value, reason = "a config is made for the call")]
    pub fn ensure_topic(&self, name: &str, config: TopicConfig) -> Result<TopicDescription> {
        match self.engine.create_topic(name, &config) {
            Err(error) if error.kind() == ErrorKind::TopicExists => {
                let description = self.describe_topic(name)?;
                let there = description.partitions.len();
                match config.partition_count() {
                    Some(wanted) if i64::from(wanted) != there as i64 => {
                        let message = format!(
                            "topic {name} has {there} partitions, not {wanted}; add_partitions \
                             adds some"
                        );
                        Err(Error::new(ErrorKind::InvalidInput, message))
                    }
                    _ => Ok(description),
                }
            }
            outcome => outcome,
        }
    }

    /// Deletes a topic and all its records. Handles of it that are left answer
    /// `UnknownTopicOrPartition`.
    ///
    /// # Durability
    /// When it returns `Ok` the topic does not come back after power loss. Its files may stay until
    /// the next open, if the disk refuses to remove them.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for a topic that Kafka keeps for itself.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        self.engine.delete_topic(name)
    }

    /// Changes settings of a topic; `None` takes one back to its default. They hold at once. A topic
    /// that becomes compacted loses its records without a key with the next compaction.
    ///
    /// # Durability
    /// When it returns `Ok` the settings survive power loss.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for an unknown setting or a value out of range,
    /// and where committed offsets would be deleted by age. Nothing was changed then.
    pub fn alter_topic(&self, name: &str, changes: &[(&str, Option<&str>)]) -> Result<()> {
        self.engine.alter_topic(name, changes)
    }

    /// Gives a topic more partitions: `total` counts the old ones. Records with a key go to other
    /// partitions from then on. A topic that keeps streams is refused: a stream would be looked for
    /// where its records are not, and two writers of it could pass each other by. Whoever wants that
    /// takes `ottla.key.index` away first.
    ///
    /// # Durability
    /// As [`create_topic`](Self::create_topic).
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` if `total` is not more than there are, and for a
    /// topic with `ottla.key.index`.
    pub fn add_partitions(&self, name: &str, total: i32) -> Result<()> {
        self.engine.add_partitions(name, total)
    }

    /// What a topic is and holds.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`.
    pub fn describe_topic(&self, name: &str) -> Result<TopicDescription> {
        let topic = self.engine.topics.get(name).ok_or_else(|| unknown_topic(name))?;
        Ok(self.engine.describe(&topic))
    }

    /// All topics, by name, internal ones among them.
    pub fn list_topics(&self) -> Vec<TopicDescription> {
        self.engine.topics.all().iter().map(|topic| self.engine.describe(topic)).collect()
    }
}

impl Engine {
    pub(super) fn create_topic(
        &self,
        name: &str,
        config: &TopicConfig,
    ) -> Result<TopicDescription> {
        self.check_writable()?;
        config.validate()?;
        let name = TopicName::new(name)?;
        let partitions = config.partition_count().unwrap_or(self.options.num_partitions);
        let _not_now = user_code::not_now();
        let mut state = self.catalog.lock();
        let id = fresh_topic_id(&self.env);
        let overrides =
            config.overrides().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let new = NewTopic { name: &name, id, partition_count: partitions, overrides: &overrides };
        let records = state.catalog.create_topic(&new, state.place)?;
        self.committer.begin_write()?;
        // 1. Folders with their ids, synced: a record that is acked must have a place.
        //    If we stop here: empty folders without a topic.
        self.make_folders(&name, id, 0..partitions)?;
        // 2. The catalog's record: from here on the topic exists.
        state.commit(&self.env, &self.committer, &records)?;
        self.open_new_partitions(&state.catalog, &name, 0)
    }

    fn add_partitions(&self, name: &str, total: i32) -> Result<()> {
        self.check_writable()?;
        let _not_now = user_code::not_now();
        let mut state = self.catalog.lock();
        let topic = state.catalog.topic(name)?;
        let (name, id) = (topic.name.clone(), topic.id);
        // Where the records of a group or a transaction are depends on the count.
        refuse_internal(&name, "given partitions")?;
        refuse_streams(&name, &config_of(topic))?;
        let there = topic.partitions.len();
        let records = state.catalog.add_partitions(name.as_str(), total, state.place)?;
        self.committer.begin_write()?;
        let first_new = i32::try_from(there).unwrap_or(i32::MAX);
        self.make_folders(&name, id, first_new..total)?;
        state.commit(&self.env, &self.committer, &records)?;
        self.open_new_partitions(&state.catalog, &name, there).map(drop)
    }

    fn alter_topic(&self, name: &str, changes: &[(&str, Option<&str>)]) -> Result<()> {
        self.check_writable()?;
        let _not_now = user_code::not_now();
        let mut state = self.catalog.lock();
        let mut config = config_of(state.catalog.topic(name)?);
        for (key, value) in changes {
            config = match value {
                Some(value) => config.set(key, value)?,
                None => config.reset(key)?,
            };
        }
        config.validate()?;
        keep_compacted(state.catalog.topic(name)?, &config)?;
        let records = state.catalog.alter_topic(name, changes)?;
        self.committer.begin_write()?;
        state.commit(&self.env, &self.committer, &records)?;
        let entry = state.catalog.topic(name)?;
        let config = Arc::new(config_of(entry));
        let Some(topic) = self.topics.get(name) else { return Ok(()) };
        for partition in &topic.partitions {
            partition.set_config(&config);
        }
        self.topics.put(&[topic_handle(entry, topic.partitions.clone(), config)]);
        Ok(())
    }

    fn delete_topic(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        let _not_now = user_code::not_now();
        let mut state = self.catalog.lock();
        let topic = self.topics.get(name).ok_or_else(|| unknown_topic(name))?;
        refuse_internal(&topic.name, "deleted")?;
        let records = state.catalog.delete_topic(name)?;
        self.committer.begin_write()?;
        // 1. The record: from here on the topic is gone, whatever lies in the folders, and with it
        //    the offsets that groups committed, in the same frame.
        let mut offsets = self.offsets.begin_topic_deletion(self, &topic.name, topic.id)?;
        let (parts, effect) = offsets.take();
        state.commit_with(&self.env, &self.committer, &records, parts, effect)?;
        offsets.forget();
        self.topics.remove(name);
        self.groups.topic_deleted(&topic.name);
        // 2. The partitions, when no checkpoint is in the middle of one of them, and their folders.
        //    If we stop here: the next open removes them. The deletion is durable by now, so that
        //    no failure of this can be its answer.
        let removed = self.committer.unregister(topic.id, || {
            for partition in &topic.partitions {
                partition.mark_deleted();
            }
            let folders = topic.partitions.iter().map(|p| (p.id().clone(), p.id().directory()));
            remove_folders(&self.env, folders.collect())
        });
        if let Err(error) = removed {
            self.committer.poison_unless_full(&error);
        }
        Ok(())
    }

    fn make_folders(
        &self,
        name: &TopicName,
        id: TopicId,
        numbers: std::ops::Range<i32>,
    ) -> Result<()> {
        let ids = numbers.map(|number| PartitionId::new(name.clone(), number, id));
        for (made, id) in ids.clone().enumerate() {
            if let Err(error) = make_partition_folder(&self.env, &id) {
                for id in ids.take(made + 1) {
                    let _ = self.env.vfs.remove_file(&metadata_path(&id));
                    let _ = self.env.vfs.remove_dir(id.directory());
                }
                return Err(error);
            }
        }
        if planted!("record_before_folders") {
            return Ok(());
        }
        self.env
            .vfs
            .sync_dir("")
            .map_err(|e| Error::io(e, "cannot sync the data directory"))
            .inspect_err(|error| self.committer.poison_unless_full(error))
    }

    /// Opens the partitions of a topic from number `first` on and shows the topic to everybody.
    fn open_new_partitions(
        &self,
        catalog: &Catalog,
        name: &TopicName,
        first: usize,
    ) -> Result<TopicDescription> {
        let entry = catalog.topic(name.as_str())?;
        let config = Arc::new(config_of(entry));
        let mut partitions =
            self.topics.get(name.as_str()).map(|t| t.partitions.clone()).unwrap_or_default();
        for number in first..entry.partitions.len() {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            let id = PartitionId::new(name.clone(), number, entry.id);
            partitions.push(Partition::create(&self.shared, id, &config)?);
        }
        self.committer.register(&partitions[first..]);
        let topic = topic_handle(entry, partitions, config);
        self.topics.put(&[Arc::clone(&topic)]);
        self.groups.topics_changed(&self.topics.partition_counts());
        Ok(self.describe(&topic))
    }

    fn describe(&self, topic: &TopicHandle) -> TopicDescription {
        let partitions = topic.partitions.iter().map(|partition| PartitionDescription {
            partition: partition.id().partition(),
            log_start_offset: partition.log_start_offset(),
            end_offset: partition.end_offset(),
            size_bytes: partition.size_bytes(),
            cleaned_to_offset: partition.cleaned_to(),
            compaction_error: self.cleaner.failure(partition).map(|error| error.to_string()),
            damage: partition.damage().map(ToString::to_string),
        });
        TopicDescription {
            name: topic.name.clone(),
            id: topic.id,
            internal: topic.name.is_internal(),
            partitions: partitions.collect(),
            config: topic
                .config
                .overrides()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl CatalogState {
    /// Ends a transaction that a controller left open in the catalog's log, before anything else
    /// is written behind it: it would be taken for a part of it.
    ///
    /// # Errors
    /// If the disk refuses; the next open tries again.
    pub(crate) fn mend(&mut self, env: &Env, committer: &Committer) -> Result<()> {
        let records = self.catalog.mending_records()?;
        self.commit(env, committer, &records)
    }

    /// The epoch that a clean marker should repeat.
    pub(crate) fn broker_epoch(&self) -> i64 {
        self.catalog.broker_epoch(self.place.node_id)
    }

    /// Commits records to the catalog's log, all or nothing, and applies them.
    ///
    /// # Durability
    /// When it returns `Ok` the change survives power loss.
    pub(crate) fn commit(
        &mut self,
        env: &Env,
        committer: &Committer,
        records: &[Vec<u8>],
    ) -> Result<()> {
        self.commit_with(env, committer, records, Vec::new(), None)
    }

    /// As [`commit`](Self::commit), together with batches for other partitions.
    ///
    /// # Durability
    /// As [`commit`](Self::commit); all or nothing.
    pub(crate) fn commit_with(
        &mut self,
        env: &Env,
        committer: &Committer,
        records: &[Vec<u8>],
        others: Vec<Part>,
        effect: Option<Box<dyn Effect>>,
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = catalog::batch_of(records, env.clock.wall_ms())?;
        let mut parts = others;
        parts.push(Part { partition: Arc::clone(&self.metadata), batch: batch.into() });
        let (outcome, mut parts) = committer.commit_with(parts, effect);
        outcome?;
        let own = parts.pop().map(|part| part.batch.into_buffer());
        own.map_or(Ok(()), |batch| self.catalog.replay(&batch))
    }
}

/// The settings in force for a topic.
pub(crate) fn config_of(topic: &TopicEntry) -> TopicConfig {
    TopicConfig::from_overrides(&topic.overrides)
}

fn refuse_internal(name: &TopicName, what: &str) -> Result<()> {
    if !name.is_internal() {
        return Ok(());
    }
    let message = format!("topic {name} is kept for Kafka's own records and cannot be {what}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// A stream lies where its key's records are; with more partitions it would be looked for elsewhere.
fn refuse_streams(name: &TopicName, config: &TopicConfig) -> Result<()> {
    if !config.values().key_index {
        return Ok(());
    }
    let message = format!(
        "topic {name} keeps streams, and more partitions would part them from their records: alter \
         it to ottla.key.index=false first, if that is what you want"
    );
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// What groups and transactions keep is compacted, and nothing of it leaves by age or size.
fn keep_compacted(topic: &TopicEntry, config: &TopicConfig) -> Result<()> {
    let (before, after) =
        (config_of(topic).values().cleanup_policy, config.values().cleanup_policy);
    if topic.name.is_internal() && before == CleanupPolicy::COMPACT && after != before {
        return refuse_internal(&topic.name, "cleaned up in another way than by compaction");
    }
    Ok(())
}

/// A topic as clients hold it.
pub(crate) fn topic_handle(
    entry: &TopicEntry,
    partitions: Vec<Arc<Partition>>,
    config: Arc<TopicConfig>,
) -> Arc<TopicHandle> {
    Arc::new(TopicHandle { name: entry.name.clone(), id: entry.id, partitions, config })
}

/// A random id that Kafka would hand out.
pub(crate) fn fresh_topic_id(env: &Env) -> TopicId {
    loop {
        let id = TopicId(env.random.bytes16());
        if id.is_usable() {
            return id;
        }
    }
}

fn metadata_path(id: &PartitionId) -> String {
    format!("{}/{PARTITION_METADATA}", id.directory())
}

/// Makes a partition's folder with its id in it; the caller syncs the root.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn make_partition_folder(env: &Env, id: &PartitionId) -> Result<()> {
    let failed = |e| {
        Error::io(e, "cannot make the folder of a partition")
            .at_partition(id.topic().as_str(), id.partition())
            .at_file(env.vfs.describe(id.directory()))
    };
    match env.vfs.create_dir(id.directory()) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            make_way(env, id)?;
        }
        made => made.map_err(failed)?,
    }
    replace_file(&*env.vfs, &metadata_path(id), &partition_metadata::encode(id.topic_id()))
}

/// A folder of that name is there and belongs to no topic. An empty one (its creation was
/// interrupted) is used; one with records is set aside under the name that Kafka gives to strays.
fn make_way(env: &Env, id: &PartitionId) -> Result<()> {
    let failed = |e| {
        Error::io(e, "cannot set aside a folder that belongs to no topic")
            .at_file(env.vfs.describe(id.directory()))
    };
    let entries = env.vfs.list(id.directory()).map_err(failed)?;
    let first_log = log_file(0);
    let is_leftover = entries.iter().all(|entry| {
        let length = || env.vfs.metadata(&format!("{}/{}", id.directory(), entry.name));
        entry.name.starts_with(PARTITION_METADATA)
            || (entry.name == first_log && length().is_ok_and(|m| m.length == 0))
    });
    if is_leftover {
        return Ok(());
    }
    let unique = u128::from_be_bytes(env.random.bytes16());
    let stray = stray_dir(id.topic().as_str(), id.partition(), unique);
    env.vfs.rename(id.directory(), &stray).map_err(failed)?;
    env.vfs.create_dir(id.directory()).map_err(failed)
}

/// Renames the folders of deleted partitions to Kafka's name for that, and removes them. Readers
/// that still hold their files finish.
///
/// # Errors
/// If the disk refuses; the next open tries again.
pub(crate) fn remove_folders(env: &Env, folders: Vec<(PartitionId, &str)>) -> Result<()> {
    let synced =
        || env.vfs.sync_dir("").map_err(|e| Error::io(e, "cannot sync the data directory"));
    let mut renamed = Vec::with_capacity(folders.len());
    for (id, directory) in folders {
        let unique = u128::from_be_bytes(env.random.bytes16());
        let deleted = delete_dir(id.topic().as_str(), id.partition(), unique);
        env.vfs.rename(directory, &deleted).map_err(|e| {
            Error::io(e, "cannot rename the folder of a deleted partition")
                .at_file(env.vfs.describe(directory))
        })?;
        renamed.push(deleted);
    }
    // The names first: a folder that got its old one back after it lost the file with its id
    // would belong to nobody for ever.
    if !planted!("ids_lost_before_names") {
        synced()?;
    }
    renamed.iter().try_for_each(|deleted| remove_deleted_folder(env, deleted))?;
    synced()
}

/// Removes a folder that is named as deleted.
///
/// # Errors
/// If the disk refuses; the next open tries again.
pub(crate) fn remove_deleted_folder(env: &Env, directory: &str) -> Result<()> {
    let failed = |e| {
        Error::io(e, "cannot remove the folder of a deleted partition")
            .at_file(env.vfs.describe(directory))
    };
    for entry in env.vfs.list(directory).map_err(failed)? {
        env.vfs.remove_file(&format!("{directory}/{}", entry.name)).map_err(failed)?;
    }
    env.vfs.remove_dir(directory).map_err(failed)
}
