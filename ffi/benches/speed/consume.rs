//! The consumer: polls of at most 1,000 records until all were seen.

use std::hint::black_box;
use std::time::Duration;

use ottla::{Acks, Broker, Record};

use crate::c_side::c_side;
use crate::python_side::python_sides;
use crate::row::{CALLS, COUNT, Row, SIZE, Side, fresh_broker};

pub(crate) const ROW: Row = Row {
    name: "consume",
    goal: 0.9,
    records: CALLS * COUNT,
    sides: || {
        let mut sides = vec![rust(), c_side("consume", &[])];
        sides.extend(python_sides("consume", &["sqlite3"]));
        sides
    },
};

fn rust() -> Side {
    let (directory, broker) = fresh_broker();
    fill(&broker);
    let builder = broker.consumer().assign([("speed", 0), ("speed", 1)]);
    let mut consumer = builder.max_poll_records(COUNT).build().expect("a consumer");
    Side::new("Rust", move || {
        consumer.seek_all_to_beginning(consumer.assignment()).expect("they are assigned");
        let (mut seen, mut bytes, mut offsets) = (0, 0, 0);
        while seen < CALLS * COUNT {
            let records = consumer.poll(Duration::MAX).expect("records");
            for record in &records {
                bytes += record.value().map_or(0, <[u8]>::len);
                offsets += record.offset();
            }
            seen += records.len();
        }
        assert!(bytes == seen * SIZE && black_box(offsets) > 0);
        let _kept = (&directory, &broker);
    })
}

fn fill(broker: &Broker) {
    let producer = broker.producer().acks(Acks::Leader).build().expect("a producer");
    let values = vec![0; COUNT * SIZE];
    for _ in 0..CALLS {
        for value in values.chunks_exact(SIZE) {
            drop(producer.send(Record::new("speed", value)).expect("it is taken"));
        }
    }
    producer.flush().expect("all is written");
}
