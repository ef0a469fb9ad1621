//! What one session after the other was asked for and answered, and so what must be in the
//! directory, may be there, or must not.
//!
//! Values are numbered in the order in which they were sent (`17-xxxx`), and each is sent once. What is checked:
//! acked is there, refused stays away, all or nothing, order, ends of cuts, topics, offsets. Of a log
//! that retention eats only a tail must be there, of a compacted one the newest of each key.

use std::collections::{BTreeMap, BTreeSet};

use crate::session::{Answer, Session, brief};
use crate::tool;
use crate::verdict::Stop;

/// Topics whose names begin so are eaten by retention.
pub(crate) const EATEN: &str = "eaten";

/// What became of something that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    Refused,
    Unknown,
}

impl Fate {
    fn of(answer: &Answer) -> Fate {
        match answer {
            Answer::Done(_) => Fate::Done,
            refused if !refused.is_open() => Fate::Refused,
            _ => Fate::Unknown,
        }
    }
}

/// A record.
#[derive(Clone, Debug)]
struct Sent {
    value: String,
    key: Option<String>,
    /// Appends that are one: batches, atomic appends, transactions.
    unit: usize,
    fate: Fate,
    offset: Option<i64>,
}

/// Where a log may start.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    at_least: i64,
    at_most: i64,
}

/// Everything that was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    units: usize,
    /// By name: whether it must be there, may not, or may.
    topics: BTreeMap<String, Fate>,
    logs: BTreeMap<String, Vec<Sent>>,
    starts: BTreeMap<String, Start>,
    /// By group and partition: where it may be. The last sure one first.
    offsets: BTreeMap<(String, String), Vec<Option<i64>>>,
}

/// Start, end and records of a partition.
pub(crate) type Log = (i64, i64, Vec<(i64, String)>);

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) topics: BTreeSet<String>,
    pub(crate) logs: BTreeMap<String, Log>,
    /// By group and partition; none if nobody looked.
    pub(crate) offsets: Option<BTreeMap<(String, String), i64>>,
}

impl Account {
    /// Notes a command and its answer.
    pub(crate) fn note(&mut self, command: &str, answer: &Answer) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let fate = Fate::of(answer);
        let said = match answer {
            Answer::Done(said) => said.as_str(),
            _ => "",
        };
        match words.as_slice() {
            ["create", topic, ..] => self.note_create(topic, fate),
            ["delete", topic] => self.note_delete(topic, fate),
            ["append", topic, partition, _, values @ ..] => {
                let base: Option<i64> = said.parse().ok();
                let places = (0..).zip(values).map(|(at, value)| {
                    (format!("{topic}-{partition}"), *value, base.map(|base| base + at))
                });
                self.note_sent(fate, places.collect());
            }
            ["together", topic, value, partitions @ ..] => {
                let offsets = said.split_whitespace().map(|offset| offset.parse().ok());
                let offsets = offsets.chain(std::iter::repeat(None));
                let places = partitions.iter().zip(offsets);
                let places = places.map(|(p, at)| (format!("{topic}-{p}"), *value, at));
                self.note_sent(fate, places.collect());
            }
            ["transaction", topic, value, rest @ ..] => {
                self.note_transaction(fate, said, topic, value, rest);
            }
            ["offset", group, topic, partition, offset] => {
                self.note_offset(fate, group, &format!("{topic}-{partition}"), offset);
            }
            ["cut", topic, partition, offset] => {
                let start = self.starts.entry(format!("{topic}-{partition}")).or_default();
                let offset = offset.parse().unwrap_or(0);
                if fate != Fate::Refused {
                    start.at_most = start.at_most.max(offset);
                }
                if fate == Fate::Done {
                    start.at_least = start.at_least.max(offset);
                }
            }
            _ => {}
        }
    }

    fn note_create(&mut self, topic: &str, fate: Fate) {
        self.topics.insert(topic.to_owned(), fate);
    }

    fn note_delete(&mut self, topic: &str, fate: Fate) {
        let fate = match fate {
            Fate::Done => Fate::Refused,
            Fate::Refused => return,
            Fate::Unknown => Fate::Unknown,
        };
        if self.topics.get(topic).is_some_and(|there| *there != Fate::Refused) {
            self.topics.insert(topic.to_owned(), fate);
        }
    }

    fn note_sent(&mut self, fate: Fate, places: Vec<(String, &str, Option<i64>)>) {
        self.units += 1;
        for (partition, word, offset) in places {
            let (key, value) = match word.split_once(':') {
                Some((key, value)) => (Some(key.to_owned()), value.to_owned()),
                None => (None, word.to_owned()),
            };
            let sent = Sent { value, key, unit: self.units, fate, offset };
            self.logs.entry(partition).or_default().push(sent);
        }
    }

    fn note_transaction(
        &mut self,
        fate: Fate,
        said: &str,
        topic: &str,
        value: &str,
        rest: &[&str],
    ) {
        let offsets: BTreeMap<&str, i64> = said
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .filter_map(|(place, offset)| Some((place, offset.parse().ok()?)))
            .collect();
        let mut parts = rest.split(|word| *word == "@");
        let places = parts.next().unwrap_or_default().iter().map(|number| {
            let place = format!("{topic}-{number}");
            let offset = offsets.get(place.as_str()).copied();
            (place, value, offset)
        });
        self.note_sent(fate, places.collect());
        if let Some([group, topic, partition, offset]) = parts.next() {
            self.note_offset(fate, group, &format!("{topic}-{partition}"), offset);
        }
    }

    fn note_offset(&mut self, fate: Fate, group: &str, partition: &str, offset: &str) {
        let place = (group.to_owned(), partition.to_owned());
        let known = self.offsets.entry(place).or_insert_with(|| vec![None]);
        let offset: Option<i64> = offset.parse().ok();
        match fate {
            Fate::Done => *known = vec![offset],
            Fate::Refused => {}
            Fate::Unknown => known.push(offset),
        }
    }

    /// How many records were acked.
    pub(crate) fn acked(&self) -> u64 {
        let acked = self.logs.values().flatten().filter(|sent| sent.fate == Fate::Done);
        acked.count() as u64
    }

    /// The offset behind the last acked record of a partition.
    pub(crate) fn acked_end(&self, partition: &str) -> i64 {
        let sent = self.logs.get(partition).into_iter().flatten();
        sent.filter_map(|sent| sent.offset).max().map_or(0, |offset| offset + 1)
    }

    /// How many records were refused as surely absent.
    pub(crate) fn refused(&self) -> u64 {
        let refused = self.logs.values().flatten().filter(|sent| sent.fate == Fate::Refused);
        refused.count() as u64
    }

    /// Whether anything was asked for that only an open directory can do.
    pub(crate) fn has_anything(&self) -> bool {
        self.topics.values().any(|fate| *fate == Fate::Done)
    }

    /// Whether a topic was made for sure and not deleted since.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.topics.get(topic) == Some(&Fate::Done)
    }

    /// Holds what was found against what was asked for.
    pub(crate) fn check(&self, shown: &Shown) -> Result<(), Stop> {
        self.check_topics(shown)?;
        // By unit: how many are there, how many are missing without leave.
        let mut units: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for (partition, sent) in &self.logs {
            match shown.logs.get(partition) {
                Some(log) => self.check_log(partition, sent, log, &mut units)?,
                None if self.may_be_absent(partition) => {}
                None => return broken("topics", format!("{partition} is not there")),
            }
        }
        if let Some((unit, counts)) =
            units.iter().find(|(_, (found, lost))| *found > 0 && *lost > 0)
        {
            let value = self.logs.values().flatten().find(|sent| sent.unit == *unit);
            let value = value.map_or("", |sent| &sent.value);
            let (found, lost) = counts;
            let what = format!("of the append of {} {found} are there, {lost} not", brief(value));
            return broken("all or nothing", what);
        }
        self.check_offsets(shown)
    }

    fn may_be_absent(&self, partition: &str) -> bool {
        let topic = partition.rsplit_once('-').map_or(partition, |(topic, _)| topic);
        !self.has(topic)
    }

    fn check_topics(&self, shown: &Shown) -> Result<(), Stop> {
        for (topic, fate) in &self.topics {
            match (fate, shown.topics.contains(topic)) {
                (Fate::Done, false) => return broken("topics", format!("{topic} is not there")),
                (Fate::Refused, true) => {
                    return broken(
                        "topics",
                        format!("{topic} is there: it was refused or deleted"),
                    );
                }
                _ => {}
            }
        }
        let known = |topic: &&String| topic.starts_with("__") || self.topics.contains_key(*topic);
        match shown.topics.iter().find(|topic| !known(topic)) {
            Some(topic) => broken("topics", format!("{topic} was never made")),
            None => Ok(()),
        }
    }

    fn check_log(
        &self,
        partition: &str,
        sent: &[Sent],
        (start, end, records): &Log,
        units: &mut BTreeMap<usize, (usize, usize)>,
    ) -> Result<(), Stop> {
        let is_eaten = partition.starts_with(EATEN);
        let cut = self.starts.get(partition).copied().unwrap_or_default();
        if *start < cut.at_least || (!is_eaten && *start > cut.at_most) {
            return broken("log start", format!("{partition} starts at {start}, expected {cut:?}"));
        }
        let mut places: BTreeMap<&str, i64> = BTreeMap::new();
        let mut last: Option<(usize, i64)> = None;
        for (offset, value) in records {
            let Some(number) = sent.iter().position(|sent| sent.value == *value) else {
                let what = format!("{partition}@{offset} holds {}, never sent", brief(value));
                return broken("prefix", what);
            };
            if last.is_some_and(|(before, at)| before >= number || at >= *offset) || offset >= end {
                let what = format!("{partition}@{offset}: {} in a wrong place", brief(value));
                return broken("prefix", what);
            }
            last = Some((number, *offset));
            places.insert(value, *offset);
        }
        for (number, sent_one) in sent.iter().enumerate() {
            let found = places.get(sent_one.value.as_str()).copied();
            let name = || format!("{partition}: {}", brief(&sent_one.value));
            let counts = units.entry(sent_one.unit).or_default();
            match (found, sent_one.fate) {
                (Some(at), Fate::Refused) => {
                    return broken("refused stays away", format!("{} is there at {at}", name()));
                }
                (Some(at), _) if sent_one.offset.is_some_and(|acked| acked != at) => {
                    let what = format!("{}: acked at {:?}, there at {at}", name(), sent_one.offset);
                    return broken("acked is there", what);
                }
                (Some(_), _) => counts.0 += 1,
                (None, _) if is_gone_with_leave(sent_one, *start, &sent[number..], &places) => {}
                (None, Fate::Done) => return broken("acked is there", name()),
                (None, _) => counts.1 += 1,
            }
        }
        Ok(())
    }

    fn check_offsets(&self, shown: &Shown) -> Result<(), Stop> {
        let Some(offsets) = &shown.offsets else { return Ok(()) };
        for ((group, partition), known) in &self.offsets {
            let found = offsets.get(&(group.clone(), partition.clone())).copied();
            if !known.contains(&found) && !self.may_be_absent(partition) {
                let what = format!("{group} of {partition} is at {found:?}, expected {known:?}");
                return broken("offsets", what);
            }
        }
        Ok(())
    }
}

/// Whether a record was below the log's start, or a newer one of its key is there.
fn is_gone_with_leave(
    sent: &Sent,
    start: i64,
    from_here: &[Sent],
    places: &BTreeMap<&str, i64>,
) -> bool {
    if sent.offset.is_some_and(|offset| offset < start) {
        return true;
    }
    let is_newer = |other: &&Sent| other.key == sent.key && places.contains_key(&*other.value);
    sent.key.is_some() && from_here.iter().skip(1).any(|other| is_newer(&other))
}

fn broken(law: &str, what: impl std::fmt::Display) -> Result<(), Stop> {
    Err(Stop::Broken(format!("{law}: {what}")))
}

/// Looks through a session that has the directory open.
pub(crate) fn look(session: &mut Session, groups: &[&str]) -> Result<Shown, Stop> {
    let mut shown = Shown::default();
    let ends = session.done("open", "ends")?;
    for word in ends.split_whitespace() {
        let parsed = word.split_once('=').and_then(|(partition, ends)| {
            let (topic, number) = partition.rsplit_once('-')?;
            let (start, end) = ends.split_once("..")?;
            Some((partition, topic, number, start.parse().ok()?, end.parse().ok()?))
        });
        let (partition, topic, number, start, end) =
            parsed.ok_or_else(|| Stop::Harness(format!("no ends: {word}")))?;
        shown.topics.insert(topic.to_owned());
        if topic.starts_with("__") {
            continue;
        }
        let records = session.done("read", &format!("read {topic} {number}"))?;
        let records = records.split_whitespace().filter_map(|word| word.split_once('='));
        let records = records.filter_map(|(at, value)| Some((at.parse().ok()?, value.to_owned())));
        shown.logs.insert(partition.to_owned(), (start, end, records.collect()));
    }
    let mut offsets = BTreeMap::new();
    for group in groups {
        // A group that never committed is none.
        let Answer::Done(said) = session.ask(&format!("offsets {group}"))? else { continue };
        for (place, offset) in said.split_whitespace().filter_map(|word| word.split_once('=')) {
            let offset = offset.parse().unwrap_or(-1);
            offsets.insert(((*group).to_owned(), place.to_owned()), offset);
        }
    }
    shown.offsets = Some(offsets);
    Ok(shown)
}

/// Looks through the command line tool.
pub(crate) fn look_with_tool(directory: &std::path::Path) -> Result<Shown, Stop> {
    let said = |what: String| Stop::Broken(format!("open: {what}"));
    let info = tool::run(directory, &["info", "-J"]).map_err(said)?;
    let info: serde_json::Value =
        serde_json::from_slice(&info).map_err(|error| said(format!("ottla info -J: {error}")))?;
    let mut shown = Shown::default();
    for topic in info["topics"].as_array().into_iter().flatten() {
        let name = topic["name"].as_str().unwrap_or_default();
        shown.topics.insert(name.to_owned());
        for partition in topic["partitions"].as_array().into_iter().flatten() {
            let number = |what: &str| partition[what].as_i64().unwrap_or(-1);
            let partition = number("partition").to_string();
            let consume = ["consume", name, "-p", &partition, "-f", "%o %s\\n"];
            if name.starts_with("__") {
                continue;
            }
            let text = tool::run(directory, &consume).map_err(said)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let records = text.lines().filter_map(|line| line.split_once(' '));
            let records =
                records.filter_map(|(at, value)| Some((at.parse().ok()?, value.to_owned())));
            let log = (number("start_offset"), number("end_offset"), records.collect());
            shown.logs.insert(format!("{name}-{partition}"), log);
        }
    }
    Ok(shown)
}
