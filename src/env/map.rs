//! Read-only maps of whole files. The one place that maps; for sealed files, which are never cut:
//! a map of a file that another process cuts would kill this one with SIGBUS.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::vfs::Mapping;

/// Maps the whole file as it is now.
pub(super) fn map_file(file: &File) -> io::Result<Mapping> {
    if file.metadata()?.len() == 0 {
        return Ok(Arc::new([0_u8; 0]));
    }
    #[expect(unsafe_code, reason = "a map is only as sound as the file behind it")]
    // SAFETY: the bytes of the map must not change while it lives. `VfsFile::map` is called only
    // for sealed files, and nothing in the library writes to or cuts a sealed file: it is
    // unlinked, which leaves the map intact. The directory's lock keeps other processes that
    // know the rules from writing here.
    let map = unsafe { memmap2::Mmap::map(file) }?;
    Ok(Arc::new(map))
}
