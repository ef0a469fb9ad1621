//! Buffers of fetched bytes and decoded slots that are used again.
//!
//! Shared by a consumer and the records that it handed out; bounded in number and in bytes.

use std::sync::Arc;

use super::piece::Slot;
use crate::env::sync::Mutex;

/// More of either kind are not kept.
const SPARE_MAX: usize = 32;

/// Larger buffers are not kept: one large batch would occupy its memory for ever.
const SPARE_BYTES_MAX: usize = 4 << 20;

/// Spare buffers.
#[derive(Debug, Default)]
pub(super) struct Pool {
    bytes: Mutex<Vec<Vec<u8>>>,
    slots: Mutex<Vec<Vec<Slot>>>,
}

impl Pool {
    /// A buffer; what is in it is of no interest.
    pub(super) fn take_bytes(&self) -> Vec<u8> {
        self.bytes.lock().pop().unwrap_or_default()
    }

    /// Keeps a buffer for later, if nobody else holds it.
    pub(super) fn keep_bytes(&self, buffer: Arc<Vec<u8>>) {
        let Some(buffer) = Arc::into_inner(buffer) else { return };
        if buffer.capacity() == 0 || buffer.capacity() > SPARE_BYTES_MAX {
            return;
        }
        let mut spare = self.bytes.lock();
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
    }

    /// An empty list of slots.
    pub(super) fn take_slots(&self) -> Vec<Slot> {
        self.slots.lock().pop().unwrap_or_default()
    }

    /// Keeps a list of slots for later, if nobody else holds it.
    pub(super) fn keep_slots(&self, slots: Arc<Vec<Slot>>) {
        let Some(mut slots) = Arc::into_inner(slots) else { return };
        if slots.capacity() == 0
            || slots.capacity().saturating_mul(size_of::<Slot>()) > SPARE_BYTES_MAX
        {
            return;
        }
        slots.clear();
        let mut spare = self.slots.lock();
        if spare.len() < SPARE_MAX {
            spare.push(slots);
        }
    }
}
