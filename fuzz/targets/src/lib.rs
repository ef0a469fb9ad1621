//! The fuzz targets: each is a function from bytes to nothing that panics if a promise is broken.
//! `fuzz/fuzz_targets` hands them to libFuzzer; the tests here replay the committed corpus and some
//! mutations of it with any compiler. fuzz/README.md says how.
//!
//! The invariant: a target depends on its bytes alone, so that a finding is a file.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test of the library, which panics on purpose and works beside the directories"
)]

mod api;
mod batches;
mod bytes;
mod c_abi;
mod codecs;
mod compaction;
mod differential;
mod directory;
mod fixpoint;
mod heap;
mod indexes;
mod journal;
mod key_index;
mod log_records;
mod logs;
pub mod mutate;
mod naive;
mod names;
mod records;
mod settings;
mod small_files;

pub use api::{api, api_crashes, api_faults};
pub use batches::batch;
pub use c_abi::c_abi;
pub use codecs::{gzip, lz4, snappy, zstd};
pub use compaction::compaction;
pub use differential::differential;
pub use directory::directory;
pub use fixpoint::fixpoint;
pub use indexes::{offset_index, time_index, txn_index};
pub use journal::{journal, journal_frame, spill};
pub use key_index::key_index;
pub use log_records::{catalog, group_records, metadata_records};
pub use logs::scan;
pub use names::{names, paths};
pub use records::{record, varint};
pub use settings::settings;
pub use small_files::{control_file, producer_snapshot, text_files};

/// A target by its name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the target, of its file and of its corpus.
    pub name: &'static str,
    /// One execution.
    pub run: fn(&[u8]),
    /// How many mutations the short form tries.
    pub short: u32,
    /// The faults of docs/RELIABILITY.md that it tries.
    pub faults: &'static [&'static str],
}

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    short: u32,
    faults: &'static [&'static str],
) -> Target {
    Target { name, run, short, faults }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("batch", batches::batch, 1000, &["F9", "F20"]),
    target("record", records::record, 1000, &["F20"]),
    target("varint", records::varint, 1000, &["F20"]),
    target("gzip", codecs::gzip, 200, &["F20", "F21"]),
    target("snappy", codecs::snappy, 500, &["F20", "F21"]),
    target("lz4", codecs::lz4, 500, &["F20", "F21"]),
    target("zstd", codecs::zstd, 200, &["F20", "F21"]),
    target("scan", logs::scan, 400, &["F9", "F12", "F20"]),
    target("offset_index", indexes::offset_index, 1000, &["F10"]),
    target("time_index", indexes::time_index, 1000, &["F10"]),
    target("txn_index", indexes::txn_index, 1000, &["F10"]),
    target("producer_snapshot", small_files::producer_snapshot, 1000, &["F10"]),
    target("control_file", small_files::control_file, 1000, &["F10"]),
    target("text_files", small_files::text_files, 1000, &["F10"]),
    target("journal_frame", journal::journal_frame, 1000, &["F9", "F20"]),
    target("journal", journal::journal, 400, &["F9", "F12"]),
    target("spill", journal::spill, 1000, &["F9", "F20"]),
    target("key_index", key_index::key_index, 1000, &["F10"]),
    target("metadata_records", log_records::metadata_records, 1000, &["F20"]),
    target("group_records", log_records::group_records, 1000, &["F20"]),
    target("catalog", log_records::catalog, 400, &["F20"]),
    target("names", names::names, 1000, &["F24"]),
    target("paths", names::paths, 100, &["F24"]),
    target("settings", settings::settings, 400, &["F24"]),
    target("differential", differential::differential, 1000, &["F20"]),
    target("fixpoint", fixpoint::fixpoint, 500, &["F20"]),
    target("directory", directory::directory, 15, &["F9", "F10", "F12", "F13", "F20"]),
    target("api", api::api, 15, &["F1", "F2", "F26", "F27", "F28"]),
    target("api_faults", api::api_faults, 3, &["F5", "F6", "F7", "F8"]),
    target("api_crashes", api::api_crashes, 3, &["F1", "F2", "F3", "F4"]),
    target("compaction", compaction::compaction, 15, &["F4"]),
    target("c_abi", c_abi::c_abi, 100, &["F23"]),
];
