//! The transactions of one broker that are open: to be timed out and closed; and which producer
//! holds which transactional id.
//!
//! Holds none of them: a transaction belongs to its handle. Both locks in here are leaves, and
//! nothing of a transaction is touched under them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::batch::builder::BatchBuilder;
use crate::env::planted::planted;
use crate::env::sync::Mutex;
use crate::error::{Error, ErrorKind, Result};
use crate::transaction::host::TransactionLimits;
use crate::transaction::staging::{Ending, Staging};

/// More builders than this are not kept for the transactions to come.
const SPARE_BUILDERS_MAX: usize = 64;

/// Nor those with larger buffers: what one large transaction needed is not held for ever.
const SPARE_BYTES_MAX: usize = 64 << 10;

/// All open transactions of a broker.
pub(crate) struct OpenTransactions {
    pub(super) limits: TransactionLimits,
    open: Mutex<Open>,
    holders: Mutex<Holders>,
    spare: Mutex<Vec<BatchBuilder>>,
}

#[derive(Default)]
struct Open {
    by_number: BTreeMap<u64, Weak<Staging>>,
    next_number: u64,
}

/// Who has which transactional id. Numbers are given under the same lock, so that of two who come
/// at a time the one that fences the other is the one that keeps the id.
#[derive(Default)]
struct Holders {
    newest: HashMap<Arc<str>, u64>,
    next_number: u64,
}

/// Who holds a transactional id, until somebody newer does.
#[derive(Clone)]
pub(super) struct Holder {
    transactions: Arc<OpenTransactions>,
    pub(super) id: Arc<str>,
    number: u64,
}

impl OpenTransactions {
    pub(crate) fn new(limits: TransactionLimits) -> Arc<OpenTransactions> {
        Arc::new(OpenTransactions {
            limits,
            open: Mutex::default(),
            holders: Mutex::default(),
            spare: Mutex::default(),
        })
    }

    /// Adds a transaction; `make` gets its number.
    pub(super) fn add(&self, make: impl FnOnce(u64) -> Staging) -> Arc<Staging> {
        let mut open = self.open.lock();
        let number = open.next_number;
        open.next_number += 1;
        let staging = Arc::new(make(number));
        open.by_number.insert(number, Arc::downgrade(&staging));
        staging
    }

    /// Forgets a transaction whose handle is gone.
    pub(super) fn remove(&self, number: u64) {
        self.open.lock().by_number.remove(&number);
    }

    fn all(&self) -> Vec<Arc<Staging>> {
        self.open.lock().by_number.values().filter_map(Weak::upgrade).collect()
    }

    /// Aborts the transactions whose time is up at `now`, on the monotonic clock; returns when the
    /// time of the next one is.
    pub(crate) fn tick(&self, now: Duration) -> Option<Duration> {
        self.all().iter().filter_map(|staging| staging.tick(now)).min()
    }

    /// Aborts all of them: the broker is closed.
    pub(crate) fn close(&self) {
        for staging in self.all() {
            staging.end(Ending::Closed);
        }
    }

    /// Gives a transactional id to a new holder; the one before has lost it from here on, but for
    /// a commit that was asked for before.
    pub(super) fn hold(self: &Arc<Self>, id: &str) -> Holder {
        let id: Arc<str> = Arc::from(id);
        let number = {
            let mut holders = self.holders.lock();
            holders.next_number += 1;
            let number = holders.next_number;
            holders.newest.insert(Arc::clone(&id), number);
            number
        };
        let holder = Holder { transactions: Arc::clone(self), id, number };
        for staging in self.all() {
            staging.fence(&holder);
        }
        holder
    }

    /// A builder that may have its buffers already.
    pub(super) fn builder(&self) -> BatchBuilder {
        self.spare.lock().pop().unwrap_or_default()
    }

    /// Keeps a builder for another transaction.
    pub(super) fn keep(&self, builder: BatchBuilder) {
        if builder.capacity_bytes() > SPARE_BYTES_MAX {
            return;
        }
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_BUILDERS_MAX {
            spare.push(builder);
        }
    }
}

impl std::fmt::Debug for OpenTransactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open = self.open.lock().by_number.len();
        f.debug_struct("OpenTransactions").field("open", &open).finish_non_exhaustive()
    }
}

impl Holder {
    /// # Errors
    /// `Fenced` if somebody newer holds the id.
    pub(super) fn check(&self) -> Result<()> {
        let newest = self.transactions.holders.lock().newest.get(&self.id).copied();
        if newest == Some(self.number) || planted!("fenced_producer_commits") {
            return Ok(());
        }
        Err(self.fenced())
    }

    /// Whether `newer` took the id from this one.
    pub(super) fn is_fenced_by(&self, newer: &Holder) -> bool {
        self.id == newer.id && self.number < newer.number
    }

    #[cold]
    pub(super) fn fenced(&self) -> Error {
        let message = format!("a newer producer has the transactional.id {:?} now", self.id);
        Error::new(ErrorKind::Fenced, message)
    }

    /// Gives the id up, unless somebody newer has it.
    pub(super) fn give_up(&self) {
        let mut holders = self.transactions.holders.lock();
        if holders.newest.get(&self.id) == Some(&self.number) {
            holders.newest.remove(&self.id);
        }
    }
}
