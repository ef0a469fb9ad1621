//! Replacing a small file so that after any crash it is wholly the old one or wholly the new one.

use std::io;

use super::vfs::{OpenHow, Vfs, write_all_at};
use crate::error::{Error, Result};

/// What the new content is called until it takes the file's name. A leftover of a crash may be
/// removed, or is overwritten by the next replacement.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Replaces the content of the file at `path`, or makes the file.
///
/// # Errors
/// The file is the old one or the new one, never a mixture. If the failed step was the last
/// (syncing the directory), which of the two a crash leaves is unknown: as after any failed sync,
/// do not go on as if the new one were there.
///
/// # Durability
/// When it returns `Ok` the new content survives power loss, under this name.
pub fn replace_file(vfs: &dyn Vfs, path: &str, content: &[u8]) -> Result<()> {
    let temporary = format!("{path}{TEMPORARY_SUFFIX}");
    let named = |what: &str, error: io::Error| Error::io(error, what).at_file(vfs.describe(path));

    // 1. Write the new content beside the old one.
    //    If we stop here: the old file, and a leftover that nobody reads.
    write_temporary(vfs, &temporary, content).map_err(|error| {
        // Space may be what is missing; what cannot be removed is overwritten next time.
        let _ = vfs.remove_file(&temporary);
        named("cannot write the new content of the file", error)
    })?;
    // 2. Give it the file's name.
    //    If we stop here: the old file or the new one, whichever the disk knows of. The content
    //    was synced before, so the new name never shows an empty or torn file.
    vfs.rename(&temporary, path).map_err(|error| {
        let _ = vfs.remove_file(&temporary);
        named("cannot rename the new content over the file", error)
    })?;
    // 3. Sync the directory: from here on it is the new file. Before the caller goes on to remove
    //    or overwrite what only the old content named.
    vfs.sync_dir(parent(path))
        .map_err(|error| named("cannot sync the directory of the file", error))
}

fn write_temporary(vfs: &dyn Vfs, temporary: &str, content: &[u8]) -> io::Result<()> {
    let file = vfs.open(temporary, OpenHow::CreateOrWrite)?;
    file.set_len(0)?;
    write_all_at(&*file, content, 0)?;
    file.sync_data()
}

/// The directory that holds a path's last name.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryVfs;
    use super::super::sim::{Acked, Explorer, FaultMatrix, SimEnv};
    use super::super::vfs::read_up_to;
    use super::*;

    fn content(vfs: &dyn Vfs, path: &str) -> Vec<u8> {
        let mut bytes = vec![0; 10_000];
        let read = read_up_to(&*vfs.open(path, OpenHow::Read).unwrap(), &mut bytes, 0).unwrap();
        bytes.truncate(read);
        bytes
    }

    #[test]
    fn a_file_is_made_and_replaced() {
        let vfs = MemoryVfs::default();
        vfs.create_dir("orders-0").unwrap();
        let path = "orders-0/leader-epoch-checkpoint";
        replace_file(&vfs, path, b"the first, longer content").unwrap();
        assert_eq!(content(&vfs, path), b"the first, longer content");
        replace_file(&vfs, path, b"short").unwrap();
        assert_eq!(content(&vfs, path), b"short");
        assert_eq!(vfs.list("orders-0").unwrap().len(), 1);
    }

    #[test]
    fn a_leftover_of_a_crash_does_not_shine_through() {
        let vfs = MemoryVfs::default();
        let leftover = vfs.open("ottla.control.tmp", OpenHow::CreateNew).unwrap();
        write_all_at(&*leftover, b"torn content of an earlier crash", 0).unwrap();
        replace_file(&vfs, "ottla.control", b"new").unwrap();
        assert_eq!(content(&vfs, "ottla.control"), b"new");
    }

    #[test]
    fn every_state_that_a_crash_leaves_is_the_old_file_or_the_new_one() {
        let world = SimEnv::new(1);
        let mut acked = Acked::default();
        let contents: [&[u8]; 3] = [b"", b"one", &[2; 5_000]];
        for (number, content) in contents.iter().enumerate().skip(1) {
            replace_file(&world.disk, "control", content).unwrap();
            acked.note(&world.disk, number);
        }
        let explorer = Explorer { exhaustive_up_to: 5_000, ..Explorer::new(1) };
        let explored = explorer.run(&world.disk.recording(), |crash| {
            let found = match crash.world().disk.metadata("control") {
                Ok(_) => content(&crash.world().disk, "control"),
                Err(_) => Vec::new(),
            };
            let number = contents.iter().position(|content| *content == found);
            let expected = acked.at(crash).last().copied().unwrap_or(0);
            match number {
                Some(number) if number >= expected => Ok(()),
                _ => Err(format!("{} bytes after an ack of content {expected}", found.len())),
            }
        });
        let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(explored.distinct() > 500, "{explored:?}");
    }

    #[test]
    fn whichever_call_fails_it_is_the_old_file_or_the_new_one() {
        let prepare = |world: &SimEnv| replace_file(&world.disk, "control", b"old").unwrap();
        let runs = FaultMatrix::new(1).run(prepare, |world, (), fault| {
            let result = replace_file(&world.disk, "control", b"newer");
            world.disk.heal();
            let found = content(&world.disk, "control");
            let lost = content(&world.disk.after_losing_everything_unsynced(), "control");
            match result {
                Ok(()) => assert_eq!((&*found, &*lost), (&b"newer"[..], &b"newer"[..]), "{fault}"),
                Err(_) => assert!(
                    [&found, &lost].into_iter().all(|bytes| bytes == b"old" || bytes == b"newer"),
                    "{fault}"
                ),
            }
            replace_file(&world.disk, "control", b"third").unwrap();
            assert_eq!(content(&world.disk, "control"), b"third", "{fault}");
        });
        assert!(runs > 100, "{runs}");
    }

    #[test]
    fn an_error_names_the_file() {
        let vfs = MemoryVfs::default();
        let error = replace_file(&vfs, "missing-0/partition.metadata", b"x").unwrap_err();
        assert_eq!(error.file(), Some("memory:missing-0/partition.metadata"));
    }
}
