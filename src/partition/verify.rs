//! Reads all of a partition with every check there is, and changes nothing.

use super::Partition;
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;
use crate::segment::indexes::Indexes;
use crate::segment::rebuild::facts_of;
use crate::segment::scan::{Scanned, Scanner};
use crate::segment::tally::Tally;

/// Looking for more damage than this in one partition helps nobody.
const ERRORS_MAX: usize = 1_000;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartitionVerification {
    pub(crate) segments: u64,
    pub(crate) batches: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Everything that is wrong, with file and position.
    pub(crate) errors: Vec<Error>,
}

impl Partition {
    /// Checks every batch and record below the published end, the order of offsets, and the sums
    /// of sealed segments.
    ///
    /// # Errors
    /// Those of the disk; what is damaged is in the result.
    pub(crate) fn verify(&self) -> Result<PartitionVerification> {
        let mut result = PartitionVerification::default();
        result.errors.extend(self.damage.clone());
        let segments = self.segments.load_full();
        for (index, segment) in segments.as_slice().iter().enumerate() {
            let next_base = segments.get(index + 1).map(|next| next.base_offset);
            self.verify_segment(segment, next_base, &mut result)?;
            self.verify_indexes(segment, &mut result)?;
        }
        Ok(result)
    }

    /// The index files are derived, and still somebody else may have changed them.
    fn verify_indexes(&self, segment: &Segment, result: &mut PartitionVerification) -> Result<()> {
        let changed = Indexes::changed_files(&self.folder, &segment.state(), segment.ending())
            .map_err(|error| self.io(error, "cannot read an index", &segment.log.name()))?;
        let changed = if planted!("verify_trusts_indexes") { Vec::new() } else { changed };
        let keys = segment.damaged_keys_file();
        let keys =
            keys.map_err(|error| self.io(error, "cannot read a key index", &segment.log.name()))?;
        for name in changed.into_iter().chain(keys) {
            let message = "the index is missing or not what was written; no record is lost, it is \
                           made anew from the log when it is needed";
            let error = Error::new(ErrorKind::Corrupt, message);
            result.errors.push(self.name(error.at_file(self.folder.describe(&name))));
        }
        Ok(())
    }

    fn verify_segment(
        &self,
        segment: &Segment,
        next_base: Option<i64>,
        result: &mut PartitionVerification,
    ) -> Result<()> {
        let state = segment.state();
        let indexes = Indexes::growing();
        let mut tally = Tally::new(segment.base_offset);
        let mut scratch = Vec::new();
        let mut scanner = Scanner::new(&segment.log, 0, segment.published());
        let damaged = |error: Error, position: u64| {
            self.name(error.at_file(segment.describe()).at_position(position))
        };
        let failed = |error| {
            let what = "cannot read the log";
            self.name(Error::io(error, what).at_file(segment.describe()))
        };
        let mut is_whole = true;
        result.segments += 1;
        loop {
            match scanner.next().map_err(failed)? {
                Scanned::End => break,
                Scanned::Bad { position, error } => {
                    result.errors.push(damaged(error.into_error(), position));
                    is_whole = false;
                    let stepped = scanner.step_over().map_err(failed)?;
                    if !stepped || result.errors.len() >= ERRORS_MAX {
                        return Ok(());
                    }
                }
                Scanned::Entry { position, entry } => {
                    if let Err(error) = check_place(&entry, &tally, next_base) {
                        result.errors.push(damaged(error, position));
                    }
                    match count_records(&entry, &mut scratch) {
                        Ok(records) => result.records += records,
                        Err(error) => result.errors.push(damaged(error, position)),
                    }
                    result.batches += 1;
                    result.bytes += entry.bytes().len() as u64;
                    tally.add(&facts_of(&entry), u64::MAX, &indexes);
                    // What no batch's own checksum covers.
                    let is_summed = is_whole && tally.position == state.log_bytes;
                    let is_other = tally.log_sum != state.log_sum;
                    if is_summed && is_other && !planted!("verify_trusts_headers") {
                        let message = "the headers of the batches are not those that were written";
                        let error = Error::new(ErrorKind::Corrupt, message);
                        result.errors.push(damaged(error, 0));
                    }
                }
            }
        }
        if is_whole && state.sealed && tally.next_offset != state.next_offset {
            let message =
                format!("the log ends at {}, not {}", tally.next_offset, state.next_offset);
            result.errors.push(damaged(Error::new(ErrorKind::Corrupt, message), tally.position));
        }
        Ok(())
    }
}

/// Offsets go up and stay within the segment.
fn check_place(entry: &Entry<'_>, tally: &Tally, next_base: Option<i64>) -> Result<()> {
    let follows = entry.base_offset() >= tally.next_offset;
    let fits = next_base.is_none_or(|next| entry.last_offset() < next);
    if follows && fits {
        return Ok(());
    }
    let message = format!(
        "the batch with the offsets {} to {} follows the offset {}",
        entry.base_offset(),
        entry.last_offset(),
        tally.next_offset - 1
    );
    Err(Error::new(ErrorKind::Corrupt, message))
}

fn count_records(entry: &Entry<'_>, scratch: &mut Vec<u8>) -> Result<u64> {
    let mut count = 0;
    for record in entry.records(&DecodeLimits::default(), scratch)? {
        record?;
        count += 1;
    }
    Ok(if entry.is_control() { 0 } else { count })
}
