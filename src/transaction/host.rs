//! What a transaction asks of the broker around it, and what binds it.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::{Coordinator, GroupHost};
use crate::transaction::open_transactions::OpenTransactions;

/// The broker, as transactions know it. Whoever holds it keeps the directory open.
pub(crate) trait TransactionHost: GroupHost {
    /// Clock and randomness.
    fn env(&self) -> &Env;

    /// The consumer groups.
    fn coordinator(&self) -> &Coordinator;

    /// The transactions that are open.
    fn transactions(&self) -> &Arc<OpenTransactions>;
}

/// What keeps the directory open for a producer, and what a transactional one finds here again.
pub(crate) struct KeptOpen(pub(crate) Arc<dyn TransactionHost>);

impl KeptOpen {
    /// What a producer's builder was given.
    pub(super) fn find(kept: Arc<dyn Any + Send + Sync>) -> Result<Arc<dyn TransactionHost>> {
        match kept.downcast::<KeptOpen>() {
            Ok(kept) => Ok(Arc::clone(&kept.0)),
            Err(_) => {
                let message = "this producer was not made by a broker: it has no transactions";
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

/// How large a transaction may be, and how long it may be open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransactionLimits {
    /// `ottla.transaction.max.bytes`
    pub(crate) bytes_max: u64,
    /// What it keeps in memory: `ottla.transaction.buffer.bytes`, and no more than a frame holds.
    pub(crate) buffer_bytes: u64,
    /// `transaction.max.timeout.ms`
    pub(crate) timeout_max: Duration,
}

impl TransactionLimits {
    /// # Errors
    /// `InvalidInput`.
    pub(super) fn check_timeout(&self, timeout: Duration) -> Result<()> {
        let max = self.timeout_max;
        if !timeout.is_zero() && timeout <= max {
            return Ok(());
        }
        let message = format!(
            "transaction.timeout.ms is {}: it must be from 1 to transaction.max.timeout.ms, which \
             is {}",
            timeout.as_millis(),
            max.as_millis()
        );
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}
