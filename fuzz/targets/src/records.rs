//! Single records with their headers, and numbers of variable length.

use ottla::format::record::{HeaderList, Record, RecordEncoder, skip_record};
use ottla::format::varint::{
    read_unsigned_varint, read_unsigned_varlong, read_varint, read_varlong, varint_len,
    varlong_len, write_unsigned_varint, write_unsigned_varlong, write_varint, write_varlong,
};

use crate::heap::within;
use crate::naive;

/// Records one after the other, each decoded in both ways, skipped, and written again.
///
/// # Panics
/// If one of these sees something else.
pub fn record(data: &[u8]) {
    within(24 * data.len() + (64 << 10), || {
        let mut at = 0;
        while at < data.len() {
            let mut rest = &data[at..];
            let expected = naive::record(&mut rest);
            let mut end = at;
            let found = Record::decode(data, &mut end);
            assert_eq!(found.is_ok(), expected.is_some(), "{found:?}");
            let Ok(found) = found else { return };
            assert_eq!(end, data.len() - rest.len(), "another length");
            let mut skipped = at;
            assert_eq!(skip_record(data, &mut skipped).ok(), Some(found.offset_delta));
            assert_eq!(skipped, end);
            let expected = expected.unwrap_or_else(|| unreachable!("compared above"));
            is_same(&found, &expected);
            writes_the_same(&found);
            at = end;
        }
    });
}

fn is_same(found: &Record<'_>, (offset, timestamp, expected): &(i128, i128, naive::NaiveRecord)) {
    assert_eq!(i128::from(found.offset_delta), *offset);
    assert_eq!(i128::from(found.timestamp_delta), *timestamp);
    assert_eq!(found.key, expected.key.as_deref());
    assert_eq!(found.value, expected.value.as_deref());
    let headers =
        found.headers.clone().map(|h| (h.name_bytes.to_vec(), h.value.map(<[u8]>::to_vec)));
    assert!(headers.eq(expected.headers.iter().cloned()), "other headers");
}

/// What is written for a record reads back, and is no longer than what it came from.
fn writes_the_same(record: &Record<'_>) {
    let encoder = RecordEncoder::new(
        record.timestamp_delta,
        record.offset_delta,
        record.key,
        record.value,
        HeaderList::Decoded(record.headers.clone()),
    );
    let encoder = encoder.expect("a record that was read can be written");
    let mut bytes = vec![0; encoder.encoded_len()];
    encoder.encode(&mut bytes);
    let mut at = 0;
    let again = Record::decode(&bytes, &mut at).expect("a record that was written can be read");
    assert_eq!(at, bytes.len());
    assert_eq!((again.key, again.value), (record.key, record.value));
    assert!(again.headers.eq(record.headers.clone()), "other headers");
}

/// Numbers at every position, against a naive reading, and written again.
///
/// # Panics
/// If one of them is another.
pub fn varint(data: &[u8]) {
    within(1 << 10, || {
        for at in 0..data.len() {
            signed(data, at);
            unsigned(data, at);
        }
    });
}

/// The bits of a number, low ones first, and where it ends; `None` if it does not.
fn read(bytes: &[u8], bits: u32) -> Option<(u128, usize)> {
    let mut sum = 0_u128;
    for (index, byte) in bytes.iter().enumerate().take(bits.div_ceil(7) as usize) {
        sum |= u128::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (sum < 1 << bits).then_some((sum, index + 1));
        }
    }
    None
}

fn unsigned(data: &[u8], at: usize) {
    let mut end = at;
    let found = read_unsigned_varint(data, &mut end).map(|n| (u128::from(n), end - at));
    assert_eq!(found, read(&data[at..], 32));
    let mut long_end = at;
    let long = read_unsigned_varlong(data, &mut long_end).map(|n| (u128::from(n), long_end - at));
    assert_eq!(long, read(&data[at..], 64));
    let mut out = Vec::with_capacity(16);
    if let Some((number, length)) = found {
        write_unsigned_varint(&mut out, number as u32);
        assert!(out.len() <= length && read(&out, 32) == Some((number, out.len())));
    }
    if let Some((number, length)) = long {
        out.clear();
        write_unsigned_varlong(&mut out, number as u64);
        assert!(out.len() <= length && read(&out, 64) == Some((number, out.len())));
    }
}

fn signed(data: &[u8], at: usize) {
    let zigzag = |(number, _): (u128, usize)| {
        let half = (number >> 1).cast_signed();
        if number & 1 == 0 { half } else { -half - 1 }
    };
    let mut out = Vec::with_capacity(16);
    let mut end = at;
    let found = read_varint(data, &mut end);
    assert_eq!(found.map(i128::from), read(&data[at..], 32).map(zigzag));
    if let Some(number) = found {
        write_varint(&mut out, number);
        assert_eq!(out.len(), varint_len(number));
        assert_eq!(read_varint(&out, &mut 0), Some(number));
    }
    let mut end = at;
    let found = read_varlong(data, &mut end);
    assert_eq!(found.map(i128::from), read(&data[at..], 64).map(zigzag));
    if let Some(number) = found {
        out.clear();
        write_varlong(&mut out, number);
        assert_eq!(out.len(), varlong_len(number));
        assert_eq!(read_varlong(&out, &mut 0), Some(number));
    }
}
