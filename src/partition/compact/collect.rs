//! The first half of a round: the newest offset of each key of the part that was not cleaned
//! before, as far as memory goes.

use std::sync::Arc;

use super::super::Partition;
use super::offset_map::OffsetMap;
use super::source::Source;
use super::transactions::{Part, Transactions};
use super::{Pace, Round};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::format::key_hash::HashSecret;
use crate::segment::Segment;

/// What is known of keys.
pub(super) struct Keys {
    pub(super) map: OffsetMap,
    pub(super) secret: HashSecret,
    /// All records up to this offset, which were not cleaned before, are in the map.
    pub(super) latest: i64,
    /// Offset and hash of the records of a batch; no hash where there is no key.
    batch: Vec<(i64, Option<u128>)>,
}

/// So many places of the map are waited for at a time.
pub(super) const AT_A_TIME: usize = 64;

impl Partition {
    /// Collects the keys from `round.first_dirty` on. `sources` are all segments of the round.
    pub(super) fn collect_keys(
        &self,
        round: &Round,
        sources: &[Arc<Segment>],
        pace: Pace<'_>,
    ) -> Result<Keys> {
        let first =
            sources.partition_point(|source| source.state().next_offset <= round.first_dirty);
        let dirty = sources.get(first..).unwrap_or_default();
        let span = round.upper.saturating_sub(round.first_dirty).max(0).cast_unsigned();
        let span = if dirty.is_empty() { 0 } else { span };
        let secret = HashSecret::of_bytes(self.shared.env.random.bytes16());
        let map = OffsetMap::new(round.map_bytes, span).map_err(|error| self.name(error))?;
        let latest = round.first_dirty - 1;
        let mut keys = Keys { map, secret, latest, batch: Vec::new() };
        let mut transactions = Transactions::new(match dirty.first() {
            Some(segment) => self.aborted_transactions(segment.base_offset, round.upper)?,
            None => Vec::new(),
        });
        let mut scratch = Vec::new();
        for (index, segment) in dirty.iter().enumerate() {
            let mut source = Source::new(self, segment);
            while let Some(entry) = source.next(pace)? {
                let part = transactions.see(&entry);
                let taken = part.and_then(|part| match part {
                    Part::Data => keys.take_in(&entry, round.first_dirty, &mut scratch),
                    _ => Ok(true),
                });
                let whole = taken.map_err(|error| self.unreadable(segment, &entry, error))?;
                if !whole {
                    return Ok(keys);
                }
                keys.latest = keys.latest.max(entry.last_offset());
            }
            // Behind the last batch there may be a hole, in which nothing is left to be done.
            let next = dirty.get(index + 1).map_or(round.upper, |next| next.base_offset);
            keys.latest = keys.latest.max(next - 1);
        }
        Ok(keys)
    }

    /// An error with the records of a batch that its checksum vouches for.
    pub(super) fn unreadable(
        &self,
        segment: &Segment,
        entry: &Entry<'_>,
        error: impl Into<Error>,
    ) -> Error {
        let error: Error = error.into();
        if error.kind() != ErrorKind::Corrupt {
            return self.name(error.at_file(segment.describe()));
        }
        let offset = entry.base_offset();
        let message = format!("the batch at the offset {offset} cannot be compacted: {error}");
        self.name(Error::new(ErrorKind::Corrupt, message).at_file(segment.describe()))
    }
}

impl Keys {
    /// Takes in the records of a batch from `from` on. False if the map is full; then it knows of
    /// all records up to `latest`.
    fn take_in(
        &mut self,
        entry: &Entry<'_>,
        from: i64,
        scratch: &mut Vec<u8>,
    ) -> std::result::Result<bool, crate::format::FormatError> {
        self.batch.clear();
        for record in entry.records(&DecodeLimits::default(), scratch)? {
            let record = record?;
            if record.offset >= from {
                self.batch.push((record.offset, record.key.map(|key| self.secret.hash(key))));
            }
        }
        for records in self.batch.chunks(AT_A_TIME) {
            self.map.warm(records.iter().filter_map(|(_, hash)| *hash));
            for &(offset, hash) in records {
                if hash.is_some_and(|hash| !self.map.put(hash, offset)) {
                    return Ok(planted!("full_map_goes_on"));
                }
                self.latest = offset;
            }
        }
        Ok(true)
    }
}
