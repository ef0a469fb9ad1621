//! A driver that does one deed after the other: a command a line on standard input, an answer a line
//! on standard output, given only after the library has answered.
//!
//! | command | what |
//! |---|---|
//! | `open`, `open-read-only`, `close`, `drop` | the directory |
//! | `create TOPIC PARTITIONS [NAME=VALUE ...]`, `delete TOPIC` | topics |
//! | `append TOPIC PARTITION ACKS VALUE ...` | one batch; a value may be `KEY:VALUE` |
//! | `together TOPIC VALUE PARTITION ...` | one record for each, atomically |
//! | `transaction TOPIC VALUE PARTITION ... [@ GROUP TOPIC PARTITION OFFSET]` | the same, and an offset |
//! | `offset GROUP TOPIC PARTITION OFFSET` | commits an offset |
//! | `checkpoint`, `retain`, `compact TOPIC`, `cut TOPIC PARTITION OFFSET` | maintenance |
//! | `ends`, `read TOPIC PARTITION`, `offsets GROUP` | looks |
//!
//! The answer is `ok`, perhaps with words behind it, or `error KIND MESSAGE`. No value holds a blank.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::time::Duration;

use ottla::{Acks, Broker, Error, ErrorKind, Message, Record, TopicConfig};

use crate::storm::options;

/// Follows commands until standard input ends.
pub(crate) fn follow(directory: &Path) {
    let mut broker = None;
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match obey(directory, &mut broker, &words) {
            Ok(said) => format!("ok {said}"),
            Err(error) => format!("error {:?} {error}", error.kind()).replace('\n', " "),
        };
        let mut output = std::io::stdout().lock();
        if writeln!(output, "{}", answer.trim_end()).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

fn obey(directory: &Path, held: &mut Option<Broker>, words: &[&str]) -> Result<String, Error> {
    match words {
        ["open"] => return open(directory, held, false),
        ["open-read-only"] => return open(directory, held, true),
        ["close"] => {
            let broker = held.take().ok_or_else(|| misused("nothing is open"))?;
            return broker.close().map(|()| String::new());
        }
        ["drop"] => {
            *held = None;
            return Ok(String::new());
        }
        _ => {}
    }
    let broker = held.as_ref().ok_or_else(|| misused("nothing is open"))?;
    match words {
        ["append", topic, partition, acks, values @ ..] => {
            append(broker, topic, number(partition)?, acks, values)
        }
        ["together", topic, value, partitions @ ..] => together(broker, topic, value, partitions),
        ["transaction", topic, value, rest @ ..] => transaction(broker, topic, value, rest),
        ["offset", group, topic, partition, offset] => {
            let place = (*topic, number::<i32>(partition)?);
            let mut consumer = broker.consumer().group(*group).assign([place]).build()?;
            consumer.commit_offsets([(place, number::<i64>(offset)?)])?;
            Ok(String::new())
        }
        ["ends"] => Ok(ends(broker)),
        ["read", topic, partition] => read(broker, topic, number(partition)?),
        ["offsets", group] => {
            let offsets = broker.committed_offsets(group)?;
            let shown = |(place, offset): &(ottla::TopicPartition, ottla::OffsetAndMetadata)| {
                format!("{place}={}", offset.offset)
            };
            Ok(offsets.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        _ => maintain(broker, words).map(|()| String::new()),
    }
}

fn open(directory: &Path, held: &mut Option<Broker>, read_only: bool) -> Result<String, Error> {
    *held = None;
    let broker = options().background(false).read_only(read_only).open(directory)?;
    let damaged = broker.recovery_report().damaged.len();
    *held = Some(broker);
    Ok(if damaged == 0 { String::new() } else { format!("damaged {damaged}") })
}

fn maintain(broker: &Broker, words: &[&str]) -> Result<(), Error> {
    match words {
        ["create", topic, partitions, settings @ ..] => {
            let mut config = TopicConfig::new().partitions(number(partitions)?);
            for setting in settings {
                let (name, value) = setting.split_once('=').ok_or_else(|| misused(setting))?;
                config = config.set(name, value)?;
            }
            broker.create_topic(topic, config).map(|_| ())
        }
        ["delete", topic] => broker.delete_topic(topic),
        ["checkpoint"] => broker.checkpoint(),
        ["retain"] => broker.run_retention().map(|_| ()),
        ["compact", topic] => broker.compact_now(topic).map(|_| ()),
        ["cut", topic, partition, offset] => {
            let partition = broker.partition(topic, number(partition)?)?;
            partition.delete_records(number(offset)?).map(|_| ())
        }
        _ => Err(misused(&words.join(" "))),
    }
}

fn append(
    broker: &Broker,
    topic: &str,
    partition: i32,
    acks: &str,
    values: &[&str],
) -> Result<String, Error> {
    let acks: Acks = acks.parse()?;
    let messages: Vec<Message<'_>> = values.iter().map(|value| message(value)).collect();
    let appended = broker.partition(topic, partition)?.append(&messages, acks)?;
    Ok(appended.base_offset.to_string())
}

fn message<'v>(value: &'v str) -> Message<'v> {
    match value.split_once(':') {
        Some((key, value)) => Message::new(value).key(key),
        None => Message::new(value),
    }
}

fn together(
    broker: &Broker,
    topic: &str,
    value: &str,
    partitions: &[&str],
) -> Result<String, Error> {
    let mut append = broker.atomic_append();
    for partition in partitions {
        append.add(topic, number(partition)?, &[message(value)])?;
    }
    let appended = append.commit()?;
    let offsets: Vec<String> = appended.iter().map(|at| at.base_offset.to_string()).collect();
    Ok(offsets.join(" "))
}

fn transaction(broker: &Broker, topic: &str, value: &str, rest: &[&str]) -> Result<String, Error> {
    let mut words = rest.split(|word| *word == "@");
    let mut transaction = broker.transaction()?;
    for partition in words.next().unwrap_or_default() {
        transaction.send(Record::new(topic, value).partition(number(partition)?))?;
    }
    if let Some([group, topic, partition, offset]) = words.next() {
        let offset = ((*topic, number::<i32>(partition)?), number::<i64>(offset)?);
        transaction.commit_offsets_of(group, [offset])?;
    }
    let appended = transaction.commit()?;
    let places: Vec<String> =
        appended.iter().map(|(place, at)| format!("{place}={}", at.base_offset)).collect();
    Ok(places.join(" "))
}

/// `TOPIC-PARTITION=START..END` of every partition.
fn ends(broker: &Broker) -> String {
    let mut shown = Vec::new();
    for topic in broker.list_topics() {
        for partition in &topic.partitions {
            if let Ok(handle) = broker.partition(topic.name.as_str(), partition.partition) {
                let (start, end) = (handle.log_start_offset(), handle.end_offset());
                shown.push(format!("{}={start}..{end}", handle.name()));
            }
        }
    }
    shown.join(" ")
}

/// `OFFSET=VALUE` of every record.
fn read(broker: &Broker, topic: &str, number: i32) -> Result<String, Error> {
    let partition = broker.partition(topic, number)?;
    let (start, end) = (partition.log_start_offset(), partition.end_offset());
    let mut consumer = broker.consumer().assign([(topic, number)]).build()?;
    consumer.seek(topic, number, start)?;
    let mut shown = Vec::new();
    while consumer.position(topic, number)? < end {
        for record in &consumer.poll(Duration::from_millis(20))? {
            let value = String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned();
            shown.push(format!("{}={value}", record.offset()));
        }
    }
    Ok(shown.join(" "))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, Error> {
    word.parse().map_err(|_| misused(word))
}

fn misused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("no command: {what}"))
}
