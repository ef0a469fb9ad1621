//! What a partition knows of idempotent producers.

use std::ptr;

use ottla::ProducerState;

use super::{PartitionObject, ottla_partition};
use crate::entry::{enter, enter_or};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::pointer::{at, place};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};

/// A list of what a partition knows of idempotent producers.
///
/// Ownership: the program's, until ottla_producer_states_free. It needs no broker.
/// Threads: any number may read one at the same time.
pub struct ottla_producer_states {
    _opaque: [u8; 0],
}

/// What a partition knows of an idempotent producer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_producer_state {
    /// sizeof(ottla_producer_state), set by the program.
    pub struct_size: u32,
    /// The sequence number of its last record; -1 if it has none in this epoch.
    pub last_sequence: i32,
    /// Its id.
    pub id: i64,
    /// The offset of its last record; -1 if it has none in this epoch.
    pub last_offset: i64,
    /// The largest timestamp of its last batch, in milliseconds since 1970.
    pub last_timestamp: i64,
    /// Its newest epoch.
    pub epoch: i16,
    /// Nobody looks at it.
    pub reserved: [u16; 3],
}

// SAFETY: repr(C), begins with a u32, no padding; zeros are a value.
unsafe impl SizedStruct for ottla_producer_state {}

struct StatesHandle {
    states: Vec<ProducerState>,
}

impl Handle for StatesHandle {
    const KIND: u8 = 8;
    const NAME: &'static str = "a list of producers' states";
}

/// Sets `*states` to what the partition knows of idempotent producers, by their ids.
///
/// Ownership: `*states` is the program's, until ottla_producer_states_free.
/// Threads: any number at the same time.
/// Returns: OTTLA_E_IO, OTTLA_E_CORRUPT if it cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_producers(
    partition: *const ottla_partition,
    states: *mut *mut ottla_producer_states,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(states, "states") }?;
        let states = PartitionObject::of(partition)?.inner().producers()?;
        place.write(handle::give(StatesHandle { states })?);
        Ok(())
    })
}

/// How many there are; 0 also if `states` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_producer_states_count(states: *const ottla_producer_states) -> usize {
    enter_or(0, || Ok(handle::get::<StatesHandle, _>(states)?.states.len()))
}

/// The one with a number, from 0 on.
///
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there are not as many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_states_get(
    states: *const ottla_producer_states,
    index: usize,
    state: *mut ottla_producer_state,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = handle::get::<StatesHandle, _>(states)?;
        let found = at(&owner.states, index, "states")?;
        let found = ottla_producer_state {
            struct_size: 0,
            last_sequence: found.last_sequence.unwrap_or(-1),
            id: found.identity.id,
            last_offset: found.last_offset.unwrap_or(-1),
            last_timestamp: found.last_timestamp_ms,
            epoch: found.identity.epoch,
            reserved: [0; 3],
        };
        // SAFETY: the program promises a struct of the size that it says.
        unsafe { fill(state, &found, "state") }
    })
}

/// Frees such a list. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_producer_states_free(states: *mut ottla_producer_states) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !states.is_null() {
            handle::take::<StatesHandle, _>(states)?;
        }
        Ok(())
    })
}
