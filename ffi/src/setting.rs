//! Settings: Kafka's names and values as text, as in a properties file.

use std::ffi::c_char;

use crate::entry::Failure;
use crate::pointer::{text, text_or_none, values};

/// One setting by Kafka's dotted name: {"retention.ms", "604800000"}. An unknown name is an error
/// that names the nearest one.
///
/// Ownership: the program's; copied during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_setting {
    /// The name. Not NULL.
    pub name: *const c_char,
    /// The value as text. Not NULL, but where a call says that NULL takes the setting back.
    pub value: *const c_char,
}

/// Each name with its value.
///
/// # Safety
/// `count` settings at `first`, whose texts end with zero bytes.
pub(crate) unsafe fn settings<'a>(
    first: *const ottla_setting,
    count: usize,
) -> Result<Vec<(&'a str, &'a str)>, Failure> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise is the same.
    for setting in unsafe { values(first, count, "settings") }? {
        // SAFETY: the texts are the caller's promise, too.
        let name = unsafe { text(setting.name, "the name of a setting") }?;
        // SAFETY: as above.
        let value = unsafe { text(setting.value, &format!("the value of {name}")) }?;
        found.push((name, value));
    }
    Ok(found)
}

/// Each name with its value, or with none: that takes the setting back.
///
/// # Safety
/// As [`settings`].
pub(crate) unsafe fn changes<'a>(
    first: *const ottla_setting,
    count: usize,
) -> Result<Vec<(&'a str, Option<&'a str>)>, Failure> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise is the same.
    for setting in unsafe { values(first, count, "settings") }? {
        // SAFETY: the texts are the caller's promise, too.
        let name = unsafe { text(setting.name, "the name of a setting") }?;
        // SAFETY: as above.
        let value = unsafe { text_or_none(setting.value, &format!("the value of {name}")) }?;
        found.push((name, value));
    }
    Ok(found)
}
