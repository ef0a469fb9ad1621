//! The front door: a directory opened as a broker.
//!
//! [`Broker`] is the handle that users hold; [`Engine`] is what all handles of one open directory
//! share. The verbs are in the files: `open`, `close`, `admin`, `maintenance`, `verify`; the
//! handles for reading and writing one partition in `partition_handle` and `atomic_append`.

pub(crate) mod admin;
pub(crate) mod adopt;
pub(crate) mod atomic_append;
pub(crate) mod cleaner;
pub(crate) mod clients;
pub(crate) mod close;
pub(crate) mod compact;
pub(crate) mod directory;
pub(crate) mod expect_end;
pub(crate) mod finish_transactions;
pub(crate) mod group_admin;
pub(crate) mod groups;
pub(crate) mod maintenance;
pub(crate) mod offsets;
pub(crate) mod open;
pub(crate) mod partition_handle;
pub(crate) mod producer_ids;
pub(crate) mod recover;
pub(crate) mod report;
pub(crate) mod retention;
pub(crate) mod snapshot;
pub(crate) mod stream;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod topics;
pub(crate) mod transactions;
pub(crate) mod verify;
mod verify_closed;

use std::path::Path;
use std::sync::Arc;

use crate::broker::admin::CatalogState;
use crate::broker::cleaner::Cleaner;
use crate::broker::maintenance::Maintenance;
use crate::broker::producer_ids::ProducerIds;
use crate::broker::report::RecoveryReport;
use crate::broker::topics::TopicMap;
use crate::commit::Committer;
use crate::config::broker::BrokerOptions;
use crate::env::Env;
use crate::env::dir_lock::DirLock;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::AtomicBool;
use crate::env::threads::PeriodicLoop;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::Coordinator;
use crate::group::offsets::OffsetStore;
use crate::partition::shared::Shared;
use crate::partition::waiters::Waiters;
use crate::producer::accumulator::Accumulator;
use crate::transaction::open_transactions::OpenTransactions;

/// An open data directory: Kafka's log inside this process. Cheap to clone, usable from any
/// thread.
///
/// The directory is closed by [`close`](Broker::close), or when the last handle of it goes: the
/// last clone, producer, consumer or partition handle. Only `close` tells what went wrong.
///
/// ```
/// use ottla::{Acks, Broker, Message, TopicConfig};
///
/// # fn main() -> ottla::Result<()> {
/// let broker = Broker::in_memory()?;
/// broker.create_topic("orders", TopicConfig::new().partitions(4))?;
/// let orders = broker.partition("orders", 0)?;
/// let written = orders.append(&[Message::new("one burger").key("john")], Acks::All)?;
/// assert_eq!(written.base_offset, 0);
/// broker.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    pub(crate) engine: Arc<Held>,
}

/// What every handle of a user holds. The last one that goes closes the directory, on the thread
/// that lets go of it: the maintenance thread, which holds the engine alone, never does.
#[derive(Debug)]
pub(crate) struct Held(Arc<Engine>);

impl Held {
    pub(crate) fn new(engine: Arc<Engine>) -> Held {
        Held(engine)
    }

    /// The engine by itself, which does not hold the directory open.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.0)
    }
}

impl std::ops::Deref for Held {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `close`.
        let _ = self.0.close();
    }
}

/// What all handles of one open directory share.
pub(crate) struct Engine {
    pub(crate) env: Env,
    pub(crate) options: BrokerOptions,
    pub(crate) committer: Arc<Committer>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) topics: TopicMap,
    /// Held while the catalog changes.
    pub(crate) catalog: Mutex<CatalogState>,
    /// The consumer groups.
    pub(crate) groups: Arc<Coordinator>,
    /// Producers that want ticks and have to be flushed before the close.
    pub(crate) producers: Mutex<Vec<std::sync::Weak<Accumulator>>>,
    /// The transactions that are open.
    pub(crate) transactions: Arc<OpenTransactions>,
    /// Ids for idempotent producers.
    pub(crate) producer_ids: ProducerIds,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) cleaner: Cleaner,
    /// The committed offsets of all groups.
    pub(crate) offsets: Arc<OffsetStore>,
    /// The maintenance thread, if there is one.
    pub(crate) background: Mutex<Option<PeriodicLoop>>,
    pub(crate) has_background: AtomicBool,
    pub(crate) report: RecoveryReport,
    pub(crate) read_only: Option<String>,
    pub(crate) lock: Mutex<Option<Box<dyn DirLock>>>,
    pub(crate) closed: AtomicBool,
    /// Consumers that sleep while `closed` is set.
    pub(crate) closing: Waiters,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("directory", &self.env.vfs.describe(""))
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Opens a directory for reading and writing, making it if there is none, and mends what a
    /// crash left. [`recovery_report`](Self::recovery_report) tells what was found.
    ///
    /// # Errors
    /// `Locked` if another program or another handle has it open, be it for reading: one program
    /// at a time writes a directory, others read while nobody writes. `Corrupt` if committed records
    /// are missing from the journal (damage of one partition makes only that one read-only);
    /// `Unsupported` for a newer format; `Io` and `NoSpace`.
    pub fn open(directory: impl AsRef<Path>) -> Result<Broker> {
        BrokerOptions::new().open(directory)
    }

    /// The settings to open a directory with.
    pub fn options() -> BrokerOptions {
        BrokerOptions::new()
    }

    /// A broker whose directory is in memory, for tests: everything behaves as on a disk, and is
    /// gone with the last handle.
    ///
    /// # Errors
    /// None that a program could provoke.
    pub fn in_memory() -> Result<Broker> {
        let options = BrokerOptions::new().journal_file_bytes(1 << 20);
        options.open_in(Env::memory())
    }

    /// What opening found and did.
    pub fn recovery_report(&self) -> &RecoveryReport {
        &self.engine.report
    }

    /// Whether the broker refuses to write.
    pub fn is_read_only(&self) -> bool {
        self.engine.read_only.is_some()
    }
}

impl Engine {
    /// Refuses what would write when the directory is open for reading only, or closed.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match &self.read_only {
            None => Ok(()),
            Some(why) => {
                Err(Error::new(ErrorKind::ReadOnly, format!("the broker is read-only: {why}")))
            }
        }
    }
}
