//! What the program holds at the moment. A number, for tests; names come from closing a broker.

use crate::entry::enter_or;
use crate::handle;

/// How many handles the program holds: of any type, given and not yet freed. Leak checkers do not see
/// a forgotten handle, for the library still knows what it stands for. A test that ends with 0 forgot
/// none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_handle_count() -> usize {
    enter_or(0, || Ok(handle::count()))
}
