//! Memory of a size that a file or a caller decides: it is asked for, and may be refused. What is
//! refused is an error of the call ([`Limit`](super::ErrorKind::Limit)), never the end of the
//! process.
//!
//! What is small whatever the input (a header, a list of folders) is taken as ever. In a build
//! for simulations any request can be made to fail: see [`refusals`].

use std::io;

/// Makes sure that `additional` more items find room, as `Vec::reserve` does.
///
/// # Errors
/// `OutOfMemory`; nothing was changed.
#[inline]
pub(crate) fn more<T>(items: &mut Vec<T>, additional: usize) -> io::Result<()> {
    if items.capacity() - items.len() >= additional {
        return Ok(());
    }
    ask()?;
    items.try_reserve(additional).map_err(|_| refused())
}

/// As [`more`], and not more than that.
///
/// # Errors
/// `OutOfMemory`; nothing was changed.
#[inline]
pub(crate) fn exactly<T>(items: &mut Vec<T>, additional: usize) -> io::Result<()> {
    if items.capacity() - items.len() >= additional {
        return Ok(());
    }
    ask()?;
    items.try_reserve_exact(additional).map_err(|_| refused())
}

/// So many zeros.
///
/// # Errors
/// `OutOfMemory`.
pub(crate) fn zeros(length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    exactly(&mut bytes, length)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Cuts the bytes, or adds zeros, to this length.
///
/// # Errors
/// `OutOfMemory`; nothing was changed.
#[inline]
pub(crate) fn resize(bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    more(bytes, length.saturating_sub(bytes.len()))?;
    bytes.resize(length, 0);
    Ok(())
}

#[cold]
fn refused() -> io::Error {
    io::ErrorKind::OutOfMemory.into()
}

#[cfg(not(any(test, feature = "sim")))]
#[inline]
fn ask() -> io::Result<()> {
    Ok(())
}

/// Asks whether this request is one that is to fail.
#[cfg(any(test, feature = "sim"))]
fn ask() -> io::Result<()> {
    if refusals::meet() { Err(refused()) } else { Ok(()) }
}

/// Requests that are refused on purpose, of this thread. For tests.
#[cfg(any(test, feature = "sim"))]
pub mod refusals {
    use std::cell::Cell;

    thread_local! {
        static ASKED: Cell<u64> = const { Cell::new(0) };
        /// Which one is refused, and whether all that follow are, too.
        static PLAN: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
        static MET: Cell<u64> = const { Cell::new(0) };
    }

    /// The `nth` request from now on is refused; the first is 1.
    pub fn plan(nth: u64, from_then_on: bool) {
        PLAN.set(Some((ASKED.get() + nth, from_then_on)));
        MET.set(0);
    }

    /// Nothing is refused any more.
    pub fn heal() {
        PLAN.set(None);
    }

    /// How many requests there were.
    pub fn asked() -> u64 {
        ASKED.get()
    }

    /// How many were refused since the last plan.
    pub fn met() -> u64 {
        MET.get()
    }

    pub(super) fn meet() -> bool {
        let number = ASKED.get() + 1;
        ASKED.set(number);
        let hit =
            PLAN.get().is_some_and(|(nth, onwards)| number == nth || (onwards && number > nth));
        MET.set(MET.get() + u64::from(hit));
        hit
    }
}
