//! Batches that are small in the file and huge when decompressed, of every codec, in a log that a
//! program finds: opening, reading and verifying take little more memory than the bound on
//! decompressed bytes, the error says that it is a limit, and what lies before can be read.

use std::io::Write as _;
use std::path::Path;

use clap::Args;
use ottla::Compression;
use ottla::batch::builder::{BatchBuilder, BatchOptions};

use crate::session::{Session, words};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, recovery, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct Memory {
    /// What a bomb is when decompressed, in mebibytes.
    #[arg(long, default_value_t = 200)]
    mebibytes: usize,
}

/// The bound on decompressed bytes (64 MiB), and what a process may take beside that.
const ALLOWED_MEBIBYTES: u64 = 64 + 16;

const CODECS: &[Compression] =
    &[Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

pub(crate) fn campaign(memory: &Memory, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("memory", "decompression bombs", seed, |tried| {
        let scratch = scratch::make_fast("memory", terms.scratch.as_deref())?;
        for codec in CODECS {
            let directory = scratch.path().join(codec.to_string());
            let outcome = bomb(&directory, *codec, memory.mebibytes << 20, tried);
            outcome.map_err(|stop| stop.in_case(&codec.to_string()))?;
        }
        Ok(())
    })
}

fn bomb(directory: &Path, codec: Compression, bytes: usize, tried: &mut Tried) -> Result<(), Stop> {
    let mut session = Session::start(directory)?;
    for command in ["open", "create t 1", "append t 0 1 1-x"] {
        session.done("open", command)?;
    }
    session.kill();
    let log = directory.join("t-0/00000000000000000000.log");
    let mut file =
        std::fs::OpenOptions::new().append(true).open(log).map_err(Stop::harness("the log"))?;
    let batch = batch(codec, bytes).map_err(|error| Stop::Harness(error.to_string()))?;
    tried.count("bytes of bombs", batch.len() as u64);
    file.write_all(&batch).map_err(Stop::harness("the log"))?;
    let path = directory.display().to_string();
    for arguments in [&["measure", &path][..], &["measure", &path, "--read"]] {
        tried.fault(&["F19", "F20", "F21"]);
        let said = recovery::driver(arguments)?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let kib = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let taken = kib(3).saturating_sub(kib(2)) / 1024;
        tried.count("MiB taken, in all", taken);
        let is_read = arguments.len() > 2;
        let expected = if is_read { "error Limit" } else { "ok" };
        if !said.starts_with(expected) {
            return Err(Stop::Broken(format!("bounded: expected {expected}: {said}")));
        }
        // Before the packed bytes themselves, which snappy makes many of.
        let packed = batch.len() as u64 >> 20;
        if taken > ALLOWED_MEBIBYTES + 2 * packed {
            return Err(Stop::Broken(format!("bounded: {arguments:?} takes {taken} MiB")));
        }
    }
    // The tool, with no more address space than such a process needs.
    let limited = words("prlimit --as=700000000");
    for (verb, code) in [(&["consume", "t"][..], 7), (&["verify"], 3), (&["info"], 0)] {
        tried.fault(&["F19", "F20", "F21"]);
        let output = tool::output_under(&limited, directory, verb).map_err(Stop::Harness)?;
        if output.status.code() != Some(code) {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let what = format!("{verb:?}: {}, expected {code}: {complaint}", output.status);
            return Err(Stop::Broken(format!("bounded: {what}")));
        }
    }
    let text = tool::run(directory, &["consume", "t", "-c", "1"]).map_err(Stop::Broken)?;
    match text.as_slice() {
        b"1-x\n" => Ok(()),
        other => Err(Stop::Broken(format!("acked is there: {:?}", String::from_utf8_lossy(other)))),
    }
}

/// One record of zeros, at offset 1.
fn batch(codec: Compression, bytes: usize) -> ottla::Result<Vec<u8>> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions {
        compression: codec,
        base_offset: 1,
        leader_epoch: 0,
        decompressed_bytes_max: usize::MAX,
        ..BatchOptions::default()
    });
    builder.push(1, None, Some(&vec![0; bytes]), &[])?;
    builder.take()
}
