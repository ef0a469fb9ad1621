//! Reading a partition from an offset to an end, piece by piece, with every checksum verified.
//!
//! For whoever needs all of it and holds no more than a piece in memory: the replay of a table, a
//! scan for keys. The invariant: every batch is seen once, in the order of the log.

use super::Partition;
use super::read::{ReadPosition, ReadRequest};
use crate::batch::entry::Entry;
use crate::error::Result;

/// The log is read in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

impl Partition {
    /// Calls `visit` with the bytes of whole batches, from the one that holds the offset `from` up
    /// to `end`.
    ///
    /// # Errors
    /// Of `visit`, which ends the walk; `Corrupt` for a damaged batch, with its place; out of range
    /// if `from` does not exist; those of the disk.
    pub(crate) fn walk_pieces(
        &self,
        from: i64,
        end: i64,
        mut visit: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut from = from;
        let mut buffer = Vec::new();
        let mut position = ReadPosition::default();
        while from < end {
            let request = ReadRequest { from, end, bytes_max: PIECE_BYTES, check: true };
            let read = self.read(&request, &mut position, &mut buffer)?;
            visit(&buffer[read.start..read.start + read.bytes])?;
            if read.next_offset <= from {
                break;
            }
            from = read.next_offset;
        }
        Ok(())
    }

    /// Calls `visit` with every batch from the log start to the published end.
    ///
    /// # Errors
    /// As [`walk_pieces`](Self::walk_pieces).
    pub(crate) fn walk(&self, mut visit: impl FnMut(&Entry<'_>) -> Result<()>) -> Result<()> {
        let end = self.end_offset();
        self.walk_pieces(self.log_start_offset(), end, |mut rest| {
            while let Ok(entry) = Entry::decode_first(rest) {
                rest = &rest[entry.bytes().len()..];
                visit(&entry)?;
            }
            Ok(())
        })
    }
}
