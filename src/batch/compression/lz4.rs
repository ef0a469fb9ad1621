//! LZ4 frames. Written as Kafka's Java client does: independent blocks of 64 KiB, no checksums,
//! no content size; Java refuses linked blocks. Read: frames of either block mode and any block
//! size, with or without checksums, one behind the other.
//!
//! | frame | bytes |
//! |---|---|
//! | magic | `04 22 4d 18` |
//! | flags, block descriptor | 1 + 1 |
//! | content size | 8, if flagged |
//! | header checksum | 1: the second byte of the XXH32 of what stands between magic and here |
//! | blocks | length (u32, little-endian; high bit: stored), bytes, XXH32 if flagged |
//! | end mark | `00 00 00 00`, then the XXH32 of the content if flagged |
//!
//! Old clients computed the header checksum over the magic too; both are accepted. The content
//! checksum is passed over, as in Java: the batch has a checksum of its own.

use std::cell::Cell;

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into_with_dict, get_maximum_output_size,
};

use super::{check_len, keep, over_limit, reserve, take_kept};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Magic, version 1 with independent blocks, blocks of 64 KiB, header checksum.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK_LEN: usize = 64 << 10;
/// How far back a linked block may refer.
const WINDOW_LEN: usize = 64 << 10;
/// A byte of a block stands for 255 bytes at most, and a block may add a few literals.
const EXPANSION_MAX: usize = 255;
const STORED_BIT: u32 = 1 << 31;

const FLAG_INDEPENDENT: u8 = 0x20;
const FLAG_BLOCK_CHECKSUM: u8 = 0x10;
const FLAG_CONTENT_SIZE: u8 = 0x08;
const FLAG_CONTENT_CHECKSUM: u8 = 0x04;
/// A reserved bit and the dictionary bit: neither can be served.
const FLAGS_REFUSED: u8 = 0x03;

thread_local! {
    static TABLE: Cell<Option<CompressTable>> = const { Cell::new(None) };
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut table = take_kept(&TABLE, CompressTable::large);
    let no_memory = FormatError::into_error;
    reserve(out, HEADER.len() + 4).map_err(no_memory)?;
    out.extend_from_slice(&HEADER);
    for block in plain.chunks(BLOCK_LEN) {
        let room = get_maximum_output_size(block.len());
        reserve(out, 4 + room + 4).map_err(no_memory)?;
        let length_at = out.len();
        let start = length_at + 4;
        out.resize(start + room, 0);
        let len = compress_into_with_table(block, &mut out[start..], &mut table)
            .map_err(|error| Error::new(ErrorKind::Io, format!("lz4 cannot compress: {error}")))?;
        let length = if len < block.len() {
            out.truncate(start + len);
            len as u32
        } else {
            out.truncate(start);
            out.extend_from_slice(block);
            block.len() as u32 | STORED_BIT
        };
        out[length_at..start].copy_from_slice(&length.to_le_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    keep(&TABLE, table);
    Ok(())
}

pub(super) fn decompress(
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let mut reader = Reader { packed, at: 0 };
    loop {
        let frame = Frame::read_header(&mut reader)?;
        frame.read_blocks(&mut reader, bytes_max, out)?;
        if reader.at == packed.len() {
            return Ok(());
        }
    }
}

struct Reader<'a> {
    packed: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let taken = self.packed[self.at..].get(..len);
        let taken = taken.ok_or_else(|| FormatError::truncated("an lz4 frame", self.at))?;
        self.at += len;
        Ok(taken)
    }

    fn take_u32(&mut self) -> Result<u32, FormatError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }
}

struct Frame {
    flags: u8,
    block_len_max: usize,
}

impl Frame {
    fn read_header(reader: &mut Reader<'_>) -> Result<Frame, FormatError> {
        let start = reader.at;
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(FormatError::corrupt("no lz4 frame starts here", start));
        }
        let descriptor = reader.take(2)?;
        let (flags, block) = (descriptor[0], descriptor[1]);
        if flags & 0xc0 != 0x40 || flags & FLAGS_REFUSED != 0 {
            let what = format!("an lz4 frame with the flags {flags:#04x}");
            return Err(FormatError::unsupported(what, start + 4));
        }
        let size_code = block >> 4;
        if block & 0x8f != 0 || size_code < 4 {
            let what = format!("an lz4 frame with the block descriptor {block:#04x}");
            return Err(FormatError::corrupt(what, start + 5));
        }
        if flags & FLAG_CONTENT_SIZE != 0 {
            reader.take(8)?;
        }
        let end = reader.at;
        let stored = reader.take(1)?[0];
        let is_checksum = |covered: &[u8]| (xxh32(covered) >> 8) as u8 == stored;
        if !is_checksum(&reader.packed[start + 4..end]) && !is_checksum(&reader.packed[start..end])
        {
            return Err(FormatError::corrupt("the checksum of an lz4 frame header", end));
        }
        Ok(Frame { flags, block_len_max: 1 << (8 + 2 * size_code) })
    }

    fn read_blocks(
        &self,
        reader: &mut Reader<'_>,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let frame_start = out.len();
        loop {
            let at = reader.at;
            let length = reader.take_u32()?;
            if length == 0 {
                break;
            }
            let len = (length & !STORED_BIT) as usize;
            if len > self.block_len_max {
                let what = format!("an lz4 block of {len} bytes is larger than its frame allows");
                return Err(FormatError::corrupt(what, at));
            }
            let block = reader.take(len)?;
            if self.flags & FLAG_BLOCK_CHECKSUM != 0 && reader.take_u32()? != xxh32(block) {
                return Err(FormatError::corrupt("the checksum of an lz4 block", at));
            }
            if length & STORED_BIT != 0 {
                check_len(out.len() + len, bytes_max)?;
                reserve(out, len)?;
                out.extend_from_slice(block);
            } else {
                self.read_block(block, at, frame_start, bytes_max, out)?;
            }
        }
        if self.flags & FLAG_CONTENT_CHECKSUM != 0 {
            reader.take(4)?;
        }
        Ok(())
    }

    fn read_block(
        &self,
        block: &[u8],
        at: usize,
        frame_start: usize,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let start = out.len();
        let possible = self.block_len_max.min(block.len() * EXPANSION_MAX + 16);
        // One byte over the limit tells a block that ends there from one that goes on.
        let allowed = bytes_max.saturating_add(1).saturating_sub(start);
        let room = possible.min(allowed);
        reserve(out, room)?;
        out.resize(start + room, 0);
        let (before, target) = out.split_at_mut(start);
        let dictionary = if self.flags & FLAG_INDEPENDENT != 0 {
            &[]
        } else {
            let window_start = before.len().saturating_sub(WINDOW_LEN).max(frame_start);
            &before[window_start..]
        };
        let written = match decompress_into_with_dict(block, target, dictionary) {
            Ok(written) => written,
            Err(_) if room < possible => return Err(over_limit(bytes_max)),
            Err(error) => {
                return Err(FormatError::corrupt(format!("bad lz4 data: {error}"), at));
            }
        };
        out.truncate(start + written);
        check_len(out.len(), bytes_max)
    }
}

const PRIME_1: u32 = 0x9e37_79b1;
const PRIME_2: u32 = 0x85eb_ca77;
const PRIME_3: u32 = 0xc2b2_ae3d;
const PRIME_4: u32 = 0x27d4_eb2f;
const PRIME_5: u32 = 0x1656_67b1;

/// XXH32 with the seed 0. Only headers and the rare checksums of blocks need it.
fn xxh32(bytes: &[u8]) -> u32 {
    let word = |chunk: &[u8]| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    let stripes = bytes.chunks_exact(16);
    let mut rest = stripes.remainder();
    let mut hash = PRIME_5;
    if bytes.len() >= 16 {
        let first = PRIME_1.wrapping_add(PRIME_2);
        let mut lanes = [first, PRIME_2, 0, PRIME_1.wrapping_neg()];
        for stripe in stripes {
            for (lane, chunk) in lanes.iter_mut().zip(stripe.chunks_exact(4)) {
                let mixed = lane.wrapping_add(word(chunk).wrapping_mul(PRIME_2));
                *lane = mixed.rotate_left(13).wrapping_mul(PRIME_1);
            }
        }
        let turns = [1, 7, 12, 18];
        hash = lanes
            .iter()
            .zip(turns)
            .fold(0, |sum: u32, (lane, turn)| sum.wrapping_add(lane.rotate_left(turn)));
    }
    hash = hash.wrapping_add(bytes.len() as u32);
    while rest.len() >= 4 {
        hash = hash.wrapping_add(word(rest).wrapping_mul(PRIME_3));
        hash = hash.rotate_left(17).wrapping_mul(PRIME_4);
        rest = &rest[4..];
    }
    for byte in rest {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIME_5));
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ hash >> 15).wrapping_mul(PRIME_2);
    hash = (hash ^ hash >> 13).wrapping_mul(PRIME_3);
    hash ^ hash >> 16
}
