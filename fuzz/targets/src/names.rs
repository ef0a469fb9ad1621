//! Names of topics, files and folders, and paths: nothing that a name says leads out of the data
//! directory or to a wrong file.
//!
//! `paths` works on a real directory with links in it that lead out; what lies outside must stay
//! as it is.

use std::cell::RefCell;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ottla::env::disk::DiskVfs;
use ottla::env::vfs::{OpenHow, Vfs, write_all_at};
use ottla::format::file_names::{
    ParsedDir, Suffix, delete_dir, journal_file, metadata_snapshot_file, parse_base_offset,
    parse_journal_file, parse_leftover, parse_metadata_snapshot, parse_partition_dir,
    parse_quarantine_file, parse_spill_file, partition_dir, quarantine_file, spill_file, stray_dir,
};
use ottla::topic::{TOPIC_NAME_BYTES_MAX, TopicId, TopicName};

use crate::bytes::Input;
use crate::heap::within;

/// Names, taken apart and put together again.
///
/// # Panics
/// If a name passes that should not, or its parts make another one.
pub fn names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    within(24 * text.len() + 4096, || {
        topic_name(text);
        file_names(text);
        if let Some(id) = TopicId::parse(text) {
            assert_eq!(TopicId::parse(&id.to_string()), Some(id));
        }
    });
}

fn topic_name(text: &str) {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let expected = (1..=TOPIC_NAME_BYTES_MAX).contains(&text.len())
        && text.chars().all(is_allowed)
        && text != "."
        && text != "..";
    let name = TopicName::new(text);
    assert_eq!(name.is_ok(), expected, "{text:?}");
    let Ok(name) = name else { return };
    assert_eq!(name.as_str(), text);
    let folder = partition_dir(text, 3);
    match parse_partition_dir(&folder) {
        ParsedDir::Partition { topic, partition } => {
            assert_eq!((topic.as_str(), partition), (text, 3));
        }
        other => panic!("the folder {folder} is taken for {other:?}"),
    }
    for folder in [delete_dir(text, 3, 5), stray_dir(text, 3, 5)] {
        assert!(folder.len() <= 255, "{folder}");
        assert!(!matches!(parse_partition_dir(&folder), ParsedDir::Partition { .. }), "{folder}");
    }
}

fn file_names(text: &str) {
    if let Some((offset, suffix)) = parse_base_offset(text) {
        assert!(offset >= 0);
        assert_eq!(suffix.file(offset), text);
        assert!(Suffix::ALL.contains(&suffix));
    }
    if let Some((offset, suffix, _)) = parse_leftover(text) {
        assert!(text.starts_with(&suffix.file(offset)));
    }
    if let Some(number) = parse_journal_file(text) {
        assert_eq!(journal_file(number), text);
    }
    if let Some(number) = parse_quarantine_file(text) {
        assert_eq!(quarantine_file(number), text);
    }
    if let Some(number) = parse_spill_file(text) {
        assert_eq!(spill_file(number), text);
    }
    if let Some((offset, epoch)) = parse_metadata_snapshot(text) {
        assert_eq!(metadata_snapshot_file(offset, epoch), text);
    }
    if let ParsedDir::Partition { topic, partition } = parse_partition_dir(text) {
        assert!(partition >= 0);
        assert_eq!(partition_dir(topic.as_str(), partition), text);
    }
}

/// The directory that everything lies in, and what lies outside of it.
struct Scene {
    _all: tempfile::TempDir,
    outside: PathBuf,
    vfs: DiskVfs,
}

const SECRET: &[u8] = b"not to be touched";

impl Scene {
    fn new() -> Scene {
        let all = tempfile::tempdir().expect("a temporary folder");
        let outside = all.path().join("outside");
        let data = all.path().join("data");
        std::fs::create_dir_all(&outside).expect("a folder");
        std::fs::create_dir_all(data.join("real-0")).expect("a folder");
        std::fs::write(outside.join("secret"), SECRET).expect("a file");
        symlink(&outside, data.join("linked-0")).expect("a link");
        symlink(outside.join("secret"), data.join("linked")).expect("a link");
        symlink(outside.join("secret"), data.join("real-0/linked")).expect("a link");
        symlink("..", data.join("up-0")).expect("a link");
        let vfs = DiskVfs::open(&data, false).expect("the directory");
        Scene { _all: all, outside, vfs }
    }
}

thread_local! {
    static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) };
}

const PARTS: [&str; 14] = [
    "real-0", "linked-0", "linked", "up-0", "secret", "outside", "..", ".", "", "\0", "a", "data",
    "\u{e4}", "000.log",
];

/// Paths of any parts, opened, written, listed, renamed and removed.
///
/// # Panics
/// If what lies outside of the directory was read or changed.
pub fn paths(data: &[u8]) {
    SCENE.with_borrow_mut(|scene| {
        let scene = scene.get_or_insert_with(Scene::new);
        let mut input = Input::new(data);
        while !input.is_empty() {
            one_call(scene, &mut input);
        }
        let there: Vec<_> = std::fs::read_dir(&scene.outside)
            .expect("the folder outside")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(there, ["secret"], "something was made outside of the directory");
        let secret = std::fs::read(scene.outside.join("secret")).expect("the file outside");
        assert_eq!(secret, SECRET, "a file outside of the directory was written");
        let above = std::fs::read_dir(scene.outside.join("..")).expect("the folder above").count();
        assert_eq!(above, 2, "something was made beside the directory");
    });
}

fn path(input: &mut Input<'_>) -> String {
    let mut path = String::new();
    let count = input.u8() % 4;
    for number in 0..count {
        if number > 0 {
            path.push('/');
        }
        match input.u8() {
            255 => path.push_str(&String::from_utf8_lossy(input.piece())),
            254 => path.push_str(&"x".repeat(200 + usize::from(input.u8()))),
            number => path.push_str(PARTS[usize::from(number) % PARTS.len()]),
        }
    }
    path
}

fn one_call(scene: &Scene, input: &mut Input<'_>) {
    let (vfs, call, path) = (&scene.vfs, input.u8() % 8, path(input));
    match call {
        0 => {
            if let Ok(file) = vfs.open(&path, OpenHow::Read) {
                let mut buffer = [0; 32];
                let read = file.read_at(&mut buffer, 0).unwrap_or(0);
                assert_ne!(&buffer[..read], SECRET, "{path:?} was read outside of the directory");
            }
        }
        1 => drop(vfs.open(&path, OpenHow::CreateNew)),
        2 => {
            if let Ok(file) = vfs.open(&path, OpenHow::CreateOrWrite) {
                let _ = write_all_at(&*file, b"overwritten", 0);
            }
        }
        3 => {
            let entries = vfs.list(&path).unwrap_or_default();
            let leads_out = entries.iter().any(|entry| entry.name == "secret");
            assert!(!leads_out || !path.starts_with("linked"), "{path:?} was listed outside");
        }
        4 => drop(vfs.create_dir(&path)),
        5 => drop(vfs.metadata(&path)),
        6 => {
            let to = self::path(input);
            // Links that lead out are part of the scene.
            if !is_of_the_scene(&path) && !is_of_the_scene(&to) {
                let _ = vfs.rename(&path, &to);
            }
        }
        _ => {
            if !is_of_the_scene(&path) {
                let _ = vfs.remove_file(&path).or_else(|_| vfs.remove_dir(&path));
            }
        }
    }
}

fn is_of_the_scene(path: &str) -> bool {
    matches!(path, "real-0" | "linked-0" | "linked" | "up-0" | "real-0/linked")
}
