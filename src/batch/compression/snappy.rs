//! Snappy in the framing of snappy-java's streams, which is Kafka's: a header of 16 bytes, then
//! blocks of a length (i32, big-endian) and that many bytes of bare Snappy. Each block holds
//! 32 KiB of plain bytes, the last one less. Some clients write one bare Snappy block and no
//! framing; both are read.

use std::cell::Cell;

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{check_len, keep, reserve, take_kept};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The magic, the version 1, and 1 as the oldest version that can read it.
const HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
const BLOCK_LEN: usize = 32 << 10;
/// The densest element: 64 bytes copied by an element of 3 bytes. Less is claimed, never more.
const EXPANSION_MAX: usize = 32;

thread_local! {
    static ENCODER: Cell<Option<Encoder>> = const { Cell::new(None) };
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut encoder = take_kept(&ENCODER, Encoder::new);
    let no_memory = FormatError::into_error;
    reserve(out, HEADER.len()).map_err(no_memory)?;
    out.extend_from_slice(&HEADER);
    for block in plain.chunks(BLOCK_LEN) {
        let room = max_compress_len(block.len());
        reserve(out, 4 + room).map_err(no_memory)?;
        let length_at = out.len();
        out.resize(length_at + 4 + room, 0);
        let len = encoder.compress(block, &mut out[length_at + 4..]).map_err(|error| {
            Error::new(ErrorKind::Io, format!("snappy cannot compress: {error}"))
        })?;
        out[length_at..length_at + 4].copy_from_slice(&(len as i32).to_be_bytes());
        out.truncate(length_at + 4 + len);
    }
    keep(&ENCODER, encoder);
    Ok(())
}

pub(super) fn decompress(
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let mut decoder = Decoder::new();
    if !packed.starts_with(&MAGIC) {
        return decompress_block(&mut decoder, packed, 0, bytes_max, out);
    }
    let mut at = 0;
    while at < packed.len() {
        // A header may stand again where streams were put one behind the other.
        if packed[at..].starts_with(&MAGIC) {
            at += HEADER.len();
            if at > packed.len() {
                return Err(FormatError::truncated("a snappy header", packed.len()));
            }
            continue;
        }
        let Some(length) = packed[at..].first_chunk::<4>() else {
            return Err(FormatError::truncated("the length of a snappy block", packed.len()));
        };
        let length = i32::from_be_bytes(*length);
        let block = usize::try_from(length).ok().and_then(|len| packed[at + 4..].get(..len));
        let Some(block) = block else {
            let left = packed.len() - at - 4;
            let what = format!("a snappy block of {length} bytes starts where {left} are left");
            return Err(FormatError::corrupt(what, at));
        };
        decompress_block(&mut decoder, block, at + 4, bytes_max, out)?;
        at += 4 + block.len();
    }
    Ok(())
}

fn decompress_block(
    decoder: &mut Decoder,
    block: &[u8],
    at: usize,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let bad = |error: snap::Error| FormatError::corrupt(format!("bad snappy data: {error}"), at);
    let len = decompress_len(block).map_err(bad)?;
    let start = out.len();
    check_len(start.saturating_add(len), bytes_max)?;
    // Memory is taken for a claimed length only if so few bytes can hold so many.
    if len > block.len().saturating_mul(EXPANSION_MAX) {
        let what = format!("a snappy block of {} bytes claims to hold {len}", block.len());
        return Err(FormatError::corrupt(what, at));
    }
    reserve(out, len)?;
    out.resize(start + len, 0);
    let written = decoder.decompress(block, &mut out[start..]).map_err(bad)?;
    out.truncate(start + written);
    Ok(())
}
