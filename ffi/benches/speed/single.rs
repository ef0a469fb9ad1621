//! Two threads, each with a producer of its own, that send one record a call: what a call costs.
//!
//! No goal of the project: it shows what the border takes of the smallest call there is.

use ottla::{Acks, Producer, Record};

use crate::c_side::c_side;
use crate::row::{CALLS, COUNT, Row, SIZE, Side, fresh_broker};

const THREADS: usize = 2;

pub(crate) const ROW: Row = Row {
    name: "produce, one record a call",
    goal: 0.0,
    records: THREADS * CALLS * COUNT,
    sides: || vec![rust(), c_side("single", &[])],
};

fn rust() -> Side {
    let (directory, broker) = fresh_broker();
    let producer = |_| broker.producer().acks(Acks::Leader).build().expect("a producer");
    let producers: Vec<_> = (0..THREADS).map(producer).collect();
    let values = vec![0; COUNT * SIZE];
    Side::new("Rust", move || {
        std::thread::scope(|scope| {
            for (producer, partition) in producers.iter().zip(0..) {
                let values = &values;
                scope.spawn(move || send_all(producer, partition, values));
            }
        });
        let _kept = (&directory, &broker);
    })
}

fn send_all(producer: &Producer, partition: i32, values: &[u8]) {
    for _ in 0..CALLS {
        for value in values.chunks_exact(SIZE) {
            let record = Record::new("speed", value).partition(partition);
            drop(producer.send(record).expect("it is taken"));
        }
    }
    producer.flush().expect("all is written");
}
