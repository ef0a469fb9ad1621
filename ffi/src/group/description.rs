//! One group, described: its members, what each reads, and how far the group has come.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{GroupDescription, GroupPartition, MemberDescription};

use super::number_of;
use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::enter;
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, text};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};
use crate::topic_partition::{PartitionArray, ottla_topic_partition};

/// A group, as it was when it was described.
///
/// Ownership: the program's, until ottla_group_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_group {
    _opaque: [u8; 0],
}

/// What a group is.
///
/// Ownership: the texts are those of the group that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_group_info {
    /// Set it to sizeof(ottla_group_info).
    pub struct_size: u32,
    /// Where it stands: OTTLA_GROUP_EMPTY, ...; -1 for a state that this header does not know.
    pub state: i32,
    /// Its name.
    pub name: *const c_char,
    /// "consumer"; empty for a group that never had members and only committed offsets.
    pub protocol_type: *const c_char,
    /// What the members were last assigned by; NULL if they never were.
    pub assignor: *const c_char,
    /// How many times it was decided anew who reads what.
    pub generation: i32,
    /// Zero.
    pub reserved: u32,
    /// How many members it has: see ottla_group_member.
    pub member_count: usize,
    /// Of how many partitions it committed an offset, or a member subscribed to: see
    /// ottla_group_partition.
    pub partition_count: usize,
    /// How often it was decided anew who reads what, since the broker was opened.
    pub rebalance_count: u64,
    /// How often a member did not poll for longer than max.poll.interval.ms.
    pub stall_count: u64,
    /// How many of these members were put out.
    pub eviction_count: u64,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_group_info {}

/// A member of a group.
///
/// Ownership: what the pointers lead to is that of the group that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_group_member_info {
    /// Set it to sizeof(ottla_group_member_info).
    pub struct_size: u32,
    /// It has a group.instance.id and was closed, and its place is kept for a while: nobody reads
    /// its partitions.
    pub is_away: bool,
    /// Zero.
    pub reserved: [u8; 3],
    /// Its id, unique within the group.
    pub member_id: *const c_char,
    /// Its group.instance.id; NULL if it has none.
    pub instance_id: *const c_char,
    /// Its client.id.
    pub client_id: *const c_char,
    /// How long ago its last poll ended, in milliseconds; -1 while it is in one.
    pub since_poll_ms: i64,
    /// The partitions that it reads; NULL if there are none.
    pub partitions: *const ottla_topic_partition,
    /// How many these are.
    pub partition_count: usize,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_group_member_info {}

/// How far a group has come in a partition.
///
/// Ownership: the texts are those of the group that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_group_partition_info {
    /// Set it to sizeof(ottla_group_partition_info).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic's name.
    pub topic: *const c_char,
    /// The id of the member that reads it; NULL if none does.
    pub member_id: *const c_char,
    /// What was committed; -1 if nothing was.
    pub offset: i64,
    /// The note that was committed with it; "" if there is none.
    pub metadata: *const c_char,
    /// The leader epoch that was committed with it; -1 if there is none.
    pub leader_epoch: i32,
    /// Zero.
    pub reserved: u32,
    /// The first offset that can be read; -1 if there is no such partition.
    pub log_start_offset: i64,
    /// The offset behind the newest record; -1 if there is no such partition.
    pub end_offset: i64,
    /// The records between the committed offset and the end; -1 if either is missing.
    pub lag: i64,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_group_partition_info {}

struct GroupHandle {
    described: GroupDescription,
    name: CString,
    protocol_type: CString,
    assignor: Option<CString>,
    members: Vec<MemberTexts>,
    partitions: Vec<PartitionTexts>,
}

impl Handle for GroupHandle {
    const KIND: u8 = 17;
    const NAME: &'static str = "a group";
}

struct MemberTexts {
    member_id: CString,
    instance_id: Option<CString>,
    client_id: CString,
    assignment: PartitionArray,
}

// SAFETY: the pointers within the array lead to texts that it owns and nobody changes.
unsafe impl Send for MemberTexts {}
// SAFETY: as above.
unsafe impl Sync for MemberTexts {}

impl MemberTexts {
    fn of(member: &MemberDescription) -> MemberTexts {
        MemberTexts {
            member_id: c_text(&member.member_id),
            instance_id: member.instance_id.as_deref().map(c_text),
            client_id: c_text(&member.client_id),
            assignment: PartitionArray::of(&member.assignment),
        }
    }
}

struct PartitionTexts {
    topic: CString,
    member_id: Option<CString>,
    metadata: CString,
}

impl PartitionTexts {
    fn of(partition: &GroupPartition) -> PartitionTexts {
        let committed = partition.committed.as_ref();
        PartitionTexts {
            topic: c_text(partition.partition.topic.as_str()),
            member_id: partition.member_id.as_deref().map(c_text),
            metadata: c_text(committed.map_or("", |committed| &committed.metadata)),
        }
    }
}

fn text_or_null(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

/// Describes a group: its members, what each reads, and how far the group has come.
///
/// Ownership: `*described` is the program's, until ottla_group_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_GROUP; OTTLA_E_CORRUPT and OTTLA_E_IO from reading the committed
/// offsets, the first time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_describe(
    broker: *const ottla_broker,
    group: *const c_char,
    described: *mut *mut ottla_group,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(described, "described") }?;
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the name of the group") }?;
        let described = broker.inner().describe_group(group)?;
        place.write(handle::give(GroupHandle {
            name: c_text(&described.name),
            protocol_type: c_text(&described.protocol_type),
            assignor: described.assignor.as_deref().map(c_text),
            members: described.members.iter().map(MemberTexts::of).collect(),
            partitions: described.partitions.iter().map(PartitionTexts::of).collect(),
            described,
        })?);
        Ok(())
    })
}

/// Writes what the group is to `*info`.
///
/// Ownership: the texts are the group's, valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_get(
    group: *const ottla_group,
    info: *mut ottla_group_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let object = handle::get::<GroupHandle, _>(group)?;
        let GroupDescription { state, generation, counters, .. } = &object.described;
        let shown = ottla_group_info {
            struct_size: size_of::<ottla_group_info>() as u32,
            state: number_of(*state),
            name: object.name.as_ptr(),
            protocol_type: object.protocol_type.as_ptr(),
            assignor: text_or_null(&object.assignor),
            generation: *generation,
            reserved: 0,
            member_count: object.members.len(),
            partition_count: object.partitions.len(),
            rebalance_count: counters.rebalances,
            stall_count: counters.stalls,
            eviction_count: counters.evictions,
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &shown, "info") }
    })
}

/// Writes the member at `index`, from 0, to `*member`. They come in the order in which they joined.
///
/// Ownership: what it leads to is the group's, valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_member(
    group: *const ottla_group,
    index: usize,
    member: *mut ottla_group_member_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let object = handle::get::<GroupHandle, _>(group)?;
        let texts = at(&object.members, index, "members")?;
        let described = at(&object.described.members, index, "members")?;
        let since_poll = described.since_poll.map(|since| i64::try_from(since.as_millis()));
        let shown = ottla_group_member_info {
            struct_size: size_of::<ottla_group_member_info>() as u32,
            is_away: described.is_away,
            reserved: [0; 3],
            member_id: texts.member_id.as_ptr(),
            instance_id: text_or_null(&texts.instance_id),
            client_id: texts.client_id.as_ptr(),
            since_poll_ms: since_poll.map_or(-1, |since| since.unwrap_or(i64::MAX)),
            partitions: texts.assignment.first(),
            partition_count: texts.assignment.count(),
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(member, &shown, "member") }
    })
}

/// Writes the partition at `index`, from 0, to `*partition`. They come by topic and number.
///
/// Ownership: the texts are the group's, valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_partition(
    group: *const ottla_group,
    index: usize,
    partition: *mut ottla_group_partition_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let object = handle::get::<GroupHandle, _>(group)?;
        let texts = at(&object.partitions, index, "partitions")?;
        let described = at(&object.described.partitions, index, "partitions")?;
        let committed = described.committed.as_ref();
        let shown = ottla_group_partition_info {
            struct_size: size_of::<ottla_group_partition_info>() as u32,
            partition: described.partition.partition,
            topic: texts.topic.as_ptr(),
            member_id: text_or_null(&texts.member_id),
            offset: committed.map_or(-1, |committed| committed.offset),
            metadata: texts.metadata.as_ptr(),
            leader_epoch: committed.and_then(|committed| committed.leader_epoch).unwrap_or(-1),
            reserved: 0,
            log_start_offset: described.log_start_offset.unwrap_or(-1),
            end_offset: described.end_offset.unwrap_or(-1),
            lag: described.lag.unwrap_or(-1),
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(partition, &shown, "partition") }
    })
}

/// Frees a described group. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_group_free(group: *mut ottla_group) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !group.is_null() {
            handle::take::<GroupHandle, _>(group)?;
        }
        Ok(())
    })
}
