//! Which records of a segment carry a key: in memory for the segment that grows, in a file for a
//! sealed one (topics with `ottla.key.index=true` only).
//!
//! Nothing here looks at settings, and nothing is read before somebody asks. The invariant: what an
//! index of a sealed segment says is of exactly the log that lies there, and is checked against
//! the record before anybody relies on it.

mod batch;
pub(crate) mod cache;
pub(crate) mod growing;
mod load;
pub(crate) mod sealed;
mod table;
#[cfg(test)]
mod tests;

use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::format::FormatError;
use crate::format::key_hash::HashSecret;
use growing::GrowingKeys;
use sealed::SealedKeys;

/// The key index of one segment.
#[derive(Debug)]
pub(crate) enum SegmentKeys {
    /// Of the active segment, or of one that was active when a reader began.
    Growing(GrowingKeys),
    /// Of a sealed segment.
    Sealed(SealedKeys),
}

impl SegmentKeys {
    /// The secret of its hashes.
    pub(crate) fn secret(&self) -> HashSecret {
        match self {
            SegmentKeys::Growing(keys) => keys.secret(),
            SegmentKeys::Sealed(keys) => keys.secret(),
        }
    }

    /// The bytes of memory, or of the mapped file.
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            SegmentKeys::Growing(keys) => keys.size_bytes(),
            SegmentKeys::Sealed(keys) => keys.size_bytes(),
        }
    }
}

/// Puts the hashes of a batch's keys and their offsets, less the segment's first, into `hashes`;
/// records without a key and markers have none. `scratch` is for decompressing.
///
/// # Errors
/// The batch cannot be decoded, or is further than 32 bits from the segment's start.
pub(crate) fn hash_keys(
    entry: &Entry<'_>,
    secret: HashSecret,
    base_offset: i64,
    hashes: &mut Vec<(u128, u32)>,
    scratch: &mut Vec<u8>,
) -> Result<(), FormatError> {
    hashes.clear();
    if entry.is_control() {
        return Ok(());
    }
    for record in entry.records(&DecodeLimits::default(), scratch)? {
        let record = record?;
        let Some(key) = record.key else { continue };
        let relative = record.offset.checked_sub(base_offset);
        let Some(relative) = relative.and_then(|relative| u32::try_from(relative).ok()) else {
            let what = format!("the offset {} is too far from {base_offset}", record.offset);
            return Err(FormatError::corrupt(what, 0));
        };
        hashes.push((secret.hash(key), relative));
    }
    Ok(())
}
