//! The arguments, as a user types them. What they mean is in the verbs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ottla::config::acks::Acks;
use ottla::config::compression::Compression;
use ottla::config::consumer::IsolationLevel;

use crate::consume::format::{Format, Separator};
use crate::consume::start::Start;
use crate::group::arguments::GroupVerb;

/// The SQLite of Kafka: Kafka's log in a directory, without a server.
#[derive(Debug, Parser)]
#[command(
    name = "ottla",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 other, 2 usage, 3 corruption, 4 I/O, 5 locked, \
                  6 no space, 7 invalid input or over a limit."
)]
pub(crate) struct Arguments {
    /// The data directory.
    #[arg(long, global = true, env = "OTTLA_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create, list, describe, alter, compact and delete topics.
    #[command(subcommand)]
    Topic(TopicVerb),
    /// Append the lines of standard input to a topic, a record per line.
    Produce(Produce),
    /// Print the records of a topic.
    Consume(Consume),
    /// List, describe, reset and delete consumer groups.
    #[command(subcommand)]
    Group(GroupVerb),
    /// Print any file of a data directory in readable form.
    Dump(Dump),
    /// Read and check everything; change nothing.
    Verify(Verify),
    /// Print topics, partitions, offsets and sizes.
    Info(Info),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicVerb {
    /// Create a topic.
    Create(TopicCreate),
    /// Print the names of all topics.
    List,
    /// Print a topic, or all of them, with settings and partitions.
    Describe(TopicDescribe),
    /// Change settings of a topic, or add partitions.
    Alter(TopicAlter),
    /// Compact a topic now: of each key only the newest record stays.
    Compact(TopicCompact),
    /// Delete a topic with all its records.
    Delete(TopicDelete),
}

#[derive(Args, Debug)]
pub(crate) struct TopicCreate {
    /// The topic's name.
    pub(crate) name: String,
    /// How many partitions it has. Default: 1.
    #[arg(long, value_name = "N")]
    pub(crate) partitions: Option<i32>,
    /// A setting under Kafka's name, such as retention.ms=60000. Can be repeated.
    #[arg(long = "config", value_name = "K=V", value_parser = setting)]
    pub(crate) configs: Vec<(String, String)>,
    /// Do nothing if there is a topic of that name.
    #[arg(long)]
    pub(crate) if_not_exists: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TopicDescribe {
    /// The topic's name. Default: all topics.
    pub(crate) name: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct TopicAlter {
    /// The topic's name.
    pub(crate) name: String,
    /// A setting under Kafka's name, such as retention.ms=60000. Can be repeated.
    #[arg(long = "config", value_name = "K=V", value_parser = setting)]
    pub(crate) configs: Vec<(String, String)>,
    /// A setting to take back, so that Kafka's default holds. Can be repeated.
    #[arg(long = "delete-config", value_name = "K")]
    pub(crate) delete_configs: Vec<String>,
    /// How many partitions the topic has from now on; more than it had.
    #[arg(long, value_name = "N")]
    pub(crate) partitions: Option<i32>,
}

#[derive(Args, Debug)]
pub(crate) struct TopicCompact {
    /// The topic's name. Its cleanup.policy must be compact, or compact,delete.
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct TopicDelete {
    /// The topic's name.
    pub(crate) name: String,
    /// Do nothing if there is no topic of that name.
    #[arg(long)]
    pub(crate) if_exists: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Produce {
    /// The topic's name.
    pub(crate) topic: String,
    /// The partition of all records. Default: by key, without a key in turns.
    #[arg(long, short = 'p', value_name = "N")]
    pub(crate) partition: Option<i32>,
    /// What stands between key and value in a line. A line without it has no key.
    /// It may hold the escapes of consume's format: \t, \x1f.
    #[arg(short = 'K', long, value_name = "SEP")]
    pub(crate) key_separator: Option<Separator>,
    /// What a record survives before it is acknowledged: 0 nothing, 1 the end of the process,
    /// all a loss of power.
    #[arg(long, value_name = "0|1|all", default_value = "all")]
    pub(crate) acks: Acks,
    /// The codec of batches: none, gzip, snappy, lz4 or zstd.
    #[arg(long, short = 'z', value_name = "CODEC", default_value = "none", value_parser = codec)]
    pub(crate) compression: Compression,
    /// How many records go into a group at most, which is written in one step.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_records: u32,
    /// Print `ack PARTITION OFFSET` for each record, in the order of input, once it is
    /// acknowledged. With --acks 0 nobody waits for the offset, and it is -1.
    #[arg(long)]
    pub(crate) print_acks: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Consume {
    /// The topic's name.
    pub(crate) topic: String,
    /// The partition to read. Default: all.
    #[arg(long, short = 'p', value_name = "N")]
    pub(crate) partition: Option<i32>,
    /// Where to begin: beginning, end, an offset, -N for the last N records of each partition, or
    /// @MILLIS for the first record of that time or later.
    #[arg(
        long,
        short = 'o',
        value_name = "OFFSET",
        default_value = "beginning",
        allow_hyphen_values = true
    )]
    pub(crate) offset: Start,
    /// Read as this consumer group: go on where it stopped, and commit what was printed. Where it
    /// committed nothing, --offset beginning or end says where to begin.
    #[arg(long, short = 'G', value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Stop after so many records.
    #[arg(long, short = 'c', value_name = "N")]
    pub(crate) max_messages: Option<u64>,
    /// Go on at the end, and wait for more.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Which records of transactions are printed: read_uncommitted or read_committed.
    #[arg(long, value_name = "LEVEL", default_value = "read_uncommitted", value_parser = isolation)]
    pub(crate) isolation_level: IsolationLevel,
    /// How a record is printed: %s value, %S its length, %R its length as four bytes, %k key,
    /// %K its length, %h headers, %t topic, %p partition, %o offset, %T timestamp, %% percent,
    /// \n \r \t \xNN bytes.
    #[arg(short = 'f', long, value_name = "FORMAT", conflicts_with = "json")]
    pub(crate) format: Option<Format>,
    /// Print a record as a line of JSON.
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Dump {
    /// The files: segments, indexes, snapshots, checkpoints, journals, anything of the directory.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// Print JSON.
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Info {
    /// Print JSON.
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
}

/// Parses `name=value`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("a setting is written name=value".to_owned()),
    }
}

fn isolation(text: &str) -> Result<IsolationLevel, String> {
    match text {
        "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        "read_committed" => Ok(IsolationLevel::ReadCommitted),
        _ => Err("must be read_uncommitted or read_committed".to_owned()),
    }
}

fn codec(text: &str) -> Result<Compression, String> {
    Compression::parse(text).ok_or_else(|| "must be none, gzip, snappy, lz4 or zstd".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_setting_has_a_name_and_a_value() {
        assert_eq!(setting("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert_eq!(setting("a="), Ok(("a".to_owned(), String::new())));
        assert!(setting("a").is_err());
        assert!(setting("=a").is_err());
    }

    #[test]
    fn an_offset_may_begin_with_a_minus() {
        let arguments = Arguments::parse_from(["ottla", "consume", "t", "--offset", "-5"]);
        let Verb::Consume(consume) = arguments.verb else { panic!("not consume") };
        assert_eq!(consume.offset, Start::Last(5));
    }
}
