//! Where a transaction stands, and what may be done then.

use std::time::Duration;

use ottla::{ErrorKind, Record, TopicConfig};

use crate::world::{World, options, refused, values};

const STATE: ErrorKind = ErrorKind::InvalidTransactionState;

#[test]
fn nothing_is_there_before_the_commit_and_everything_after_it() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    for number in 0..10 {
        let key = number.to_string();
        transaction.send(Record::new("orders", "a burger").key(&key)).unwrap();
    }
    transaction.send(Record::new("deliveries", "to john")).unwrap();
    assert!(values(&world.broker, "orders").is_empty());
    let written = transaction.commit().unwrap();
    assert_eq!(values(&world.broker, "orders").len(), 10);
    assert_eq!(values(&world.broker, "deliveries"), ["to john"]);
    let records: i64 = written.iter().map(|(_, at)| at.last_offset - at.base_offset + 1).sum();
    assert_eq!(records, 11);
    assert!(written.is_sorted_by_key(|(partition, _)| partition.clone()), "{written:?}");
}

#[test]
fn what_is_over_says_so() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "a burger")).unwrap();
    transaction.commit().unwrap();
    refused(transaction.send(Record::new("orders", "one more")), STATE, "committed already");
    refused(transaction.send(Record::new("no such topic", "x")), STATE, "committed already");
    refused(transaction.commit(), STATE, "committed already");
    refused(transaction.abort(), STATE, "committed already");
    refused(
        transaction.commit_offsets_of("kitchen", [(("orders", 0), 0)]),
        STATE,
        "committed already",
    );
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "never")).unwrap();
    transaction.abort().unwrap();
    transaction.abort().unwrap();
    refused(transaction.commit(), STATE, "aborted");
    refused(transaction.send(Record::new("orders", "never")), STATE, "aborted");
    assert_eq!(values(&world.broker, "orders"), ["a burger"]);
}

#[test]
fn an_empty_transaction_commits_nothing() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    assert_eq!(transaction.commit().unwrap(), []);
    refused(transaction.commit(), STATE, "committed already");
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_freed() {
    let world = World::new();
    let minute = Duration::from_secs(60);
    let mut noticed = world.broker.transaction().unwrap();
    let mut unnoticed = world.broker.transaction().unwrap();
    let long = world.broker.transaction_with().timeout(10 * minute);
    let mut long = long.begin().unwrap();
    for transaction in [&mut noticed, &mut unnoticed, &mut long] {
        transaction.send(Record::new("orders", "a burger")).unwrap();
    }
    let next = world.broker.tick().unwrap();
    assert!(next <= minute, "a tick is wanted in time: {next:?}");
    world.pass_unnoticed(minute);
    refused(unnoticed.commit(), STATE, "transaction.timeout.ms, which is 60000");
    world.broker.tick().unwrap();
    refused(noticed.send(Record::new("orders", "one more")), STATE, "was aborted");
    noticed.abort().unwrap();
    long.commit().unwrap();
    assert_eq!(values(&world.broker, "orders").len(), 1);
}

#[test]
fn a_producer_remembers_how_its_transaction_ended() {
    let world = World::new();
    let producer = world.broker.producer().transactional_id("payments").build().unwrap();
    refused(producer.abort_transaction(), STATE, "begin_transaction comes first");
    producer.begin_transaction().unwrap();
    producer.expect_end("orders", 0, 7).unwrap();
    producer.send(Record::new("orders", "never")).unwrap();
    refused(producer.commit_transaction(), ErrorKind::Conflict, "7");
    refused(producer.commit_transaction(), STATE, "its commit failed: the log ends at 0");
    producer.abort_transaction().unwrap();

    producer.begin_transaction().unwrap();
    producer.send(Record::new("orders", "never")).unwrap();
    world.pass_unnoticed(Duration::from_secs(60));
    refused(producer.send(Record::new("orders", "too late")), STATE, "transaction.timeout.ms");
    producer.abort_transaction().unwrap();

    producer.begin_transaction().unwrap();
    world.pass_unnoticed(Duration::from_secs(60));
    producer.begin_transaction().unwrap();
    producer.send(Record::new("orders", "a burger")).unwrap();
    producer.commit_transaction().unwrap();
    refused(producer.commit_transaction(), STATE, "committed already");
    refused(producer.abort_transaction(), STATE, "committed already");
    assert_eq!(values(&world.broker, "orders"), ["a burger"]);
}

#[test]
fn timeouts_stay_within_the_brokers_bound() {
    let world = World::with(options().transaction_timeout_max(Duration::from_secs(100)));
    let with = |seconds| {
        world.broker.transaction_with().timeout(Duration::from_secs(seconds)).begin().map(drop)
    };
    with(100).unwrap();
    refused(with(101), ErrorKind::InvalidInput, "transaction.max.timeout.ms, which is 100000");
    refused(with(0), ErrorKind::InvalidInput, "transaction.timeout.ms");
    let acks = world.broker.transaction_with().set("acks", "1").begin();
    refused(acks, ErrorKind::InvalidInput, "acks=all");
    let unknown = world.broker.transaction_with().set("lingr.ms", "1").begin();
    refused(unknown, ErrorKind::InvalidInput, "linger.ms");
    let strict = World::with(options().transaction_timeout_max(Duration::from_secs(5)));
    let mut transaction = strict.broker.transaction().unwrap();
    strict.pass(Duration::from_secs(5));
    refused(transaction.commit(), STATE, "which is 5000");
    let producer = world.broker.producer().set("transaction.timeout.ms", "100001");
    let built = producer.transactional_id("cashier").build();
    refused(built, ErrorKind::InvalidInput, "transaction.max.timeout.ms");
}

#[test]
fn a_topic_that_is_deleted_takes_the_whole_transaction_with_it() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "a burger")).unwrap();
    transaction.send(Record::new("deliveries", "to john")).unwrap();
    world.broker.delete_topic("deliveries").unwrap();
    world.broker.create_topic("deliveries", TopicConfig::new()).unwrap();
    transaction.send(Record::new("deliveries", "to jane, in the new topic")).unwrap();
    refused(transaction.commit(), ErrorKind::UnknownTopicOrPartition, "deleted");
    refused(transaction.commit(), STATE, "its commit failed");
    assert!(values(&world.broker, "orders").is_empty());
    assert!(values(&world.broker, "deliveries").is_empty());
    assert_eq!(world.broker.partition("orders", 0).unwrap().end_offset(), 0);
}

#[test]
fn a_topic_that_grows_or_changes_is_noticed_within_a_transaction() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("deliveries", "one")).unwrap();
    world.broker.add_partitions("deliveries", 3).unwrap();
    transaction.send(Record::new("deliveries", "two").partition(2)).unwrap();
    world.broker.alter_topic("deliveries", &[("max.message.bytes", Some("200"))]).unwrap();
    let large = [7; 300];
    let sent = transaction.send(Record::new("deliveries", &large));
    refused(sent, ErrorKind::Limit, "max.message.bytes");
    transaction.commit().unwrap();
    assert_eq!(values(&world.broker, "deliveries"), ["one", "two"]);
}

#[test]
fn one_condition_that_does_not_hold_refuses_everything() {
    let world = World::new();
    world.send("deliveries", &["one"]);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "a burger").partition(0)).unwrap();
    transaction.expect_end("orders", 0, 0).unwrap();
    transaction.expect_end("deliveries", 0, 0).unwrap();
    transaction.commit_offsets_of("kitchen", [(("deliveries", 0), 1)]).unwrap();
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let missed = &error.conflict().unwrap().records;
    assert_eq!(missed[0].value.as_deref(), Some(b"one".as_slice()));
    refused(transaction.commit(), STATE, "its commit failed");
    assert!(values(&world.broker, "orders").is_empty());
    assert_eq!(crate::world::committed(&world.broker, "kitchen", "deliveries", 0), None);
    let unknown = ErrorKind::UnknownTopicOrPartition;
    let mut transaction = world.broker.transaction().unwrap();
    refused(transaction.expect_end("nowhere", 0, 0), unknown, "nowhere");
    refused(transaction.expect_end("orders", 4, 0), unknown, "4 partitions");
    refused(transaction.expect_end("orders", 0, -1), ErrorKind::InvalidInput, "-1");
    // Conditions alone are asked, too.
    transaction.expect_end("deliveries", 0, 1).unwrap();
    transaction.commit().unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.expect_end("deliveries", 0, 0).unwrap();
    refused(transaction.commit(), ErrorKind::Conflict, "");
}

#[test]
fn of_two_who_saw_the_same_version_of_a_key_one_commits() {
    let world = World::new();
    let config = TopicConfig::new().partitions(4).key_index(true);
    world.broker.create_topic("accounts", config).unwrap();
    let begin = |value: &str| {
        let mut transaction = world.broker.transaction().unwrap();
        for account in ["alice", "bob"] {
            let version = world.broker.stream("accounts", account).unwrap().version().unwrap();
            transaction.expect_version("accounts", account, version).unwrap();
            transaction.send(Record::new("accounts", value).key(account)).unwrap();
        }
        transaction
    };
    for _ in 0..2 {
        let (mut first, mut second) = (begin("first"), begin("second"));
        first.commit().unwrap();
        let error = second.commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let missed = &error.conflict().unwrap().records;
        assert_eq!(missed[0].value.as_deref(), Some(b"first".as_slice()));
    }
    assert_eq!(values(&world.broker, "accounts"), ["first"; 4]);
    let mut transaction = world.broker.transaction().unwrap();
    let wrong = transaction.expect_version("orders", "alice", None);
    refused(wrong, ErrorKind::InvalidInput, "ottla.key.index");
}

#[test]
fn a_closed_broker_ends_what_was_open() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "a burger")).unwrap();
    world.broker.close().unwrap();
    refused(transaction.commit(), ErrorKind::Closed, "closed");
    refused(transaction.send(Record::new("orders", "one more")), ErrorKind::Closed, "closed");
    refused(world.broker.transaction(), ErrorKind::Closed, "closed");
}

#[test]
fn a_transaction_keeps_its_directory_open() {
    let World { broker, .. } = World::new();
    let mut transaction = broker.transaction().unwrap();
    drop(broker);
    transaction.send(Record::new("orders", "a burger")).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_directory_that_is_only_read_takes_no_transaction() {
    let scratch = tempfile::tempdir().unwrap();
    options().open(scratch.path()).unwrap().close().unwrap();
    let broker = options().read_only(true).open(scratch.path()).unwrap();
    refused(broker.transaction(), ErrorKind::ReadOnly, "read-only");
    let producer = broker.producer().transactional_id("cashier").build();
    refused(producer, ErrorKind::ReadOnly, "read-only");
}

#[test]
fn aborted_and_dropped_transactions_leave_the_directory_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let broker = options().open(scratch.path()).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(4)).unwrap();
    let before = bytes_of(scratch.path());
    let value = vec![7; 100_000];
    for is_dropped in [true, false] {
        let mut transaction = broker.transaction().unwrap();
        for partition in (0..4).cycle().take(100) {
            transaction.send(Record::new("orders", &value).partition(partition)).unwrap();
        }
        transaction.commit_offsets_of("kitchen", [(("orders", 0), 0)]).unwrap();
        match is_dropped {
            true => drop(transaction),
            false => transaction.abort().unwrap(),
        }
    }
    assert_eq!(bytes_of(scratch.path()), before);
}

/// Every file below a directory, and what is in it.
fn bytes_of(directory: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(bytes_of(&path)),
            false => files.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}
