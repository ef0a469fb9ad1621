//! Sizes, from the environment: the long form by default, `OTTLA_BENCH=short` for a first look.

use std::env;
use std::path::PathBuf;

pub struct Settings {
    /// Where the data directories are made; `OTTLA_BENCH_DIR`, else the system's scratch space.
    pub directory: PathBuf,
    /// Counted rounds of each row; `OTTLA_BENCH_ROUNDS`.
    pub rounds: usize,
    /// Bytes that one round appends or reads; `OTTLA_BENCH_MIB`.
    pub round_bytes: u64,
    /// Durable commits in one round; `OTTLA_BENCH_OPS`.
    pub durable_ops: usize,
    /// Bytes in the directory that is opened; `OTTLA_BENCH_OPEN_MIB`.
    pub open_bytes: u64,
    /// Empty partitions in the directory that is opened; `OTTLA_BENCH_PARTITIONS`.
    pub partitions: i32,
    /// Rows to run: those whose name contains one of the arguments. None given: all.
    pub only: Vec<String>,
    /// Whether to write docs/performance.svg and the table of docs/PERFORMANCE.md.
    pub write_docs: bool,
}

impl Settings {
    pub fn from_environment() -> Settings {
        let short = env::var("OTTLA_BENCH").is_ok_and(|form| form == "short");
        let pick = |name: &str, long: u64, brief: u64| -> u64 {
            match env::var(name) {
                Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")),
                Err(_) if short => brief,
                Err(_) => long,
            }
        };
        let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
        Settings {
            directory: env::var_os("OTTLA_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from),
            rounds: pick("OTTLA_BENCH_ROUNDS", 7, 3) as usize,
            round_bytes: pick("OTTLA_BENCH_MIB", 256, 64) << 20,
            durable_ops: pick("OTTLA_BENCH_OPS", 2000, 500) as usize,
            open_bytes: pick("OTTLA_BENCH_OPEN_MIB", 2048, 256) << 20,
            partitions: pick("OTTLA_BENCH_PARTITIONS", 10_000, 1_000) as i32,
            write_docs: arguments.iter().any(|argument| argument == "--write-docs"),
            only: arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect(),
        }
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// An empty directory that goes when the value does.
    pub fn scratch(&self) -> tempfile::TempDir {
        tempfile::Builder::new()
            .prefix("ottla-bench-")
            .tempdir_in(&self.directory)
            .expect("the scratch directory can be made")
    }
}
