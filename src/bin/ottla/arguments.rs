//! The arguments, as a user types them. What they mean is in the verbs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The SQLite of Kafka: Kafka's log in a directory, without a server.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print any file of a data directory in readable form.
    Dump(Dump),
}

#[derive(Args, Debug)]
pub(crate) struct Dump {
    /// The files: segments, indexes, snapshots, checkpoints, journals, anything of the directory.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
