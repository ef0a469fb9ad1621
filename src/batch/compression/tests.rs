//! The codecs one by one: what goes in comes out, the bytes are framed as Kafka frames them,
//! every framing that Kafka reads is read, and a bomb costs no more than the limit.

use super::{DecodeLimits, compress, decompress};
use crate::config::compression::Compression;
use crate::error::ErrorKind;
use crate::format::{FormatError, FormatErrorKind};

fn available() -> impl Iterator<Item = Compression> {
    let codecs = Compression::ALL.into_iter().filter(|codec| codec.is_available());
    codecs.filter(|codec| *codec != Compression::None)
}

fn packed(codec: Compression, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compress(codec, None, plain, &mut out).expect("compressed");
    out
}

fn unpacked(codec: Compression, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    let limits = DecodeLimits { decompressed_bytes_max: bytes_max };
    decompress(codec, packed, &limits, &mut out).map(|()| out)
}

/// Text-like bytes: half of them repeat what was before.
fn sample(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = Vec::with_capacity(len + 64);
    while bytes.len() < len {
        if bytes.len() > 64 && random.bool() {
            let start = random.usize(0..bytes.len() - 32);
            bytes.extend_from_within(start..start + 32);
        } else {
            bytes.extend((0..24).map(|_| random.u8(b'a'..=b'z')));
        }
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn what_goes_in_comes_out() {
    let sizes = [0, 1, 7, 1000, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 300_000];
    for codec in available() {
        for len in sizes {
            for plain in [sample(len), vec![b'z'; len], noise(len)] {
                let bytes = packed(codec, &plain);
                assert!(unpacked(codec, &bytes, len).as_ref() == Ok(&plain), "{codec}, {len}");
                if len > 0 {
                    let error = unpacked(codec, &bytes, len - 1).expect_err("over the limit");
                    assert_eq!(error.kind, FormatErrorKind::Limit, "{codec}, {len}: {error}");
                }
            }
        }
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(len as u64).fill(&mut bytes);
    bytes
}

#[test]
fn every_level_gives_the_same_content() {
    let plain = sample(20_000);
    for codec in available() {
        let Some(range) = codec.level_range() else { continue };
        for level in [*range.start(), -1, 1, 5, 9, 12, 17, *range.end()] {
            let mut out = b"before".to_vec();
            let result = compress(codec, Some(level), &plain, &mut out);
            if codec.is_level_valid(level) {
                result.expect("compressed");
                assert_eq!(&out[..6], b"before");
                assert!(unpacked(codec, &out[6..], plain.len()).as_ref() == Ok(&plain), "{codec}");
            } else {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{codec} {level}");
                assert_eq!(out, b"before");
            }
        }
    }
}

#[test]
fn a_cut_stream_is_refused_and_the_next_one_is_read() {
    let plain = sample(70_000);
    for codec in available() {
        let bytes = packed(codec, &plain);
        for len in (0..bytes.len()).step_by(101).chain(bytes.len() - 12..bytes.len()) {
            // Kafka's framing of snappy has no end mark: a cut between blocks only shortens.
            match unpacked(codec, &bytes[..len], 1 << 20) {
                Ok(out) => assert!(codec == Compression::Snappy && plain.starts_with(&out)),
                Err(error) => assert_eq!(error.kind, FormatErrorKind::Corrupt, "{codec} {error}"),
            }
        }
        assert!(unpacked(codec, &bytes, plain.len()).as_ref() == Ok(&plain), "{codec}");
    }
}

#[test]
fn bytes_behind_a_stream_are_refused() {
    for codec in available() {
        let mut bytes = packed(codec, b"some bytes");
        bytes.extend_from_slice(&[0x55; 3]);
        let error = unpacked(codec, &bytes, 1 << 20).expect_err("garbage");
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{codec}: {error}");
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let zeros = vec![0; 8 << 20];
    let limit = 100_000;
    for codec in available() {
        let bomb = packed(codec, &zeros);
        assert!(bomb.len() < zeros.len() / 15, "{codec}: {} bytes", bomb.len());
        let mut out = Vec::new();
        let limits = DecodeLimits { decompressed_bytes_max: limit };
        let error = decompress(codec, &bomb, &limits, &mut out).expect_err("a bomb");
        assert_eq!(error.kind, FormatErrorKind::Limit, "{codec}: {error}");
        assert!(out.capacity() <= 2 * limit + (64 << 10), "{codec}: {}", out.capacity());
    }
}

#[test]
fn a_codec_that_is_off_is_named() {
    for codec in Compression::ALL.into_iter().filter(|codec| !codec.is_available()) {
        let error = compress(codec, None, b"x", &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&format!("cargo feature \"{codec}\"")), "{error}");
        let error = unpacked(codec, b"x", 100).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Unsupported);
    }
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_members_in_a_row_and_with_all_header_fields() {
    let codec = Compression::Gzip;
    let one = packed(codec, b"one ");
    assert_eq!(one[..4], [0x1f, 0x8b, 8, 0]);
    let two = packed(codec, b"two");
    let both = [one.clone(), two.clone()].concat();
    assert_eq!(unpacked(codec, &both, 7), Ok(b"one two".to_vec()));
    assert_eq!(unpacked(codec, &both, 6).unwrap_err().kind, FormatErrorKind::Limit);

    // Extra field, name, comment and header checksum, which is not looked at.
    let mut full = two[..10].to_vec();
    full[3] = 0x1e;
    full.extend_from_slice(&[3, 0, 9, 9, 9]);
    full.extend_from_slice(b"name\0comment\0");
    full.extend_from_slice(&[1, 2]);
    full.extend_from_slice(&two[10..]);
    assert_eq!(unpacked(codec, &full, 7), Ok(b"two".to_vec()));
    for len in 0..full.len() {
        assert!(unpacked(codec, &full[..len], 7).is_err(), "{len}");
    }
    for at in [0, 1, 2, 3, two.len() - 8, two.len() - 1] {
        let mut wrong = two.clone();
        wrong[at] ^= 0x80;
        assert!(unpacked(codec, &wrong, 7).is_err(), "byte {at}");
    }
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_with_and_without_framing() {
    let codec = Compression::Snappy;
    let plain = sample(40_000);
    let bytes = packed(codec, &plain);
    assert_eq!(bytes[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    let first_len = u32::from_be_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
    let first = &bytes[20..20 + first_len as usize];
    assert_eq!(snap::raw::decompress_len(first).expect("a length"), 32 << 10);

    let bare = snap::raw::Encoder::new().compress_vec(&plain).expect("compressed");
    assert!(unpacked(codec, &bare, plain.len()).as_ref() == Ok(&plain));
    let twice = [bytes.clone(), bytes.clone()].concat();
    let expected = [plain.clone(), plain].concat();
    assert!(unpacked(codec, &twice, 80_000).as_ref() == Ok(&expected));

    // Fifty bytes that claim to hold 50 MB cost nothing.
    let mut claim = vec![0x80, 0xe1, 0xeb, 0x17];
    claim.resize(50, 0);
    let mut out = Vec::new();
    let error = decompress(codec, &claim, &DecodeLimits::default(), &mut out).unwrap_err();
    assert_eq!(error.kind, FormatErrorKind::Corrupt, "{error}");
    assert_eq!(out.capacity(), 0);
    let negative = [&bytes[..16], &[0xff; 8]].concat();
    assert!(unpacked(codec, &negative, 100).is_err());
}

#[cfg(feature = "lz4")]
#[test]
fn lz4_frames_of_every_kind() {
    use std::io::Write;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    let codec = Compression::Lz4;
    let plain = sample(200_000);
    let bytes = packed(codec, &plain);
    assert_eq!(bytes[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_eq!(bytes[bytes.len() - 4..], [0; 4]);

    for mode in [BlockMode::Independent, BlockMode::Linked] {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
            for flags in 0..8 {
                let info = FrameInfo::new()
                    .block_mode(mode)
                    .block_size(size)
                    .block_checksums(flags & 1 != 0)
                    .content_checksum(flags & 2 != 0)
                    .content_size((flags & 4 != 0).then_some(plain.len() as u64));
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(&plain).expect("compressed");
                let frame = encoder.finish().expect("a frame");
                assert!(unpacked(codec, &frame, plain.len()).as_ref() == Ok(&plain));
                let frames = [frame.clone(), frame].concat();
                assert_eq!(unpacked(codec, &frames, 400_000).expect("two").len(), 400_000);
            }
        }
    }

    // What reads frames elsewhere reads ours.
    let mut decoder = lz4_flex::frame::FrameDecoder::new(&bytes[..]);
    let mut out = Vec::new();
    std::io::copy(&mut decoder, &mut out).expect("a valid frame");
    assert!(out == plain);
}

#[cfg(feature = "lz4")]
#[test]
fn lz4_headers_are_checked() {
    let codec = Compression::Lz4;
    let good = packed(codec, b"some bytes");
    let kind = |at: usize, byte: u8| {
        let mut wrong = good.clone();
        wrong[at] = byte;
        unpacked(codec, &wrong, 1 << 20).map_err(|error| error.kind)
    };
    assert_eq!(kind(0, 0), Err(FormatErrorKind::Corrupt));
    for flags in [0x20, 0xa0, 0x61, 0x62] {
        assert_eq!(kind(4, flags), Err(FormatErrorKind::Unsupported), "flags {flags:#x}");
    }
    for descriptor in [0x30, 0xc0, 0x41] {
        assert_eq!(kind(5, descriptor), Err(FormatErrorKind::Corrupt), "{descriptor:#x}");
    }
    assert_eq!(kind(6, 0x83), Err(FormatErrorKind::Corrupt));
    // A checksum over the magic too, as old clients wrote it.
    assert_eq!(kind(6, 0x1a), Ok(b"some bytes".to_vec()));
    // A block larger than the frame allows.
    assert_eq!(kind(9, 0x02), Err(FormatErrorKind::Corrupt));
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_frames_without_a_size_and_in_a_row() {
    use std::io::Write;

    let codec = Compression::Zstd;
    let plain = sample(500_000);
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("a parameter");
    encoder.write_all(&plain).expect("compressed");
    let frame = encoder.finish().expect("a frame");
    assert!(unpacked(codec, &frame, plain.len()).as_ref() == Ok(&plain));
    let frames = [frame.clone(), packed(codec, b"more")].concat();
    let out = unpacked(codec, &frames, plain.len() + 4).expect("two frames");
    assert!(out.starts_with(&plain) && out.ends_with(b"more"));

    let mut wrong = frame.clone();
    *wrong.last_mut().expect("a checksum") ^= 1;
    assert_eq!(unpacked(codec, &wrong, 1 << 20).unwrap_err().kind, FormatErrorKind::Corrupt);

    // Kafka's highest level announces a window of 128 MiB for any input, and must be read.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 22).expect("an encoder");
    encoder.write_all(&plain[..1000]).expect("compressed");
    let frame = encoder.finish().expect("a frame");
    assert_eq!(unpacked(codec, &frame, 1000).as_deref(), Ok(&plain[..1000]));

    // A window of 1 GiB is over what any level needs.
    let huge = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
    assert_eq!(unpacked(codec, &huge, 1000).unwrap_err().kind, FormatErrorKind::Limit);
    // 50 MB announced by ten bytes cost nothing.
    let claim = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x80, 0xf0, 0xfa, 0x02, 0x01];
    let mut out = Vec::new();
    assert!(decompress(codec, &claim, &DecodeLimits::default(), &mut out).is_err());
    assert!(out.capacity() <= 64 << 10, "{}", out.capacity());
}
