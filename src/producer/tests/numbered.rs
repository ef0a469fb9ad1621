//! With `enable.idempotence` no record is written in front of one that was under way before it and
//! failed, and after a failure the producer goes on.

use super::{World, kind};
use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::topic::TopicConfig;
use crate::env::sim::seed;
use crate::error::ErrorKind;
use crate::format::producer_snapshot::ProducerEntry;
use crate::producer::Producer;
use crate::producer::record::Record;

/// A producer whose every record goes in a batch of its own.
fn numbered(world: &World) -> Producer {
    world.builder().enable_idempotence(true).batch_size(1).build().unwrap()
}

/// What becomes of records that are all sent before anything is written.
fn send_all(producer: &Producer, values: &[String]) -> Vec<Result<i64, ErrorKind>> {
    let send = |value: &String| producer.send(Record::new("t", value).partition(0)).unwrap();
    let deliveries: Vec<_> = values.iter().map(send).collect();
    let _ = producer.flush();
    let waited = deliveries.into_iter().map(|delivery| delivery.wait());
    waited.map(|outcome| outcome.map(|at| at.offset).map_err(|error| error.kind())).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn known(world: &World) -> Option<ProducerEntry> {
    world.topic.partitions[0].producers().unwrap().first().copied()
}

#[test]
fn what_is_under_way_behind_a_failure_fails_too_and_later_records_go_on() {
    let world = World::new(1);
    let producer = numbered(&world);
    world.sink.refuse_only([2].into());
    let outcomes = send_all(&producer, &numbers(0..5));
    let behind = Err(ErrorKind::OutOfOrderSequence);
    assert_eq!(outcomes, [Ok(0), Ok(1), Err(ErrorKind::NoSpace), behind, behind]);
    assert_eq!(send_all(&producer, &numbers(5..7)), [Ok(2), Ok(3)]);
    assert_eq!(world.values(0), ["0", "1", "5", "6"]);
    let known = known(&world).unwrap();
    assert_eq!((known.producer_id, known.producer_epoch, known.last_sequence), (7, 0, 3));
}

#[test]
fn the_first_batch_of_all_may_fail() {
    let world = World::new(1);
    // The log has records of others: it would take any sequence of a producer unknown to it.
    let other = world.builder().build().unwrap();
    send_all(&other, &numbers(0..1));
    let producer = numbered(&world);
    world.sink.refuse_only([1].into());
    let outcomes = send_all(&producer, &numbers(1..3));
    assert_eq!(outcomes, [Err(ErrorKind::NoSpace), Err(ErrorKind::OutOfOrderSequence)]);
    assert!(known(&world).is_none(), "nothing of it is in the log");
    assert_eq!(send_all(&producer, &numbers(3..4)), [Ok(1)]);
    assert_eq!(world.values(0), ["0", "3"]);
}

#[test]
fn what_is_written_of_a_round_is_its_beginning() {
    let seed = seed();
    for run in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(run));
        let world = World::new(1);
        let producer = numbered(&world);
        let (mut sent, mut expected) = (0, Vec::new());
        for round in 0..20 {
            let values = numbers(sent..sent + random.usize(1..8));
            sent += values.len();
            let first = world.batches();
            let refused = (0..random.usize(..3)).map(|_| first + random.usize(..10)).collect();
            world.sink.refuse_only(refused);
            let outcomes = send_all(&producer, &values);
            let written = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
            assert!(
                outcomes[written..].iter().all(Result::is_err),
                "run {run}, round {round}: {outcomes:?}"
            );
            expected.extend_from_slice(&values[..written]);
        }
        world.sink.refuse_only(Vec::new());
        assert!(send_all(&producer, &numbers(sent..sent + 3)).iter().all(Result::is_ok));
        expected.extend(numbers(sent..sent + 3));
        assert_eq!(world.values(0), expected, "run {run}");
    }
}

#[test]
fn the_pieces_of_a_batch_are_numbered_as_it_was() {
    let topic = TopicConfig::new().set("max.message.bytes", "2000").unwrap();
    let world = World::with(1, topic);
    let builder = world.builder().enable_idempotence(true).compression(Compression::Lz4);
    let producer = builder.batch_size(20_000).build().unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..3_000 {
        drop(producer.send(Record::new("t", &"x".repeat(100))).unwrap());
    }
    for _ in 0..150 {
        let noise: String = (0..90).map(|_| random.alphanumeric()).collect();
        drop(producer.send(Record::new("t", &noise)).unwrap());
    }
    producer.flush().unwrap();
    assert!(producer.metrics().batches_split > 0);
    assert_eq!(world.values(0).len(), 3_150);
    assert_eq!(known(&world).unwrap().last_sequence, 3_149);
}

#[test]
fn a_partition_whose_log_was_cut_is_written_to_again() {
    let world = World::new(1);
    let producer = numbered(&world);
    send_all(&producer, &numbers(0..4));
    world.topic.partitions[0].truncate_to(2).unwrap();
    let outcomes = send_all(&producer, &numbers(4..6));
    assert_eq!(outcomes, [Err(ErrorKind::OutOfOrderSequence); 2]);
    assert_eq!(send_all(&producer, &numbers(6..8)), [Ok(2), Ok(3)]);
    assert_eq!(world.values(0), ["0", "1", "6", "7"]);
}

#[test]
fn it_needs_the_level_all() {
    let world = World::new(1);
    for acks in [Acks::None, Acks::Leader] {
        let built = world.builder().set("enable.idempotence", "true").acks(acks).build();
        let error = built.unwrap_err();
        assert!(error.to_string().contains("acks=all"), "{error}");
        assert_eq!(kind::<()>(Err(error)), ErrorKind::InvalidInput);
    }
    assert!(world.builder().set("enable.idempotence", "true").build().is_ok());
}
