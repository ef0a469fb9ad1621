//! The arguments of `ottla group`, with the flags of kafka-consumer-groups.

use clap::{ArgGroup, Args, Subcommand};

use super::moment::{Moment, Span};
use super::scope::TopicScope;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// Print the names of all groups.
    List(GroupList),
    /// Print how far a group has come, and how far it lies behind.
    Describe(GroupDescribe),
    /// Set the committed offsets of a group. It is done at once; --dry-run only prints it.
    ResetOffsets(GroupResetOffsets),
    /// Delete groups with all their offsets.
    Delete(GroupDelete),
    /// Delete the offsets of a group for some topics.
    DeleteOffsets(GroupDeleteOffsets),
}

#[derive(Args, Debug)]
pub(crate) struct GroupList {
    /// Print their states, too.
    #[arg(long)]
    pub(crate) state: bool,
    /// Print JSON.
    #[arg(short = 'J', long = "json")]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").required(true).args(["names", "all_groups"])))]
pub(crate) struct GroupDescribe {
    /// The groups' names.
    #[arg(value_name = "GROUP")]
    pub(crate) names: Vec<String>,
    /// All groups.
    #[arg(long)]
    pub(crate) all_groups: bool,
    /// Print a line a group, with its state, instead of a line a partition.
    #[arg(long)]
    pub(crate) state: bool,
    /// Print JSON.
    #[arg(short = 'J', long = "json")]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("what").required(true).args(["topics", "all_topics", "from_file"])),
    group(ArgGroup::new("to").required(true).args([
        "to_earliest", "to_latest", "to_current", "to_offset", "to_datetime", "by_duration",
        "shift_by", "from_file",
    ]))
)]
pub(crate) struct GroupResetOffsets {
    /// The group's name.
    #[arg(value_name = "GROUP")]
    pub(crate) name: String,
    /// A topic, or some of its partitions: orders or orders:0,2. Can be repeated.
    #[arg(long = "topic", value_name = "TOPIC[:P,P]")]
    pub(crate) topics: Vec<TopicScope>,
    /// All partitions that the group committed offsets for.
    #[arg(long)]
    pub(crate) all_topics: bool,
    /// To the oldest record.
    #[arg(long)]
    pub(crate) to_earliest: bool,
    /// To the end: only what comes from now on.
    #[arg(long)]
    pub(crate) to_latest: bool,
    /// To where the group is; what is out of range is set right.
    #[arg(long)]
    pub(crate) to_current: bool,
    /// To this offset, or the nearest that there is.
    #[arg(long, value_name = "N")]
    pub(crate) to_offset: Option<i64>,
    /// To the first record of this time or later: 2026-11-20T10:00:00.000, in UTC unless it says
    /// otherwise (Z, +01:00), or milliseconds since 1970.
    #[arg(long, value_name = "TIME")]
    pub(crate) to_datetime: Option<Moment>,
    /// To the first record that is not older than this: P1DT2H30M (ISO 8601).
    #[arg(long, value_name = "DURATION")]
    pub(crate) by_duration: Option<Span>,
    /// So many records on, or back if negative.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) shift_by: Option<i64>,
    /// To what a file says in lines of topic,partition,offset.
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<std::path::PathBuf>,
    /// Only print what would be done.
    #[arg(long, conflicts_with = "execute")]
    pub(crate) dry_run: bool,
    /// Do it. It is done without this, too, unless --dry-run is given.
    #[arg(long)]
    pub(crate) execute: bool,
    /// Print the outcome in lines of topic,partition,offset, for --from-file.
    #[arg(long, conflicts_with = "json")]
    pub(crate) export: bool,
    /// Print JSON.
    #[arg(short = 'J', long = "json")]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GroupDelete {
    /// The groups' names.
    #[arg(value_name = "GROUP", required = true)]
    pub(crate) names: Vec<String>,
    /// Only print what would be deleted.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GroupDeleteOffsets {
    /// The group's name.
    #[arg(value_name = "GROUP")]
    pub(crate) name: String,
    /// A topic, or some of its partitions: orders or orders:0,2. Can be repeated.
    #[arg(long = "topic", value_name = "TOPIC[:P,P]", required = true)]
    pub(crate) topics: Vec<TopicScope>,
    /// Only print what would be deleted.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
