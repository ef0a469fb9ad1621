//! Appending to a partition: 1,000 records a call.

use ottla::{Acks, Message};

use crate::c_side::c_side;
use crate::python_side::python_sides;
use crate::row::{CALLS, COUNT, Row, SIZE, Side, fresh_broker};

pub(crate) const ROW: Row = Row {
    name: "append to a partition",
    goal: 0.9,
    records: CALLS * COUNT,
    sides: || {
        let mut sides = vec![rust(Acks::Leader), c_side("append", &[])];
        sides.extend(python_sides("append", &["kafka-python", "sqlite3"]));
        sides
    },
};

/// Each call survives a loss of power.
pub(crate) const SYNCED: Row = Row {
    name: "append to a partition, synced",
    goal: 0.9,
    records: CALLS * COUNT,
    sides: || {
        let mut sides = vec![rust(Acks::All)];
        sides.extend(python_sides("append, synced", &["sqlite3"]));
        sides
    },
};

fn rust(acks: Acks) -> Side {
    let (directory, broker) = fresh_broker();
    let partition = broker.partition("speed", 0).expect("it was made");
    let mut appender = partition.appender(acks);
    let values = vec![0; COUNT * SIZE];
    Side::new("Rust", move || {
        for _ in 0..CALLS {
            let messages: Vec<_> = values.chunks_exact(SIZE).map(Message::new).collect();
            appender.append(&messages).expect("it is written");
        }
        let _kept = (&directory, &broker);
    })
}
