//! Memory while much is appended and read: bounded by the buffers, whatever the amount.

use std::time::Duration;

use ottla::{Acks, Broker, Compression, Message, Record, TopicConfig};

use crate::baseline::corpus::Payloads;
use crate::heap;
use crate::report::{Figure, Row};
use crate::settings::Settings;

const MIB: f64 = (1 << 20) as f64;

pub fn bounded(settings: &Settings) -> Vec<Row> {
    let bytes = settings.round_bytes * 2;
    let scratch = settings.scratch();
    let payloads = Payloads::random(1000, 1024);
    let records = payloads.records();
    let calls = bytes / (1000 * 1024);

    let broker = Broker::options().background(false).open(scratch.path()).expect("open");
    let config = TopicConfig::new().partitions(4).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");

    let appending = heap::peak_of(|| {
        let mut appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
        let messages: Vec<Message<'_>> = records.iter().map(Message::new).collect();
        for _ in 0..calls {
            appender.append(&messages).expect("append");
        }
    });
    let producing = heap::peak_of(|| {
        let producer = broker.producer().acks(Acks::Leader).build().expect("producer");
        for call in 0..calls {
            for value in &records {
                let record = Record::new("bench", value).partition(1 + (call % 3) as i32);
                drop(producer.send(record).expect("send"));
            }
        }
        producer.flush().expect("flush");
        producer.close().expect("close");
    });
    let reading = heap::peak_of(|| {
        let partitions = (0..4).map(|partition| ("bench", partition));
        let mut consumer = broker.consumer().assign(partitions).build().expect("consumer");
        let mut seen = 0;
        while seen < 2 * calls * 1000 {
            seen +=
                (&consumer.poll(Duration::from_secs(5)).expect("poll")).into_iter().count() as u64;
        }
    });
    let row = |what: &str, peak: usize, limit: f64| Row {
        work: format!("heap at most, {what} {} MiB", bytes >> 20),
        figure: Figure::Limit {
            baseline: "-".to_owned(),
            ours: peak as f64 / MIB,
            limit,
            unit: "MiB",
        },
    };
    vec![
        row("appending", appending, 8.0),
        row("producing (buffer.memory 32 MiB)", producing, 40.0),
        row("consuming (fetch.max.bytes 50 MiB)", reading, 60.0),
    ]
}
