//! The short way to decode a record of magic 2 that is like most: a length and an offset delta of
//! one or two bytes, a timestamp delta of one, a short key or none, a value below 8 KiB, no headers.
//!
//! Walking a log spends its time here. For each combination of lengths there is a copy of the code
//! in which every place is a constant, and the first bytes are checked to be there once: that takes
//! a third off decoding number by number. The invariant: what is decoded here is what the long way
//! ([`Record::decode_any`]) decodes. Everything else, errors too, is left to the long way.

use crate::format::record::{Headers, Record};

/// The coding of -1, the length of null.
const NULL_LENGTH: u8 = 1;

/// The record that `bytes` start with, and its length; `None` only says that it is not usual.
#[inline(always)]
pub(super) fn decode_usual(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    // Length, attributes, timestamp delta, offset delta and the lengths of key and value take at
    // most nine.
    let head = bytes.first_chunk::<16>()?;
    if head[0] < 0x80 {
        with_length::<1>(bytes, head)
    } else if head[1] < 0x80 {
        with_length::<2>(bytes, head)
    } else {
        None
    }
}

/// `LENGTH`: how many bytes the record's length takes.
#[inline(always)]
fn with_length<'a, const LENGTH: usize>(
    bytes: &'a [u8],
    head: &[u8; 16],
) -> Option<(Record<'a>, usize)> {
    let end = LENGTH + positive(short_number::<LENGTH>(head, 0))?;
    if end > bytes.len() || head[LENGTH + 1] >= 0x80 {
        return None;
    }
    if head[LENGTH + 2] < 0x80 {
        with_delta::<LENGTH, 1>(bytes, head, end)
    } else if head[LENGTH + 3] < 0x80 {
        with_delta::<LENGTH, 2>(bytes, head, end)
    } else {
        None
    }
}

/// `DELTA`: how many bytes the offset delta takes.
#[inline(always)]
fn with_delta<'a, const LENGTH: usize, const DELTA: usize>(
    bytes: &'a [u8],
    head: &[u8; 16],
    end: usize,
) -> Option<(Record<'a>, usize)> {
    let at = LENGTH + 2 + DELTA;
    let (key, value_start, value_end) = if head[at] == NULL_LENGTH {
        let (start, value_end) = place_of_value(head, at + 1)?;
        (None, start, value_end)
    } else {
        if head[at] >= 0x80 {
            return None;
        }
        let key_end = at + 1 + positive(u32::from(head[at]))?;
        let key = bytes.get(at + 1..key_end)?;
        let (start, value_end) = place_of_value(bytes.get(key_end..)?.first_chunk::<2>()?, 0)?;
        (Some(key), key_end + start, key_end + value_end)
    };
    // The count of headers, 0, is all that may be left.
    if value_end + 1 != end || bytes[value_end] != 0 {
        return None;
    }
    let record = Record {
        timestamp_delta: i64::from(unzigzag(u32::from(head[LENGTH + 1]))),
        offset_delta: unzigzag(short_number::<DELTA>(head, LENGTH + 2)),
        key,
        value: Some(bytes.get(value_start..value_end)?),
        headers: Headers::NONE,
    };
    Some((record, end))
}

/// The coded number of `LENGTH` bytes, one or two, at `at`.
#[inline(always)]
fn short_number<const LENGTH: usize>(bytes: &[u8], at: usize) -> u32 {
    match LENGTH {
        1 => u32::from(bytes[at]),
        _ => u32::from(bytes[at] & 0x7f) | u32::from(bytes[at + 1]) << 7,
    }
}

/// A length; `None` if it is negative.
#[inline(always)]
fn positive(coded: u32) -> Option<usize> {
    if coded & 1 == 0 { Some((coded >> 1) as usize) } else { None }
}

#[inline(always)]
fn unzigzag(coded: u32) -> i32 {
    (coded >> 1).cast_signed() ^ -(coded & 1).cast_signed()
}

/// Start and end of the value whose length is at `at`, if that takes one or two bytes.
#[inline(always)]
fn place_of_value(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let (coded, start) = if bytes[at] < 0x80 {
        (short_number::<1>(bytes, at), at + 1)
    } else if bytes[at + 1] < 0x80 {
        (short_number::<2>(bytes, at), at + 2)
    } else {
        return None;
    };
    Some((start, start + positive(coded)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::{HeaderList, RecordEncoder};

    /// Both ways must agree on `bytes`; says whether the short one took them.
    fn check(bytes: &[u8]) -> bool {
        let Some((usual, length)) = decode_usual(bytes) else { return false };
        let mut at = 0;
        let any = Record::decode_any(bytes, &mut at).expect("the long way takes it, too");
        assert_eq!(at, length, "{bytes:?}");
        assert_eq!(usual.timestamp_delta, any.timestamp_delta, "{bytes:?}");
        assert_eq!(usual.offset_delta, any.offset_delta, "{bytes:?}");
        assert_eq!((usual.key, usual.value), (any.key, any.value), "{bytes:?}");
        assert_eq!(usual.headers.count_left(), any.headers.count_left(), "{bytes:?}");
        true
    }

    fn encoded(timestamp: i64, offset: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let encoder = RecordEncoder::new(timestamp, offset, key, value, HeaderList::Pairs(&[]));
        let encoder = encoder.expect("it is small");
        let mut bytes = vec![0; encoder.encoded_len()];
        encoder.encode(&mut bytes);
        bytes.resize(bytes.len() + 16, 0xa5);
        bytes
    }

    #[test]
    fn both_ways_decode_the_same_at_every_length() {
        let text = vec![7u8; 9000];
        let lengths = [0, 1, 5, 49, 50, 51, 63, 64, 100, 500, 4096, 8190, 8191, 8192, 9000];
        let mut taken = 0;
        for timestamp in [-65, -64, -1, 0, 1, 63, 64, 1 << 40] {
            for offset in [0, 1, 63, 64, 8191, 8192] {
                for key in [None, Some(0), Some(1), Some(63), Some(64), Some(8192)] {
                    for value in lengths.map(Some).into_iter().chain([None]) {
                        let key = key.map(|length| &text[..length]);
                        let value = value.map(|length| &text[..length]);
                        taken += usize::from(check(&encoded(timestamp, offset, key, value)));
                    }
                }
            }
        }
        assert!(taken > 500, "{taken}");
    }

    #[test]
    fn both_ways_agree_on_damaged_bytes() {
        let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(20);
        println!("OTTLA_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut taken = 0;
        for _ in 0..200_000 {
            let key = vec![1; random.usize(0..4)];
            let value = vec![2; random.usize(0..12)];
            let offset = random.i32(0..100);
            let mut bytes = encoded(random.i64(-2..70), offset, Some(&key), Some(&value));
            if random.bool() {
                bytes = encoded(random.i64(-2..70), offset, None, Some(&value));
            }
            for _ in 0..random.usize(0..3) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..) >> random.u32(0..8);
            }
            bytes.truncate(random.usize(0..=bytes.len()));
            taken += usize::from(check(&bytes));
        }
        assert!(taken > 10_000, "{taken}");
    }
}
