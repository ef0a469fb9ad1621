//! Splitting a finished batch into pieces that are small enough.
//!
//! For a batch that is larger than its topic allows: compressed worse than was guessed, or the
//! limit was lowered meanwhile. The invariant: the pieces have the records of the batch, in order,
//! and every header field that is not about size or place.

use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::batch_header::advance_sequence;
use crate::format::record::HeaderList;

/// A part of a batch that was split: a whole batch itself.
#[derive(Debug)]
pub(crate) struct BatchPiece {
    /// The index in the first batch of this one's first record.
    pub(crate) first_index: u32,
    pub(crate) batch: Vec<u8>,
}

/// Halves `batch`, which was made with `options`, until every piece has at most `bytes_max` bytes
/// or a single record.
///
/// # Errors
/// What decoding or building a batch says; neither should fail for a batch that was just built.
pub(crate) fn split(
    batch: Vec<u8>,
    options: &BatchOptions,
    bytes_max: usize,
) -> Result<Vec<BatchPiece>> {
    let mut done = Vec::new();
    // The next piece is at the end.
    let mut left = vec![BatchPiece { first_index: 0, batch }];
    while let Some(piece) = left.pop() {
        let count = Entry::decode(&piece.batch).map_err(FormatError::into_error)?.record_count();
        match count {
            Some(count) if count > 1 && piece.batch.len() > bytes_max => {
                let [first, second] = halve(&piece, count, options)?;
                left.push(second);
                left.push(first);
            }
            _ => done.push(piece),
        }
    }
    Ok(done)
}

fn halve(piece: &BatchPiece, count: usize, options: &BatchOptions) -> Result<[BatchPiece; 2]> {
    let mut scratch = Vec::new();
    let entry = Entry::decode(&piece.batch).map_err(FormatError::into_error)?;
    let limits = DecodeLimits::default();
    let mut records = entry.records(&limits, &mut scratch).map_err(FormatError::into_error)?;
    let mut builder = BatchBuilder::new();
    let mut build = |first_index: u32, count: usize| -> Result<BatchPiece> {
        builder.start(&options_from(options, first_index)?);
        for (delta, record) in (0..).zip(records.by_ref().take(count)) {
            let record = record.map_err(FormatError::into_error)?;
            let headers = HeaderList::Decoded(record.headers);
            builder.push_at(delta, record.timestamp, record.key, record.value, headers)?;
        }
        Ok(BatchPiece { first_index, batch: builder.take()? })
    };
    let half = count / 2;
    let second_index = piece.first_index.checked_add(u32::try_from(half).unwrap_or(u32::MAX));
    let second_index = second_index.ok_or_else(too_many)?;
    let first = build(piece.first_index, half)?;
    let second = build(second_index, count - half)?;
    Ok([first, second])
}

/// The options of a piece: its sequence numbers go on where those of the records before it end.
fn options_from(options: &BatchOptions, first_index: u32) -> Result<BatchOptions> {
    let Some(producer) = options.producer.filter(|producer| producer.base_sequence >= 0) else {
        return Ok(*options);
    };
    let index = i32::try_from(first_index).map_err(|_| too_many())?;
    let base_sequence = advance_sequence(producer.base_sequence, index);
    Ok(BatchOptions { producer: Some(BatchProducer { base_sequence, ..producer }), ..*options })
}

#[cold]
fn too_many() -> Error {
    let message = "a batch has more records than sequence numbers can count";
    Error::new(ErrorKind::Limit, message)
}
