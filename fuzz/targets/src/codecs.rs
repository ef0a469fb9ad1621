//! The codecs: bytes from anywhere are decompressed under a cap, and compared with what another
//! reader of the same framing makes of them; the same bytes are compressed and must come back.
//!
//! Snappy's framing has no other reader here; zstd's is C code, whose memory is not counted (the
//! window is bounded, and the fuzzer's limit of 512 MB holds).

use std::io::{self, Read};

use ottla::config::compression::Compression;
use ottla::doors::{compress, decompress};
use ottla::format::FormatErrorKind;

use crate::heap::within;

/// Most runs end here; a bomb would not.
const CAP: usize = 1 << 16;

/// What the contexts of a codec may keep for the thread.
const CONTEXT_BYTES: usize = 2 << 20;

/// gzip: members, headers, trailers.
///
/// # Panics
/// If more comes out than the cap allows, or something else than another reader finds.
pub fn gzip(data: &[u8]) {
    let found = capped(Compression::Gzip, data);
    if let Some(found) = &found {
        let other = bounded(flate2::read::MultiGzDecoder::new(data));
        // Where it reads on behind the last member, it may complain; what it read is the same.
        let (bytes, failed) = other;
        assert!(failed || bytes == *found, "another reader finds {} bytes", bytes.len());
    }
    comes_back(Compression::Gzip, data);
}

/// Snappy: the framing of streams, and bare blocks.
///
/// # Panics
/// If more comes out than the cap allows.
pub fn snappy(data: &[u8]) {
    capped(Compression::Snappy, data);
    comes_back(Compression::Snappy, data);
}

/// LZ4: frames, blocks, dependent ones and stored ones.
///
/// # Panics
/// If more comes out than the cap allows, or something else than another reader finds.
pub fn lz4(data: &[u8]) {
    if let Some(found) = capped(Compression::Lz4, data) {
        let (bytes, failed) = bounded(lz4_flex::frame::FrameDecoder::new(data));
        // It checks sums of contents, and knows not the header sums of old clients; it ends
        // with the first frame.
        assert!(failed || found.starts_with(&bytes), "another reader finds other bytes");
    }
    comes_back(Compression::Lz4, data);
}

/// Zstandard: frames with and without sizes, windows.
///
/// # Panics
/// If more comes out than the cap allows.
pub fn zstd(data: &[u8]) {
    capped(Compression::Zstd, data);
    comes_back(Compression::Zstd, data);
}

/// What another reader makes of it, up to the cap, and whether it failed.
fn bounded(reader: impl Read) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read: io::Result<usize> = reader.take(CAP as u64 + 1).read_to_end(&mut bytes);
    (bytes, read.is_err())
}

/// Decompresses under the cap and under a smaller one.
fn capped(codec: Compression, data: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let budget = 3 * CAP + 8 * data.len() + CONTEXT_BYTES;
    let result = within(budget, || decompress(codec, data, CAP, &mut out));
    assert!(out.len() <= CAP + 1 && out.capacity() <= 3 * CAP, "{} bytes came out", out.len());
    match result {
        Ok(()) => {
            assert!(out.len() <= CAP);
            let mut smaller = Vec::new();
            let cap = out.len().saturating_sub(1);
            let refused = decompress(codec, data, cap, &mut smaller);
            assert!(
                out.is_empty() || refused.is_err_and(|e| e.kind == FormatErrorKind::Limit),
                "one byte over the limit was let pass"
            );
            // At the limit it is still let pass, and the same comes out.
            let exactly = decompress(codec, data, out.len(), &mut smaller);
            assert!(exactly.is_ok() && smaller == out, "the limit itself is refused");
            Some(out)
        }
        Err(_) => None,
    }
}

fn comes_back(codec: Compression, plain: &[u8]) {
    let packed = within(4 * plain.len() + CONTEXT_BYTES, || compress(codec, None, plain));
    let packed = packed.expect("anything can be compressed");
    let mut out = Vec::new();
    let unpacked = decompress(codec, &packed, plain.len().max(1), &mut out);
    unpacked.expect("what was compressed can be decompressed");
    assert_eq!(out, plain, "other bytes came back");
}
