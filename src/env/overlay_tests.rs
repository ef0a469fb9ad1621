//! The overlay against the rules of a directory, and against its own promise: the directory
//! beneath does not change by a byte, whatever is done.

use super::super::memory::MemoryVfs;
use super::super::vfs::{read_exact_at, write_all_at};
use super::super::vfs_tests;
use super::*;
use crate::error::{Error, ErrorKind};

/// Everything in a directory: path and bytes.
fn everything(vfs: &dyn Vfs) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<String> = Vec::new();
    for entry in vfs.list("").unwrap() {
        if entry.kind == FileKind::Directory {
            let inner = vfs.list(&entry.name).unwrap();
            paths.extend(inner.iter().map(|file| format!("{}/{}", entry.name, file.name)));
        } else {
            paths.push(entry.name);
        }
    }
    let bytes = |path: &String| {
        let file = vfs.open(path, OpenHow::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        bytes
    };
    paths.iter().map(|path| (path.clone(), bytes(path))).collect()
}

fn base() -> Arc<dyn Vfs> {
    let vfs = MemoryVfs::default();
    vfs.create_dir("orders-0").unwrap();
    let log = vfs.open("orders-0/0.log", OpenHow::CreateNew).unwrap();
    let bytes: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
    write_all_at(&*log, &bytes, 0).unwrap();
    let control = vfs.open("ottla.control", OpenHow::CreateNew).unwrap();
    write_all_at(&*control, b"control", 0).unwrap();
    Arc::new(vfs)
}

fn over(base: &Arc<dyn Vfs>) -> OverlayVfs {
    OverlayVfs::new(Arc::clone(base), 1 << 20).unwrap()
}

#[test]
fn it_obeys_the_rules_of_a_directory() {
    let base: Arc<dyn Vfs> = Arc::new(MemoryVfs::default());
    let overlay = over(&base);
    vfs_tests::check_all(&overlay);
    assert_eq!(overlay.available_bytes().unwrap(), 1 << 20, "all blocks were given back");
}

#[test]
fn what_is_beneath_shines_through_and_never_changes() {
    let base = base();
    let before = everything(&*base);
    let overlay = over(&base);
    assert_eq!(everything(&overlay), before);
    let log = overlay.open("orders-0/0.log", OpenHow::Write).unwrap();
    write_all_at(&*log, b"changed", 5_000).unwrap();
    log.set_len(12_000).unwrap();
    write_all_at(&*log, &[9; 100], 15_000).unwrap();
    overlay.rename("ottla.control", "ottla.control.old").unwrap();
    drop(overlay.open("ottla.control", OpenHow::CreateNew).unwrap());
    overlay.rename("orders-0", "orders-0.x-delete").unwrap();
    overlay.create_dir("orders-0").unwrap();
    drop(overlay.open("orders-0/1.log", OpenHow::CreateNew).unwrap());
    overlay.remove_file("orders-0.x-delete/0.log").unwrap();
    overlay.remove_dir("orders-0.x-delete").unwrap();
    assert_eq!(everything(&*base), before);

    let mut expected = before[0].1[..12_000].to_vec();
    expected[5_000..5_007].copy_from_slice(b"changed");
    expected.resize(15_000, 0);
    expected.extend([9; 100]);
    let mut bytes = vec![1; 15_100];
    read_exact_at(&*log, &mut bytes, 0).unwrap();
    assert!(bytes == expected, "the removed file is still readable, and is as it was written");
    let names: Vec<_> = everything(&overlay).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["orders-0/1.log", "ottla.control", "ottla.control.old"]);
}

#[test]
fn writing_what_is_there_already_takes_no_memory() {
    let base = base();
    let overlay = over(&base);
    let log = overlay.open("orders-0/0.log", OpenHow::Write).unwrap();
    let mut bytes = vec![0; 20_000];
    read_exact_at(&*log, &mut bytes, 0).unwrap();
    write_all_at(&*log, &bytes, 0).unwrap();
    log.set_len(20_000).unwrap();
    write_all_at(&*log, &[0; 50_000], 20_000).unwrap();
    assert_eq!(log.len().unwrap(), 70_000);
    assert_eq!(overlay.available_bytes().unwrap(), 1 << 20);
    write_all_at(&*log, b"x", 30_000).unwrap();
    assert_eq!(overlay.available_bytes().unwrap(), (1 << 20) - 4096);
}

#[test]
fn its_memory_is_bounded_and_the_limit_is_said() {
    let overlay = OverlayVfs::new(base(), 10_000).unwrap();
    let file = overlay.open("orders-0/0.log", OpenHow::Write).unwrap();
    write_all_at(&*file, &[1; 8_192], 0).unwrap();
    let error = Error::io(write_all_at(&*file, &[1; 1], 8_192).unwrap_err(), "cannot recover");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("10000 bytes"), "{error}");
    file.set_len(4_000).unwrap();
    write_all_at(&*file, &[1; 1], 8_192).unwrap();
}

#[test]
fn any_sequence_of_changes_reads_as_on_a_plain_file() {
    let seed = crate::env::sim::seed();
    let mut choices = crate::env::sim::Choices::seeded(seed);
    for _ in 0..50 {
        let (base, plain) = (base(), base());
        let overlay = over(&base);
        let one = overlay.open("orders-0/0.log", OpenHow::Write).unwrap();
        let other = plain.open("orders-0/0.log", OpenHow::Write).unwrap();
        for _ in 0..20 {
            let position = u64::from(choices.choose(30_000));
            let bytes = vec![choices.choose(256) as u8; choices.choose(9_000) as usize];
            for file in [&one, &other] {
                if position.is_multiple_of(5) {
                    file.set_len(position).unwrap();
                } else {
                    write_all_at(&**file, &bytes, position).unwrap();
                }
            }
        }
        assert!(everything(&overlay) == everything(&*plain), "OTTLA_SEED={seed}");
    }
}

#[test]
fn a_reader_locks_the_base_in_shared_mode_only() {
    let base = base();
    let (one, two) = (over(&base), over(&base));
    let _first = one.lock(LockMode::Exclusive).unwrap();
    let _second = two.lock(LockMode::Exclusive).unwrap();
    assert_eq!(base.lock(LockMode::Exclusive).unwrap_err().kind(), ErrorKind::Locked);
    assert!(base.list("").unwrap().iter().all(|entry| entry.name != ".lock"));
}
