//! `ottla consume --group`: goes on where the group stopped, and commits what was printed, once it
//! has left this program. It writes, so nobody else may have the directory.

use std::collections::BTreeMap;
use std::io::Write;

use ottla::error::{Error, ErrorKind};
use ottla::{AutoOffsetReset, Broker, Consumer, TopicPartition};

use super::start::Start;
use super::{POLL, Printer, end_of};
use crate::arguments::{Arguments, Consume};
use crate::directory;
use crate::exit::Failure;

/// Runs the verb for a group.
pub(super) fn run(
    arguments: &Arguments,
    consume: &Consume,
    group: &str,
    printer: &Printer,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let reset = reset_of(consume.offset)?;
    directory::write(arguments, |broker| {
        // Asked first: a group would wait for a topic that is not there.
        let ends = ends(broker, consume)?;
        let builder = broker
            .consumer()
            .group(group)
            .auto_offset_reset(reset)
            .isolation_level(consume.isolation_level);
        let topic = consume.topic.as_str();
        let mut consumer = match consume.partition {
            Some(partition) => builder.assign([(topic, partition)]).build()?,
            None => builder.subscribe([topic]).build()?,
        };
        print_all(&mut consumer, consume, &ends, printer, out)?;
        Ok(consumer.close()?)
    })
}

/// Where to begin without a committed offset.
fn reset_of(start: Start) -> Result<AutoOffsetReset, Failure> {
    match start {
        Start::Beginning => Ok(AutoOffsetReset::Earliest),
        Start::End => Ok(AutoOffsetReset::Latest),
        _ => {
            let message = "a group goes on where it stopped: --offset can be beginning or end, or \
                           move it with ottla group reset-offsets";
            Err(Failure::Usage(message.to_owned()))
        }
    }
}

/// The ends of the partitions that are read, as they are now.
fn ends(broker: &Broker, consume: &Consume) -> Result<BTreeMap<i32, i64>, Failure> {
    let topic = broker.describe_topic(&consume.topic)?;
    let mut ends = BTreeMap::new();
    for partition in &topic.partitions {
        let number = partition.partition;
        if consume.partition.is_none_or(|wanted| wanted == number) {
            ends.insert(number, end_of(&broker.partition(&consume.topic, number)?, consume)?);
        }
    }
    if let (Some(number), true) = (consume.partition, ends.is_empty()) {
        let count = topic.partitions.len();
        let message = format!("topic {} has {count} partitions, not number {number}", topic.name);
        return Err(Error::new(ErrorKind::UnknownTopicOrPartition, message).into());
    }
    Ok(ends)
}

fn print_all(
    consumer: &mut Consumer,
    consume: &Consume,
    ends: &BTreeMap<i32, i64>,
    printer: &Printer,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut left = consume.max_messages.unwrap_or(u64::MAX);
    let mut committed = BTreeMap::new();
    while left > 0 {
        let records = consumer.poll(POLL)?;
        // What was polled and not printed is for whoever comes next.
        let mut kept_back: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for record in &records {
            let is_late = ends.get(&record.partition()).is_some_and(|&end| record.offset() >= end);
            if left == 0 || (is_late && !consume.follow) {
                kept_back.entry(record.topic_partition().clone()).or_insert(record.offset());
                continue;
            }
            printer.print(&record, out)?;
            left -= 1;
        }
        // Partitions without a record, too: the group begins there the next time.
        let positions = positions(consumer, &kept_back)?;
        if positions != committed {
            out.flush()?;
            consumer.commit_offsets(positions.clone())?;
            committed = positions;
        }
        if !consume.follow && all_read(consumer, consume, ends)? {
            break;
        }
    }
    Ok(())
}

/// Where the group is to go on.
fn positions(
    consumer: &Consumer,
    kept_back: &BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let mut positions = BTreeMap::new();
    for partition in consumer.assignment() {
        let position = match kept_back.get(&partition) {
            Some(&offset) => offset,
            None => consumer.position(partition.topic.as_str(), partition.partition)?,
        };
        positions.insert(partition, position);
    }
    Ok(positions)
}

/// Whether every partition was read up to its end.
fn all_read(
    consumer: &Consumer,
    consume: &Consume,
    ends: &BTreeMap<i32, i64>,
) -> Result<bool, Failure> {
    if consumer.assignment().len() < ends.len() {
        return Ok(false);
    }
    for (&partition, &end) in ends {
        if consumer.position(&consume.topic, partition)? < end {
            return Ok(false);
        }
    }
    Ok(true)
}
