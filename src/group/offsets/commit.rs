//! Committing offsets: what a commit must fulfil, and its one batch.
//!
//! 1. The data is synced up to the offsets, in the thread that commits. *If we stop here* nothing
//!    was committed.
//! 2. The batch goes through the committer: one frame with whatever else is committed then. Under
//!    the leader's lock the conditions are asked for once more. *If we stop here*, before the sync
//!    of the frame, the commit may or may not be found; nobody was told anything.
//! 3. The frame is synced; the table shows the offsets, then the ack is given.

use std::sync::Arc;

use super::changes::{Change, Now, Prepared, What, prepare};
use super::table::Metadata;
use super::{OffsetStore, OffsetsHost};
use crate::commit::ticket::{Effect, Part};
use crate::error::{Error, ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::topic::TopicPartition;

/// What goes into a ticket: batches for the topic of offsets, and what shows the offsets.
pub(crate) type PreparedOffsets = (Vec<Part>, Option<Box<dyn Effect>>);

/// Called once with the outcome of a commit, under no lock.
pub(crate) type OnCommitted = Box<dyn FnOnce(Result<()>) + Send>;

/// Many changes at once are written in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;

/// The longest name of a group, as the format allows it.
const GROUP_NAME_BYTES_MAX: usize = i16::MAX as usize;

impl OffsetStore {
    /// Commits offsets of a group, all or none; returns when they are durable. `generation` is that
    /// of a group with members, `None` for a consumer that assigned itself.
    ///
    /// # Durability
    /// When it returns `Ok`, the offsets and all records below them survive power loss.
    ///
    /// # Errors
    /// `OffsetOutOfRange` beyond the end of a partition, `InvalidInput` for a negative offset or no
    /// name of a group, `Limit` for a long note, `UnknownTopicOrPartition`, and those of any
    /// durable append.
    pub(crate) fn commit(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
        generation: Option<i32>,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        let Some(prepared) = self.prepare_commit(host, group, generation, offsets)? else {
            return Ok(());
        };
        prepared.effect.sync_data()?;
        self.write(host, prepared)
    }

    /// Queues a commit for the next group of commits without waiting; `on_done` gets the outcome.
    /// Two commits of one thread are made in the order of the calls.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), through `on_done`.
    pub(crate) fn commit_async(
        self: &Arc<Self>,
        host: &dyn OffsetsHost,
        group: &str,
        generation: Option<i32>,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        on_done: OnCommitted,
    ) {
        let Prepared { parts, effect } = match self.prepare_commit(host, group, generation, offsets)
        {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return on_done(Ok(())),
            Err(error) => return on_done(Err(error)),
        };
        let store = Arc::clone(self);
        let on_outcome = Box::new(move |(outcome, parts): (Result<Vec<_>>, _)| {
            store.recycle(parts);
            on_done(outcome.map(drop));
        });
        host.committer().enqueue_with(parts, Some(effect), on_outcome);
    }

    /// The last member of a group left. Nothing is written now: the next commit of the group says
    /// it, or the close.
    pub(crate) fn note_empty(&self, group: &str, generation: i32) {
        let mut table = self.table.write();
        let Some((name, _)) = table.groups.get_key_value(group) else { return };
        let name = Arc::clone(name);
        let Some(found) = table.groups.get_mut(group) else { return };
        found.idle_since = self.env.clock.monotonic();
        match &mut found.metadata {
            Metadata::Consumer { .. } => return,
            Metadata::Classic { generation: known, .. } => *known = generation.max(*known),
            // It has offsets, all of them from before it had members.
            Metadata::None => {
                let protocol_type = "consumer".to_owned();
                found.metadata = Metadata::Classic { protocol_type, generation };
            }
        }
        table.owed.insert(name);
    }

    /// Writes what is owed, before the directory is closed.
    ///
    /// # Durability
    /// When it returns `Ok`, the states of all groups survive power loss.
    ///
    /// # Errors
    /// Those of a durable append. Nothing is lost: the log says the same with older generations.
    pub(crate) fn write_owed(&self, host: &dyn OffsetsHost) -> Result<()> {
        let changes: Vec<Change> = {
            let table = self.table.read();
            let generation =
                |name: &Arc<str>| table.groups.get(name).map(|g| g.metadata.generation());
            let owed = table.owed.iter().filter_map(|name| Some((name, generation(name)?)));
            owed.map(|(name, generation)| Change {
                group: Arc::clone(name),
                what: What::Empty { generation },
            })
            .collect()
        };
        if changes.is_empty() {
            return Ok(());
        }
        self.write_changes(host, changes)
    }

    /// The batches of a commit that goes with something else, and its effect. The data below the
    /// offsets is synced.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn prepare_within(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
        generation: Option<i32>,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<PreparedOffsets> {
        let Some(prepared) = self.prepare_commit(host, group, generation, offsets)? else {
            return Ok((Vec::new(), None));
        };
        prepared.effect.sync_data()?;
        Ok((prepared.parts, Some(prepared.effect)))
    }

    /// Refuses what no commit of these offsets could get over.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), but for what may change until then.
    pub(crate) fn check_offsets(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        check_group_name(group)?;
        let group: Arc<str> = Arc::from(group);
        offsets
            .iter()
            .try_for_each(|(at, offset)| self.check_offset(host, &group, at, offset).map(drop))
    }

    /// The batch of a commit; `None` if there is nothing to commit.
    fn prepare_commit(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
        generation: Option<i32>,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<Option<Prepared>> {
        check_group_name(group)?;
        host.check_writable()?;
        if offsets.is_empty() {
            return Ok(None);
        }
        let group: Arc<str> = Arc::from(group);
        let mut changes = Vec::with_capacity(offsets.len() + 1);
        for (at, committed) in offsets {
            changes.push(self.check_offset(host, &group, at, committed)?);
        }
        // The partition is read before anything is queued for it, also one that was made just now:
        // reading it later would put older offsets over newer ones.
        if host.offsets_topic().is_none() {
            host.create_offsets_topic()?;
        }
        self.ensure(host, &group)?;
        if let Some(generation) = self.generation_to_write(&group, generation) {
            changes.insert(0, Change { group, what: What::Empty { generation } });
        }
        self.prepare(host, changes).map(Some)
    }

    /// The generation, if the log does not tell it yet.
    fn generation_to_write(&self, group: &str, generation: Option<i32>) -> Option<i32> {
        let table = self.table.read();
        let known = table.groups.get(group).map(|group| &group.metadata);
        match (known, generation) {
            (Some(Metadata::Consumer { .. }), _) => None,
            (Some(Metadata::Classic { generation: known, protocol_type }), generation) => {
                let is_news = table.owed.contains(group) || protocol_type != "consumer";
                let newest = generation.map_or(*known, |generation| generation.max(*known));
                let is_member = generation.is_some() || table.owed.contains(group);
                (is_member && (is_news || newest != *known)).then_some(newest)
            }
            (Some(Metadata::None) | None, generation) => generation,
        }
    }

    fn check_offset(
        &self,
        host: &dyn OffsetsHost,
        group: &Arc<str>,
        at: &TopicPartition,
        committed: &OffsetAndMetadata,
    ) -> Result<Change> {
        let named = |error: Error| error.at_partition(at.topic.as_str(), at.partition);
        if committed.offset < 0 {
            let message = format!("the offset {} cannot be committed", committed.offset);
            return Err(named(Error::new(ErrorKind::InvalidInput, message)));
        }
        let (length, allowed) = (committed.metadata.len(), self.options.metadata_bytes_max);
        if length > allowed {
            let message = format!(
                "the metadata of an offset has {length} bytes, offset.metadata.max.bytes allows \
                 {allowed}"
            );
            return Err(named(Error::new(ErrorKind::Limit, message)));
        }
        let topic = host.topic(at.topic.as_str())?;
        let partition = usize::try_from(at.partition).ok().and_then(|n| topic.partitions.get(n));
        let Some(partition) = partition else {
            let message = format!("topic {} has {} partitions", at.topic, topic.partitions.len());
            return Err(named(Error::new(ErrorKind::UnknownTopicOrPartition, message)));
        };
        let what = What::Commit {
            at: at.clone(),
            partition: Arc::clone(partition),
            committed: committed.clone(),
        };
        Ok(Change { group: Arc::clone(group), what })
    }

    /// The batches of `changes`, whose groups were read.
    pub(super) fn prepare(&self, host: &dyn OffsetsHost, changes: Vec<Change>) -> Result<Prepared> {
        let topic = host.offsets_topic().ok_or_else(no_topic)?;
        let mut builder = self.builder.lock();
        prepare(&self.table, &topic, &mut builder, changes, self.now())
    }

    /// Commits prepared changes.
    pub(super) fn write(&self, host: &dyn OffsetsHost, prepared: Prepared) -> Result<()> {
        let Prepared { parts, effect } = prepared;
        let (outcome, parts) = host.committer().commit_with(parts, Some(effect));
        self.recycle(parts);
        outcome.map(drop)
    }

    /// Prepares and commits changes, in as many pieces as it takes.
    pub(super) fn write_changes(
        &self,
        host: &dyn OffsetsHost,
        mut changes: Vec<Change>,
    ) -> Result<()> {
        while !changes.is_empty() {
            let rest = changes.split_off(self.first_piece(&changes));
            let prepared = self.prepare(host, changes)?;
            prepared.effect.sync_data()?;
            self.write(host, prepared)?;
            changes = rest;
        }
        Ok(())
    }

    /// How many of the changes, at least one, go well into one frame.
    pub(super) fn first_piece(&self, changes: &[Change]) -> usize {
        let bytes_max = PIECE_BYTES.min(self.options.commit_bytes_max / 2);
        let mut bytes = 0;
        let fits = |change: &&Change| {
            bytes += change.bytes_max();
            bytes <= bytes_max
        };
        changes.iter().take_while(fits).count().max(1).min(changes.len())
    }

    pub(super) fn now(&self) -> Now {
        // A clock that stands before 1970 gives no timestamp that a record could have.
        let wall_ms = self.env.clock.wall_ms().max(0);
        Now { wall_ms, monotonic: self.env.clock.monotonic() }
    }

    pub(crate) fn recycle(&self, parts: Vec<Part>) {
        if let Some(part) = parts.into_iter().next() {
            self.builder.lock().recycle(part.batch.into_buffer());
        }
    }
}

fn no_topic() -> Error {
    let message = "the topic of committed offsets is not there";
    Error::new(ErrorKind::UnknownTopicOrPartition, message)
}

/// Checks what a group may be called: anything that the format can hold, but not nothing.
///
/// # Errors
/// `InvalidInput`.
pub(crate) fn check_group_name(group: &str) -> Result<()> {
    let message = match group.len() {
        0 => "a group needs a name".to_owned(),
        length if length > GROUP_NAME_BYTES_MAX => {
            format!("the name of a group has {length} bytes, {GROUP_NAME_BYTES_MAX} are allowed")
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidInput, message))
}
