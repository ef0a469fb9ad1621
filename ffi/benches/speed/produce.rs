//! The producer: 1,000 records a call, with and without asking what became of them.

use ottla::{Acks, Producer, Record};

use crate::c_side::c_side;
use crate::python_side::python_sides;
use crate::row::{CALLS, COUNT, Row, SIZE, Side, fresh_broker};

pub(crate) const FORGOTTEN: Row = Row {
    name: "produce",
    goal: 0.9,
    records: CALLS * COUNT,
    sides: || {
        let mut sides = vec![rust(send_and_forget), c_side("produce", &[])];
        sides.extend(python_sides("produce", &["kafka-python", "sqlite3"]));
        sides
    },
};

pub(crate) const WAITED: Row = Row {
    name: "produce, wait for each call",
    goal: 0.9,
    records: CALLS * COUNT,
    sides: || vec![rust(send_and_wait), c_side("produce", &["DELIVERIES"])],
};

fn rust(send: fn(&Producer, &[u8])) -> Side {
    let (directory, broker) = fresh_broker();
    let producer = broker.producer().acks(Acks::Leader).build().expect("a producer");
    let values = vec![0; COUNT * SIZE];
    Side::new("Rust", move || {
        for _ in 0..CALLS {
            send(&producer, &values);
        }
        producer.flush().expect("all is written");
        let _kept = (&directory, &broker);
    })
}

fn send_and_forget(producer: &Producer, values: &[u8]) {
    for value in values.chunks_exact(SIZE) {
        drop(producer.send(Record::new("speed", value)).expect("it is taken"));
    }
}

fn send_and_wait(producer: &Producer, values: &[u8]) {
    let send = |value| producer.send(Record::new("speed", value)).expect("it is taken");
    let deliveries: Vec<_> = values.chunks_exact(SIZE).map(send).collect();
    for delivery in deliveries {
        delivery.wait().expect("it is written");
    }
}
