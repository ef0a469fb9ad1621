//! Strange names and links, through the command line: names of topics that would leave the directory,
//! or that no file system likes; symbolic links, pipes and folders where files of a log belong. What is
//! refused changes nothing, nothing outside the directory is read or written, and nothing waits for
//! ever.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::session::{Session, words};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, photo, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct Names {}

pub(crate) fn campaign(_names: &Names, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("read-only", "strange names and links, which are not followed", seed, |tried| {
        let scratch = scratch::make_fast("names", terms.scratch.as_deref())?;
        let directory = scratch.path().join("directory");
        let mut session = Session::start(&directory)?;
        for command in ["open", "create t 1", "append t 0 all 1-x", "close"] {
            session.done("open", command)?;
        }
        drop(session);
        topic_names(&directory, tried)?;
        for victim in VICTIMS {
            for kind in [Kind::Link, Kind::Dangling, Kind::Pipe, Kind::Folder] {
                let place = scratch.path().join("place");
                let outcome = in_place_of(&directory, &place, victim, kind, tried);
                outcome.map_err(|stop| stop.in_case(&format!("{kind:?} at {victim}")))?;
                std::fs::remove_dir_all(&place).map_err(Stop::harness("cleaning up"))?;
            }
        }
        Ok(())
    })
}

/// Exit code of the tool, which must end soon.
fn code(directory: &Path, verb: &[&str]) -> Result<(Option<i32>, String), Stop> {
    let output = tool::output_under(&words("timeout 60"), directory, verb);
    let output = output.map_err(Stop::Harness)?;
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(124) => Err(Stop::Broken(format!("nothing waits for ever: {verb:?}"))),
        code => Ok((code, complaint)),
    }
}

fn topic_names(directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let long = "n".repeat(250);
    let longest = "n".repeat(249);
    let refused = [
        "",
        ".",
        "..",
        "../up",
        "/root",
        "a/b",
        "./a",
        "a b",
        "a\nb",
        "\u{e9}",
        "a\u{0}b",
        "a:b",
        "a*",
        "~",
        "\u{202e}a",
        "t/../../x",
        "%2e%2e",
        &long,
    ];
    let before = photo::of(directory)?;
    let around = entries(directory.parent().unwrap_or(directory))?;
    for name in refused.into_iter().filter(|name| !name.contains('\0')) {
        for verb in [
            &["topic", "create", "--", name][..],
            &["topic", "delete", "--", name],
            &["topic", "describe", "--", name],
            &["consume", "--", name],
            &["produce", "--", name],
        ] {
            tried.fault(&["F24"]);
            let (code, complaint) = code(directory, verb)?;
            if !matches!(code, Some(2 | 7)) {
                let what = format!("{verb:?} ends with {code:?}: {complaint}");
                return Err(Stop::Broken(format!("names: {what}")));
            }
        }
    }
    let (mut before, mut after) = (before, photo::of(directory)?);
    // Whoever opens it for writing leaves his pid there, and takes it away.
    before.remove("./.lock");
    after.remove("./.lock");
    photo::same("names", &before, &after)?;
    if entries(directory.parent().unwrap_or(directory))? != around {
        return Err(Stop::Broken("names: something was made outside the directory".to_owned()));
    }
    for name in [longest.as_str(), "...", "-a", "A.b_C-9", "T", "__x"] {
        tried.fault(&["F24"]);
        for verb in ["create", "delete"] {
            let (code, complaint) = code(directory, &["topic", verb, "--", name])?;
            if code != Some(0) {
                return Err(Stop::Broken(format!("names: {verb} {name}: {code:?} {complaint}")));
            }
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Stop> {
    let entries = std::fs::read_dir(directory).map_err(Stop::harness("a listing"))?;
    let mut names: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    Ok(names)
}

/// What is replaced by something else.
const VICTIMS: &[&str] = &[
    "t-0",
    "t-0/00000000000000000000.log",
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/partition.metadata",
    "__cluster_metadata-0",
    "__cluster_metadata-0/00000000000000000000.log",
    "ottla.control",
    "ottla.open",
    ".lock",
    ".kafka_cleanshutdown",
    "meta.properties",
    "ottla-00000000000000000000.journal",
];

/// By what.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A link to the real thing, which lies outside.
    Link,
    /// A link to nothing: following it would make a file outside.
    Dangling,
    /// A pipe that nobody writes to: opening it waits.
    Pipe,
    Folder,
}

fn in_place_of(
    directory: &Path,
    place: &Path,
    victim: &str,
    kind: Kind,
    tried: &mut Tried,
) -> Result<(), Stop> {
    tried.fault(&["F24"]);
    let here = place.join("directory");
    let outside = place.join("outside");
    std::fs::create_dir_all(&outside).map_err(Stop::harness("a place"))?;
    let copied = Command::new("cp").arg("-a").arg(directory).arg(&here).status();
    copied.map_err(Stop::harness("cp"))?;
    let at = here.join(victim);
    let moved = outside.join("moved");
    // What is not there is put there.
    let _ = std::fs::rename(&at, &moved);
    match kind {
        Kind::Link => symlink(&moved, &at),
        Kind::Dangling => symlink(outside.join("nothing"), &at),
        Kind::Pipe => Command::new("mkfifo").arg(&at).status().map(drop),
        Kind::Folder => std::fs::create_dir(&at),
    }
    .map_err(Stop::harness("a strange thing"))?;
    let before = photo::of(&outside)?;
    for verb in [
        &["info"][..],
        &["verify"],
        &["consume", "t"],
        &["topic", "create", "more"],
        &["produce", "t"],
        &["topic", "delete", "t"],
    ] {
        tried.count("verbs", 1);
        let (code, complaint) = code(&here, verb)?;
        if !matches!(code, Some(0 | 3 | 4 | 7)) {
            let what = format!("{verb:?} ends with {code:?}: {complaint}");
            return Err(Stop::Broken(format!("exit codes: {what}")));
        }
        photo::same("nothing outside is touched", &before, &photo::of(&outside)?)?;
    }
    Ok(())
}
