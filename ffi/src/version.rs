//! Which library this is, and which ABI it speaks.

use std::ffi::c_char;

/// The version of the ABI that this header describes. It grows by one when a function or type is
/// added, and never for another reason: what was there keeps its meaning as long as the soname
/// stays.
pub const OTTLA_ABI_VERSION: u32 = 1;

/// The version that this header came with, as ottla_version_number says it of the library.
pub const OTTLA_VERSION_NUMBER: u32 = 1000;

const _: () = assert!(OTTLA_VERSION_NUMBER == VERSION_NUMBER, "the header's version is stale");

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The library's version as text, for example "0.1.0".
///
/// Ownership: the library's, for ever.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The library's version as one number: major * 1000000 + minor * 1000 + patch.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_version_number() -> u32 {
    VERSION_NUMBER
}

/// The ABI that the library speaks: a program compiled with a newer header may find functions
/// missing if this is smaller than its OTTLA_ABI_VERSION.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_abi_version() -> u32 {
    OTTLA_ABI_VERSION
}

const VERSION_NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
    + number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let (mut at, mut value) = (0, 0);
    while at < bytes.len() && bytes[at].is_ascii_digit() {
        value = value * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    value
}
