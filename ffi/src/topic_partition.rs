//! A partition by the name of its topic and its number, alone and in lists.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{NamesPartition, TopicPartition};

use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, text, values};
use crate::status::ottla_status;

/// A partition.
///
/// Ownership: the name is the program's where one is handed in, and copied during the call; handed
/// out, it belongs to what it came from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_topic_partition {
    /// The topic's name.
    pub topic: *const c_char,
    /// The partition's number; -1 in a list of topics.
    pub partition: i32,
    /// Nobody looks at it.
    pub reserved: u32,
}

/// A list of partitions, or of topics.
///
/// Ownership: the program's, until ottla_topic_partitions_free.
/// Threads: any number may read one at the same time.
pub struct ottla_topic_partitions {
    _opaque: [u8; 0],
}

pub(crate) struct TopicPartitionsHandle {
    all: Vec<(CString, i32)>,
}

impl Handle for TopicPartitionsHandle {
    const KIND: u8 = 12;
    const NAME: &'static str = "a list of partitions";
}

impl TopicPartitionsHandle {
    pub(crate) fn of_partitions(
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> TopicPartitionsHandle {
        let named =
            |partition: &dyn NamesPartition| (c_text(partition.topic()), partition.partition());
        TopicPartitionsHandle {
            all: partitions.into_iter().map(|partition| named(&partition)).collect(),
        }
    }

    /// Topics as a whole.
    pub(crate) fn of_topics(topics: impl IntoIterator<Item: AsRef<str>>) -> TopicPartitionsHandle {
        TopicPartitionsHandle {
            all: topics.into_iter().map(|topic| (c_text(topic.as_ref()), -1)).collect(),
        }
    }
}

/// Partitions as an array of the header, for callbacks.
pub(crate) struct PartitionArray {
    _topics: Vec<CString>,
    all: Vec<ottla_topic_partition>,
}

impl PartitionArray {
    pub(crate) fn of(partitions: &[TopicPartition]) -> PartitionArray {
        let topics: Vec<_> = partitions.iter().map(|it| c_text(it.topic())).collect();
        let named = topics.iter().zip(partitions).map(|(topic, it)| ottla_topic_partition {
            topic: topic.as_ptr(),
            partition: it.partition,
            reserved: 0,
        });
        PartitionArray { all: named.collect(), _topics: topics }
    }

    /// NULL if there are none.
    pub(crate) fn first(&self) -> *const ottla_topic_partition {
        if self.all.is_empty() { ptr::null() } else { self.all.as_ptr() }
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }
}

/// The partitions that a program names.
///
/// # Safety
/// `count` values at `first`, whose texts end with zero bytes; they stay as they are for `'a`.
pub(crate) unsafe fn topic_partitions<'a>(
    first: *const ottla_topic_partition,
    count: usize,
) -> Result<Vec<(&'a str, i32)>, Failure> {
    let mut named = Vec::new();
    // SAFETY: the caller's promise is the same.
    for partition in unsafe { values(first, count, "partitions") }? {
        // SAFETY: the texts are the caller's promise, too.
        let topic = unsafe { text(partition.topic, "the topic of a partition") }?;
        named.push((topic, partition.partition));
    }
    Ok(named)
}

/// The names that a program lists.
///
/// # Safety
/// `count` pointers at `first` to texts that end with zero bytes and stay as they are for `'a`.
pub(crate) unsafe fn names<'a>(
    first: *const *const c_char,
    count: usize,
    what: &str,
) -> Result<Vec<&'a str>, Failure> {
    // SAFETY: the caller's promise is the same.
    let all = unsafe { values(first, count, what) }?;
    // SAFETY: as above.
    all.iter().map(|&name| unsafe { text(name, what) }).collect()
}

/// How many there are; 0 if `partitions` is no such list.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_topic_partitions_count(partitions: *const ottla_topic_partitions) -> usize {
    enter_or(0, || Ok(handle::get::<TopicPartitionsHandle, _>(partitions)?.all.len()))
}

/// Writes the one at `index`, from 0, to `*partition`.
///
/// Ownership: the name is the list's, valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topic_partitions_get(
    partitions: *const ottla_topic_partitions,
    index: usize,
    partition: *mut ottla_topic_partition,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(partition, "partition") }?;
        let list = handle::get::<TopicPartitionsHandle, _>(partitions)?;
        let (topic, partition) = at(&list.all, index, "partitions")?;
        place.write(ottla_topic_partition {
            topic: topic.as_ptr(),
            partition: *partition,
            reserved: 0,
        });
        Ok(())
    })
}

/// Frees a list. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_topic_partitions_free(
    partitions: *mut ottla_topic_partitions,
) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !partitions.is_null() {
            handle::take::<TopicPartitionsHandle, _>(partitions)?;
        }
        Ok(())
    })
}
