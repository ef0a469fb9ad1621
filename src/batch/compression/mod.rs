//! The codecs of record batches in the framings that Kafka gave them.
//!
//! Each codec is a file and a cargo feature. A file has two mirror functions: `compress` appends
//! to a buffer, `decompress` appends what comes out, never more than a limit, with memory that
//! grows only as real output does, whatever lengths the input claims. Contexts of codecs are
//! large, so each thread keeps one of a kind from batch to batch.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::thread::LocalKey;

use crate::config::compression::Compression;
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;

/// The default of [`DecodeLimits::decompressed_bytes_max`].
pub const DECOMPRESSED_BYTES_MAX_DEFAULT: usize = 64 << 20;

/// The least that a buffer for decompressed bytes grows by.
const GROWTH_MIN: usize = 16 << 10;

/// How much decoding a batch may cost, whatever the batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The most bytes that the records of one batch may take when decompressed. Default: 64 MiB.
    pub decompressed_bytes_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits { decompressed_bytes_max: DECOMPRESSED_BYTES_MAX_DEFAULT }
    }
}

/// Appends `plain`, compressed, to `out`.
///
/// # Errors
/// Unsupported if this build lacks the codec; invalid input for a level that the codec does not
/// have; limit if there is no memory for the result.
pub(crate) fn compress(
    codec: Compression,
    level: Option<i32>,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    if let Some(level) = level.filter(|level| !codec.is_level_valid(*level)) {
        // Codecs without levels ignore what is set for another one.
        if codec.level_range().is_some() {
            let message = format!("the codec {codec} has no level {level}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    match codec {
        Compression::None => {
            reserve(out, plain.len()).map_err(FormatError::into_error)?;
            out.extend_from_slice(plain);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip => gzip::compress(level, plain, out),
        #[cfg(feature = "snappy")]
        Compression::Snappy => snappy::compress(plain, out),
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::compress(plain, out),
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd::compress(level, plain, out),
        #[allow(unreachable_patterns, reason = "with all features on, every codec stands above")]
        _ => Err(unavailable(codec).into_error()),
    }
}

/// Replaces the contents of `out` by what `packed` decompresses to.
///
/// # Errors
/// Corrupt; limit if the result is larger than the limits allow or than memory; unsupported if
/// this build lacks the codec.
pub(crate) fn decompress(
    codec: Compression,
    packed: &[u8],
    limits: &DecodeLimits,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    out.clear();
    let bytes_max = limits.decompressed_bytes_max;
    match codec {
        Compression::None => {
            check_len(packed.len(), bytes_max)?;
            reserve(out, packed.len())?;
            out.extend_from_slice(packed);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip => gzip::decompress(packed, bytes_max, out),
        #[cfg(feature = "snappy")]
        Compression::Snappy => snappy::decompress(packed, bytes_max, out),
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::decompress(packed, bytes_max, out),
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd::decompress(packed, bytes_max, out),
        #[allow(unreachable_patterns, reason = "with all features on, every codec stands above")]
        _ => Err(unavailable(codec)),
    }
}

#[allow(dead_code, reason = "with all features on, no codec is missing")]
fn unavailable(codec: Compression) -> FormatError {
    let what = format!("the codec {codec} needs the cargo feature \"{codec}\", which is off");
    FormatError::unsupported(what, 0)
}

fn check_len(len: usize, bytes_max: usize) -> Result<(), FormatError> {
    if len <= bytes_max { Ok(()) } else { Err(over_limit(bytes_max)) }
}

#[cold]
fn over_limit(bytes_max: usize) -> FormatError {
    let what = format!("the records of a batch decompress to more than {bytes_max} bytes");
    FormatError::limit(what, 0)
}

fn reserve(out: &mut Vec<u8>, additional: usize) -> Result<(), FormatError> {
    room::more(out, additional)
        .map_err(|_| FormatError::limit(format!("no memory for {additional} more bytes"), 0))
}

/// Makes sure that `out` has room for a byte at least, doubling its size at most. What is allowed
/// is one byte over the limit, so that a stream which ends there is told from one that goes on.
#[allow(dead_code, reason = "some codecs know how much they need")]
fn make_room(out: &mut Vec<u8>, bytes_max: usize) -> Result<(), FormatError> {
    if out.len() < out.capacity() {
        return Ok(());
    }
    let left = bytes_max.saturating_add(1).saturating_sub(out.len()).max(1);
    let additional = out.len().max(GROWTH_MIN).min(left);
    room::exactly(out, additional)
        .map_err(|_| FormatError::limit("no memory to decompress a batch", 0))
}

/// Takes what this thread kept from the last batch, or makes a new one.
#[allow(dead_code, reason = "unused if all codecs are off")]
fn take_kept<T>(place: &'static LocalKey<Cell<Option<T>>>, make: impl FnOnce() -> T) -> T {
    // A thread that is going away keeps nothing any more.
    place.try_with(Cell::take).ok().flatten().unwrap_or_else(make)
}

#[allow(dead_code, reason = "unused if all codecs are off")]
fn keep<T>(place: &'static LocalKey<Cell<Option<T>>>, value: T) {
    let _ = place.try_with(|cell| cell.set(Some(value)));
}
