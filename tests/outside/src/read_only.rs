//! Directories that may not be written: mounted read-only, another user's, immutable. Opening for
//! reading works and writes no byte, also where the last process was killed; opening for writing is a
//! clean error that names the path, and nothing is half made.
//!
//! A bind mount, another user and `chattr` need root; without it, folders without write permission
//! are what remains.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::deeds::Deeds;
use crate::session::{Session, words};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, photo, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct ReadOnly {}

/// In which way a directory may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// EROFS.
    Mount,
    /// EACCES: an unprivileged user and a directory of root.
    User,
    /// EPERM.
    Immutable,
    /// EACCES: permissions that this user gave up.
    Permissions,
}

pub(crate) fn campaign(_: &ReadOnly, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("read-only", "directories that may not be written", seed, |tried| {
        let scratch = scratch::make("read-only", terms.scratch.as_deref())?;
        // Another user must be able to come here.
        set_mode(scratch.path(), 0o755)?;
        let is_root = rustix::process::geteuid().is_root();
        let ways = match is_root {
            true => &[Way::Mount, Way::User, Way::Immutable][..],
            false => &[Way::Permissions],
        };
        let mut tried_any = false;
        for way in ways {
            for is_clean in [true, false] {
                let directory = scratch.path().join(format!("{way:?}-{is_clean}"));
                make(&directory, is_clean)?;
                match one(*way, &directory, tried) {
                    Err(Stop::NotRun(why)) => println!("read-only: not run: {way:?}: {why}"),
                    outcome => {
                        let case = format!("{way:?}, closed cleanly: {is_clean}");
                        outcome.map_err(|stop| stop.in_case(&case))?;
                        tried_any = true;
                    }
                }
            }
        }
        match tried_any {
            true => Ok(()),
            false => Err(Stop::NotRun("no way to forbid writing is permitted here".to_owned())),
        }
    })
}

fn make(directory: &Path, is_clean: bool) -> Result<(), Stop> {
    let mut session = Session::start(directory)?;
    for command in Deeds::default().life() {
        if command != "close" || is_clean {
            session.done("open", &command)?;
        }
    }
    session.kill();
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Stop> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).map_err(Stop::harness("permissions"))
}

/// Takes back what would keep a scratch directory from being removed.
struct Undo(Way, PathBuf);

impl Drop for Undo {
    fn drop(&mut self) {
        match self.0 {
            Way::Immutable => drop(chattr("-i", &self.1)),
            Way::Permissions => {
                let _ = Command::new("chmod").args(["-R", "u+w"]).arg(&self.1).status();
            }
            Way::Mount | Way::User => {}
        }
    }
}

fn chattr(flag: &str, directory: &Path) -> std::io::Result<bool> {
    let output = Command::new("chattr").args(["-R", flag]).arg(directory).output()?;
    Ok(output.status.success())
}

/// The words before the tool, with which it may not write.
fn wrapper(way: Way, directory: &Path) -> Result<Vec<String>, Stop> {
    match way {
        Way::Mount => {
            let script =
                "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
            let mut wrapper = words("unshare -m sh -c");
            wrapper.push(script.to_owned());
            wrapper.push(directory.display().to_string());
            Ok(wrapper)
        }
        Way::User => Ok(words("setpriv --reuid=65534 --regid=65534 --clear-groups")),
        Way::Immutable => match chattr("+i", directory) {
            Ok(true) => Ok(Vec::new()),
            _ => Err(Stop::NotRun("chattr +i does not work here".to_owned())),
        },
        Way::Permissions => {
            let _ = Command::new("chmod").args(["-R", "a-w"]).arg(directory).status();
            Ok(Vec::new())
        }
    }
}

fn one(way: Way, directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let reads: [&[&str]; 6] = [
        &["info"],
        &["topic", "list"],
        &["consume", "plain", "-f", "%p %o %s\\n"],
        &["group", "list"],
        &["verify"],
        &["topic", "describe"],
    ];
    let undo = Undo(way, directory.to_owned());
    let wrapper = wrapper(way, directory)?;
    let probe = tool::output_under(&wrapper, directory, &["--version"]);
    if !probe.is_ok_and(|output| output.status.success()) {
        return Err(Stop::NotRun("the tool cannot be run so".to_owned()));
    }
    let before = photo::of(directory)?;
    let path = directory.display().to_string();
    for verb in reads {
        tried.fault(&["F17"]);
        tried.count("reads", 1);
        let output = tool::output_under(&wrapper, directory, verb).map_err(Stop::Harness)?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let what = format!("{verb:?}: {}: {complaint}", output.status);
            return Err(Stop::Broken(format!("reading works: {what}")));
        }
        photo::same("not a byte is written", &before, &photo::of(directory)?)?;
    }
    let new = directory.join("new");
    let writes: [(&Path, &[&str]); 4] = [
        (directory, &["topic", "create", "more"]),
        (directory, &["topic", "delete", "plain"]),
        (directory, &["produce", "plain"]),
        (&new, &["topic", "create", "first"]),
    ];
    for (place, verb) in writes {
        tried.fault(&["F17"]);
        tried.count("writes refused", 1);
        let output = tool::output_under(&wrapper, place, verb).map_err(Stop::Harness)?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.code() != Some(4) || !complaint.contains(&path) {
            let what = format!("{verb:?}: {}: {complaint}", output.status);
            return Err(Stop::Broken(format!("writing is refused with the path: {what}")));
        }
        photo::same("nothing is half made", &before, &photo::of(directory)?)?;
    }
    // Allowed again, it is as good as ever.
    drop(undo);
    let mut session = Session::start(directory)?;
    let opened = session.done("open", "open")?;
    if !opened.is_empty() {
        return Err(Stop::Broken(format!("open: it says {opened}")));
    }
    session.done("goes on", "append plain 0 all 9-x")?;
    session.done("open", "close").map(drop)
}
