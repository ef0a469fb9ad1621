//! `ottla consume`: prints the records of a topic, each partition in the order of its offsets.

pub(crate) mod envelope;
pub(crate) mod format;
mod group;
pub(crate) mod start;

use std::io::{self, Write};
use std::time::Duration;

use ottla::Broker;
use ottla::PartitionHandle;
use ottla::config::consumer::IsolationLevel;
use ottla::config::offset_reset::AutoOffsetReset;
use ottla::error::{Error, ErrorKind};
use ottla::{Consumer, ConsumerRecord};

use crate::arguments::{Arguments, Consume};
use crate::directory;
use crate::exit::Failure;
use format::{Format, Printed};
use start::Start;

/// How long a poll waits at the end of the log before it is asked again.
const POLL: Duration = Duration::from_millis(200);

/// Runs the verb.
pub(crate) fn run(
    arguments: &Arguments,
    consume: &Consume,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let printer = match (&consume.format, consume.json) {
        (_, true) => Printer::Envelope,
        (Some(format), false) => Printer::Format(format.clone()),
        (None, false) => Printer::Format(Format::value_lines()),
    };
    if let Some(group) = &consume.group {
        return group::run(arguments, consume, group, &printer, out);
    }
    let broker = directory::read(arguments)?;
    let parts = parts(&broker, consume)?;
    let assigned = parts.iter().map(|part| (consume.topic.as_str(), part.number));
    let mut consumer = broker
        .consumer()
        .assign(assigned)
        .auto_offset_reset(AutoOffsetReset::None)
        .isolation_level(consume.isolation_level)
        .build()?;
    for part in &parts {
        consumer.seek(&consume.topic, part.number, part.start)?;
    }
    print_all(&mut consumer, consume, &parts, &printer, out)
}

/// A partition that is read, from where, and up to where unless the end is followed.
#[derive(Debug)]
struct Part {
    number: i32,
    start: i64,
    end: i64,
}

enum Printer {
    Format(Format),
    Envelope,
}

impl Printer {
    fn print(&self, record: &ConsumerRecord<'_>, out: &mut dyn Write) -> io::Result<()> {
        let printed = Printed {
            topic: record.topic(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            timestamp_type: record.timestamp_type(),
            key: record.key(),
            value: record.value(),
            headers: record.headers().map(|header| (header.name(), header.value)).collect(),
        };
        match self {
            Printer::Format(format) => format.print(&printed, out),
            Printer::Envelope => envelope::print(&printed, out),
        }
    }
}

fn print_all(
    consumer: &mut Consumer,
    consume: &Consume,
    parts: &[Part],
    printer: &Printer,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut left = consume.max_messages.unwrap_or(u64::MAX);
    while left > 0 && (consume.follow || !all_read(consumer, consume, parts)?) {
        let records = consumer.poll(POLL)?;
        for record in &records {
            let end = parts.iter().find(|part| part.number == record.partition());
            if !consume.follow && end.is_some_and(|part| record.offset() >= part.end) {
                continue;
            }
            printer.print(&record, out)?;
            left -= 1;
            if left == 0 {
                break;
            }
        }
        if consume.follow {
            out.flush()?;
        }
    }
    Ok(())
}

fn all_read(consumer: &mut Consumer, consume: &Consume, parts: &[Part]) -> Result<bool, Failure> {
    for part in parts {
        if consumer.position(&consume.topic, part.number)? < part.end {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The partitions that were asked for, with their bounds as they are now.
fn parts(broker: &Broker, consume: &Consume) -> Result<Vec<Part>, Failure> {
    let topic = broker.describe_topic(&consume.topic)?;
    let numbers: Vec<i32> = match consume.partition {
        Some(number) => vec![number],
        None => topic.partitions.iter().map(|partition| partition.partition).collect(),
    };
    let mut parts = Vec::with_capacity(numbers.len());
    for number in numbers {
        let partition = broker.partition(&consume.topic, number)?;
        let end = end_of(&partition, consume)?;
        let start = start_of(consume, &partition, number, end)?;
        parts.push(Part { number, start, end });
    }
    Ok(parts)
}

/// The end of what may be read of a partition.
fn end_of(partition: &PartitionHandle, consume: &Consume) -> Result<i64, Failure> {
    match consume.isolation_level {
        IsolationLevel::ReadCommitted => Ok(partition.last_stable_offset()?),
        IsolationLevel::ReadUncommitted => Ok(partition.end_offset()),
    }
}

fn start_of(
    consume: &Consume,
    partition: &PartitionHandle,
    number: i32,
    end: i64,
) -> Result<i64, Failure> {
    let first = partition.log_start_offset();
    match consume.offset {
        Start::Beginning => Ok(first),
        Start::End => Ok(end),
        Start::Last(count) => Ok(end.saturating_sub(count).max(first)),
        Start::Timestamp(timestamp) => {
            let found = partition.offset_for_timestamp(timestamp)?;
            Ok(found.map_or(end, |(offset, _)| offset))
        }
        Start::Offset(offset) if (first..=end).contains(&offset) => Ok(offset),
        Start::Offset(offset) => {
            let message = format!("there is no offset {offset}; there are {first} to {end}");
            let error = Error::new(ErrorKind::OffsetOutOfRange, message);
            Err(error.at_partition(&consume.topic, number).into())
        }
    }
}
