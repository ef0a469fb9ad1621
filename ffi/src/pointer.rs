//! Pointers that a program passes: looked at once, here, and then Rust's.
//!
//! NULL, lengths that no memory can have and text that is not UTF-8 are refused. That a pointer
//! which is not NULL leads to as much memory as its length says is the program's word.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::slice;

use crate::entry::Failure;

/// No name, setting or path is longer.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The bytes at `text`, which end before a zero byte. `what` names the argument.
///
/// # Safety
/// NULL, or memory up to and including a zero byte that stays as it is for `'a`.
unsafe fn until_zero<'a>(text: *const c_char, what: &str) -> Result<&'a [u8], Failure> {
    if text.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL")));
    }
    // SAFETY: readable up to its zero byte, and looked at no further than that.
    let length = unsafe { libc::strnlen(text, TEXT_BYTES_MAX + 1) };
    if length > TEXT_BYTES_MAX {
        return Err(Failure::invalid(format!("{what} is longer than {TEXT_BYTES_MAX} bytes")));
    }
    // SAFETY: as many bytes were looked at just now.
    Ok(unsafe { slice::from_raw_parts(text.cast(), length) })
}

/// The text at `text`, which ends with a zero byte. `what` names the argument.
///
/// # Safety
/// NULL, or memory up to and including a zero byte that stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise is the same.
    let bytes = unsafe { until_zero(text, what) }?;
    std::str::from_utf8(bytes).map_err(|_| Failure::invalid(format!("{what} is not UTF-8")))
}

/// A path: any bytes but zero, as the operating system has it.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn path<'a>(path: *const c_char, what: &str) -> Result<&'a Path, Failure> {
    // SAFETY: the caller's promise is the same.
    let bytes = unsafe { until_zero(path, what) }?;
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// As [`text`]; `None` for NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn text_or_none<'a>(
    pointer: *const c_char,
    what: &str,
) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise is the same.
    unsafe { text(pointer, what) }.map(Some)
}

/// `count` values at `first`; none of them for a count of 0, whatever the pointer is.
///
/// # Safety
/// NULL, or `count` initialised values that stay as they are for `'a`.
#[inline]
pub(crate) unsafe fn values<'a, T>(
    first: *const T,
    count: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL, but there are {count} of it")));
    }
    if !first.is_aligned() {
        return Err(Failure::invalid(format!("{what} is not aligned")));
    }
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if isize::try_from(bytes).is_ok() => {
            // SAFETY: not NULL, aligned, no longer than memory can be; the rest is the caller's word.
            Ok(unsafe { slice::from_raw_parts(first, count) })
        }
        _ => Err(Failure::invalid(format!("{count} of {what} are more than memory can hold"))),
    }
}

/// Bytes that may be missing: NULL is none, which is not the same as empty. A length of -1 beside it
/// is what views have there.
///
/// # Safety
/// As [`values`].
#[inline]
pub(crate) unsafe fn bytes_or_none<'a>(
    first: *const u8,
    length: usize,
    what: &str,
) -> Result<Option<&'a [u8]>, Failure> {
    if first.is_null() {
        if length > 0 && length != usize::MAX {
            return Err(Failure::invalid(format!("{what} is NULL, but {length} bytes long")));
        }
        return Ok(None);
    }
    // SAFETY: the caller's promise is the same.
    unsafe { values(first, length, what) }.map(Some)
}

/// Bytes that have to be there, as the key of a stream: they may be none, but not NULL.
///
/// # Safety
/// As [`values`].
pub(crate) unsafe fn bytes<'a>(
    first: *const u8,
    length: usize,
    what: &str,
) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise is the same.
    let bytes = unsafe { bytes_or_none(first, length, what) }?;
    bytes.ok_or_else(|| Failure::invalid(format!("{what} is NULL")))
}

/// A place for one result. It is written only when the call succeeds.
///
/// # Safety
/// NULL, or memory for a `T` that nobody else looks at during the call.
pub(crate) unsafe fn place<'a, T>(
    place: *mut T,
    what: &str,
) -> Result<&'a mut std::mem::MaybeUninit<T>, Failure> {
    if place.is_null() {
        return Err(Failure::invalid(format!("{what}, where a result goes, is NULL")));
    }
    if !place.is_aligned() {
        return Err(Failure::invalid(format!("{what} is not aligned")));
    }
    // SAFETY: not NULL, aligned, and the caller's for the call.
    Ok(unsafe { &mut *place.cast() })
}

/// Places for `count` results, none of which is written unless the call succeeds; for a count of 0,
/// whatever the pointer is.
///
/// # Safety
/// NULL, or memory for `count` values that nobody else looks at during the call.
pub(crate) unsafe fn room<'a, T>(
    first: *mut T,
    count: usize,
    what: &str,
) -> Result<&'a mut [std::mem::MaybeUninit<T>], Failure> {
    // SAFETY: the caller's promise is the same; whatever is there is a value of this type.
    unsafe { values(first.cast_const().cast::<std::mem::MaybeUninit<T>>(), count, what) }?;
    if count == 0 {
        return Ok(&mut []);
    }
    // SAFETY: looked at above: not NULL, aligned, and as long as memory can be.
    Ok(unsafe { slice::from_raw_parts_mut(first.cast(), count) })
}

/// As [`place`]; `None` for NULL, for a result that the program may not want.
///
/// # Safety
/// As [`place`].
pub(crate) unsafe fn place_or_none<'a, T>(
    pointer: *mut T,
    what: &str,
) -> Result<Option<&'a mut std::mem::MaybeUninit<T>>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise is the same.
    unsafe { place(pointer, what) }.map(Some)
}

/// The one of `list` that a program asked for by its number.
pub(crate) fn at<'a, T>(list: &'a [T], index: usize, what: &str) -> Result<&'a T, Failure> {
    let count = list.len();
    list.get(index).ok_or_else(|| {
        Failure::invalid(format!("{what} are counted from 0, and there are {count}: no {index}"))
    })
}
