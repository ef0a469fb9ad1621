//! Opening a directory. The steps, and what a stop in each of them leaves:
//!
//! 1. Lock it. *If we stop here* the kernel gives the lock back.
//! 2. Look at names, marker and control file, and read the journal in full. After an unclean end,
//!    make sure that these stay. *If we stop here* nothing of it has changed.
//! 3. An empty directory gets the files of a new one. *If we stop here* the next open goes on.
//! 4. The catalog's log is recovered, then every partition that it names: journal entries are
//!    applied, kept tails are written again, what is torn is cut into quarantine, all is synced.
//!    *If we stop here* the control file and the journal still say the same, and the next open
//!    does it again.
//! 5. The session begins: the clean marker goes, a fresh salt makes the old journal meaningless,
//!    the control file says what was recovered. After a clean close this waits for the first
//!    write, so that opening and closing changes nothing.
//! 6. What earlier sessions left undone is finished: deleted topics leave, transactions of other
//!    programs are decided.
//! 7. After an end that was not clean the committed offsets are read and held against the ends of
//!    the partitions. *If we stop here* the next open does it again. After a clean close they are
//!    read when somebody asks for them.
//!
//! Opening for reading does all of this, too, on a layer over the directory that keeps every
//! change in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::broker::admin::{CatalogState, topic_handle};
use crate::broker::cleaner::Cleaner;
use crate::broker::directory::{Directory, Left};
use crate::broker::finish_transactions::finish_transactions;
use crate::broker::maintenance::Maintenance;
use crate::broker::offsets::offsets_options;
use crate::broker::producer_ids::ProducerIds;
use crate::broker::recover::Opener;
use crate::broker::report::RecoveryReport;
use crate::broker::topics::TopicMap;
use crate::broker::transactions::transaction_limits;
use crate::broker::{Broker, Engine, Held, adopt};
use crate::catalog::Catalog;
use crate::catalog::topic_handle::TopicHandle;
use crate::commit::Committer;
use crate::commit::journal::JournalOptions;
use crate::commit::left_spills::{remove_spills, set_spills_aside};
use crate::commit::replay::{Replay, leftover_files};
use crate::commit::seen_time::is_in_the_future;
use crate::config::broker::{BrokerOptions, DESCRIPTORS_MIN};
use crate::env::Env;
use crate::env::overlay::OverlayVfs;
use crate::env::planted::planted;
use crate::env::poison::Poison;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::AtomicBool;
use crate::env::vfs::LockMode;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::ControlFile;
use crate::format::file_names::{OTTLA_OPEN, quarantine_file};
use crate::group::coordinator::Coordinator;
use crate::group::offsets::OffsetStore;
use crate::partition::Partition;
use crate::partition::id::PartitionId;
use crate::partition::shared::{Shared, SharedOptions};
use crate::partition::waiters::Waiters;
use crate::transaction::open_transactions::OpenTransactions;

/// How much a read-only open may keep in memory of what recovery would have written.
const OVERLAY_BYTES_MAX: u64 = 1 << 30;

impl BrokerOptions {
    /// Opens a directory with these settings; see [`Broker::open`].
    ///
    /// # Errors
    /// As [`Broker::open`]; `InvalidInput` for a setting out of range.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<Broker> {
        let env = Env::disk(directory.as_ref(), !self.read_only)?;
        self.open_in(env)
    }

    /// Opens a directory of any environment: a simulated disk, a directory in memory.
    ///
    /// # Errors
    /// As [`Broker::open`].
    pub fn open_in(self, env: Env) -> Result<Broker> {
        self.validate()?;
        let background = self.background;
        let engine = Arc::new(open_engine(self, env)?);
        if background && engine.read_only.is_none() {
            engine.start_background()?;
            engine.start_cleaner()?;
        }
        Ok(Broker { engine: Arc::new(Held::new(engine)) })
    }
}

/// What steps 3 and 4 open.
struct Opened {
    shared: Arc<Shared>,
    metadata: Arc<Partition>,
    catalog: Catalog,
    /// Batches that a new catalog begins with; not committed yet.
    first_records: Vec<Vec<u8>>,
    topics: Vec<Arc<TopicHandle>>,
    report: RecoveryReport,
}

fn open_engine(options: BrokerOptions, env: Env) -> Result<Engine> {
    let started = env.clock.monotonic();
    // 1. The lock.
    let mode = if options.read_only { LockMode::Shared } else { LockMode::Exclusive };
    let lock = env.vfs.lock(mode)?;
    // 2. What is there.
    let directory = Directory::survey(&env)?;
    let mut read_only = read_only_reason(&options, &env, &directory)?;
    let env = match &read_only {
        Some(_) => in_memory_over(&env)?,
        None => env,
    };
    let replay = match &directory.left {
        Left::Unclean(control) if !control.closed => Replay::read(&env, control.journal)?,
        _ => Replay::default(),
    };
    secure(&env, &directory, &replay)?;
    // 3. and 4. A new directory, and the partitions.
    let poison = Arc::new(Poison::new());
    let control = control_of(&directory);
    let wall_ms_max = control.wall_ms_max;
    let shared_options = shared_options(&options, &env, wall_ms_max);
    let shared = Shared::new(env.clone(), Arc::clone(&poison), shared_options);
    let mut opened = open_partitions(&env, shared, &directory, &replay)?;
    if read_only.is_none() {
        read_only = keep_refused_batches(&options, &env, &directory, &mut opened.report)?;
    }
    let keeps_journal = opened.report.batches_refused > 0 && !options.adopt;
    // 5. and 6. The session, and what was left undone.
    let committer = Committer::new(&env, poison, journal_options(&options), control)?;
    if !keeps_journal {
        begin(&env, &committer, &directory, &mut opened)?;
    }
    let state = finish_undone(&env, &committer, &directory, &mut opened, keeps_journal)?;
    let mut report = opened.report;
    report.read_only_because = read_only.clone().filter(|_| !options.read_only);
    let producer_ids = ProducerIds::new(state.catalog.next_producer_id());
    let topics = TopicMap::default();
    topics.put(&opened.topics);
    let maintenance = Maintenance::new(&env, &options, wall_ms_max);
    let offsets = Arc::new(OffsetStore::new(&env, offsets_options(&options)));
    let groups = Coordinator::new(&env, Arc::clone(&offsets));
    let mut engine = Engine {
        maintenance: Mutex::new(maintenance),
        cleaner: Cleaner::default(),
        offsets,
        committer: Arc::new(committer),
        shared: opened.shared,
        topics,
        catalog: Mutex::new(state),
        groups,
        producers: Mutex::default(),
        transactions: OpenTransactions::new(transaction_limits(&options)),
        producer_ids,
        background: Mutex::default(),
        has_background: AtomicBool::new(false),
        report,
        read_only,
        lock: Mutex::new(Some(lock)),
        closed: AtomicBool::new(false),
        closing: Waiters::default(),
        options,
        env,
    };
    // 7. The groups.
    engine.load_offsets_after_unclean_end();
    engine.report.duration = engine.env.clock.monotonic().saturating_sub(started);
    Ok(engine)
}

/// Steps 3 and 4.
fn open_partitions(
    env: &Env,
    shared: Arc<Shared>,
    directory: &Directory,
    replay: &Replay,
) -> Result<Opened> {
    if !directory.has_catalog() {
        adopt::make_directory(env, directory)?;
    }
    if let Left::Clean(control) = &directory.left {
        shared.know_sums(&control.files);
    }
    let mut opener = Opener::new(env, &shared, directory, replay)?;
    let metadata = opener.open(adopt::metadata_id()?, &adopt::metadata_config()?)?;
    refuse_damaged_catalog(&metadata)?;
    let mut catalog = adopt::read_catalog(env, &metadata)?;
    let first_records = match metadata.end_offset() {
        0 => adopt::first_records(env, &mut catalog, directory)?,
        _ => Vec::new(),
    };
    opener.check_spills(catalog.removed())?;
    let topics = open_topics(&mut opener, env, &catalog, directory)?;
    let report = opener.finish(catalog.removed())?;
    Ok(Opened { shared, metadata, catalog, first_records, topics, report })
}

/// The journal may hold the only copy of batches that a damaged partition could not take. As long
/// as no session begins it stays as it is, and once the partition is mended the next open applies
/// it; so the broker is read-only, and this says why. Whoever wants to go on without those batches
/// says so, and the journal is set aside.
fn keep_refused_batches(
    options: &BrokerOptions,
    env: &Env,
    directory: &Directory,
    report: &mut RecoveryReport,
) -> Result<Option<String>> {
    if planted!("refused_batches_dropped") {
        report.batches_refused = 0;
    }
    if report.batches_refused == 0 {
        return Ok(None);
    }
    if options.adopt {
        report.quarantined = set_leftovers_aside(env, directory)?;
        return Ok(None);
    }
    Ok(Some(format!(
        "the commit journal holds {} batches that a damaged partition cannot take; mend the \
         partition, or open with adopt(true) to set them aside",
        report.batches_refused
    )))
}

/// Step 6.
fn finish_undone(
    env: &Env,
    committer: &Committer,
    directory: &Directory,
    opened: &mut Opened,
    keeps_journal: bool,
) -> Result<CatalogState> {
    let catalog = std::mem::take(&mut opened.catalog);
    let metadata = Arc::clone(&opened.metadata);
    let mut state = CatalogState { catalog, metadata, place: adopt::place(env)? };
    if keeps_journal {
        return Ok(state);
    }
    let first_records = std::mem::take(&mut opened.first_records);
    if !first_records.is_empty() {
        adopt::write_first_records(committer, &opened.metadata, first_records)?;
    }
    state.mend(env, committer)?;
    adopt::remove_deleted(env, committer, &state, directory, &mut opened.report)?;
    if opened.report.foreign {
        finish_transactions(env, committer, &opened.topics, &mut opened.report)?;
    }
    Ok(state)
}

/// Makes the partitions known to the committer and begins its session; on a directory that was
/// closed cleanly the first write does that.
fn begin(
    env: &Env,
    committer: &Committer,
    directory: &Directory,
    opened: &mut Opened,
) -> Result<()> {
    // All at once: the list is copied each time.
    let mut partitions = vec![Arc::clone(&opened.metadata)];
    partitions.extend(opened.topics.iter().flat_map(|topic| topic.partitions.iter().cloned()));
    committer.register(&partitions);
    if opened.report.clean {
        opened.report.quarantined = set_leftovers_aside(env, directory)?;
        return take_open_mark_away(env);
    }
    let healthy = partitions.iter().filter(|partition| partition.damage().is_none());
    committer.put_states(healthy.map(|partition| partition.state()).collect());
    if planted!("spills_removed_before_session") {
        let_go_of_spills(env, directory, &mut opened.report)?;
        return committer.begin_session();
    }
    committer.begin_session()?;
    let_go_of_spills(env, directory, &mut opened.report)
}

/// The session has a salt of its own by now, so nothing asks for a spill of an earlier one. Where
/// another program was in between, nobody knows what they are: they are kept for a look. So are
/// those that belong to a journal that was set aside.
fn let_go_of_spills(env: &Env, directory: &Directory, report: &mut RecoveryReport) -> Result<()> {
    if report.batches_refused > 0 {
        return Ok(());
    }
    if report.foreign {
        report.quarantined.extend(set_spills_aside(env, &directory.spills)?);
        return Ok(());
    }
    let let_go = remove_spills(env, &directory.spills)?;
    report.spills_removed = let_go.removed;
    report.unknown.extend(let_go.unknown);
    Ok(())
}

/// Makes sure that what recovery goes by is still there if it is interrupted: the process before
/// may have died just before it synced the control file's new name, or the newest frame. Segments
/// below a log start must not go while a control file that needs them may come back, and no batch
/// of a frame may become durable while the frame itself may vanish.
fn secure(env: &Env, directory: &Directory, replay: &Replay) -> Result<()> {
    if let Left::Unclean(_) = directory.left {
        if !planted!("control_name_not_secured") {
            env.vfs.sync_dir("").map_err(|e| Error::io(e, "cannot sync the data directory"))?;
        }
        replay.secure_newest(env)?;
    }
    Ok(())
}

/// Why the directory is opened for reading only, if it is.
fn read_only_reason(
    options: &BrokerOptions,
    env: &Env,
    directory: &Directory,
) -> Result<Option<String>> {
    if options.read_only {
        if directory.left == Left::Empty {
            let message = "there is no log directory here to read";
            return Err(Error::new(ErrorKind::InvalidInput, message).at_file(env.vfs.describe("")));
        }
        return Ok(Some("it was opened so".to_owned()));
    }
    if !directory.has_catalog()
        && let Some(stranger) = directory.unknown.first()
    {
        let message = format!(
            "this is no log directory, and it holds {stranger:?}: choose an empty one, or take \
             that out of it"
        );
        return Err(Error::new(ErrorKind::InvalidInput, message).at_file(env.vfs.describe("")));
    }
    match directory.left {
        Left::Foreign { .. } if !options.adopt && directory.has_catalog() => {
            adopt::not_alone(env, directory)
        }
        _ => Ok(None),
    }
}

/// The same directory, with every change kept in memory.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn in_memory_over(env: &Env) -> Result<Env> {
    let overlay = OverlayVfs::new(env.vfs.clone(), OVERLAY_BYTES_MAX).map_err(|e| {
        Error::io(e, "cannot read the data directory").at_file(env.vfs.describe(""))
    })?;
    Ok(Env { vfs: Arc::new(overlay), ..env.clone() })
}

fn shared_options(options: &BrokerOptions, env: &Env, wall_ms_max: i64) -> SharedOptions {
    let expiration_ms = options.producer_expiration.as_millis();
    SharedOptions {
        producer_expiration_ms: i64::try_from(expiration_ms).unwrap_or(i64::MAX),
        wall_ms: is_in_the_future(env, wall_ms_max).then_some(wall_ms_max),
        descriptors_max: options.descriptors_max.min(half_of_all_descriptors(env)) as usize,
        quarantine_bytes_max: options.quarantine_bytes_max,
        key_index_cache_bytes: options.key_index_cache_bytes,
    }
}

/// As many logs as may be open at a time if the program and everything else of the broker are to keep
/// as many.
fn half_of_all_descriptors(env: &Env) -> u32 {
    let half = env.vfs.descriptor_limit().map_or(u64::from(u32::MAX), |limit| limit / 2);
    u32::try_from(half).unwrap_or(u32::MAX).max(DESCRIPTORS_MIN)
}

fn journal_options(options: &BrokerOptions) -> JournalOptions {
    JournalOptions {
        file_bytes: u64::from(options.journal_file_bytes),
        files_max: options.journal_files as usize,
        frame_bytes_max: u64::from(options.commit_bytes_max),
    }
}

fn control_of(directory: &Directory) -> ControlFile {
    match &directory.left {
        Left::Clean(control) | Left::Unclean(control) => control.clone(),
        Left::Empty | Left::Foreign { .. } => ControlFile::default(),
    }
}

/// Without the catalog nobody can say what the folders are: its damage is the whole directory's.
fn refuse_damaged_catalog(metadata: &Partition) -> Result<()> {
    metadata.damage().map_or(Ok(()), |damage| Err(damage.clone()))
}

/// Opens the partitions of every topic of the catalog.
fn open_topics(
    opener: &mut Opener<'_>,
    env: &Env,
    catalog: &Catalog,
    directory: &Directory,
) -> Result<Vec<Arc<TopicHandle>>> {
    let mut made = BTreeSet::new();
    let mut topics = Vec::new();
    for topic in catalog.topics() {
        let config = Arc::new(crate::broker::admin::config_of(topic));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for number in 0..topic.partitions.len() {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            let id = PartitionId::new(topic.name.clone(), number, topic.id);
            let is_there = directory.partitions.contains_key(&(topic.name.clone(), number));
            if !is_there && !opener.remembers_data(topic.id, number) {
                // Assigned and never written: a broker makes the folder at the first record, too.
                crate::broker::admin::make_partition_folder(env, &id)?;
                made.insert(id.directory().to_owned());
            }
            partitions.push(opener.open(id, &config)?);
        }
        topics.push(topic_handle(topic, partitions, config));
    }
    if !made.is_empty() {
        env.vfs.sync_dir("").map_err(|e| Error::io(e, "cannot sync the data directory"))?;
    }
    Ok(topics)
}

/// A session died when it had marked the directory as open and not yet taken the clean marker
/// away: it is clean, and a broker must find it so.
fn take_open_mark_away(env: &Env) -> Result<()> {
    if env.vfs.metadata(OTTLA_OPEN).is_err() {
        return Ok(());
    }
    let failed = |e| Error::io(e, "cannot mark the directory as closed").at_file(OTTLA_OPEN);
    env.vfs.remove_dir(OTTLA_OPEN).and_then(|()| env.vfs.sync_dir("")).map_err(failed)
}

/// After a clean close the journal is empty, and there are no spills. What is there all the same was
/// put there by nobody we know; it is not replayed, and kept for a look.
fn set_leftovers_aside(env: &Env, directory: &Directory) -> Result<Vec<String>> {
    let mut set_aside = set_spills_aside(env, &directory.spills)?;
    for name in leftover_files(env)? {
        let taken = |name: &String| env.vfs.metadata(name).is_ok();
        let Some(quarantine) = (1..).map(quarantine_file).find(|name| !taken(name)) else { break };
        env.vfs
            .rename(&name, &quarantine)
            .map_err(|e| Error::io(e, "cannot set a journal file aside").at_file(&name))?;
        set_aside.push(quarantine);
    }
    if !set_aside.is_empty() {
        env.vfs.sync_dir("").map_err(|e| Error::io(e, "cannot sync the data directory"))?;
    }
    Ok(set_aside)
}
