//! Record batches decoded once more, slowly: straight from the tables of the format, with numbers
//! that cannot overflow, a copy of everything, and no code of the library. What the library reads
//! is held against it.

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NaiveRecord {
    pub(crate) offset: i128,
    pub(crate) timestamp: i128,
    pub(crate) sequence: i128,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The fields of a batch's header that its records need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NaiveHeader {
    pub(crate) base_offset: i128,
    pub(crate) attributes: i128,
    pub(crate) last_delta: i128,
    pub(crate) base_timestamp: i128,
    pub(crate) max_timestamp: i128,
    pub(crate) base_sequence: i128,
    pub(crate) count: i128,
}

/// A big-endian number with a sign.
pub(crate) fn number(bytes: &[u8]) -> i128 {
    let unsigned = bytes.iter().fold(0_i128, |sum, byte| sum * 256 + i128::from(*byte));
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    if is_negative { unsigned - (1_i128 << (8 * bytes.len())) } else { unsigned }
}

/// The header of a batch of magic 2 that may be; `None` if it may not.
pub(crate) fn header(batch: &[u8]) -> Option<NaiveHeader> {
    let field = |at: usize, length: usize| batch.get(at..at + length).map(number);
    let header = NaiveHeader {
        base_offset: field(0, 8)?,
        attributes: field(21, 2)?,
        last_delta: field(23, 4)?,
        base_timestamp: field(27, 8)?,
        max_timestamp: field(35, 8)?,
        base_sequence: field(53, 4)?,
        count: field(57, 4)?,
    };
    let is_whole = field(8, 4)? + 12 == batch.len() as i128 && field(16, 1)? == 2;
    let last = header.base_offset + header.last_delta;
    let may_be = header.count >= 0
        && header.last_delta >= 0
        && header.base_offset >= 0
        && last < i128::from(i64::MAX);
    (is_whole && may_be).then_some(header)
}

/// A variable-length number of at most `bits` bits, zigzag.
fn varint(bytes: &mut &[u8], bits: u32) -> Option<i128> {
    let mut sum = 0_u128;
    for index in 0..bits.div_ceil(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        sum += u128::from(first & 0x7f) << (7 * index);
        if *first < 0x80 {
            if sum >= 1 << bits {
                return None;
            }
            let half = (sum / 2).cast_signed();
            return Some(if sum.is_multiple_of(2) { half } else { -half - 1 });
        }
    }
    None
}

fn take(bytes: &mut &[u8], length: i128) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken.to_vec())
}

fn nullable(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    match varint(bytes, 32)? {
        -1 => Some(None),
        length => take(bytes, length).map(Some),
    }
}

/// The first record of `bytes`: its deltas of offset and timestamp, and what else it has.
pub(crate) fn record(bytes: &mut &[u8]) -> Option<(i128, i128, NaiveRecord)> {
    let length = varint(bytes, 32)?;
    let body = take(bytes, length)?;
    let mut rest = body.get(1..)?;
    let timestamp_delta = varint(&mut rest, 64)?;
    let offset_delta = varint(&mut rest, 32)?;
    let key = nullable(&mut rest)?;
    let value = nullable(&mut rest)?;
    let count = varint(&mut rest, 32)?;
    let mut headers = Vec::new();
    if count < 0 || count > rest.len() as i128 {
        return None;
    }
    for _ in 0..count {
        headers.push((nullable(&mut rest)??, nullable(&mut rest)?));
    }
    let record = NaiveRecord { offset: 0, timestamp: 0, sequence: 0, key, value, headers };
    rest.is_empty().then_some((offset_delta, timestamp_delta, record))
}

/// The records of a batch from its bytes after decompression; `None` if anything is wrong.
pub(crate) fn records(header: &NaiveHeader, mut payload: &[u8]) -> Option<Vec<NaiveRecord>> {
    let mut records = Vec::new();
    let mut next_delta = 0;
    for _ in 0..header.count {
        let (offset_delta, timestamp_delta, record) = record(&mut payload)?;
        let timestamp = if header.attributes & 8 == 0 {
            header.base_timestamp + timestamp_delta
        } else {
            header.max_timestamp
        };
        let sequence = match header.base_sequence {
            ..0 => -1,
            base => (base + offset_delta) % (1 << 31),
        };
        let in_order = (next_delta..=header.last_delta).contains(&offset_delta);
        if !in_order || i64::try_from(timestamp).is_err() {
            return None;
        }
        next_delta = offset_delta + 1;
        let offset = header.base_offset + offset_delta;
        records.push(NaiveRecord { offset, timestamp, sequence, ..record });
    }
    payload.is_empty().then_some(records)
}
