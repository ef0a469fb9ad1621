//! The disk against the rules that every directory obeys, and against what only a disk has:
//! symbolic links, special files, reserved space, read-only directories.
#![allow(clippy::disallowed_methods, reason = "prepares what the code under test must refuse")]

use std::os::unix::fs::{MetadataExt, symlink};

use super::super::vfs::{read_exact_at, write_all_at};
use super::super::vfs_tests;
use super::*;

fn scratch() -> (tempfile::TempDir, DiskVfs) {
    let directory = tempfile::tempdir().unwrap();
    let vfs = DiskVfs::open(directory.path(), false).unwrap();
    (directory, vfs)
}

#[test]
fn it_obeys_the_rules_of_a_directory() {
    let (_directory, vfs) = scratch();
    vfs_tests::check_all(&vfs);
}

#[test]
fn it_makes_itself_only_when_asked() {
    let (directory, _) = scratch();
    let path = directory.path().join("deep/er/data");
    let error = DiskVfs::open(&path, false).unwrap_err();
    assert!(error.to_string().contains("deep/er/data"), "{error}");
    assert!(!directory.path().join("deep").exists());
    let vfs = DiskVfs::open(&path, true).unwrap();
    assert_eq!(vfs.describe("orders-0/x"), path.join("orders-0/x").to_str().unwrap());
    assert_eq!(vfs.describe(""), path.to_str().unwrap());
    assert!(vfs.available_bytes().unwrap() > 0);
    std::fs::write(directory.path().join("file"), "x").unwrap();
    assert!(DiskVfs::open(&directory.path().join("file"), true).is_err());
}

#[test]
fn symbolic_links_are_refused_and_what_they_point_to_is_untouched() {
    let (directory, vfs) = scratch();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    symlink(&victim, directory.path().join("link")).unwrap();
    symlink(outside.path(), directory.path().join("orders-0")).unwrap();
    symlink(outside.path().join("new"), directory.path().join("dangling")).unwrap();
    for how in [OpenHow::Read, OpenHow::Write, OpenHow::CreateOrWrite] {
        for path in ["link", "dangling"] {
            let error = vfs.open(path, how).unwrap_err();
            assert!(error.to_string().contains("symbolic link"), "{path} {how:?}: {error}");
        }
        let error = vfs.open("orders-0/victim", how).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{how:?}: {error}");
    }
    assert!(vfs.open("dangling", OpenHow::CreateNew).is_err());
    assert!(vfs.open("orders-0/new", OpenHow::CreateNew).is_err());
    assert!(vfs.list("orders-0").is_err());
    assert!(vfs.sync_dir("orders-0").is_err());
    assert!(vfs.remove_file("orders-0/victim").is_err());
    assert!(vfs.rename("orders-0/victim", "stolen").is_err());
    assert_eq!(vfs.metadata("link").unwrap().kind, FileKind::Other);
    assert!(vfs.list("").unwrap().iter().all(|entry| entry.kind == FileKind::Other));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_fifo_is_refused_without_waiting_for_its_other_end() {
    let (_directory, vfs) = scratch();
    let fifo = FileType::Fifo;
    rustix::fs::mknodat(&vfs.root, "fifo", fifo, NEW_FILE, 0).unwrap();
    for how in [OpenHow::Read, OpenHow::Write, OpenHow::CreateOrWrite] {
        assert!(vfs.open("fifo", how).unwrap_err().to_string().contains("special file"));
    }
}

#[test]
fn reserved_space_is_taken_unseen_and_given_back() {
    let (directory, vfs) = scratch();
    let file = vfs.open("0.log", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, b"batch", 0).unwrap();
    let blocks = || std::fs::metadata(directory.path().join("0.log")).unwrap().blocks();
    match file.reserve(5, 1 << 20) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            println!("not checked: this file system cannot reserve space");
            return;
        }
        result => result.unwrap(),
    }
    assert!(blocks() * 512 >= 1 << 20);
    assert_eq!(file.len().unwrap(), 5);
    file.set_len(5).unwrap();
    assert!(blocks() * 512 < 1 << 20, "cutting at the same length must give the space back");
    let error = file.reserve(0, 1 << 50).unwrap_err();
    let kind = Error::io(error, "reserve").kind();
    assert_eq!(kind, crate::error::ErrorKind::NoSpace);
}

#[test]
fn a_map_outlives_the_name_of_its_file() {
    let (_directory, vfs) = scratch();
    let file = vfs.open("0.index", OpenHow::CreateNew).unwrap();
    assert!((*file.map().unwrap().unwrap()).as_ref().is_empty());
    write_all_at(&*file, &[7; 5_000], 0).unwrap();
    let mapping = file.map().unwrap().unwrap();
    vfs.remove_file("0.index").unwrap();
    drop(file);
    assert_eq!((*mapping).as_ref(), [7; 5_000]);
}

#[test]
fn a_directory_that_is_moved_stays_the_same_directory() {
    let (directory, _) = scratch();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let vfs = DiskVfs::open(&old, true).unwrap();
    std::fs::rename(&old, &new).unwrap();
    std::fs::create_dir(&old).unwrap();
    let file = vfs.open("x", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, b"here", 0).unwrap();
    let mut bytes = [0; 4];
    read_exact_at(&*vfs.open("x", OpenHow::Read).unwrap(), &mut bytes, 0).unwrap();
    assert_eq!(std::fs::read(new.join("x")).unwrap(), b"here");
    assert_eq!(std::fs::read_dir(&old).unwrap().count(), 0);
}

#[test]
fn names_that_are_not_text_are_listed_and_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    let (directory, vfs) = scratch();
    let name = std::ffi::OsStr::from_bytes(b"odd-\xff");
    std::fs::write(directory.path().join(name), "x").unwrap();
    let entries = vfs.list("").unwrap();
    assert_eq!(entries[0].name, "odd-\u{fffd}");
    assert_eq!(vfs.metadata("odd-\u{fffd}").unwrap_err().kind(), io::ErrorKind::NotFound);
}
