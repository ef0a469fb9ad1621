//! Reads what strace wrote: which calls a driver made, in which order they began and ended, with
//! every byte that it wrote. A call that this does not understand is an error, never passed over.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// Everything that can change a directory, and what says which file a descriptor is.
const TRACED: &str = "trace=open,openat,openat2,creat,close,dup,dup2,dup3,fcntl,write,pwrite64,\
                      writev,pwritev,pwritev2,truncate,ftruncate,fallocate,rename,renameat,\
                      renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
                      fsync,fdatasync,sync,syncfs,sync_file_range,msync,copy_file_range,sendfile,\
                      splice,mmap";

/// Where a path begins: a descriptor, or the root of the file system.
pub(super) type From = Option<i32>;

/// What a call does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Open {
        from: From,
        path: Vec<u8>,
        creates: bool,
        truncates: bool,
    },
    Close(i32),
    Duplicate(i32),
    Print(Vec<u8>),
    Write {
        descriptor: i32,
        offset: u64,
        data: Vec<u8>,
    },
    SetLength {
        descriptor: i32,
        length: u64,
    },
    /// Space without length: nothing that a reader sees.
    Reserve,
    Rename {
        from: From,
        path: Vec<u8>,
        to: From,
        new: Vec<u8>,
    },
    Remove {
        from: From,
        path: Vec<u8>,
    },
    MakeDirectory {
        from: From,
        path: Vec<u8>,
    },
    Sync(i32),
}

/// A call that succeeded, or that was under way when the process was killed.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) deed: Deed,
    /// The new descriptor, the bytes written; `None` if nobody knows how it ended.
    pub(super) result: Option<i64>,
}

/// The calls, and the order in which they began and ended.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) calls: Vec<Call>,
    pub(super) moments: Vec<Moment>,
}

/// Something that happened to a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    Begin(usize),
    End(usize),
}

/// The same program under strace.
pub(super) fn tracing(program: &Command, output: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-xx", "-s", "10000000"]);
    command.args(["-e", TRACED, "-o"]).arg(output);
    command.arg(program.get_program()).args(program.get_args());
    command
}

/// Whether programs may be traced here; why not.
pub(super) fn is_allowed() -> Result<(), String> {
    let mut command = tracing(&Command::new("true"), Path::new("/dev/null"));
    let output = command.output().map_err(|error| format!("strace: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Takes a whole trace apart.
pub(super) fn parse(text: &str) -> Result<Trace, String> {
    // Where each line of a call stands: its beginning and its end, with the whole text.
    let mut trace = Trace::default();
    let mut whole: Vec<(String, usize, Option<usize>)> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let (process, rest) = line.split_once(' ').ok_or_else(|| unknown(line))?;
        let rest = rest.trim_start();
        // The end of a process, and what a kill leaves of calls that nobody can read any more.
        if rest.starts_with("+++")
            || rest.starts_with("???(")
            || rest.starts_with("<... ???")
            || rest.starts_with("---")
            || rest.starts_with("<... exit")
        {
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, tail) = resumed.split_once(" resumed>").ok_or_else(|| unknown(line))?;
            let index = unfinished.remove(process).ok_or_else(|| unknown(line))?;
            whole[index].0.push_str(tail);
            whole[index].2 = Some(at);
        } else if let Some(begun) = rest.split_once(" <unfinished ...>") {
            unfinished.insert(process, whole.len());
            let is_killed = begun.1.contains("= ?");
            let text =
                if is_killed { format!("{}{}", begun.0, begun.1) } else { begun.0.to_owned() };
            whole.push((text, at, None));
        } else {
            whole.push((rest.to_owned(), at, Some(at)));
        }
    }
    let mut order: Vec<(usize, bool, usize)> = Vec::new();
    for (text, begin, end) in whole {
        let call = match call(&text) {
            Ok(Some(call)) => call,
            Ok(None) => continue,
            // A kill in the middle leaves arguments that nobody can read any more.
            Err(_) if !has_result(&text) => continue,
            Err(what) => return Err(what),
        };
        order.push((begin, false, trace.calls.len()));
        if let (Some(end), Some(_)) = (end, call.result) {
            order.push((end, true, trace.calls.len()));
        }
        trace.calls.push(call);
    }
    order.sort_unstable();
    let moment = |(_, is_end, call)| if is_end { Moment::End(call) } else { Moment::Begin(call) };
    trace.moments = order.into_iter().map(moment).collect();
    Ok(trace)
}

fn unknown(line: &str) -> String {
    let (start, end) = (line.len().min(80), line.len().saturating_sub(80));
    let shown = format!("{} ... {}", &line[..start], &line[end..]);
    format!("a line of strace that is not understood: {shown}")
}

/// Whether the call came back.
fn has_result(text: &str) -> bool {
    text.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('?'))
}

/// `None` for what failed and for what changes nothing.
fn call(text: &str) -> Result<Option<Call>, String> {
    let not_understood = || unknown(text);
    let (name, rest) = text.split_once('(').ok_or_else(not_understood)?;
    let (arguments, result) = match rest.rsplit_once(" = ") {
        Some((arguments, result)) => {
            let number = result.split(' ').next().unwrap_or_default();
            let arguments = arguments.trim_end().trim_end_matches(')');
            (arguments, number.parse::<i64>().ok().or(parse_hex(number)))
        }
        None => (rest, None),
    };
    if result.is_some_and(|result| result < 0) {
        return Ok(None);
    }
    let words: Vec<&str> = arguments.split(", ").collect();
    let deed = deed(name, &words, result).ok_or_else(not_understood)?;
    Ok(deed.map(|deed| Call { deed, result }))
}

/// `None` for a call that is not understood, `Some(None)` for one that changes nothing.
fn deed(name: &str, words: &[&str], result: Option<i64>) -> Option<Option<Deed>> {
    let number = |at: usize| words.get(at)?.parse::<i64>().ok();
    let descriptor = |at: usize| number(at).and_then(|number| i32::try_from(number).ok());
    let from = |at: usize| -> Option<From> {
        if words.get(at) == Some(&"AT_FDCWD") { Some(None) } else { descriptor(at).map(Some) }
    };
    let bytes = |at: usize| words.get(at).and_then(|word| unquote(word));
    Some(Some(match name {
        "openat" => {
            let flags = *words.get(2)?;
            Deed::Open {
                from: from(0)?,
                path: bytes(1)?,
                creates: flags.contains("O_CREAT"),
                truncates: flags.contains("O_TRUNC"),
            }
        }
        "close" => Deed::Close(descriptor(0)?),
        "fcntl" if words.get(1)?.starts_with("F_DUPFD") => Deed::Duplicate(descriptor(0)?),
        "fcntl" => return Some(None),
        "write" if descriptor(0)? == 1 => Deed::Print(bytes(1)?),
        "write" if descriptor(0)? == 2 => return Some(None),
        "pwrite64" => {
            let mut data = bytes(1)?;
            // A short write.
            data.truncate(result.map_or(usize::MAX, |length| length as usize));
            Deed::Write { descriptor: descriptor(0)?, offset: number(3)? as u64, data }
        }
        "ftruncate" => Deed::SetLength { descriptor: descriptor(0)?, length: number(1)? as u64 },
        "fallocate" if *words.get(1)? == "FALLOC_FL_KEEP_SIZE" => Deed::Reserve,
        "renameat" => {
            Deed::Rename { from: from(0)?, path: bytes(1)?, to: from(2)?, new: bytes(3)? }
        }
        "unlinkat" => Deed::Remove { from: from(0)?, path: bytes(1)? },
        "mkdirat" => Deed::MakeDirectory { from: from(0)?, path: bytes(1)? },
        "fsync" | "fdatasync" => Deed::Sync(descriptor(0)?),
        "mmap" => {
            let is_written = words.get(2)?.contains("PROT_WRITE");
            let is_shared = words.get(3)?.contains("MAP_SHARED") && descriptor(4) != Some(-1);
            return if is_written && is_shared { None } else { Some(None) };
        }
        _ => return None,
    }))
}

/// An address: what maps return.
fn parse_hex(word: &str) -> Option<i64> {
    i64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// The bytes of `"\x61\x62"`.
fn unquote(word: &str) -> Option<Vec<u8>> {
    let inner = word.strip_prefix('"')?.strip_suffix('"')?;
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two.get(2..4)?).ok()?, 16).ok();
    inner.as_bytes().chunks(4).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_apart() {
        let text = "7 openat(3, \"\\x61\", O_RDWR|O_CREAT, 0644 <unfinished ...>\n\
                    8 pwrite64(9, \"\\x62\\x63\", 2, 512) = 2\n\
                    7 <... openat resumed>) = 4\n\
                    8 unlinkat(3, \"\\x64\", 0) = -1 ENOENT (No such file or directory)\n\
                    8 fdatasync(9 <unfinished ...>) = ?\n\
                    8 +++ killed by SIGKILL +++\n";
        let trace = parse(text).expect("it is understood");
        let deeds: Vec<&Deed> = trace.calls.iter().map(|call| &call.deed).collect();
        let open =
            Deed::Open { from: Some(3), path: b"a".to_vec(), creates: true, truncates: false };
        let write = Deed::Write { descriptor: 9, offset: 512, data: b"bc".to_vec() };
        assert_eq!(deeds, [&open, &write, &Deed::Sync(9)]);
        assert_eq!(trace.calls[2].result, None);
        let order: Vec<String> = trace.moments.iter().map(|moment| format!("{moment:?}")).collect();
        assert_eq!(order, ["Begin(0)", "Begin(1)", "End(1)", "End(0)", "Begin(2)"]);
        assert!(parse("7 pwritev(3, [{}], 1, 0) = 1\n").is_err(), "an unknown call");
    }
}
