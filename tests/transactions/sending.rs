//! What goes into a transaction: where records go, what is refused, how much fits.

use ottla::{Compression, ErrorKind, Message, Record, TimestampType, TopicConfig};

use crate::world::{World, options, refused, values};

#[test]
fn records_go_where_a_producer_would_send_them() {
    let world = World::new();
    let producer = world.broker.producer().build().unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    let mut expected = Vec::new();
    for number in 0..50 {
        let key = number.to_string();
        let record = Record::new("orders", "a burger").key(&key);
        expected.push(producer.send(record.clone()).unwrap().wait().unwrap().partition);
        transaction.send(record).unwrap();
    }
    let written = transaction.commit().unwrap();
    for (partition, at) in written {
        let here = expected.iter().filter(|number| **number == partition.partition).count();
        assert_eq!(at.base_offset, here as i64, "{partition} holds as many of the producer's");
        assert_eq!(at.last_offset, 2 * here as i64 - 1);
    }
    let to_the_last = |_: &str, _: &Message<'_>, count: i32| Some(count - 1);
    let builder = world.broker.transaction_with().partitioner(to_the_last);
    let mut transaction = builder.begin().unwrap();
    transaction.send(Record::new("orders", "a burger").key("john")).unwrap();
    assert_eq!(transaction.commit().unwrap()[0].0.partition, 3);
}

#[test]
fn what_is_refused_is_not_taken_and_the_transaction_goes_on() {
    let world = World::new();
    let compacted = TopicConfig::new().set("cleanup.policy", "compact").unwrap();
    world.broker.create_topic("users", compacted).unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "before")).unwrap();
    let unknown = ErrorKind::UnknownTopicOrPartition;
    refused(transaction.send(Record::new("nowhere", "x")), unknown, "nowhere");
    let send = transaction.send(Record::new("orders", "x").partition(4));
    refused(send, unknown, "no partition 4");
    let send = transaction.send(Record::from_message("users", Message::new("x")));
    refused(send, ErrorKind::InvalidInput, "without a key");
    let large = vec![7; 2 << 20];
    refused(transaction.send(Record::new("orders", &large)), ErrorKind::Limit, "max.request.size");
    let send = transaction.send(Record::new("orders", "x").timestamp(-5));
    refused(send, ErrorKind::InvalidInput, "timestamp");
    transaction.send(Record::new("orders", "after")).unwrap();
    transaction.send(Record::tombstone("users", "john")).unwrap();
    transaction.commit().unwrap();
    let mut orders = values(&world.broker, "orders");
    orders.sort();
    assert_eq!(orders, ["after", "before"]);
    assert_eq!(values(&world.broker, "users"), [""]);
}

#[test]
fn a_transaction_has_a_limit_that_it_names() {
    let world = World::with(options().transaction_bytes_max(1 << 16));
    let mut transaction = world.broker.transaction().unwrap();
    let value = [7; 1000];
    let mut taken = 0;
    let refusal = loop {
        match transaction.send(Record::new("orders", &value)) {
            Ok(()) => taken += 1,
            refusal => break refusal,
        }
    };
    refused(refusal, ErrorKind::Limit, "ottla.transaction.max.bytes, which is 65536");
    assert!((60..=65).contains(&taken), "{taken}");
    transaction.send(Record::new("deliveries", "a small one still fits")).unwrap();
    transaction.commit().unwrap();
    assert_eq!(values(&world.broker, "orders").len(), taken);
}

#[test]
fn many_batches_of_a_partition_stay_in_order() {
    let world = World::with(options().journal_file_bytes(16 << 20));
    let config = TopicConfig::new().compression(Compression::Zstd);
    world.broker.create_topic("zipped", config).unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    let padding = "x".repeat(1000);
    for topic in ["zipped", "deliveries"] {
        for number in 0..3000 {
            let value = format!("{number} {padding}");
            transaction.send(Record::new(topic, &value)).unwrap();
        }
    }
    let written = transaction.commit().unwrap();
    for (partition, at) in written {
        assert_eq!((at.base_offset, at.last_offset), (0, 2999), "{partition}");
    }
    for topic in ["zipped", "deliveries"] {
        let values = values(&world.broker, topic);
        let numbers = values.iter().map(|value| value.split(' ').next().unwrap());
        assert!(numbers.eq((0..3000).map(|n| n.to_string()).collect::<Vec<_>>()), "{topic}");
    }
}

#[test]
fn a_batch_that_is_compressed_worse_than_guessed_is_split() {
    let world = World::new();
    let config = TopicConfig::new().compression(Compression::Lz4);
    let config = config.set("max.message.bytes", "20000").unwrap();
    world.broker.create_topic("zipped", config).unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    for _ in 0..400 {
        transaction.send(Record::new("zipped", &[0; 1000])).unwrap();
    }
    // These do not shrink at all.
    let mut state = 1u64;
    for _ in 0..400 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u8
        })
        .take(1000)
        .collect();
        transaction.send(Record::new("zipped", &noise)).unwrap();
    }
    let written = transaction.commit().unwrap();
    assert_eq!(written[0].1.last_offset, 799);
}

#[test]
fn the_log_says_when_records_were_appended_if_the_topic_wants_it() {
    let world = World::new();
    let config = TopicConfig::new().set("message.timestamp.type", "LogAppendTime").unwrap();
    world.broker.create_topic("logged", config).unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("logged", "one").timestamp(5)).unwrap();
    transaction.send(Record::new("orders", "two").timestamp(5)).unwrap();
    world.pass_unnoticed(std::time::Duration::from_secs(7));
    transaction.commit().unwrap();
    let partitions = [("logged", 0), ("orders", 0), ("orders", 1), ("orders", 2), ("orders", 3)];
    let mut consumer = world.broker.consumer().assign(partitions).build().unwrap();
    for record in &consumer.poll(crate::world::NOW).unwrap() {
        match record.timestamp_type() {
            TimestampType::LogAppendTime => assert!(record.timestamp() > 7000),
            TimestampType::CreateTime => assert_eq!(record.timestamp(), 5),
        }
    }
}
