//! Consumer groups as a whole: listed, described, deleted; their offsets shown, set and deleted.

pub mod description;
pub mod reset;

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{GroupListing, GroupState, OffsetScope, TopicName, TopicPartition};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::offsets::{OffsetArray, ottla_offsets};
use crate::pointer::{at, place, text};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};
use crate::topic_partition::{ottla_topic_partition, topic_partitions};

/// The state of a group without members: it has only committed offsets.
pub const OTTLA_GROUP_EMPTY: i32 = 0;

/// Something changed, and who is to read what is decided by the next poll of a member.
pub const OTTLA_GROUP_ASSIGNING: i32 = 1;

/// It was decided, and some member still has to let go of partitions or to take them.
pub const OTTLA_GROUP_RECONCILING: i32 = 2;

/// Every member reads what it should.
pub const OTTLA_GROUP_STABLE: i32 = 3;

fn number_of(state: GroupState) -> i32 {
    match state {
        GroupState::Empty => OTTLA_GROUP_EMPTY,
        GroupState::Assigning => OTTLA_GROUP_ASSIGNING,
        GroupState::Reconciling => OTTLA_GROUP_RECONCILING,
        GroupState::Stable => OTTLA_GROUP_STABLE,
        _ => -1,
    }
}

/// A list of groups, as they were when it was made.
///
/// Ownership: the program's, until ottla_groups_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_groups {
    _opaque: [u8; 0],
}

/// A group in a list.
///
/// Ownership: the texts are those of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_group_listing {
    /// Set it to sizeof(ottla_group_listing).
    pub struct_size: u32,
    /// Where it stands: OTTLA_GROUP_EMPTY, ...; -1 for a state that this header does not know.
    pub state: i32,
    /// Its name.
    pub name: *const c_char,
    /// "consumer"; empty for a group that never had members and only committed offsets.
    pub protocol_type: *const c_char,
    /// How many members it has, those that are away among them.
    pub member_count: usize,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_group_listing {}

struct GroupsHandle {
    groups: Vec<(GroupListing, CString, CString)>,
}

impl Handle for GroupsHandle {
    const KIND: u8 = 16;
    const NAME: &'static str = "a list of groups";
}

/// All groups that have members or committed offsets, by name.
///
/// Ownership: `*groups` is the program's, until ottla_groups_free.
/// Threads: any.
/// Returns: OTTLA_E_CORRUPT and OTTLA_E_IO from reading the committed offsets, the first time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_groups_list(
    broker: *const ottla_broker,
    groups: *mut *mut ottla_groups,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(groups, "groups") }?;
        let listed = BrokerHandle::of(broker)?.inner().list_groups()?;
        let with_texts = listed.into_iter().map(|group| {
            let texts = (c_text(&group.name), c_text(&group.protocol_type));
            (group, texts.0, texts.1)
        });
        place.write(handle::give(GroupsHandle { groups: with_texts.collect() })?);
        Ok(())
    })
}

/// How many groups are in the list; 0 if `groups` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_groups_count(groups: *const ottla_groups) -> usize {
    enter_or(0, || Ok(handle::get::<GroupsHandle, _>(groups)?.groups.len()))
}

/// Writes the group at `index`, from 0, to `*group`.
///
/// Ownership: the texts are the list's, valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_groups_get(
    groups: *const ottla_groups,
    index: usize,
    group: *mut ottla_group_listing,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<GroupsHandle, _>(groups)?;
        let (listing, name, protocol_type) = at(&list.groups, index, "groups")?;
        let shown = ottla_group_listing {
            struct_size: size_of::<ottla_group_listing>() as u32,
            state: number_of(listing.state),
            name: name.as_ptr(),
            protocol_type: protocol_type.as_ptr(),
            member_count: listing.member_count,
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(group, &shown, "group") }
    })
}

/// Frees a list of groups. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_groups_free(groups: *mut ottla_groups) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !groups.is_null() {
            handle::take::<GroupsHandle, _>(groups)?;
        }
        Ok(())
    })
}

/// Deletes a group: everything that it committed. When it returns OTTLA_OK, the offsets do not come
/// back after power loss.
///
/// Threads: any.
/// Returns: OTTLA_E_GROUP_NOT_EMPTY while it has members; OTTLA_E_UNKNOWN_GROUP;
/// OTTLA_E_READ_ONLY; what writing says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_delete(
    broker: *mut ottla_broker,
    group: *const c_char,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the name of the group") }?;
        Ok(broker.inner().delete_group(group)?)
    })
}

/// The offsets that a group committed, by topic and partition; an empty list for a group that does
/// not exist.
///
/// Ownership: `*offsets` is the program's, until ottla_offsets_free.
/// Threads: any.
/// Returns: OTTLA_E_CORRUPT and OTTLA_E_IO from reading them, the first time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_offsets(
    broker: *const ottla_broker,
    group: *const c_char,
    offsets: *mut *mut ottla_offsets,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(offsets, "offsets") }?;
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the name of the group") }?;
        let committed = broker.inner().committed_offsets(group)?;
        place.write(OffsetArray::of(&committed).give()?);
        Ok(())
    })
}

/// Deletes offsets of a group: of these partitions; of all partitions of topics, which have the
/// partition -1; of all that it committed if none are named. When it returns OTTLA_OK the offsets do
/// not come back after power loss.
///
/// Threads: any.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_UNKNOWN_GROUP; OTTLA_E_GROUP_NOT_EMPTY while the group has members;
/// OTTLA_E_INVALID_INPUT for topics and partitions together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_delete_offsets(
    broker: *mut ottla_broker,
    group: *const c_char,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the name of the group") }?;
        // SAFETY: the program promises as many partitions.
        let scope = unsafe { scope(partitions, partition_count) }?;
        Ok(broker.inner().delete_offsets(group, &scope)?)
    })
}

/// Which partitions are meant: these, all of these topics (partition -1), or all that were committed.
///
/// # Safety
/// As [`topic_partitions`].
unsafe fn scope(first: *const ottla_topic_partition, count: usize) -> Result<OffsetScope, Failure> {
    // SAFETY: the caller's promise is the same.
    let named = unsafe { topic_partitions(first, count) }?;
    if named.is_empty() {
        return Ok(OffsetScope::Committed);
    }
    let whole = named.iter().filter(|(_, partition)| *partition == -1).count();
    if whole == named.len() {
        let topics = named.into_iter().map(|(topic, _)| TopicName::new(topic));
        return Ok(OffsetScope::Topics(topics.collect::<Result<_, _>>()?));
    }
    if whole > 0 {
        let message = "topics (partition -1) and single partitions cannot be named in one call";
        return Err(Failure::invalid(message));
    }
    let partition = |(topic, number)| Ok(TopicPartition::new(TopicName::new(topic)?, number));
    let partitions = named.into_iter().map(partition).collect::<Result<_, ottla::Error>>()?;
    Ok(OffsetScope::Partitions(partitions))
}
