//! Appending to a partition: 1,000 records a call.

use ottla::{Acks, Message};

use crate::c_side::c_side;
use crate::row::{CALLS, COUNT, Row, SIZE, Side, fresh_broker};

pub(crate) const ROW: Row = Row {
    name: "append to a partition",
    goal: 0.9,
    records: CALLS * COUNT,
    sides: || vec![rust(), c_side("append", &[])],
};

fn rust() -> Side {
    let (directory, broker) = fresh_broker();
    let partition = broker.partition("speed", 0).expect("it was made");
    let mut appender = partition.appender(Acks::Leader);
    let values = vec![0; COUNT * SIZE];
    Side::new("Rust", move || {
        for _ in 0..CALLS {
            let messages: Vec<_> = values.chunks_exact(SIZE).map(Message::new).collect();
            appender.append(&messages).expect("it is written");
        }
        let _kept = (&directory, &broker);
    })
}
