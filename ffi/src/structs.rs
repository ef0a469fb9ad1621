//! Structs that begin with their size, so that they can grow at their ends.
//!
//! Options: a program compiled with an older header passes fewer bytes; the rest is zero, and zero
//! is the default of every field. One compiled with a newer header passes more; what this library
//! does not know must be zero. Results: as many bytes are written as the program has room for.

use std::mem::MaybeUninit;
use std::ptr;

use crate::entry::Failure;
use crate::status::OTTLA_E_UNSUPPORTED;

/// A struct of the header whose first field is a `u32` called `struct_size`.
///
/// # Safety
/// `repr(C)`, begins with a `u32`, has no padding that a program could leave undefined between
/// fields, and all zeros is a value of it.
pub(crate) unsafe trait SizedStruct: Copy {}

/// No struct of any version is larger.
const STRUCT_BYTES_MAX: u32 = 4096;

/// The options at `options`, or all defaults for NULL.
///
/// # Safety
/// NULL, or as many readable bytes as the first four of them say.
pub(crate) unsafe fn options<T: SizedStruct>(options: *const T, what: &str) -> Result<T, Failure> {
    // SAFETY: all zeros is a value, the trait says.
    let mut known = unsafe { MaybeUninit::<T>::zeroed().assume_init() };
    if options.is_null() {
        return Ok(known);
    }
    // SAFETY: there are at least the bytes of the size.
    let size = unsafe { check_size::<T>(options.cast(), what) }?;
    let common = size.min(size_of::<T>());
    // SAFETY: `common` bytes are readable there and writable here.
    unsafe { ptr::copy_nonoverlapping(options.cast::<u8>(), (&raw mut known).cast(), common) };
    for at in common..size {
        // SAFETY: within the size that the program gave.
        if unsafe { *options.cast::<u8>().add(at) } != 0 {
            let message = format!("{what} has settings that this version does not know");
            return Err(Failure::new(OTTLA_E_UNSUPPORTED, message));
        }
    }
    Ok(known)
}

/// Refuses a reserved field of options that is not zero: a later version may give it a meaning.
pub(crate) fn unused(reserved: u32) -> Result<(), Failure> {
    match reserved {
        0 => Ok(()),
        _ => Err(Failure::new(OTTLA_E_UNSUPPORTED, "a reserved field of the options is not zero")),
    }
}

/// Writes as much of `value` as the program's struct has room for; its size stays.
///
/// # Safety
/// NULL, or as many writable bytes as the first four of them say.
pub(crate) unsafe fn fill<T: SizedStruct>(
    result: *mut T,
    value: &T,
    what: &str,
) -> Result<(), Failure> {
    if result.is_null() {
        return Err(Failure::invalid(format!("{what}, where a result goes, is NULL")));
    }
    // SAFETY: there are at least the bytes of the size.
    let size = unsafe { check_size::<T>(result.cast(), what) }?;
    let from = size_of::<u32>();
    let common = size.min(size_of::<T>());
    // SAFETY: both have that many bytes; the size itself is not overwritten. What is beyond this
    // version's struct is zeroed, as an unknown field of a result.
    unsafe {
        let source = ptr::from_ref(value).cast::<u8>().add(from);
        ptr::copy_nonoverlapping(source, result.cast::<u8>().add(from), common - from);
        ptr::write_bytes(result.cast::<u8>().add(common), 0, size - common);
    }
    Ok(())
}

/// # Safety
/// Four readable bytes.
unsafe fn check_size<T: SizedStruct>(first: *const u32, what: &str) -> Result<usize, Failure> {
    if !first.is_aligned() {
        return Err(Failure::invalid(format!("{what} is not aligned")));
    }
    // SAFETY: the caller has them.
    let size = unsafe { first.read() };
    // Every sizeof is a multiple of the alignment. Another size ends within a field, and half of a
    // pointer is none.
    let is_sizeof = (size as usize).is_multiple_of(align_of::<T>());
    if !is_sizeof || !(size_of::<u32>() as u32..=STRUCT_BYTES_MAX).contains(&size) {
        let message =
            format!("the struct_size of {what} is {size}: set it to sizeof of the struct");
        return Err(Failure::invalid(message));
    }
    Ok(size as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Old {
        struct_size: u32,
        first: u32,
    }
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct New {
        struct_size: u32,
        first: u32,
        second: u64,
    }
    // SAFETY: repr(C), integers only, no padding.
    unsafe impl SizedStruct for Old {}
    // SAFETY: as above.
    unsafe impl SizedStruct for New {}

    #[test]
    fn older_and_newer_structs_are_understood() {
        let old = Old { struct_size: 8, first: 7 };
        // SAFETY: eight bytes, as it says.
        let seen = unsafe { options((&raw const old).cast::<New>(), "options") }.unwrap();
        assert_eq!((seen.first, seen.second), (7, 0));
        let new = New { struct_size: 16, first: 7, second: 0 };
        // SAFETY: sixteen bytes, as it says.
        assert_eq!(unsafe { options((&raw const new).cast::<Old>(), "o") }.unwrap().first, 7);
        let unknown = New { second: 9, ..new };
        // SAFETY: sixteen bytes, as it says.
        let refused = unsafe { options((&raw const unknown).cast::<Old>(), "o") }.unwrap_err();
        assert_eq!(refused.status(), OTTLA_E_UNSUPPORTED);
    }

    #[test]
    fn results_fill_what_there_is_room_for() {
        let value = New { struct_size: 16, first: 1, second: 2 };
        let mut old = Old { struct_size: 8, first: 0 };
        // SAFETY: eight bytes, as it says.
        unsafe { fill((&raw mut old).cast::<New>(), &value, "result") }.unwrap();
        assert_eq!(old, Old { struct_size: 8, first: 1 });
        let mut new = New { struct_size: 16, first: 0, second: 99 };
        // SAFETY: sixteen bytes, as it says.
        unsafe { fill((&raw mut new).cast::<Old>(), &old, "result") }.unwrap();
        assert_eq!(new, New { struct_size: 16, first: 1, second: 0 });
    }

    #[test]
    fn a_size_that_ends_within_a_field_is_refused() {
        for size in [4, 12, 15] {
            let cut = New { struct_size: size, first: 7, second: u64::MAX };
            // SAFETY: sixteen bytes, which is more than it says.
            assert!(unsafe { options(&raw const cut, "options") }.is_err());
            let mut kept = cut;
            // SAFETY: as above.
            assert!(unsafe { fill(&raw mut kept, &cut, "result") }.is_err());
        }
    }

    #[test]
    fn a_forgotten_size_is_named() {
        let forgotten = Old { struct_size: 0, first: 0 };
        // SAFETY: eight bytes.
        let refused = unsafe { options(&raw const forgotten, "the options") }.unwrap_err();
        assert!(format!("{refused:?}").contains("struct_size"));
    }
}
