//! System calls: which ones fail, in which ways, and how often each is made in a run.

use std::collections::BTreeMap;
use std::path::Path;

use crate::session::words;
use crate::verdict::Stop;

/// A kind of call, the faults of the table that its failure stands for, and the errors that it is made to
/// fail with. The names are all that one of them may go by on this kernel.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) faults: &'static [&'static str],
    pub(super) errors: &'static [&'static str],
}

/// Every way in which a file operation may be refused.
const ANY: &[&str] = &["EIO", "ENOSPC", "EDQUOT", "EMFILE", "EACCES", "EFBIG", "EINTR"];
/// A name is made or taken away: never interrupted on Linux.
const NAMES: &[&str] = &["EIO", "ENOSPC", "EDQUOT", "EACCES"];

pub(super) const CALLS: &[Call] = &[
    Call { name: "fdatasync", faults: &["F5"], errors: &["EIO", "ENOSPC", "EDQUOT", "EINTR"] },
    Call { name: "fsync", faults: &["F5"], errors: &["EIO", "ENOSPC", "EDQUOT", "EINTR"] },
    Call { name: "pwrite64", faults: &["F6"], errors: ANY },
    Call { name: "fallocate", faults: &["F6"], errors: ANY },
    Call { name: "ftruncate", faults: &["F6"], errors: ANY },
    Call { name: "renameat", faults: &["F6"], errors: NAMES },
    Call { name: "unlinkat", faults: &["F6"], errors: NAMES },
    Call { name: "mkdirat", faults: &["F6"], errors: NAMES },
    Call { name: "openat", faults: &["F6", "F18"], errors: ANY },
    Call { name: "pread64", faults: &["F7"], errors: &["EIO", "EACCES", "EINTR"] },
    Call { name: "getdents64", faults: &["F7"], errors: &["EIO", "EACCES"] },
    Call { name: "newfstatat", faults: &["F7"], errors: &["EIO", "EACCES"] },
    Call { name: "fstat", faults: &["F7"], errors: &["EIO"] },
    Call { name: "flock", faults: &["F7"], errors: &["EIO", "EINTR"] },
];

/// All names, as strace takes them.
pub(super) fn names() -> String {
    CALLS.iter().map(|call| call.name).collect::<Vec<_>>().join(",")
}

/// How often a call is made: first the calls that load the program, then those that are its own.
/// strace counts for each thread by itself; this is the thread that makes most of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) before: u64,
    pub(super) all: u64,
}

/// Reads a trace of strace -f: a thread's id, then a call, a line.
pub(super) fn count(trace: &Path, directory: &Path) -> Result<BTreeMap<&'static str, Times>, Stop> {
    let text = std::fs::read_to_string(trace).map_err(Stop::harness("a trace"))?;
    let directory = directory.display().to_string();
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut times: BTreeMap<&'static str, Times> = BTreeMap::new();
    let mut has_begun = false;
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        has_begun |= call.contains(&directory);
        let Some(known) = CALLS.iter().find(|known| is_call(call, known.name)) else { continue };
        let count = counts.entry((thread, known.name)).or_default();
        *count += 1;
        let times = times.entry(known.name).or_default();
        times.all = times.all.max(*count);
        if !has_begun {
            times.before = times.all;
        }
    }
    Ok(times)
}

fn is_call(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))
}

/// strace that only counts.
pub(super) fn counting(trace: &Path) -> Vec<String> {
    words(&format!("strace -f -qq --seccomp-bpf -o {} -e trace={}", trace.display(), names()))
}

/// strace that lets a call fail, or kills at it.
pub(super) fn injecting(call: &str, what: &str, when: &str) -> Vec<String> {
    let inject = format!("-e trace={call} -e inject={call}:{what}:when={when}");
    words(&format!("strace -f -qq --seccomp-bpf -o /dev/null {inject}"))
}
