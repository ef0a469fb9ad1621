//! The codecs of record batches in the framings that Kafka gave them.

use crate::config::compression::Compression;
use crate::error::Result;
use crate::format::FormatError;

/// The default of [`DecodeLimits::decompressed_bytes_max`].
pub const DECOMPRESSED_BYTES_MAX_DEFAULT: usize = 64 << 20;

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
/// Unsupported if this build lacks the codec; invalid input for a level that it does not have.
pub(crate) fn compress(
    codec: Compression,
    _level: Option<i32>,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    match codec {
        Compression::None => {
            out.extend_from_slice(plain);
            Ok(())
        }
        _ => Err(unavailable(codec).into_error()),
    }
}

/// Replaces the contents of `out` by what `packed` decompresses to.
///
/// # Errors
/// Corrupt, over the limit, or unsupported if this build lacks the codec.
pub(crate) fn decompress(
    codec: Compression,
    packed: &[u8],
    _limits: &DecodeLimits,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    out.clear();
    match codec {
        Compression::None => {
            out.extend_from_slice(packed);
            Ok(())
        }
        _ => Err(unavailable(codec)),
    }
}

fn unavailable(codec: Compression) -> FormatError {
    let what = format!("the codec {codec} needs the cargo feature \"{codec}\", which is off");
    FormatError::unsupported(what, 0)
}
