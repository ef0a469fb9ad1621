//! Topics: listed and described, as they were at one moment.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{PartitionDescription, TopicDescription};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, place_or_none, text};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};

/// A list of topics, as they were when it was made: what changes later does not change it.
///
/// Ownership: the program's, until ottla_topics_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_topics {
    _opaque: [u8; 0],
}

/// What a topic is.
///
/// Ownership: the texts are those of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_topic_info {
    /// Set it to sizeof(ottla_topic_info).
    pub struct_size: u32,
    /// How many partitions it has.
    pub partition_count: u32,
    /// Its name.
    pub name: *const c_char,
    /// Its id, 22 characters as Kafka prints it: another one after the topic was deleted and made
    /// anew.
    pub id: *const c_char,
    /// How many settings were made for this topic; see ottla_topics_setting.
    pub setting_count: u32,
    /// Whether Kafka keeps topics of this name for itself.
    pub is_internal: bool,
    /// Zero.
    pub reserved: [u8; 3],
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_topic_info {}

/// What a partition of a topic holds.
///
/// Ownership: the texts are those of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_partition_info {
    /// Set it to sizeof(ottla_partition_info).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The first offset that can be read.
    pub log_start_offset: i64,
    /// The offset behind the newest record.
    pub end_offset: i64,
    /// The bytes of its segments.
    pub size_bytes: u64,
    /// All below this offset went through compaction; 0 if nothing did.
    pub cleaned_to_offset: i64,
    /// Why it is not compacted any more before the directory is opened again; NULL if it is.
    pub compaction_error: *const c_char,
    /// Why it cannot be written, if it is damaged; NULL if it is not.
    pub damage: *const c_char,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_partition_info {}

pub(crate) struct TopicsHandle {
    topics: Vec<Topic>,
}

impl Handle for TopicsHandle {
    const KIND: u8 = 20;
    const NAME: &'static str = "a list of topics";
}

struct Topic {
    name: CString,
    id: CString,
    is_internal: bool,
    settings: Vec<(CString, CString)>,
    partitions: Vec<Partition>,
}

struct Partition {
    description: PartitionDescription,
    compaction_error: Option<CString>,
    damage: Option<CString>,
}

impl TopicsHandle {
    fn of(topics: Vec<TopicDescription>) -> TopicsHandle {
        TopicsHandle { topics: topics.into_iter().map(Topic::of).collect() }
    }
}

impl Topic {
    fn of(topic: TopicDescription) -> Topic {
        let texts = |(name, value): (&String, &String)| (c_text(name), c_text(value));
        Topic {
            name: c_text(topic.name.as_str()),
            id: c_text(&topic.id.to_string()),
            is_internal: topic.internal,
            settings: topic.config.iter().map(texts).collect(),
            partitions: topic.partitions.into_iter().map(Partition::of).collect(),
        }
    }
}

impl Partition {
    fn of(description: PartitionDescription) -> Partition {
        Partition {
            compaction_error: description.compaction_error.as_deref().map(c_text),
            damage: description.damage.as_deref().map(c_text),
            description,
        }
    }
}

/// All topics, by name, those that Kafka keeps for itself among them.
///
/// Ownership: `*topics` is the program's, until ottla_topics_free.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topics_list(
    broker: *mut ottla_broker,
    topics: *mut *mut ottla_topics,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(topics, "topics") }?;
        let listed = BrokerHandle::of(broker)?.inner().list_topics();
        place.write(handle::give(TopicsHandle::of(listed))?);
        Ok(())
    })
}

/// One topic, as a list of one.
///
/// Ownership: `*topics` is the program's, until ottla_topics_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topics_describe(
    broker: *mut ottla_broker,
    name: *const c_char,
    topics: *mut *mut ottla_topics,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(topics, "topics") }?;
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        let described = broker.inner().describe_topic(name)?;
        place.write(handle::give(TopicsHandle::of(vec![described]))?);
        Ok(())
    })
}

/// How many topics the list has; 0 if `topics` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_topics_count(topics: *const ottla_topics) -> usize {
    enter_or(0, || Ok(handle::get::<TopicsHandle, _>(topics)?.topics.len()))
}

/// One topic of the list: `index` counts from 0.
///
/// Ownership: the texts in `*info` are the list's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topics_get(
    topics: *const ottla_topics,
    index: usize,
    info: *mut ottla_topic_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<TopicsHandle, _>(topics)?;
        let topic = at(&list.topics, index, "topics")?;
        let known = ottla_topic_info {
            struct_size: 0,
            partition_count: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
            name: topic.name.as_ptr(),
            id: topic.id.as_ptr(),
            setting_count: u32::try_from(topic.settings.len()).unwrap_or(u32::MAX),
            is_internal: topic.is_internal,
            reserved: [0; 3],
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// One setting that was made for a topic of the list; all others have their defaults. Settings come
/// by name.
///
/// Ownership: `*name` and `*value` are the list's; valid until it is freed.
/// Threads: any.
/// NULL: `name` and `value`, if only the other is of interest.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topics_setting(
    topics: *const ottla_topics,
    index: usize,
    setting: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises places, or NULL.
        let name_place = unsafe { place_or_none(name, "name") }?;
        // SAFETY: as above.
        let value_place = unsafe { place_or_none(value, "value") }?;
        let list = handle::get::<TopicsHandle, _>(topics)?;
        let settings = &at(&list.topics, index, "topics")?.settings;
        let (name, value) = at(settings, setting, "settings")?;
        if let Some(place) = name_place {
            place.write(name.as_ptr());
        }
        if let Some(place) = value_place {
            place.write(value.as_ptr());
        }
        Ok(())
    })
}

/// One partition of a topic of the list.
///
/// Ownership: the texts in `*info` are the list's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topics_partition(
    topics: *const ottla_topics,
    index: usize,
    partition: usize,
    info: *mut ottla_partition_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<TopicsHandle, _>(topics)?;
        let partitions = &at(&list.topics, index, "topics")?.partitions;
        let Partition { description, compaction_error, damage } =
            at(partitions, partition, "partitions")?;
        let known = ottla_partition_info {
            struct_size: 0,
            partition: description.partition,
            log_start_offset: description.log_start_offset,
            end_offset: description.end_offset,
            size_bytes: description.size_bytes,
            cleaned_to_offset: description.cleaned_to_offset,
            compaction_error: pointer_of(compaction_error.as_ref()),
            damage: pointer_of(damage.as_ref()),
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

fn pointer_of(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}

/// Frees a list of topics. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_topics_free(topics: *mut ottla_topics) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !topics.is_null() {
            handle::take::<TopicsHandle, _>(topics)?;
        }
        Ok(())
    })
}
