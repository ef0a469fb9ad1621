//! The rules of a directory, as tests that every [`Vfs`] must pass: the disk, memory, the overlay
//! and the simulated disk answer alike, so what is tested on one holds on the others.

use std::io;

use super::vfs::{FileKind, LockMode, OpenHow, Vfs, read_exact_at, read_up_to, write_all_at};
use crate::error::ErrorKind;

/// Runs every rule on an empty directory.
pub(crate) fn check_all(vfs: &dyn Vfs) {
    opening_creates_only_when_asked(vfs);
    reads_and_writes_are_positioned(vfs);
    cutting_and_extending_leave_zeros(vfs);
    reserving_changes_nothing_visible(vfs);
    a_removed_file_stays_readable(vfs);
    renaming_replaces(vfs);
    directories_hold_files(vfs);
    kinds_are_told_apart(vfs);
    paths_are_checked(vfs);
    the_second_writer_is_refused(vfs);
    assert_eq!(vfs.list("").unwrap().iter().filter(|entry| entry.name != ".lock").count(), 0);
}

fn kind_of<T>(result: io::Result<T>) -> io::ErrorKind {
    match result {
        Ok(_) => panic!("this must be refused"),
        Err(error) => error.kind(),
    }
}

fn opening_creates_only_when_asked(vfs: &dyn Vfs) {
    assert_eq!(kind_of(vfs.open("a", OpenHow::Read)), io::ErrorKind::NotFound);
    assert_eq!(kind_of(vfs.open("a", OpenHow::Write)), io::ErrorKind::NotFound);
    assert_eq!(kind_of(vfs.open("d/a", OpenHow::CreateNew)), io::ErrorKind::NotFound);
    let file = vfs.open("a", OpenHow::CreateNew).unwrap();
    assert!(file.is_empty().unwrap());
    assert_eq!(kind_of(vfs.open("a", OpenHow::CreateNew)), io::ErrorKind::AlreadyExists);
    write_all_at(&*file, b"kept", 0).unwrap();
    let again = vfs.open("a", OpenHow::CreateOrWrite).unwrap();
    assert_eq!(again.len().unwrap(), 4);
    let reader = vfs.open("a", OpenHow::Read).unwrap();
    assert!(reader.write_at(b"x", 0).is_err());
    assert!(reader.set_len(0).is_err());
    assert_eq!(reader.len().unwrap(), 4);
    vfs.remove_file("a").unwrap();
    assert_eq!(kind_of(vfs.remove_file("a")), io::ErrorKind::NotFound);
}

fn reads_and_writes_are_positioned(vfs: &dyn Vfs) {
    let file = vfs.open("a", OpenHow::CreateOrWrite).unwrap();
    write_all_at(&*file, b"world", 10_000).unwrap();
    write_all_at(&*file, b"hello", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 10_005);
    let mut bytes = vec![1; 10_005];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes[..5], b"hello");
    assert!(bytes[5..10_000].iter().all(|byte| *byte == 0));
    assert_eq!(&bytes[10_000..], b"world");
    let mut tail = [0; 8];
    assert_eq!(read_up_to(&*file, &mut tail, 10_002).unwrap(), 3);
    assert_eq!(&tail[..3], b"rld");
    assert_eq!(file.read_at(&mut tail, 20_000).unwrap(), 0);
    assert_eq!(kind_of(read_exact_at(&*file, &mut tail, 10_000)), io::ErrorKind::UnexpectedEof);
    assert_eq!(file.write_at(b"", 50_000).unwrap(), 0);
    assert_eq!(file.len().unwrap(), 10_005);
    if let Some(mapping) = file.map().unwrap() {
        assert_eq!((*mapping).as_ref(), bytes);
    }
    vfs.remove_file("a").unwrap();
}

fn cutting_and_extending_leave_zeros(vfs: &dyn Vfs) {
    let file = vfs.open("a", OpenHow::CreateOrWrite).unwrap();
    write_all_at(&*file, &[7; 9_000], 0).unwrap();
    file.set_len(100).unwrap();
    file.set_len(9_000).unwrap();
    let mut bytes = vec![1; 9_000];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes[..100], [7; 100]);
    assert!(bytes[100..].iter().all(|byte| *byte == 0));
    file.set_len(50).unwrap();
    write_all_at(&*file, &[8; 10], 100).unwrap();
    read_exact_at(&*file, &mut bytes[..110], 0).unwrap();
    assert_eq!(&bytes[..50], [7; 50]);
    assert_eq!(&bytes[50..100], [0; 50]);
    assert_eq!(&bytes[100..110], [8; 10]);
    vfs.remove_file("a").unwrap();
}

fn reserving_changes_nothing_visible(vfs: &dyn Vfs) {
    let file = vfs.open("a", OpenHow::CreateOrWrite).unwrap();
    write_all_at(&*file, b"abc", 0).unwrap();
    match file.reserve(3, 100_000) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
    }
    assert_eq!(file.len().unwrap(), 3);
    assert_eq!(vfs.metadata("a").unwrap().length, 3);
    vfs.remove_file("a").unwrap();
}

fn a_removed_file_stays_readable(vfs: &dyn Vfs) {
    let file = vfs.open("a", OpenHow::CreateOrWrite).unwrap();
    write_all_at(&*file, b"still here", 0).unwrap();
    vfs.remove_file("a").unwrap();
    let other = vfs.open("a", OpenHow::CreateNew).unwrap();
    assert_eq!(other.len().unwrap(), 0);
    let mut bytes = [0; 10];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"still here");
    vfs.remove_file("a").unwrap();
}

fn renaming_replaces(vfs: &dyn Vfs) {
    let old = vfs.open("a", OpenHow::CreateNew).unwrap();
    write_all_at(&*old, b"old", 0).unwrap();
    let new = vfs.open("a.tmp", OpenHow::CreateNew).unwrap();
    write_all_at(&*new, b"newer", 0).unwrap();
    vfs.rename("a.tmp", "a").unwrap();
    vfs.sync_dir("").unwrap();
    assert_eq!(vfs.metadata("a").unwrap().length, 5);
    assert_eq!(kind_of(vfs.metadata("a.tmp")), io::ErrorKind::NotFound);
    assert_eq!(old.len().unwrap(), 3);
    assert_eq!(kind_of(vfs.rename("nothing", "a")), io::ErrorKind::NotFound);
    vfs.rename("a", "a").unwrap();
    assert_eq!(vfs.metadata("a").unwrap().length, 5);
    vfs.remove_file("a").unwrap();
}

fn directories_hold_files(vfs: &dyn Vfs) {
    vfs.create_dir("orders-0").unwrap();
    assert_eq!(kind_of(vfs.create_dir("orders-0")), io::ErrorKind::AlreadyExists);
    let file = vfs.open("orders-0/0.log", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, b"batch", 0).unwrap();
    vfs.sync_dir("orders-0").unwrap();
    vfs.sync_dir("").unwrap();
    assert_eq!(kind_of(vfs.remove_dir("orders-0")), io::ErrorKind::DirectoryNotEmpty);
    vfs.rename("orders-0", "orders-0.x-delete").unwrap();
    assert_eq!(kind_of(vfs.list("orders-0")), io::ErrorKind::NotFound);
    assert_eq!(kind_of(vfs.sync_dir("orders-0")), io::ErrorKind::NotFound);
    let entries = vfs.list("orders-0.x-delete").unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].name.as_str(), entries[0].kind), ("0.log", FileKind::File));
    let mut bytes = [0; 5];
    let moved = vfs.open("orders-0.x-delete/0.log", OpenHow::Read).unwrap();
    read_exact_at(&*moved, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"batch");
    vfs.rename("orders-0.x-delete/0.log", "orders-0.x-delete/1.log").unwrap();
    vfs.remove_file("orders-0.x-delete/1.log").unwrap();
    vfs.remove_dir("orders-0.x-delete").unwrap();
    assert_eq!(kind_of(vfs.remove_dir("orders-0.x-delete")), io::ErrorKind::NotFound);
}

fn kinds_are_told_apart(vfs: &dyn Vfs) {
    vfs.create_dir("d").unwrap();
    drop(vfs.open("f", OpenHow::CreateNew).unwrap());
    assert_eq!(vfs.metadata("").unwrap().kind, FileKind::Directory);
    assert_eq!(vfs.metadata("d").unwrap().kind, FileKind::Directory);
    assert_eq!(vfs.metadata("f").unwrap().kind, FileKind::File);
    let mut kinds: Vec<_> = vfs.list("").unwrap();
    kinds.retain(|entry| entry.name != ".lock");
    kinds.sort_by(|left, right| left.name.cmp(&right.name));
    assert_eq!(kinds[0].kind, FileKind::Directory);
    assert_eq!(kinds[1].kind, FileKind::File);
    for how in [OpenHow::Read, OpenHow::Write, OpenHow::CreateOrWrite, OpenHow::CreateNew] {
        assert!(vfs.open("d", how).is_err(), "{how:?} of a directory");
        assert!(vfs.open("", how).is_err(), "{how:?} of the root");
        assert!(vfs.open("f/x", how).is_err(), "{how:?} below a file");
    }
    assert!(vfs.remove_file("d").is_err());
    assert!(vfs.remove_dir("f").is_err());
    assert!(vfs.list("f").is_err());
    assert!(vfs.rename("f", "d").is_err());
    assert!(vfs.rename("d", "f").is_err());
    vfs.remove_dir("d").unwrap();
    vfs.remove_file("f").unwrap();
}

fn paths_are_checked(vfs: &dyn Vfs) {
    for path in ["/a", "../a", "a/../b", "a/b/c", "a//b", "."] {
        assert_eq!(kind_of(vfs.open(path, OpenHow::CreateNew)), io::ErrorKind::InvalidInput);
        assert_eq!(kind_of(vfs.metadata(path)), io::ErrorKind::InvalidInput);
        assert_eq!(kind_of(vfs.create_dir(path)), io::ErrorKind::InvalidInput);
        assert_eq!(kind_of(vfs.remove_file(path)), io::ErrorKind::InvalidInput);
        assert_eq!(kind_of(vfs.rename(path, "b")), io::ErrorKind::InvalidInput);
        assert_eq!(kind_of(vfs.rename("b", path)), io::ErrorKind::InvalidInput);
    }
}

fn the_second_writer_is_refused(vfs: &dyn Vfs) {
    let held = vfs.lock(LockMode::Exclusive).unwrap();
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        let error = vfs.lock(mode).expect_err("a second handle");
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.to_string().contains("another handle of this process"), "{error}");
    }
    drop(held);
    let one = vfs.lock(LockMode::Shared).unwrap();
    let two = vfs.lock(LockMode::Shared).unwrap();
    assert_eq!(vfs.lock(LockMode::Exclusive).unwrap_err().kind(), ErrorKind::Locked);
    drop((one, two));
    drop(vfs.lock(LockMode::Exclusive).unwrap());
}
