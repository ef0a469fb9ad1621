//! What a writer tells its supervisor, one line each, printed only after the call has returned.

use std::fmt::Write as _;

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
            "failed" => Report::Failed(rest.to_owned()),
            _ => return None,
        })
    }
}

fn ack_line(ack: &Ack) -> String {
    let mut line = format!("ack {} {} {}", ack.topic, ack.incarnation, ack.partition);
    let numbers = [ack.cycle, ack.thread, ack.number, ack.count];
    write!(line, " {}", ack.base_offset).expect("a string takes all");
    for number in numbers {
        write!(line, " {number}").expect("a string takes all");
    }
    line
}

fn parse_ack(words: &[&str]) -> Option<Ack> {
    let [topic, incarnation, partition, base_offset, cycle, thread, number, count] = words else {
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
    })
}
