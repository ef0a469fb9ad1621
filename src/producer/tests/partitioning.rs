//! A partitioner of the user's own.

use super::{World, kind};
use crate::batch::message::Message;
use crate::error::ErrorKind;
use crate::producer::record::Record;

#[test]
fn a_partitioner_is_asked_unless_the_record_says_where_it_goes() {
    let world = World::new(4);
    let by_length = |topic: &str, message: &Message<'_>, count: i32| {
        assert_eq!((topic, count), ("t", 4));
        let length = message.value_bytes().map_or(0, <[u8]>::len);
        (length < 10).then_some(length as i32)
    };
    let producer = world.builder().partitioner(by_length).build().unwrap();
    let partition = |record: Record<'_>| producer.send(record)?.wait().map(|at| at.partition);
    assert_eq!(partition(Record::new("t", "xxx").key("john")).unwrap(), 3);
    assert_eq!(partition(Record::new("t", "")).unwrap(), 0);
    assert_eq!(partition(Record::new("t", "xxx").partition(1)).unwrap(), 1);
    // Left to the producer: the key decides, as it does without a partitioner.
    let plain = world.builder().build().unwrap();
    for key in ["john", "paul", "george", "ringo"] {
        let record = Record::new("t", "more than ten bytes").key(key);
        let expected = plain.send(record.clone()).unwrap().wait().unwrap().partition;
        assert_eq!(partition(record).unwrap(), expected, "{key}");
    }
    let error = partition(Record::new("t", "xxxx")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("chose partition 4 of topic t, which has 4"), "{error}");
}

#[test]
fn a_negative_answer_is_refused_and_a_panic_passes() {
    let world = World::new(2);
    let producer = world.builder().partitioner(|_: &str, message: &Message<'_>, _: i32| {
        assert!(message.key_bytes().is_none(), "as a test of panics");
        Some(-1)
    });
    let producer = producer.build().unwrap();
    assert_eq!(kind(producer.send(Record::new("t", "v"))), ErrorKind::InvalidInput);
    let keyed = || producer.send(Record::new("t", "v").key("k"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(keyed)).is_err());
    assert_eq!(
        producer.send(Record::new("t", "v").partition(0)).unwrap().wait().unwrap().offset,
        0
    );
}

#[test]
fn the_class_is_refused_with_the_way_to_do_it() {
    let error = World::new(1).builder().set("partitioner.class", "x").build().unwrap_err();
    assert!(error.to_string().contains("`partitioner`"), "{error}");
}
