//! What a writer tells its supervisor, one line each, printed only after the call has returned.

use ottla::Acks;

use crate::storm::retries::Numbered;

/// What an ack promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// `acks=1`: it survives the death of the process.
    Written,
    /// `acks=all`: it survives the loss of power.
    Synced,
}

impl Level {
    pub(crate) fn of(acks: Acks) -> Level {
        if acks == Acks::All { Level::Synced } else { Level::Written }
    }
}

/// An acknowledged append: `count` records from `base_offset` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) topic: String,
    pub(crate) incarnation: u64,
    pub(crate) partition: i32,
    pub(crate) base_offset: i64,
    pub(crate) cycle: u32,
    pub(crate) thread: u32,
    pub(crate) number: u32,
    pub(crate) count: u32,
    pub(crate) level: Level,
}

/// An offset of the group that commits any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A line of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The directory is open.
    Ready,
    /// Records are acknowledged.
    Acked(Ack),
    /// A topic is about to be created.
    Creating(String, u64),
    /// It exists from now on.
    Created(String, u64),
    /// A topic is about to be deleted.
    Deleting(String, u64),
    /// It is gone from now on.
    Deleted(String, u64),
    /// Records below the offset are about to be deleted.
    Cutting(String, i64),
    /// They are gone from now on.
    Cut(String, i64),
    /// The orders below are done, together with their offset.
    Processed(i64),
    /// An offset is about to be committed.
    Committing(Commit),
    /// It is committed.
    Committed(Commit),
    /// The idempotent producer goes on under this identity.
    Producer(Numbered),
    /// The directory was closed cleanly.
    Closed,
    /// A call failed that should not.
    Failed(String),
}

impl Report {
    /// The line, with its line break.
    pub(crate) fn line(&self) -> String {
        let mut line = match self {
            Report::Ready => "ready".to_owned(),
            Report::Acked(ack) => ack_line(ack),
            Report::Creating(topic, incarnation) => format!("creating {topic} {incarnation}"),
            Report::Created(topic, incarnation) => format!("created {topic} {incarnation}"),
            Report::Deleting(topic, incarnation) => format!("deleting {topic} {incarnation}"),
            Report::Deleted(topic, incarnation) => format!("deleted {topic} {incarnation}"),
            Report::Cutting(topic, offset) => format!("cutting {topic} {offset}"),
            Report::Cut(topic, offset) => format!("cut {topic} {offset}"),
            Report::Processed(orders) => format!("processed {orders}"),
            Report::Committing(commit) => {
                format!("committing {} {}", commit.partition, commit.offset)
            }
            Report::Committed(commit) => {
                format!("committed {} {}", commit.partition, commit.offset)
            }
            Report::Producer(producer) => format!("producer {producer}"),
            Report::Closed => "closed".to_owned(),
            Report::Failed(what) => format!("failed {}", what.replace('\n', " ")),
        };
        line.push('\n');
        line
    }

    /// Reads a line; `None` for one that a kill cut short or that is none of ours.
    pub(crate) fn parse(line: &str) -> Option<Report> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split(' ').collect();
        let topic = || Some(((*words.first()?).to_owned(), words.get(1)?.parse().ok()?));
        let offset = || Some(((*words.first()?).to_owned(), words.get(1)?.parse().ok()?));
        Some(match verb {
            "ready" => Report::Ready,
            "ack" => Report::Acked(parse_ack(&words)?),
            "creating" => topic().map(|(name, number)| Report::Creating(name, number))?,
            "created" => topic().map(|(name, number)| Report::Created(name, number))?,
            "deleting" => topic().map(|(name, number)| Report::Deleting(name, number))?,
            "deleted" => topic().map(|(name, number)| Report::Deleted(name, number))?,
            "cutting" => offset().map(|(name, offset)| Report::Cutting(name, offset))?,
            "cut" => offset().map(|(name, offset)| Report::Cut(name, offset))?,
            "processed" => Report::Processed(rest.parse().ok()?),
            "committing" => Report::Committing(parse_commit(&words)?),
            "committed" => Report::Committed(parse_commit(&words)?),
            "producer" => Report::Producer(rest.parse().ok()?),
            "closed" => Report::Closed,
            "failed" => Report::Failed(rest.to_owned()),
            _ => return None,
        })
    }
}

fn ack_line(ack: &Ack) -> String {
    let Ack { topic, incarnation, partition, base_offset, cycle, thread, number, count, level } =
        ack;
    let level = if *level == Level::Synced { "all" } else { "1" };
    format!(
        "ack {topic} {incarnation} {partition} {base_offset} {cycle} {thread} {number} {count} \
         {level}"
    )
}

fn parse_ack(words: &[&str]) -> Option<Ack> {
    let [topic, incarnation, partition, base_offset, cycle, thread, number, count, level] = words
    else {
        return None;
    };
    Some(Ack {
        topic: (*topic).to_owned(),
        incarnation: incarnation.parse().ok()?,
        partition: partition.parse().ok()?,
        base_offset: base_offset.parse().ok()?,
        cycle: cycle.parse().ok()?,
        thread: thread.parse().ok()?,
        number: number.parse().ok()?,
        count: count.parse().ok()?,
        level: if *level == "all" { Level::Synced } else { Level::Written },
    })
}

fn parse_commit(words: &[&str]) -> Option<Commit> {
    let [partition, offset] = words else { return None };
    Some(Commit { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
}
