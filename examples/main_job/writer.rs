//! The child process: appends what is missing, and says what was acked as soon as it was.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use ottla::{Broker, Compression, Record, TopicConfig};

use crate::source::Line;
use crate::{PARTITIONS, TOPIC};

/// Deliveries that may be on their way at one time.
const IN_FLIGHT: usize = 5_000;

/// Resumes each partition at its end and writes the rest.
pub fn write(directory: &Path, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let broker = Broker::open(directory)?;
    let config = TopicConfig::new().partitions(PARTITIONS as i32).compression(Compression::Zstd);
    broker.ensure_topic(TOPIC, config)?;

    // What a partition holds is a prefix of its records, so its end says where to go on.
    let mut skip = [0; PARTITIONS];
    let mut out = io::stdout().lock();
    for (partition, skip) in skip.iter_mut().enumerate() {
        *skip = usize::try_from(broker.partition(TOPIC, partition as i32)?.end_offset())?;
        writeln!(out, "found {partition} {skip}")?;
    }

    let producer = broker.producer().linger(Duration::from_millis(5)).build()?;
    let mut in_flight = VecDeque::new();
    for line in lines {
        if skip[line.partition] > 0 {
            skip[line.partition] -= 1;
            continue;
        }
        let record = Record::new(TOPIC, line.json.as_bytes())
            .key(line.file.as_bytes())
            .partition(line.partition as i32);
        in_flight.push_back(producer.send(record)?);
        if in_flight.len() == IN_FLIGHT {
            for delivery in in_flight.drain(..IN_FLIGHT / 2) {
                report(&mut out, delivery)?;
            }
        }
    }
    for delivery in in_flight {
        report(&mut out, delivery)?;
    }
    producer.close()?;
    broker.close()?;
    Ok(())
}

/// Waits until the record is on the disk, then says so: the line is the ack.
fn report(out: &mut impl Write, delivery: ottla::Delivery) -> Result<(), Box<dyn Error>> {
    let written = delivery.wait()?;
    writeln!(out, "acked {} {}", written.partition, written.offset + 1)?;
    out.flush()?;
    Ok(())
}
