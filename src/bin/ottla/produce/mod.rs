//! `ottla produce`: appends the lines of standard input, a record per line.
//!
//! Lines are gathered into groups: at most as many as `--batch-records` says, and never more than
//! are there without waiting, so that a slow writer of the pipe sees each of its lines
//! acknowledged. A group is written in one step. Acks are printed after it, in the order of
//! input, and none before its record has reached the level that was asked for.

mod lines;
mod progress;

use std::io::{self, Write};
use std::time::Duration;

use ottla::Broker;
use ottla::config::topic::TopicConfig;
use ottla::error::Error;
use ottla::{Delivery, Producer, Record};

use crate::arguments::{Arguments, Produce};
use crate::consume::format::Separator;
use crate::directory;
use crate::exit::Failure;
use lines::Lines;
use progress::Progress;

/// A group ends when it has this many bytes, whatever the number of its records.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Longer than any group takes to gather: a group is flushed, it never waits for company.
const LINGER: Duration = Duration::from_secs(60);

/// Runs the verb.
pub(crate) fn run(
    arguments: &Arguments,
    produce: &Produce,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    directory::write(arguments, |broker| {
        let limit = batch_bytes_max(broker, produce)?;
        let producer = producer(broker, produce, limit)?;
        let mut run = Run {
            producer,
            produce,
            lines: Lines::of_standard_input(limit)?,
            acks: Acks { wanted: produce.print_acks, out },
            progress: Progress::start(produce.print_acks),
            line_number: 0,
        };
        let outcome = run.all_groups();
        run.progress.finish();
        let closed = run.producer.close();
        outcome?;
        Ok(closed?)
    })
}

/// The largest batch that the topic takes. It bounds a line, too: no smaller batch could hold it
/// before compression.
fn batch_bytes_max(broker: &Broker, produce: &Produce) -> Result<usize, Failure> {
    let topic = broker.describe_topic(&produce.topic)?;
    if let Some(number) = produce.partition {
        broker.partition(&produce.topic, number)?;
    }
    let config = TopicConfig::from_overrides(topic.config);
    let values = config.values();
    let bytes = values.max_message_bytes.min(values.segment_size_bytes());
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn producer(broker: &Broker, produce: &Produce, limit: usize) -> Result<Producer, Failure> {
    let producer = broker
        .producer()
        .acks(produce.acks)
        .compression(produce.compression)
        .linger(LINGER)
        .batch_size(limit.min(GROUP_BYTES_MAX))
        .set("max.request.size", &limit.to_string())
        .build()?;
    Ok(producer)
}

struct Run<'a> {
    producer: Producer,
    produce: &'a Produce,
    lines: Lines,
    acks: Acks<'a>,
    progress: Progress,
    /// The line that was read last, from 1.
    line_number: u64,
}

impl Run<'_> {
    fn all_groups(&mut self) -> Result<(), Failure> {
        let mut group = Vec::new();
        loop {
            let gathered = self.gather(&mut group);
            if group.is_empty() {
                // Nothing left to write: either the end, or the line that failed was the first.
                return gathered;
            }
            // A line that failed does not take those before it along.
            self.write(&mut group)?;
            gathered?;
        }
    }

    /// Hands the next lines to the producer: waits for the first one only.
    fn gather(&mut self, group: &mut Vec<Delivery>) -> Result<(), Failure> {
        let mut bytes = 0;
        while group.len() < self.produce.batch_records as usize && bytes < GROUP_BYTES_MAX {
            let line = match self.lines.next(group.is_empty()) {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => return Err(at_line(self.line_number + 1, &error)),
            };
            self.line_number += 1;
            bytes += line.len();
            let record = record_of(self.produce, line);
            let sent = self.producer.send(record);
            group.push(sent.map_err(|error| at_line(self.line_number, &error))?);
        }
        self.progress.read(bytes);
        Ok(())
    }

    /// Waits until the group has reached its level, and prints the acks.
    fn write(&mut self, group: &mut Vec<Delivery>) -> Result<(), Failure> {
        let flushed = self.producer.flush();
        for delivery in group.drain(..) {
            let written = delivery.wait()?;
            self.acks.print(written.partition, written.offset)?;
            self.progress.record();
        }
        self.acks.flush()?;
        Ok(flushed?)
    }
}

/// The record that a line stands for: what is before the first separator is the key.
fn record_of<'l>(produce: &'l Produce, line: &'l [u8]) -> Record<'l> {
    let (key, value) = split(line, produce.key_separator.as_ref().map(Separator::bytes));
    let mut record = Record::new(&produce.topic, value);
    if let Some(key) = key {
        record = record.key(key);
    }
    if let Some(partition) = produce.partition {
        record = record.partition(partition);
    }
    record
}

fn split<'l>(line: &'l [u8], separator: Option<&[u8]>) -> (Option<&'l [u8]>, &'l [u8]) {
    let Some(separator) = separator else { return (None, line) };
    match line.windows(separator.len()).position(|window| window == separator) {
        Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
        None => (None, line),
    }
}

fn at_line(number: u64, error: &Error) -> Failure {
    Error::new(error.kind(), format!("line {number}: {error}")).into()
}

/// Where acks are printed. When nobody reads them any more, the rest of the input is still
/// appended: that was the job.
struct Acks<'a> {
    wanted: bool,
    out: &'a mut dyn Write,
}

impl Acks<'_> {
    fn print(&mut self, partition: i32, offset: i64) -> Result<(), Failure> {
        if self.wanted {
            let printed = writeln!(self.out, "ack {partition} {offset}");
            self.unless_closed(printed)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.wanted {
            let flushed = self.out.flush();
            self.unless_closed(flushed)?;
        }
        Ok(())
    }

    fn unless_closed(&mut self, outcome: io::Result<()>) -> Result<(), Failure> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.wanted = false;
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_splits_at_the_first_separator() {
        for (line, separator, key, value) in [
            ("a:b:c", Some(":"), Some("a"), "b:c"),
            ("a::b", Some("::"), Some("a"), "b"),
            (":b", Some(":"), Some(""), "b"),
            ("a:", Some(":"), Some("a"), ""),
            ("ab", Some(":"), None, "ab"),
            ("a:b", None, None, "a:b"),
            ("", Some(":"), None, ""),
        ] {
            let expected = (key.map(str::as_bytes), value.as_bytes());
            assert_eq!(
                split(line.as_bytes(), separator.map(str::as_bytes)),
                expected,
                "{line} {separator:?}"
            );
        }
    }
}
