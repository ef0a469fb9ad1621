//! Whole files: cut, missing, swapped, put back in an older version; and batches that are whole and
//! lie where another one was.
//!
//! Not tried: a batch whose base offset was changed to fit its wrong place. Whoever does that makes
//! files agree on purpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::Image;
use crate::laws::{Case, Verify};
use crate::reading::Truth;

const MARKER: &str = ".kafka_cleanshutdown";
const CONTROL: &str = "ottla.control";

/// Something that happened to files of a directory.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    Cut {
        path: String,
        length: usize,
    },
    /// A file, or with a slash a folder.
    Missing(String),
    Swapped(String, String),
    Stale(String),
    /// The bytes of one batch in the place of another one of the same length.
    Misplaced {
        from: (String, usize),
        to: (String, usize),
        length: usize,
    },
}

impl Mishap {
    pub(crate) fn describe(&self) -> String {
        match self {
            Mishap::Cut { path, length } => format!("{path} cut to {length} bytes"),
            Mishap::Missing(path) => format!("{path} missing"),
            Mishap::Swapped(one, other) => format!("{one} swapped with {other}"),
            Mishap::Stale(path) => format!("{path} of an earlier close"),
            Mishap::Misplaced { from, to, .. } => {
                format!("{} at {} has the batch of {} at {}", to.0, to.1, from.0, from.1)
            }
        }
    }

    /// What it makes of a directory; `earlier` is the same one at an earlier close.
    pub(crate) fn case<'a>(&self, image: &Image, earlier: &Image, truth: &'a Truth) -> Case<'a> {
        let mut damaged = BTreeSet::new();
        let mut after = image.clone();
        match self {
            Mishap::Cut { path, length } => {
                after.put(path, image.bytes(path)[..*length].to_vec());
                damaged.insert(path.clone());
            }
            Mishap::Missing(path) => {
                after.remove_all(path);
                damaged.insert(path.clone());
            }
            Mishap::Swapped(one, other) => {
                after.put(one, image.bytes(other).to_vec());
                after.put(other, image.bytes(one).to_vec());
                damaged.extend([one.clone(), other.clone()]);
            }
            Mishap::Stale(path) => {
                after.put(path, earlier.bytes(path).to_vec());
                damaged.insert(path.clone());
                // The two must agree, and nobody can tell which one is the older.
                if [MARKER, CONTROL].contains(&path.as_str()) {
                    damaged.extend([MARKER.to_owned(), CONTROL.to_owned()]);
                }
            }
            Mishap::Misplaced { from, to, length } => {
                let mut bytes = image.bytes(&to.0).to_vec();
                let batch = &image.bytes(&from.0)[from.1..from.1 + length];
                bytes[to.1..to.1 + length].copy_from_slice(batch);
                after.put(&to.0, bytes);
                damaged.insert(to.0.clone());
            }
        }
        let verify = self.verify();
        let truths = if self.is_past_a_reader(image) { Vec::new() } else { vec![truth] };
        Case { image: after, damaged, verify, truths, thorough: true, reported: true }
    }

    /// A batch of another log with the same length and the same offsets: nothing in it says to which
    /// log it belongs. Only the sum of the segment tells, so that reading is not asked for.
    fn is_past_a_reader(&self, image: &Image) -> bool {
        let Mishap::Misplaced { from, to, .. } = self else { return false };
        let base_offset = |(path, at): &(String, usize)| image.bytes(path)[*at..at + 8].to_vec();
        from.0 != to.0 && base_offset(from) == base_offset(to)
    }

    fn verify(&self) -> Verify {
        match self {
            // An empty marker is one of an old broker; none at all says that one is at work.
            Mishap::Cut { path, length: 0 } | Mishap::Missing(path) if path == MARKER => {
                Verify::NamesOrForeign
            }
            // It may never have been made; one of an earlier time names another log.
            Mishap::Missing(path) | Mishap::Stale(path) if path.ends_with(".keyindex") => {
                Verify::Answers
            }
            Mishap::Swapped(path, _) if path.ends_with(".keyindex") => Verify::Answers,
            _ => Verify::Names,
        }
    }
}

/// Every file at every length below its own.
pub(crate) fn cuts(image: &Image) -> Vec<Mishap> {
    let cuts = image.paths().flat_map(|path| {
        let lengths = 0..image.bytes(path).len();
        lengths.map(move |length| Mishap::Cut { path: path.to_owned(), length })
    });
    cuts.collect()
}

/// Every file and every folder.
pub(crate) fn removals(image: &Image) -> Vec<Mishap> {
    let files = image.paths().filter(|path| !is_empty_index(image, path));
    let mut missing: Vec<Mishap> = files.map(|path| Mishap::Missing(path.to_owned())).collect();
    let folders: BTreeSet<&str> =
        image.paths().filter_map(|path| path.split_once('/')).map(|(folder, _)| folder).collect();
    // The folder of a partition that never held anything is made when it is needed.
    let empty = ["empty-0", "__consumer_offsets-1"];
    let folders = folders.into_iter().filter(|folder| !empty.contains(folder));
    missing.extend(folders.map(|folder| Mishap::Missing(format!("{folder}/"))));
    missing
}

/// An index without entries is as good as none.
fn is_empty_index(image: &Image, path: &str) -> bool {
    path.ends_with("index") && image.bytes(path).is_empty()
}

/// Every two different files of the same kind.
pub(crate) fn swaps(image: &Image) -> Vec<Mishap> {
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for path in image.paths().filter(|path| !is_empty_index(image, path)) {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let name = name.trim_start_matches(|c: char| c.is_ascii_digit());
        let kind = if path.contains('/') { name } else { path };
        let kind = if path.ends_with(".journal") { ".journal" } else { kind };
        kinds.entry(kind.to_owned()).or_default().push(path);
    }
    let mut swaps = Vec::new();
    for paths in kinds.values() {
        for (index, one) in paths.iter().enumerate() {
            for other in &paths[index + 1..] {
                if image.bytes(one) != image.bytes(other) {
                    swaps.push(Mishap::Swapped((*one).to_owned(), (*other).to_owned()));
                }
            }
        }
    }
    swaps
}

/// Every file that was another one at an earlier close.
pub(crate) fn stale(image: &Image, earlier: &Image) -> Vec<Mishap> {
    let changed =
        image.paths().filter(|path| earlier.has(path) && earlier.bytes(path) != image.bytes(path));
    changed.map(|path| Mishap::Stale(path.to_owned())).collect()
}

/// Every batch in the place of every other one of the same length.
pub(crate) fn misplaced(image: &Image) -> Vec<Mishap> {
    let mut batches: BTreeMap<usize, Vec<(&str, usize)>> = BTreeMap::new();
    for path in image.paths().filter(|path| path.ends_with(".log")) {
        let (bytes, mut at) = (image.bytes(path), 0);
        while at < bytes.len() {
            let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
            batches.entry(length + 12).or_default().push((path, at));
            at += length + 12;
        }
    }
    let mut misplaced = Vec::new();
    for (length, places) in batches {
        for from in &places {
            for to in places.iter().filter(|to| *to != from) {
                let owned = |place: &(&str, usize)| (place.0.to_owned(), place.1);
                misplaced.push(Mishap::Misplaced { from: owned(from), to: owned(to), length });
            }
        }
    }
    misplaced
}
