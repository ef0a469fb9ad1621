//! Variable-length integers: seven bits a byte, lowest group first, the high bit says "more".
//! Signed ones are zig-zag coded (0, -1, 1, -2 ...). At most 5 bytes for 32 bits, 10 for 64.
//!
//! Readers take a slice and a cursor, and return `None` when the bytes end within the number or
//! the number does not fit; the cursor then has no meaning.

/// The longest 32-bit number.
pub const VARINT_LEN_MAX: usize = 5;
/// The longest 64-bit number.
pub const VARLONG_LEN_MAX: usize = 10;

/// Reads a signed 32-bit number.
#[inline(always)]
pub fn read_varint(bytes: &[u8], at: &mut usize) -> Option<i32> {
    Some(zigzag_decode_32(read_unsigned_varint(bytes, at)?))
}

/// Reads a signed 64-bit number.
#[inline(always)]
pub fn read_varlong(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let number = read_unsigned_varlong(bytes, at)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Reads an unsigned 32-bit number.
#[inline(always)]
pub fn read_unsigned_varint(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(u32::from(first));
    }
    let second = *bytes.get(*at + 1)?;
    if second < 0x80 {
        *at += 2;
        return Some(u32::from(first & 0x7f) | u32::from(second) << 7);
    }
    read_long_form(bytes, at, VARINT_LEN_MAX, 0x0f).and_then(|number| u32::try_from(number).ok())
}

/// Reads an unsigned 64-bit number.
#[inline(always)]
pub fn read_unsigned_varlong(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(u64::from(first));
    }
    let second = *bytes.get(*at + 1)?;
    if second < 0x80 {
        *at += 2;
        return Some(u64::from(first & 0x7f) | u64::from(second) << 7);
    }
    read_long_form(bytes, at, VARLONG_LEN_MAX, 0x01)
}

/// `last_byte_max`: what the last of `len_max` bytes may carry without overflowing the type.
#[inline(never)]
fn read_long_form(bytes: &[u8], at: &mut usize, len_max: usize, last_byte_max: u8) -> Option<u64> {
    let mut number = 0u64;
    for index in 0..len_max {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if index + 1 == len_max && byte > last_byte_max {
            return None;
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Zig-zag: small magnitudes of either sign become small unsigned numbers.
#[inline(always)]
pub fn zigzag_encode_32(value: i32) -> u32 {
    (value << 1 ^ value >> 31).cast_unsigned()
}

#[inline(always)]
fn zigzag_decode_32(number: u32) -> i32 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Zig-zag for 64 bits.
#[inline(always)]
pub fn zigzag_encode_64(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// How many bytes [`write_varint`] takes for `value`.
#[inline(always)]
pub fn varint_len(value: i32) -> usize {
    unsigned_varlong_len(u64::from(zigzag_encode_32(value)))
}

/// How many bytes [`write_varlong`] takes for `value`.
#[inline(always)]
pub fn varlong_len(value: i64) -> usize {
    unsigned_varlong_len(zigzag_encode_64(value))
}

/// How many bytes an unsigned number takes.
#[inline(always)]
pub fn unsigned_varlong_len(number: u64) -> usize {
    // Nearly all numbers are short: two comparisons that are always foreseen beat arithmetic.
    if number < 1 << 7 {
        1
    } else if number < 1 << 14 {
        2
    } else {
        long_form_len(number)
    }
}

#[inline(never)]
fn long_form_len(number: u64) -> usize {
    // ceil(bits / 7), where zero has one bit.
    let bits = 64 - (number | 1).leading_zeros();
    (bits.div_ceil(7)) as usize
}

/// The numbers below this take one or two bytes.
pub const SHORT_FORM_END: u64 = 1 << 14;

/// The bytes of a number below [`SHORT_FORM_END`], the first one lowest, and how many they are.
/// Two of them put together make one store instead of two loops.
#[inline(always)]
pub fn short_form(number: u64) -> (u64, u32) {
    // A branch, because the processor guesses it and goes on: neighbours are of like size.
    if number < 0x80 { (number, 1) } else { (number & 0x7f | 0x80 | number >> 7 << 8, 2) }
}

/// Appends a signed 32-bit number.
pub fn write_varint(out: &mut Vec<u8>, value: i32) {
    write_unsigned_varlong(out, u64::from(zigzag_encode_32(value)));
}

/// Appends a signed 64-bit number.
pub fn write_varlong(out: &mut Vec<u8>, value: i64) {
    write_unsigned_varlong(out, zigzag_encode_64(value));
}

/// Appends an unsigned 32-bit number.
pub fn write_unsigned_varint(out: &mut Vec<u8>, number: u32) {
    write_unsigned_varlong(out, u64::from(number));
}

/// Appends an unsigned 64-bit number.
pub fn write_unsigned_varlong(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Puts a signed 32-bit number into `out` at the cursor.
///
/// # Panics
/// If it does not fit: the caller sized `out` with [`varint_len`].
#[inline(always)]
pub fn put_varint(out: &mut [u8], at: &mut usize, value: i32) {
    put_unsigned_varlong(out, at, u64::from(zigzag_encode_32(value)));
}

/// Puts a signed 64-bit number into `out` at the cursor.
///
/// # Panics
/// If it does not fit: the caller sized `out` with [`varlong_len`].
#[inline(always)]
pub fn put_varlong(out: &mut [u8], at: &mut usize, value: i64) {
    put_unsigned_varlong(out, at, zigzag_encode_64(value));
}

#[inline(always)]
fn put_unsigned_varlong(out: &mut [u8], at: &mut usize, number: u64) {
    if number < 1 << 7 {
        out[*at] = number as u8;
        *at += 1;
    } else if number < 1 << 14 {
        let two = &mut out[*at..*at + 2];
        two[0] = number as u8 | 0x80;
        two[1] = (number >> 7) as u8;
        *at += 2;
    } else {
        put_long_form(out, at, number);
    }
}

#[inline(never)]
fn put_long_form(out: &mut [u8], at: &mut usize, mut number: u64) {
    while number >= 0x80 {
        out[*at] = number as u8 | 0x80;
        *at += 1;
        number >>= 7;
    }
    out[*at] = number as u8;
    *at += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_64(value: i64) {
        let mut bytes = Vec::new();
        write_varlong(&mut bytes, value);
        assert_eq!(bytes.len(), varlong_len(value), "{value}");
        let mut at = 0;
        assert_eq!(read_varlong(&bytes, &mut at), Some(value));
        assert_eq!(at, bytes.len());
        let mut put = vec![0; bytes.len()];
        let mut at = 0;
        put_varlong(&mut put, &mut at, value);
        assert_eq!((put, at), (bytes.clone(), bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(read_varlong(&bytes[..cut], &mut 0), None, "{value} cut at {cut}");
        }
    }

    fn check_32(value: i32) {
        let mut bytes = Vec::new();
        write_varint(&mut bytes, value);
        assert_eq!(bytes.len(), varint_len(value), "{value}");
        let mut at = 0;
        assert_eq!(read_varint(&bytes, &mut at), Some(value));
        assert_eq!(at, bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(read_varint(&bytes[..cut], &mut 0), None, "{value} cut at {cut}");
        }
    }

    #[test]
    fn numbers_read_back_at_every_length() {
        for shift in 0..63 {
            for near in [-2i64, -1, 0, 1, 2] {
                check_64((1i64 << shift) + near);
                check_64(-(1i64 << shift) - near);
            }
        }
        check_64(i64::MAX);
        check_64(i64::MIN);
        for shift in 0..31 {
            for near in [-2i32, -1, 0, 1] {
                check_32((1i32 << shift) + near);
                check_32(-(1i32 << shift) - near);
            }
        }
        check_32(i32::MAX);
        check_32(i32::MIN);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert_eq!(read_unsigned_varint(&[0xff, 0xff, 0xff, 0xff, 0x0f], &mut 0), Some(u32::MAX));
        assert_eq!(read_unsigned_varint(&[0xff, 0xff, 0xff, 0xff, 0x10], &mut 0), None);
        assert_eq!(read_unsigned_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], &mut 0), None);
        let mut ten = [0xff; 10];
        ten[9] = 0x01;
        assert_eq!(read_unsigned_varlong(&ten, &mut 0), Some(u64::MAX));
        ten[9] = 0x02;
        assert_eq!(read_unsigned_varlong(&ten, &mut 0), None);
        ten[9] = 0x81;
        assert_eq!(read_unsigned_varlong(&ten, &mut 0), None);
    }
}
