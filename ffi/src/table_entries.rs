//! Keys and values of a table, copied out.
//!
//! The invariant: the bytes are in one buffer that is neither moved nor freed while the handle lives.

use std::ptr;

use crate::entry::enter;
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::pointer::place;
use crate::status::ottla_status;

/// A piece ends at about as many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A key with its value. Neither is NULL; either may be empty.
///
/// Ownership: that of the ottla_table_entries that it came with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_table_entry {
    /// The key.
    pub key: *const u8,
    /// The length of the key in bytes.
    pub key_length: usize,
    /// The value.
    pub value: *const u8,
    /// The length of the value in bytes.
    pub value_length: usize,
}

/// Some keys and values of a table.
///
/// Ownership: the program's, until ottla_table_entries_free. They outlive the table.
/// Threads: any number at the same time.
pub struct ottla_table_entries {
    _opaque: [u8; 0],
}

/// Entries as they are collected.
#[derive(Default)]
pub(crate) struct Entries {
    bytes: Vec<u8>,
    /// Of key and value of each.
    lengths: Vec<(usize, usize)>,
}

impl Entries {
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.lengths.push((key.len(), value.len()));
    }

    pub(crate) fn is_full(&self, count_max: usize) -> bool {
        self.lengths.len() >= count_max || self.bytes.len() >= PIECE_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }
}

pub(crate) struct TableEntriesHandle {
    /// What the entries lead to.
    _bytes: Vec<u8>,
    entries: Vec<ottla_table_entry>,
}

// SAFETY: the pointers within lead to memory that the handle owns and nobody changes.
unsafe impl Send for TableEntriesHandle {}
// SAFETY: as above.
unsafe impl Sync for TableEntriesHandle {}

impl Handle for TableEntriesHandle {
    const KIND: u8 = 41;
    const NAME: &'static str = "entries of a table";
}

impl TableEntriesHandle {
    pub(crate) fn new(collected: Entries) -> TableEntriesHandle {
        let Entries { bytes, lengths } = collected;
        let mut rest = &bytes[..];
        let mut entries = Vec::with_capacity(lengths.len());
        for (key_length, value_length) in lengths {
            let (key, behind) = rest.split_at(key_length);
            let (value, behind) = behind.split_at(value_length);
            let (key, value) = (key.as_ptr(), value.as_ptr());
            entries.push(ottla_table_entry { key, key_length, value, value_length });
            rest = behind;
        }
        TableEntriesHandle { _bytes: bytes, entries }
    }
}

/// Sets `*first` to an array of the entries, `*count` of them.
///
/// Ownership: the array is that of `entries`, until they are freed.
/// Threads: any number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_entries_all(
    entries: *const ottla_table_entries,
    first: *mut *const ottla_table_entry,
    count: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let first = unsafe { place(first, "first") }?;
        // SAFETY: as above.
        let count = unsafe { place(count, "count") }?;
        let owner = handle::get::<TableEntriesHandle, _>(entries)?;
        first.write(owner.entries.as_ptr());
        count.write(owner.entries.len());
        Ok(())
    })
}

/// Frees entries of a table. NULL is fine.
///
/// Threads: any, once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if they were freed already or are none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_table_entries_free(entries: *mut ottla_table_entries) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !entries.is_null() {
            handle::take::<TableEntriesHandle, _>(entries)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    #[test]
    fn entries_lead_to_what_was_pushed() {
        let pairs: [(&[u8], &[u8]); 4] = [(b"", b""), (b"key", b""), (b"", b"value"), (b"k", b"v")];
        let mut entries = Entries::default();
        pairs.iter().for_each(|(key, value)| entries.push(key, value));
        let handle = TableEntriesHandle::new(entries);
        assert_eq!(handle.entries.len(), pairs.len());
        for (entry, (key, value)) in handle.entries.iter().zip(pairs) {
            // SAFETY: the handle lives.
            let found = unsafe {
                let key = slice::from_raw_parts(entry.key, entry.key_length);
                (key, slice::from_raw_parts(entry.value, entry.value_length))
            };
            assert_eq!(found, (key, value));
            assert!(!entry.key.is_null() && !entry.value.is_null());
        }
    }
}
