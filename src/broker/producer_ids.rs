//! Identities for idempotent producers: handing them out, and declaring one over.
//!
//! Ids are taken from the catalog in blocks, as a broker does; what is left of a block when the
//! directory is closed is never handed out. The invariant: no id is handed out twice, and none that
//! a partition knows already, because its folder came from elsewhere.

use std::ops::Range;

use crate::broker::{Broker, Engine};
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicI64, Ordering};
use crate::env::user_code;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::identity::{EPOCH_MAX, ProducerIdentity};

/// Ids that were taken from the catalog.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    /// Locked before the catalog.
    free: Mutex<Free>,
    /// All ids that anybody has are below this.
    end: AtomicI64,
}

#[derive(Debug)]
struct Free {
    /// Those that nobody has yet.
    ids: Range<i64>,
    /// Whether they were compared with what the partitions know, which is done once: nobody else
    /// writes while the directory is open.
    is_compared: bool,
}

impl ProducerIds {
    /// None is free; all that were ever handed out are below `end`.
    pub(crate) fn new(end: i64) -> ProducerIds {
        let free = Free { ids: end..end, is_compared: false };
        ProducerIds { free: Mutex::new(free), end: AtomicI64::new(end) }
    }

    /// Whether somebody can have this identity.
    ///
    /// # Errors
    /// `InvalidInput`: a later producer may be given that id, and would be taken for this one.
    pub(crate) fn check(&self, identity: ProducerIdentity) -> Result<()> {
        let ids = 0..self.end.load(Ordering::Acquire);
        if ids.contains(&identity.id) && (0..=EPOCH_MAX).contains(&identity.epoch) {
            return Ok(());
        }
        let message = format!(
            "producer {} in epoch {} is not from this directory: ask it for a new identity",
            identity.id, identity.epoch
        );
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}

impl Broker {
    /// A new identity for an idempotent producer: one that nobody ever had in this directory.
    ///
    /// # Durability
    /// That the id is taken survives power loss when it returns `Ok`. One call in a thousand
    /// commits to the catalog, the others cost nothing.
    ///
    /// # Errors
    /// Those of a commit; `Limit` when all ids are taken.
    pub fn new_producer_identity(&self) -> Result<ProducerIdentity> {
        self.engine.new_producer_identity()
    }

    /// Declares an identity over and returns the one that takes its place: the same id in the next
    /// epoch (or, after the last one, a new id), whose records are numbered from 0 again. For
    /// whoever takes over from a program that may still be at work.
    ///
    /// While the directory is open, nothing that comes with the old epoch is appended any more from
    /// the moment on when this returns: `Fenced`. (What was appended before can still be sent
    /// again: it is answered with its offsets, and stored once.) The fence falls after
    /// `producer.id.expiration.ms`, as the partitions forget their producers.
    ///
    /// # Durability
    /// None: nothing is written, as with a Kafka producer that has no transactional id. In a later
    /// session each partition learns of the new epoch with the first batch of it, and refuses the
    /// old one from then on. Note the new identity down before using it.
    ///
    /// # Errors
    /// `Fenced` if somebody else has fenced it already in this session: a producer has one
    /// successor. `InvalidInput` for an identity that is not from this directory.
    pub fn fence_producer(&self, identity: ProducerIdentity) -> Result<ProducerIdentity> {
        self.engine.fence_producer(identity)
    }
}

impl Engine {
    pub(crate) fn new_producer_identity(&self) -> Result<ProducerIdentity> {
        self.check_writable()?;
        let _not_now = user_code::not_now();
        let mut free = self.producer_ids.free.lock();
        if free.ids.is_empty() {
            let known = if free.is_compared { -1 } else { self.highest_known_id()? };
            free.is_compared = true;
            free.ids = self.take_producer_ids(known)?;
        }
        let id = free
            .ids
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Limit, "no producer id is left"))?;
        Ok(ProducerIdentity::new(id, 0))
    }

    /// The highest id of any producer that a partition knows, -1 if there is none. What is known of
    /// a stranger must not be taken for what is known of a producer that comes later.
    fn highest_known_id(&self) -> Result<i64> {
        let mut highest = -1;
        for topic in self.topics.all() {
            // A damaged partition is not written to.
            for partition in topic.partitions.iter().filter(|p| p.damage().is_none()) {
                let known = partition.producers()?;
                highest = known.iter().map(|entry| entry.producer_id).fold(highest, i64::max);
            }
        }
        Ok(highest)
    }

    /// A block of ids above `known`, durably taken.
    fn take_producer_ids(&self, known: i64) -> Result<Range<i64>> {
        let mut state = self.catalog.lock();
        let (ids, records) = state.catalog.take_producer_ids(state.place.node_id, known)?;
        self.committer.begin_write()?;
        state.commit(&self.env, &self.committer, &records)?;
        self.producer_ids.end.store(ids.end, Ordering::Release);
        Ok(ids)
    }

    pub(crate) fn fence_producer(&self, identity: ProducerIdentity) -> Result<ProducerIdentity> {
        self.check_writable()?;
        self.producer_ids.check(identity)?;
        let (shared, epoch) = (&self.shared, identity.epoch);
        let successor = match epoch < EPOCH_MAX {
            true => ProducerIdentity::new(identity.id, epoch + 1),
            false => self.new_producer_identity()?,
        };
        shared.fences.raise(identity.id, epoch + 1, shared.session_ms()).map_err(|newest| {
            let message = format!(
                "the epoch {epoch} of producer {} is over, the newest is {newest}",
                identity.id
            );
            Error::new(ErrorKind::Fenced, message)
        })?;
        Ok(successor)
    }
}
