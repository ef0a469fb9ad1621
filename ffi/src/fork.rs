//! Which process this is: after a fork, the child has none of the parent's handles.
//!
//! A child shares the parent's locks on the directory and has copies of its memory, but not its
//! threads: whatever it did with an inherited handle could hang, or write what the parent writes.
//! So it begins with an empty table. What the parent had stays where it is, for ever untouched: the
//! child drops nothing of it, because a drop flushes and waits.
//!
//! The invariant: no handle of one process is looked up in the table of another.

use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::handle::{PROCESSES, Table};

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
static BEGIN: Once = Once::new();

/// The handles of this process.
pub(crate) fn table() -> &'static Table {
    let table = TABLE.load(Ordering::Acquire);
    if table.is_null() {
        begin();
        return table_that_is_there();
    }
    // SAFETY: a table is never freed.
    unsafe { &*table }
}

fn table_that_is_there() -> &'static Table {
    let table = TABLE.load(Ordering::Acquire);
    assert!(!table.is_null(), "begin() makes a table");
    // SAFETY: not null, and a table is never freed.
    unsafe { &*table }
}

fn begin() {
    BEGIN.call_once(|| {
        TABLE.store(Box::into_raw(Box::new(Table::new(0))), Ordering::Release);
        // SAFETY: the handler touches nothing but an atomic and fresh memory, which the C library
        // makes available to the child before it runs handlers. If it cannot be registered, there
        // is no memory for it, and forks are not noticed.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(begin_child)) };
    });
}

extern "C" fn begin_child() {
    let parents = TABLE.load(Ordering::Acquire);
    if parents.is_null() {
        return;
    }
    // SAFETY: not null, and a table is never freed. Only a number is read that never changes.
    let process = unsafe { (*parents).process() };
    let own = Table::inheriting((process + 1) % PROCESSES, parents);
    TABLE.store(Box::into_raw(Box::new(own)), Ordering::Release);
}
