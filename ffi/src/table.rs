//! Tables: a topic as the newest value of each key.
//!
//! What is handed out is copied: a table moves, and nothing that a program still looks at may move
//! with it.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use ottla::Table;

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::lock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::offsets::{OffsetArray, ottla_offsets};
use crate::pointer::{bytes, place, place_or_none, text, values};
use crate::status::{OTTLA_E_CONCURRENT_USE, ottla_status};
use crate::table_entries::{Entries, TableEntriesHandle, ottla_table_entries};
use crate::timeout::timeout;

/// The newest value of each key of a topic, in memory. It moves only in ottla_table_catch_up and
/// ottla_table_poll, so it is always the topic at known offsets, and of a transaction it has all or
/// nothing.
///
/// Ownership: the program's, until ottla_table_free.
/// Threads: any number may read it at the same time. One at a time moves it: meanwhile the others get
/// OTTLA_E_CONCURRENT_USE.
pub struct ottla_table {
    _opaque: [u8; 0],
}

/// How far a table was gone through. All zeros is the beginning.
///
/// Ownership: the program's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_table_position {
    /// The library's: where the next piece begins.
    pub place: u64,
    /// The library's: how often the table had moved.
    pub moves: u64,
}

pub(crate) struct TableHandle {
    topic: String,
    inner: RwLock<Moving>,
}

struct Moving {
    table: Table,
    moves: u64,
}

impl Handle for TableHandle {
    const KIND: u8 = 40;
    const NAME: &'static str = "a table";

    fn describe(&self) -> String {
        format!("a table of {}", self.topic)
    }
}

impl TableHandle {
    fn of(table: *const ottla_table) -> Result<Arc<TableHandle>, Failure> {
        handle::get(table)
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, Moving>, Failure> {
        self.inner.try_read().ok_or_else(|| concurrent_use("another thread moves this table"))
    }

    /// Whatever comes of it, places of before do not count any more.
    fn begin_move(&self) -> Result<RwLockWriteGuard<'_, Moving>, Failure> {
        let inner = self.inner.try_write();
        let mut inner =
            inner.ok_or_else(|| concurrent_use("another thread is inside of this table"))?;
        inner.moves += 1;
        Ok(inner)
    }
}

fn concurrent_use(why: &str) -> Failure {
    Failure::new(OTTLA_E_CONCURRENT_USE, why)
}

/// Makes a table: the topic is read once, up to its end now.
///
/// Ownership: `*table` is the program's, until ottla_table_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_CORRUPT, OTTLA_E_IO; OTTLA_E_LIMIT if there is no
/// memory for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_new(
    broker: *mut ottla_broker,
    topic: *const c_char,
    table: *mut *mut ottla_table,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(table, "table") }?;
        let parent = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        let table = parent.inner().table(topic)?;
        let inner = RwLock::new(Moving { table, moves: 0 });
        let made = TableHandle { topic: topic.to_owned(), inner };
        result.write(handle::give_child(made, handle::number(broker))?);
        Ok(())
    })
}

/// Copies the value of a key to `buffer`, if its `capacity` is enough. `*length` gets the length of
/// the value in any case, and -1 if the key has none; if it is above `capacity`, nothing was copied:
/// ask again with more room.
///
/// Threads: any number, but while the table moves.
/// NULL: `buffer`, with a capacity of 0.
/// Returns: OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_get(
    table: *const ottla_table,
    key: *const u8,
    key_length: usize,
    buffer: *mut u8,
    capacity: usize,
    length: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(length, "length") }?;
        let owner = TableHandle::of(table)?;
        let inside = owner.read()?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        // Only the checks are wanted: what is there may be undefined, and is not looked at.
        // SAFETY: bytes of no defined content are a value of `MaybeUninit`.
        unsafe { values(buffer.cast::<std::mem::MaybeUninit<u8>>(), capacity, "buffer") }?;
        let Some(value) = inside.table.get(key) else {
            result.write(-1);
            return Ok(());
        };
        if !value.is_empty() && value.len() <= capacity {
            // SAFETY: not NULL as the capacity is not 0, and as long as the value at least; the
            // table's memory is nothing that a program can point to.
            unsafe { ptr::copy_nonoverlapping(value.as_ptr(), buffer, value.len()) };
        }
        result.write(i64::try_from(value.len()).unwrap_or(i64::MAX));
        Ok(())
    })
}

/// Sets `*length` to the number of keys.
///
/// Threads: any number, but while the table moves.
/// Returns: OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_length(
    table: *const ottla_table,
    length: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(length, "length") }?;
        result.write(TableHandle::of(table)?.read()?.table.len());
        Ok(())
    })
}

/// Sets `*memory` to the bytes of memory that keys and values take, about.
///
/// Threads: any number, but while the table moves.
/// Returns: OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_memory_bytes(
    table: *const ottla_table,
    memory: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(memory, "memory") }?;
        result.write(TableHandle::of(table)?.read()?.table.memory_bytes());
        Ok(())
    })
}

/// Where the table stands: of each partition the offset of the next record.
///
/// Ownership: `*offsets` is the program's, until ottla_offsets_free.
/// Threads: any number, but while the table moves.
/// Returns: OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_offsets(
    table: *const ottla_table,
    offsets: *mut *mut ottla_offsets,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(offsets, "offsets") }?;
        let offsets = TableHandle::of(table)?.read()?.table.offsets();
        result.write(OffsetArray::of_ends(offsets).give()?);
        Ok(())
    })
}

/// Goes through the table in pieces: `*entries` gets keys and values from `*position` on, in no
/// particular order, and `*position` moves behind them. A piece has at most `entries_max` of them (0:
/// any number), and ends at about a megabyte. At the end `*entries` is set to NULL.
///
/// Ownership: `*entries` is the program's, until ottla_table_entries_free; they are copies.
/// Threads: any number, each with a position of its own, but while the table moves.
/// Returns: OTTLA_E_INVALID_INPUT if the table was moved since `*position` was written: begin anew,
/// with all zeros; OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_read(
    table: *const ottla_table,
    position: *mut ottla_table_position,
    entries_max: usize,
    entries: *mut *mut ottla_table_entries,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(entries, "entries") }?;
        // SAFETY: as above; and that there is a position.
        let place = unsafe { place(position, "position") }?;
        // SAFETY: it is initialised, the program promises.
        let ottla_table_position { place: from, moves } = unsafe { place.assume_init_read() };
        let owner = TableHandle::of(table)?;
        let inside = owner.read()?;
        if from != 0 && moves != inside.moves {
            return Err(Failure::invalid("the table has moved since the position was written"));
        }
        let entries_max = if entries_max == 0 { usize::MAX } else { entries_max };
        let mut piece = Entries::default();
        let mut behind = from;
        for (next, key, value) in inside.table.iter_from(from) {
            piece.push(key, value);
            behind = next;
            if piece.is_full(entries_max) {
                break;
            }
        }
        result.write(match piece.is_empty() {
            true => ptr::null_mut(),
            false => handle::give(TableEntriesHandle::new(piece))?,
        });
        place.write(ottla_table_position { place: behind, moves: inside.moves });
        Ok(())
    })
}

/// Reads on to the ends of all partitions as they are at this moment. `*count` gets how many records
/// were taken in.
///
/// Threads: one at a time, and while no other reads the table.
/// NULL: `count`.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted; OTTLA_E_CLOSED;
/// OTTLA_E_CORRUPT, OTTLA_E_IO; OTTLA_E_LIMIT; OTTLA_E_CONCURRENT_USE. The table may have moved on in
/// some partitions then; the next call goes on there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_catch_up(
    table: *mut ottla_table,
    count: *mut u64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let result = unsafe { place_or_none(count, "count") }?;
        let taken = TableHandle::of(table)?.begin_move()?.table.catch_up()?;
        if let Some(result) = result {
            result.write(taken);
        }
        Ok(())
    })
}

/// As ottla_table_catch_up, but waits for at most `timeout_ms` milliseconds (0: not at all, -1: for
/// ever) if there is nothing to read. `*count` gets 0 if there was nothing all that time.
///
/// Threads: as ottla_table_catch_up; the table counts as moving while it waits.
/// NULL: `count`.
/// Returns: as ottla_table_catch_up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_table_poll(
    table: *mut ottla_table,
    timeout_ms: i64,
    count: *mut u64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let result = unsafe { place_or_none(count, "count") }?;
        let timeout = timeout(timeout_ms)?;
        let taken = TableHandle::of(table)?.begin_move()?.table.poll(timeout)?;
        if let Some(result) = result {
            result.write(taken);
        }
        Ok(())
    })
}

/// Frees a table and its memory. NULL is fine.
///
/// Threads: any, once. A call that another thread is in goes on.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_table_free(table: *mut ottla_table) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !table.is_null() {
            handle::take::<TableHandle, _>(table)?;
        }
        Ok(())
    })
}
