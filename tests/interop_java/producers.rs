//! What Ottla and Kafka know of idempotent producers, handed over twice: Kafka's loader goes on with
//! the snapshot that Ottla wrote at the close, and Ottla with that of Kafka's.

use std::path::Path;

use ottla::{Acks, Broker, ErrorKind, Message, ProducerIdentity, TopicConfig};

use crate::kafka::{kafka, path_text};

/// Records of long ago, which must not make their producer an old one.
const LONG_AGO: i64 = 1_500_000_000_000;

fn open(directory: &Path) -> Broker {
    Broker::open(directory).expect("the directory opens")
}

fn send(
    broker: &Broker,
    identity: ProducerIdentity,
    sequence: i32,
    count: usize,
) -> Result<i64, ErrorKind> {
    let messages = vec![Message::new("of Ottla").timestamp(LONG_AGO); count];
    let orders = broker.partition("orders", 0).expect("the partition");
    let appended = orders.append_idempotent(identity, sequence, &messages, Acks::All);
    appended.map(|appended| appended.base_offset).map_err(|error| error.kind())
}

#[test]
fn ottla_and_kafka_go_on_with_each_others_producers() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let broker = open(scratch.path());
    broker.create_topic("orders", TopicConfig::new()).expect("a topic");
    let first = broker.new_producer_identity().expect("an identity");
    let identity = broker.fence_producer(first).expect("its successor");
    assert_eq!(send(&broker, first, 0, 1), Err(ErrorKind::Fenced));
    for batch in 0..7 {
        assert_eq!(send(&broker, identity, batch * 3, 3), Ok(i64::from(batch) * 3));
    }
    broker.close().expect("it closes");
    drop(broker);

    let id = identity.id.to_string();
    let said = kafka.run(&[
        "produce",
        path_text(scratch.path()),
        "orders-0",
        &id,
        // The newest again, one before it, a gap, the old epoch, the next two, the first again.
        "1:18:3",
        "1:15:3",
        "1:22:1",
        "0:0:1",
        "1:21:2",
        "1:23:5",
        "1:21:2",
    ]);
    let said: Vec<&str> = said.lines().collect();
    let expected = [
        "AT 18",
        "REFUSED OutOfOrderSequenceException",
        "REFUSED OutOfOrderSequenceException",
        "REFUSED InvalidProducerEpochException",
        "AT 21",
        "AT 23",
        "AT 21",
    ];
    assert_eq!(said, expected);

    let broker = open(scratch.path());
    assert!(broker.recovery_report().foreign, "{}", broker.recovery_report());
    assert_eq!(send(&broker, identity, 23, 5), Ok(23));
    assert_eq!(send(&broker, identity, 29, 1), Err(ErrorKind::OutOfOrderSequence));
    assert_eq!(send(&broker, first, 0, 1), Err(ErrorKind::Fenced));
    assert_eq!(send(&broker, identity, 28, 2), Ok(28));
    let orders = broker.partition("orders", 0).expect("the partition");
    assert_eq!(orders.end_offset(), 30);
    let known = orders.producers().expect("the producers");
    assert_eq!((known.len(), known[0].identity, known[0].last_sequence), (1, identity, Some(29)));
}
