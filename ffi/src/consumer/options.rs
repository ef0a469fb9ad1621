//! What a consumer is made with, besides its settings: functions of the program.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use ottla::{ConsumerBuilder, StalledMember};

use super::assignor::{CustomAssignor, ottla_assignor};
use super::callbacks::{Callbacks, Listener, Rebalance, UserData, ottla_rebalance_callback};
use crate::entry::Failure;
use crate::error::c_text;
use crate::pointer::values;
use crate::structs::{SizedStruct, unused};
use crate::topic_partition::{PartitionArray, ottla_topic_partition};

/// A member of a group that has not polled for longer than its max.poll.interval.ms.
///
/// Ownership: the library's, and gone when the callback returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_stalled_member {
    /// The bytes of this struct.
    pub struct_size: u32,
    /// Whether it was put out of the group, so that others read its partitions.
    pub is_evicted: bool,
    /// Zero.
    pub reserved: [u8; 3],
    /// How long ago its last poll ended, in milliseconds.
    pub since_poll_ms: i64,
    /// Its group.
    pub group: *const c_char,
    /// Its id.
    pub member_id: *const c_char,
    /// Its group.instance.id; NULL if it has none.
    pub instance_id: *const c_char,
    /// Its client.id.
    pub client_id: *const c_char,
    /// The partitions that nobody reads meanwhile; NULL if there are none.
    pub partitions: *const ottla_topic_partition,
    /// How many there are.
    pub partition_count: usize,
}

/// Is told that the consumer has not polled for longer than max.poll.interval.ms, once each time
/// that happens. It runs on the thread that ticks: the broker's own, or one in ottla_broker_tick.
/// The consumer is used by another thread then, if at all: only ottla_consumer_wakeup makes sense.
///
/// Ownership: `stalled` is the library's, and gone when the callback returns.
pub type ottla_stall_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, stalled: *const ottla_stalled_member)>;

/// How a consumer is made, besides its settings. All zeros but the size is the default.
///
/// Ownership: the program's; copied during the call. What `user_data` leads to, and the code of the
/// callbacks, have to stay until ottla_consumer_free has returned.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_consumer_options {
    /// Set it to sizeof(ottla_consumer_options).
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Passed to the callbacks below.
    pub user_data: *mut c_void,
    /// Partitions that are new; their positions are known already, and may be changed. NULL: nobody
    /// is told.
    pub on_assigned: ottla_rebalance_callback,
    /// Partitions that go to another member as soon as this returns; until then the consumer may
    /// commit offsets of them. NULL: nobody is told.
    pub on_revoked: ottla_rebalance_callback,
    /// Partitions that are gone without having been revoked: their topic was deleted, or the member
    /// was put out or replaced. Nothing of them can be committed any more. NULL: `on_revoked` is
    /// called.
    pub on_lost: ottla_rebalance_callback,
    /// The consumer has not polled for too long. NULL: nobody is told.
    pub on_stall: ottla_stall_callback,
    /// How the group may share out partitions, the favourite first, instead of what the setting
    /// partition.assignment.strategy names. NULL: as that says.
    pub assignors: *const ottla_assignor,
    /// How many of them there are.
    pub assignor_count: usize,
}

// SAFETY: repr(C), begins with the size, no padding on 64 bits, zeros are 0, NULL and no function.
unsafe impl SizedStruct for ottla_consumer_options {}

/// The options, once looked at.
pub(super) struct Options {
    pub(super) rebalance: Rebalance,
    pub(super) user_data: UserData,
    on_stall: ottla_stall_callback,
    assignors: Vec<CustomAssignor>,
}

impl Options {
    /// # Safety
    /// There are as many assignors as the options say.
    pub(super) unsafe fn of(options: &ottla_consumer_options) -> Result<Options, Failure> {
        unused(options.reserved)?;
        let count = options.assignor_count;
        // SAFETY: the caller's promise is the same.
        let assignors = unsafe { values(options.assignors, count, "the assignors") }?;
        // SAFETY: as above.
        let assignors = assignors.iter().map(|assignor| unsafe { CustomAssignor::of(assignor) });
        Ok(Options {
            rebalance: Rebalance {
                on_assigned: options.on_assigned,
                on_revoked: options.on_revoked,
                on_lost: options.on_lost,
            },
            user_data: UserData(options.user_data),
            on_stall: options.on_stall,
            assignors: assignors.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn put_into(
        self,
        mut builder: ConsumerBuilder,
        callbacks: &Arc<Callbacks>,
    ) -> ConsumerBuilder {
        builder = builder.listener(Listener(Arc::clone(callbacks)));
        if !self.assignors.is_empty() {
            let shared = self.assignors.into_iter().map(|assignor| assignor.shared(callbacks));
            builder = builder.assignors(shared);
        }
        let Some(on_stall) = self.on_stall else { return builder };
        let (callbacks, user_data) = (Arc::clone(callbacks), self.user_data);
        builder.on_stall(move |stalled| {
            callbacks.elsewhere().run(|| tell_of_stall(on_stall, user_data, stalled));
        })
    }
}

fn tell_of_stall(
    on_stall: unsafe extern "C" fn(*mut c_void, *const ottla_stalled_member),
    user_data: UserData,
    stalled: &StalledMember,
) {
    let (group, member) = (c_text(&stalled.group), c_text(&stalled.member_id));
    let instance = stalled.instance_id.as_deref().map(c_text);
    let client = c_text(&stalled.client_id);
    let partitions = PartitionArray::of(&stalled.partitions);
    let shown = ottla_stalled_member {
        struct_size: size_of::<ottla_stalled_member>() as u32,
        is_evicted: stalled.evicted,
        reserved: [0; 3],
        since_poll_ms: i64::try_from(stalled.since_poll.as_millis()).unwrap_or(i64::MAX),
        group: group.as_ptr(),
        member_id: member.as_ptr(),
        instance_id: instance.as_ref().map_or(ptr::null(), |instance| instance.as_ptr()),
        client_id: client.as_ptr(),
        partitions: partitions.first(),
        partition_count: partitions.count(),
    };
    // SAFETY: the program promises a function of this type that takes this user data.
    unsafe { on_stall(user_data.0, &raw const shown) };
}
