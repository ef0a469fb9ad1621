//! The commit of a transaction.
//!
//! 1. What was staged is taken: from here on nobody else touches it. The open batches are finished,
//!    compressed and summed, outside of every lock.
//! 2. The groups are asked whether the offsets are still the transaction's to commit, and keep
//!    everybody else from committing them. The data below the offsets is synced.
//!    *If we stop here* nothing was written.
//!    What was spilled is synced, so that the frame may name it. *If we stop here* the next open
//!    removes the file.
//! 3. All batches and all offsets are one ticket: one frame, one sync. Under the leader's lock the
//!    conditions are asked. *If we stop here* the frame is found whole, or not at all.
//! 4. The ends and the offsets are shown together, within one section. The groups hear that the
//!    commit is over.
//!
//! A failure that may pass (a full disk) leaves the transaction open, as it was. After any other
//! it is over. In either case nothing of it is in the log, unless the error is `Poisoned`.

use std::collections::BTreeMap;

use crate::commit::ticket::{Effect, Part};
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::staged::BegunCommit;
use crate::partition::writer::Appended;
use crate::topic::TopicPartition;
use crate::transaction::batches::Surroundings;
use crate::transaction::host::TransactionHost;
use crate::transaction::open_transactions::Holder;
use crate::transaction::staging::{Ending, Staged, Staging};

/// Where the records of a transaction are, by partition.
pub(super) type Places = Vec<(TopicPartition, Appended)>;

/// What goes with the batches of a transaction: the producer must not be fenced, and the offsets
/// are shown with the records.
struct Together {
    holder: Option<Holder>,
    /// How many parts are records; those of the offsets follow.
    records: usize,
    /// With the number of parts of each.
    offsets: Vec<(usize, Box<dyn Effect>)>,
}

impl Effect for Together {
    fn check(&mut self) -> Result<()> {
        if let Some(holder) = &self.holder {
            holder.check()?;
        }
        self.offsets.iter_mut().try_for_each(|(_, effect)| effect.check())
    }

    fn publish(&mut self, appended: &[Appended]) {
        let mut rest = appended.get(self.records..).unwrap_or_default();
        for (parts, effect) in &mut self.offsets {
            let Some((own, others)) = rest.split_at_checked(*parts) else { return };
            effect.publish(own);
            rest = others;
        }
    }
}

/// Offsets on their way into the ticket.
#[derive(Default)]
struct Offsets {
    /// Others are kept from committing while these live.
    begun: Vec<BegunCommit>,
    parts: Vec<Part>,
    effects: Vec<(usize, Box<dyn Effect>)>,
}

impl Staging {
    /// Commits everything.
    ///
    /// # Errors
    /// As [`Transaction::commit`](super::Transaction::commit).
    pub(super) fn commit(&self, host: &dyn TransactionHost) -> Result<Places> {
        let mut staged = self.take(host.env().clock.monotonic())?;
        match self.commit_staged(host, &mut staged) {
            Ok(places) => {
                self.decided(Ending::Committed);
                Ok(places)
            }
            Err(error) => {
                if may_pass(&error) {
                    self.put_back(staged);
                } else if error.kind() == ErrorKind::Fenced && self.is_fenced() {
                    self.decided(Ending::Fenced);
                } else {
                    self.decided(Ending::Failed(error.clone()));
                }
                Err(error)
            }
        }
    }

    fn is_fenced(&self) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.check().is_err())
    }

    fn commit_staged(&self, host: &dyn TransactionHost, staged: &mut Staged) -> Result<Places> {
        if let Some(holder) = &self.holder {
            holder.check()?;
        }
        host.check_writable()?;
        staged.batches.finish(Surroundings::of(host))?;
        let Offsets { begun, parts: of_offsets, effects } = begin_offsets(host, staged)?;
        let mut parts = std::mem::take(&mut staged.batches.closed);
        let records = parts.len();
        if parts.is_empty() && of_offsets.is_empty() && staged.guards.is_empty() {
            return Ok(Vec::new());
        }
        parts.extend(of_offsets);
        let has_effect = self.holder.is_some() || !effects.is_empty();
        let own_frame = planted!("offsets_in_a_frame_of_their_own");
        let together = Together {
            holder: self.holder.clone(),
            records: if own_frame { 0 } else { records },
            offsets: effects,
        };
        let effect: Option<Box<dyn Effect>> = has_effect.then(|| Box::new(together) as _);
        let (outcome, mut parts) = match own_frame {
            true => in_two_frames(host, parts, records, effect),
            false => {
                let guards = staged.guards.clone();
                host.committer().commit_guarded(parts, guards, effect)
            }
        };
        drop(begun);
        let of_offsets = parts.split_off(records.min(parts.len()));
        host.coordinator().recycle_offsets(of_offsets);
        match outcome {
            Ok(appended) => {
                let places = places_of(&parts, &appended);
                std::mem::take(&mut staged.batches).recycle(parts, host.transactions());
                Ok(places)
            }
            Err(error) => {
                staged.batches.closed = parts;
                Err(error)
            }
        }
    }
}

/// Step 2.
fn begin_offsets(host: &dyn TransactionHost, staged: &Staged) -> Result<Offsets> {
    let mut offsets = Offsets::default();
    for own in &staged.offsets {
        let begun = own.begin(host.coordinator(), host)?;
        let (parts, effect) = own.prepare(host.coordinator(), host, &begun)?;
        offsets.effects.extend(effect.map(|effect| (parts.len(), effect)));
        offsets.parts.extend(parts);
        offsets.begun.push(begun);
    }
    Ok(offsets)
}

/// A planted bug: the records first, then the offsets.
fn in_two_frames(
    host: &dyn TransactionHost,
    mut parts: Vec<Part>,
    records: usize,
    effect: Option<Box<dyn Effect>>,
) -> crate::commit::ticket::Outcome {
    let of_offsets = parts.split_off(records);
    let (first, mut parts) = host.committer().commit_with(parts, None);
    let (second, of_offsets) = host.committer().commit_with(of_offsets, effect);
    parts.extend(of_offsets);
    (first.and_then(|first| second.map(|second| [first, second].concat())), parts)
}

/// By partition, from the first record to the last: batches of one ticket follow one another.
fn places_of(parts: &[Part], appended: &[Appended]) -> Places {
    let mut places: BTreeMap<TopicPartition, Appended> = BTreeMap::new();
    for (part, appended) in parts.iter().zip(appended) {
        let id = part.partition.id();
        let name = TopicPartition::new(id.topic().clone(), id.partition());
        let place = places.entry(name).or_insert(*appended);
        place.base_offset = place.base_offset.min(appended.base_offset);
        place.last_offset = place.last_offset.max(appended.last_offset);
    }
    places.into_iter().collect()
}

/// Whether the same commit may succeed later, so that the transaction stays open.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NoSpace
            | ErrorKind::Limit
            | ErrorKind::Io
            | ErrorKind::Timeout
            | ErrorKind::GroupNotEmpty
    )
}
