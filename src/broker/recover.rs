//! Opening the partitions of a directory, each in the way in which it was left.
//!
//! The catalog's own partition comes first, because the catalog says which others there are. An
//! entry of the journal goes to the partition that it names; one of a topic that was deleted since
//! is dropped; one of a topic that nobody ever heard of is damage.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::broker::directory::{Directory, Left, read_small_file};
use crate::broker::report::RecoveryReport;
use crate::commit::left_spills::LeftSpills;
use crate::commit::replay::Replay;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::format::checkpoint;
use crate::format::control_file::{ControlFile, PartitionState};
use crate::format::file_names::{
    CLEANER_CHECKPOINT, LOG_START_CHECKPOINT, RECOVERY_POINT_CHECKPOINT,
};
use crate::format::journal_frame::{EntryBatch, JournalEntry};
use crate::format::spill_file::SpilledEntry;
use crate::partition::Partition;
use crate::partition::id::PartitionId;
use crate::partition::recover::{Applied, Known};
use crate::partition::shared::Shared;
use crate::topic::{TopicId, TopicPartition};

/// Opens partitions one by one and collects what there is to report.
pub(crate) struct Opener<'a> {
    env: &'a Env,
    shared: &'a Arc<Shared>,
    how: How,
    /// The journal's batches by partition, in the order of their frames.
    journal: HashMap<(TopicId, i32), Vec<JournalEntry<'a>>>,
    spills: LeftSpills<'a>,
    pub(crate) report: RecoveryReport,
}

/// What is known about the partitions of the directory.
enum How {
    Clean(HashMap<(TopicId, i32), PartitionState>),
    Unclean(HashMap<(TopicId, i32), PartitionState>),
    Foreign { clean: bool, log_starts: Offsets, recovery_points: Offsets, cleaned: Offsets },
}

type Offsets = HashMap<TopicPartition, i64>;

impl<'a> Opener<'a> {
    /// Prepares to open the partitions of a surveyed directory; `replay` is its journal.
    ///
    /// # Errors
    /// `Corrupt` for a journal frame whose content makes no sense.
    pub(crate) fn new(
        env: &'a Env,
        shared: &'a Arc<Shared>,
        directory: &Directory,
        replay: &'a Replay,
    ) -> Result<Opener<'a>> {
        let how = match &directory.left {
            Left::Clean(control) => How::Clean(states_of(control)),
            Left::Unclean(control) => How::Unclean(states_of(control)),
            // There is nothing to recover in a folder that was made just now.
            Left::Empty => How::Clean(HashMap::new()),
            Left::Foreign { clean } => foreign(env, *clean)?,
        };
        let mut journal: HashMap<_, Vec<_>> = HashMap::new();
        for entry in replay.frames()?.into_iter().flatten() {
            journal.entry((entry.topic_id, entry.partition)).or_default().push(entry);
        }
        let report = RecoveryReport {
            clean: matches!(directory.left, Left::Clean(_)),
            foreign: matches!(directory.left, Left::Foreign { .. }),
            created: directory.left == Left::Empty,
            frames_replayed: replay.frame_count() as u64,
            unknown: directory.unknown.clone(),
            ..RecoveryReport::default()
        };
        let spills = LeftSpills::new(env, replay.salt());
        Ok(Opener { env, shared, how, journal, spills, report })
    }

    /// Opens one partition whose folder is there.
    ///
    /// # Errors
    /// Of the operating system. Damage makes the partition read-only instead, and is reported.
    pub(crate) fn open(&mut self, id: PartitionId, config: &TopicConfig) -> Result<Arc<Partition>> {
        let key = (id.topic_id(), id.partition());
        let name = TopicPartition::new(id.topic().clone(), id.partition());
        let entries = self.journal.remove(&key).unwrap_or_default();
        let known = match &mut self.how {
            How::Clean(states) => {
                let partition = match states.remove(&key) {
                    Some(state) => Partition::open_clean(self.shared, id, config, state)?,
                    None => Partition::create(self.shared, id, config)?,
                };
                self.note_damage(name, &partition);
                return Ok(partition);
            }
            How::Unclean(states) => {
                Known::State(states.remove(&key).unwrap_or_else(|| empty_state(&id)))
            }
            How::Foreign { clean, log_starts, recovery_points, cleaned } => Known::Foreign {
                log_start_offset: log_starts.get(&name).copied().unwrap_or(0),
                recovery_point: recovery_points.get(&name).copied().unwrap_or(0),
                cleaned_to: cleaned.get(&name).copied().unwrap_or(0).max(0),
                clean: *clean,
            },
        };
        let partition = self.recover(id, config, known, &name, &entries)?;
        self.note_damage(name, &partition);
        Ok(partition)
    }

    fn recover(
        &mut self,
        id: PartitionId,
        config: &TopicConfig,
        known: Known,
        name: &TopicPartition,
        entries: &[JournalEntry<'_>],
    ) -> Result<Arc<Partition>> {
        let now_ms = self.env.clock.wall_ms();
        let mut recovery = Partition::start_recovery(self.shared, id, config, known, now_ms)?;
        for entry in entries {
            let applied = match &entry.batch {
                EntryBatch::Here(batch) => recovery.apply(entry.base_offset, batch)?,
                EntryBatch::Spilled(spilled) => match recovery.skips(last_offset_of(spilled)?) {
                    true => Applied::Skipped,
                    false => recovery.apply(entry.base_offset, &self.spills.read(spilled)?)?,
                },
            };
            match applied {
                Applied::Written => self.report.batches_replayed += 1,
                Applied::Refused => self.report.batches_refused += 1,
                Applied::Skipped => {}
            }
        }
        let (partition, report) = recovery.finish()?;
        self.report.partitions.push((name.clone(), report));
        Ok(partition)
    }

    fn note_damage(&mut self, name: TopicPartition, partition: &Partition) {
        if let Some(damage) = partition.damage() {
            self.report.damaged.push((name, damage.clone()));
        }
    }

    /// Whether the control file says that the partition held data.
    pub(crate) fn remembers_data(&self, topic_id: TopicId, partition: i32) -> bool {
        match &self.how {
            How::Clean(states) | How::Unclean(states) => states
                .get(&(topic_id, partition))
                .is_some_and(|state| !state.segments.is_empty() || state.recovery_point > 0),
            How::Foreign { .. } => false,
        }
    }

    /// Makes sure that every spilled batch is there which the journal needs, before the first one
    /// is applied: half of a transaction must not be seen.
    ///
    /// # Errors
    /// `Corrupt` if one is not, whatever partition it belongs to; those of the disk.
    pub(crate) fn check_spills(&mut self, removed: &BTreeSet<TopicId>) -> Result<()> {
        let How::Unclean(states) = &self.how else { return Ok(()) };
        let needed = self.journal.iter().filter(|((topic_id, _), _)| !removed.contains(topic_id));
        for (key, entries) in needed {
            let floor = states.get(key).map_or(0, |s| s.recovery_point.max(s.log_start_offset));
            for entry in entries {
                if let EntryBatch::Spilled(spilled) = &entry.batch
                    && last_offset_of(spilled)? >= floor
                {
                    self.spills.check(spilled)?;
                }
            }
        }
        Ok(())
    }

    /// Drops the journal's batches of deleted topics once every partition was opened.
    ///
    /// # Errors
    /// `Corrupt` if a batch is left whose topic was never known.
    pub(crate) fn finish(mut self, removed: &BTreeSet<TopicId>) -> Result<RecoveryReport> {
        for ((topic_id, partition), entries) in &self.journal {
            if !removed.contains(topic_id) {
                let message = format!(
                    "the commit journal holds {} batches of partition {partition} of topic id \
                     {topic_id}, which the catalog does not know: committed records would be \
                     lost, so nothing was changed",
                    entries.len()
                );
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            self.report.batches_dropped += entries.len() as u64;
        }
        Ok(self.report)
    }
}

fn last_offset_of(spilled: &SpilledEntry<'_>) -> Result<i64> {
    Ok(spilled.header()?.last_offset())
}

fn states_of(control: &ControlFile) -> HashMap<(TopicId, i32), PartitionState> {
    let states = control.partitions.iter().cloned();
    states.map(|state| ((state.topic_id, state.partition), state)).collect()
}

fn empty_state(id: &PartitionId) -> PartitionState {
    PartitionState {
        topic_id: id.topic_id(),
        partition: id.partition(),
        log_start_offset: 0,
        recovery_point: 0,
        cleaned_to: 0,
        has_producers: false,
        segments: Vec::new(),
    }
}

fn foreign(env: &Env, clean: bool) -> Result<How> {
    Ok(How::Foreign {
        clean,
        log_starts: offsets(env, LOG_START_CHECKPOINT)?,
        recovery_points: offsets(env, RECOVERY_POINT_CHECKPOINT)?,
        cleaned: offsets(env, CLEANER_CHECKPOINT)?,
    })
}

/// Kafka's text checkpoint of that name. One that is missing or unreadable counts as empty, as
/// Kafka does: everything is looked at then.
fn offsets(env: &Env, name: &str) -> Result<Offsets> {
    let exists = env.vfs.metadata(name).is_ok();
    let entries = match exists {
        true => checkpoint::decode(&read_small_file(env, name)?).unwrap_or_default(),
        false => Vec::new(),
    };
    Ok(entries.into_iter().map(|entry| (entry.partition, entry.offset)).collect())
}
