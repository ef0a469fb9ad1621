//! Committed offsets: handed in as an array, handed out as a list.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{OffsetAndMetadata, TopicPartition};

use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, text, text_or_none, values};
use crate::status::ottla_status;

/// The offset of the next record to read of a partition, as a group commits it.
///
/// Ownership: texts are the program's where they are handed in, and copied during the call; handed
/// out, they belong to what they came from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_offset {
    /// The topic's name.
    pub topic: *const c_char,
    /// The partition's number.
    pub partition: i32,
    /// The leader epoch of the record before it; -1 if it is not known.
    pub leader_epoch: i32,
    /// The offset; handed out, -1 if nothing was committed.
    pub offset: i64,
    /// A note of the program; NULL is as "".
    pub metadata: *const c_char,
}

/// A list of committed offsets.
///
/// Ownership: the program's, until ottla_offsets_free.
/// Threads: any number may read one at the same time.
pub struct ottla_offsets {
    _opaque: [u8; 0],
}

/// A partition and what was committed of it.
pub(crate) type CommittedOffset = (TopicPartition, OffsetAndMetadata);

/// Offsets as an array of the header.
pub(crate) struct OffsetArray {
    _texts: Vec<CString>,
    all: Vec<ottla_offset>,
}

// SAFETY: the pointers within lead to texts that the array owns and nobody changes.
unsafe impl Send for OffsetArray {}
// SAFETY: as above.
unsafe impl Sync for OffsetArray {}

impl OffsetArray {
    pub(crate) fn of(offsets: &[CommittedOffset]) -> OffsetArray {
        let some = offsets.iter().map(|(at, offset)| (at, Some(offset)));
        OffsetArray::of_each(some)
    }

    /// Offsets that nobody committed: where partitions end, or a reader stands.
    pub(crate) fn of_ends(ends: Vec<(TopicPartition, i64)>) -> OffsetArray {
        let named = ends.into_iter().map(|(at, end)| (at, OffsetAndMetadata::new(end)));
        OffsetArray::of(&named.collect::<Vec<CommittedOffset>>())
    }

    pub(crate) fn of_each<'a>(
        offsets: impl Iterator<Item = (&'a TopicPartition, Option<&'a OffsetAndMetadata>)>,
    ) -> OffsetArray {
        let mut array = OffsetArray { _texts: Vec::new(), all: Vec::new() };
        for (at, committed) in offsets {
            let topic = c_text(at.topic.as_str());
            let metadata = c_text(committed.map_or("", |committed| &committed.metadata));
            array.all.push(ottla_offset {
                topic: topic.as_ptr(),
                partition: at.partition,
                leader_epoch: committed.and_then(|it| it.leader_epoch).unwrap_or(-1),
                offset: committed.map_or(-1, |committed| committed.offset),
                metadata: metadata.as_ptr(),
            });
            // The texts stay where they are: what moves is who owns them.
            array._texts.extend([topic, metadata]);
        }
        array
    }

    /// NULL if there are none.
    pub(crate) fn first(&self) -> *const ottla_offset {
        if self.all.is_empty() { ptr::null() } else { self.all.as_ptr() }
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Gives the program a list of them.
    pub(crate) fn give(self) -> Result<*mut ottla_offsets, Failure> {
        handle::give(OffsetsHandle(self))
    }
}

pub(crate) struct OffsetsHandle(OffsetArray);

impl Handle for OffsetsHandle {
    const KIND: u8 = 13;
    const NAME: &'static str = "a list of offsets";
}

/// An offset for a partition, as a program names it.
pub(crate) type NamedOffset<'a> = ((&'a str, i32), OffsetAndMetadata);

/// The offsets that a program names.
///
/// # Safety
/// `count` values at `first`, whose texts end with zero bytes; they stay as they are for `'a`.
pub(crate) unsafe fn offsets<'a>(
    first: *const ottla_offset,
    count: usize,
) -> Result<Vec<NamedOffset<'a>>, Failure> {
    let mut named = Vec::new();
    // SAFETY: the caller's promise is the same.
    for offset in unsafe { values(first, count, "offsets") }? {
        // SAFETY: the texts are the caller's promise, too.
        let topic = unsafe { text(offset.topic, "the topic of an offset") }?;
        // SAFETY: as above.
        let metadata = unsafe { text_or_none(offset.metadata, "the metadata of an offset") }?;
        let mut committed =
            OffsetAndMetadata::new(offset.offset).metadata(metadata.unwrap_or_default());
        committed.leader_epoch = (offset.leader_epoch >= 0).then_some(offset.leader_epoch);
        named.push(((topic, offset.partition), committed));
    }
    Ok(named)
}

/// How many there are; 0 if `offsets` is no such list.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_offsets_count(offsets: *const ottla_offsets) -> usize {
    enter_or(0, || Ok(handle::get::<OffsetsHandle, _>(offsets)?.0.all.len()))
}

/// Writes the one at `index`, from 0, to `*offset`.
///
/// Ownership: the texts are the list's, valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_offsets_get(
    offsets: *const ottla_offsets,
    index: usize,
    offset: *mut ottla_offset,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(offset, "offset") }?;
        let list = handle::get::<OffsetsHandle, _>(offsets)?;
        place.write(*at(&list.0.all, index, "offsets")?);
        Ok(())
    })
}

/// Frees a list. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_offsets_free(offsets: *mut ottla_offsets) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !offsets.is_null() {
            handle::take::<OffsetsHandle, _>(offsets)?;
        }
        Ok(())
    })
}
