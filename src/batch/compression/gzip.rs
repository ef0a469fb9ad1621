//! gzip (RFC 1952). Written as one member; read as any number of members.
//!
//! The members' headers and trailers are read here, because the inflate state can be used again
//! only for bare deflate streams.

use std::cell::Cell;

use flate2::{Compress, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::{check_len, keep, make_room, reserve, take_kept};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;

const LEVEL_DEFAULT: u32 = 6;
const WINDOW_BITS: u8 = 15;
const HEADER_LEN: usize = 10;
const TRAILER_LEN: usize = 8;

const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;

thread_local! {
    static DEFLATE: Cell<Option<(u32, Compress)>> = const { Cell::new(None) };
    static INFLATE: Cell<Option<Decompress>> = const { Cell::new(None) };
}

pub(super) fn compress(level: Option<i32>, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // -1 means the default.
    let level = level.and_then(|level| u32::try_from(level).ok()).unwrap_or(LEVEL_DEFAULT);
    let make = || (level, Compress::new_gzip(flate2::Compression::new(level), WINDOW_BITS));
    let (kept_level, mut deflate) = take_kept(&DEFLATE, make);
    if kept_level != level {
        (_, deflate) = make();
    }
    deflate.reset();
    loop {
        let consumed = plain.get(deflate.total_in() as usize..).unwrap_or_default();
        reserve(out, consumed.len() / 2 + 128).map_err(FormatError::into_error)?;
        match deflate.compress_vec(consumed, out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => break,
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => {
                return Err(Error::new(ErrorKind::Io, format!("gzip cannot compress: {error}")));
            }
        }
    }
    keep(&DEFLATE, (level, deflate));
    Ok(())
}

pub(super) fn decompress(
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let mut inflate = take_kept(&INFLATE, || Decompress::new(false));
    let mut at = 0;
    loop {
        at = read_member(&mut inflate, packed, at, bytes_max, out)?;
        if at == packed.len() {
            break;
        }
    }
    keep(&INFLATE, inflate);
    Ok(())
}

/// Reads the member at `at` and returns where it ends.
fn read_member(
    inflate: &mut Decompress,
    packed: &[u8],
    at: usize,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<usize, FormatError> {
    let start = skip_header(packed, at)?;
    let deflated = &packed[start..];
    let member_start = out.len();
    inflate.reset(false);
    loop {
        make_room(out, bytes_max)?;
        let (consumed, produced) = (inflate.total_in(), inflate.total_out());
        let rest = deflated.get(consumed as usize..).unwrap_or_default();
        let status = inflate
            .decompress_vec(rest, out, FlushDecompress::None)
            .map_err(|error| FormatError::corrupt(format!("bad gzip data: {error}"), start))?;
        check_len(out.len(), bytes_max)?;
        if status == Status::StreamEnd {
            break;
        }
        if inflate.total_in() == consumed && inflate.total_out() == produced {
            return Err(FormatError::truncated("gzip data", packed.len()));
        }
    }
    let trailer_at = start + inflate.total_in() as usize;
    check_trailer(packed, trailer_at, &out[member_start..])?;
    Ok(trailer_at + TRAILER_LEN)
}

/// Where the deflate stream of the member at `at` starts.
fn skip_header(packed: &[u8], at: usize) -> Result<usize, FormatError> {
    let truncated = || FormatError::truncated("a gzip header", packed.len());
    let header = packed[at..].first_chunk::<HEADER_LEN>().ok_or_else(truncated)?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else {
        return Err(FormatError::corrupt("no gzip member starts here", at));
    };
    if flags & 0xe0 != 0 {
        return Err(FormatError::corrupt(format!("the gzip flags are {flags:#04x}"), at + 3));
    }
    let mut rest = &packed[at + HEADER_LEN..];
    if flags & FLAG_EXTRA != 0 {
        let (len, behind) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
        rest = behind.get(usize::from(u16::from_le_bytes(*len))..).ok_or_else(truncated)?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(truncated)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        rest = rest.get(2..).ok_or_else(truncated)?;
    }
    Ok(packed.len() - rest.len())
}

/// Compares the CRC-32 and the length (modulo 2^32) with what was decompressed.
fn check_trailer(packed: &[u8], at: usize, plain: &[u8]) -> Result<(), FormatError> {
    let trailer = packed.get(at..).and_then(|rest| rest.first_chunk::<TRAILER_LEN>());
    let Some([a, b, c, d, e, f, g, h]) = trailer else {
        return Err(FormatError::truncated("a gzip trailer", packed.len()));
    };
    let mut crc = Crc::new();
    crc.update(plain);
    let crc_is_right = u32::from_le_bytes([*a, *b, *c, *d]) == crc.sum();
    let len_is_right = u32::from_le_bytes([*e, *f, *g, *h]) == plain.len() as u32;
    if crc_is_right && len_is_right {
        return Ok(());
    }
    Err(FormatError::corrupt("the gzip trailer does not match the data", at))
}
