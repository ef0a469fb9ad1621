//! Goal: the image is what the log says, whoever wrote the log, and nothing else ever comes out of
//! it. Method: the metadata log of a real broker against the list of its folders; random verbs
//! against a plain map, with the log replayed from its bytes; cut and changed record values.

use std::collections::{BTreeMap, BTreeSet};

use super::bootstrap::{FEATURE_LEVELS, Identity, NODE_ID, files, first_batches};
use super::create::NewTopic;
use super::*;
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::format::batch_header::stamp;
use crate::format::metadata_records::PartitionChangeRecord;
use crate::format::quorum_state::QuorumState;
use crate::format::{clean_shutdown::CleanShutdown, partition_metadata};

const BROKER_LOG: &[u8] = include_bytes!(
    "../../tests/fixtures/real-broker-kdata/__cluster_metadata-0/00000000000000000000.log"
);
const BROKER_BOOTSTRAP: &[u8] =
    include_bytes!("../../tests/fixtures/real-broker-kdata/bootstrap.checkpoint");
const PLACE: Place = Place { node_id: NODE_ID, directory_id: DirectoryId([7; 16]) };

fn broker_catalog() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.replay(BROKER_LOG).unwrap();
    catalog.check_complete().unwrap();
    catalog
}

/// A log that is kept in memory, and its image.
struct Log {
    catalog: Catalog,
    bytes: Vec<u8>,
}

impl Log {
    fn new() -> Log {
        let mut log = Log { catalog: Catalog::new(), bytes: Vec::new() };
        for batch in first_batches(1_700_000_000_000).unwrap() {
            log.append(batch);
        }
        log
    }

    fn append(&mut self, mut batch: Vec<u8>) {
        stamp(&mut batch, self.catalog.next_offset(), 1);
        self.catalog.replay(&batch).unwrap();
        self.bytes.extend(batch);
    }

    fn commit(&mut self, values: &[Vec<u8>]) {
        if !values.is_empty() {
            self.append(batch_of(values, 1_700_000_000_001).unwrap());
        }
    }

    fn create(&mut self, name: &str, id: u8, partition_count: i32) {
        let name = TopicName::new(name).unwrap();
        let overrides = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let new =
            NewTopic { name: &name, id: TopicId([id; 16]), partition_count, overrides: &overrides };
        let values = self.catalog.create_topic(&new, PLACE).unwrap();
        self.commit(&values);
    }
}

#[test]
fn the_log_of_a_broker_gives_its_topics_ids_and_settings() {
    let catalog = broker_catalog();
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/expected.json")).unwrap();
    let folders = expected["real-broker-kdata"]["partitions"].as_object().unwrap();
    assert!(folders.len() > 20);
    for (folder, facts) in folders {
        let (topic, number) = folder.rsplit_once('-').unwrap();
        let topic = catalog.topic(topic).unwrap();
        assert!(topic.partitions.contains_key(&number.parse().unwrap()), "{folder}");
        assert_eq!(facts["topic_id"].as_str().unwrap(), topic.id.to_string(), "{folder}");
    }
    let user_topics = catalog.topics().filter(|topic| !topic.name.is_internal());
    let named: BTreeSet<_> = folders.keys().map(|f| f.rsplit_once('-').unwrap().0).collect();
    let found: BTreeSet<_> = user_topics.map(|topic| topic.name.as_str()).collect();
    assert_eq!(found, named.into_iter().filter(|name| !name.starts_with("__")).collect());

    let offsets = catalog.topic("__consumer_offsets").unwrap();
    assert_eq!(offsets.partition_count(), 50);
    let overrides: Vec<_> =
        offsets.overrides.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        overrides,
        [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("segment.bytes", "104857600")
        ]
    );
    let transactions = catalog.topic("__transaction_state").unwrap();
    assert_eq!(transactions.overrides["min.insync.replicas"], "1");
    assert!(catalog.topic("js").unwrap().overrides.is_empty());
}

#[test]
fn the_log_of_a_broker_gives_epochs_features_and_nodes() {
    let catalog = broker_catalog();
    assert_eq!(catalog.next_offset(), 436);
    assert_eq!(catalog.leader_epoch(), 1);
    assert_eq!(catalog.feature_level(METADATA_VERSION), 22);
    assert_eq!(catalog.feature_level("group.version"), 1);
    assert_eq!(catalog.feature_level("transaction.version"), 0);
    assert_eq!(catalog.broker_epoch(1), 7);
    assert_eq!(catalog.broker_epoch(2), -1);
    assert!(catalog.other_nodes(1).is_empty());
    assert_eq!(catalog.other_nodes(2), BTreeSet::from([1]));
    assert_eq!(catalog.next_producer_id(), 1000);
    // The broker ended cleanly: no partition has a leader, and that was a new epoch for each.
    let js = &catalog.topic("js").unwrap().partitions[&0];
    assert!(js.leader < 0);
    assert_eq!((js.leader_epoch, js.partition_epoch, &js.replicas), (1, 1, &vec![1]));
    assert_eq!(js.directories[0].to_string(), "x5o_zPYFfKDsaodAVcajBg");
    assert!(catalog.passed_over().contains_key(&27));
    assert!(catalog.mending_records().unwrap().is_empty());
    let marker = include_bytes!("../../tests/fixtures/real-broker-kdata/.kafka_cleanshutdown");
    assert_eq!(CleanShutdown::decode(marker).broker_epoch, catalog.broker_epoch(1));
}

#[test]
fn a_fresh_directory_is_what_a_broker_formats() {
    let quorum_state =
        include_bytes!("../../tests/fixtures/real-broker-kdata/__cluster_metadata-0/quorum-state");
    let identity = Identity {
        cluster_id: TopicId([1; 16]),
        directory_id: DirectoryId([7; 16]),
        now_ms: 1_795_157_044_366,
    };
    let files: BTreeMap<_, _> = files(identity).unwrap().into_iter().collect();
    assert_eq!(files["__cluster_metadata-0/quorum-state"], quorum_state);
    let id = partition_metadata::decode(&files["__cluster_metadata-0/partition.metadata"]);
    assert_eq!(id.unwrap(), TopicId::CLUSTER_METADATA);
    let state = QuorumState::decode(&files["__cluster_metadata-0/quorum-state"]).unwrap();
    assert_eq!((state.leader_id, state.leader_epoch), (NODE_ID, 1));
    // The header batch of the bootstrap snapshot is the broker's, byte for byte.
    assert_eq!(files["bootstrap.checkpoint"][..83], BROKER_BOOTSTRAP[..83]);
    let snapshot = Catalog::from_snapshot(&files["bootstrap.checkpoint"], 0, 0).unwrap();
    let levels = FEATURE_LEVELS.map(|(name, level)| (name.to_owned(), level));
    assert_eq!(*snapshot.features(), BTreeMap::from(levels));

    // And so is the batch that opens the log.
    let batches = first_batches(1_795_157_045_864).unwrap();
    assert_eq!(batches[0], BROKER_LOG[..91]);
    let log = Log::new();
    assert_eq!(log.catalog.features(), snapshot.features());
    assert_eq!((log.catalog.next_offset(), log.catalog.leader_epoch()), (6, 1));
    assert_eq!(log.catalog.topics().count(), 0);
}

#[test]
fn a_snapshot_is_whole_or_none() {
    let catalog = Catalog::from_snapshot(BROKER_BOOTSTRAP, 6, 1).unwrap();
    assert_eq!(catalog.feature_level(METADATA_VERSION), 22);
    assert_eq!((catalog.next_offset(), catalog.leader_epoch()), (6, 1));

    // Without its footer, or without its header, it is none.
    assert!(Catalog::from_snapshot(&BROKER_BOOTSTRAP[..83], 6, 1).is_err());
    assert!(Catalog::from_snapshot(&BROKER_BOOTSTRAP[83..], 6, 1).is_err());
    assert!(Catalog::from_snapshot(&[], 6, 1).is_err());
    let twice = [BROKER_BOOTSTRAP, BROKER_BOOTSTRAP].concat();
    assert!(Catalog::from_snapshot(&twice, 6, 1).is_err());
    for at in 0..BROKER_BOOTSTRAP.len() {
        assert!(Catalog::from_snapshot(&BROKER_BOOTSTRAP[..at], 6, 1).is_err(), "cut to {at}");
    }
}

#[test]
fn the_snapshot_of_a_broker_stands_for_the_log_below_it() {
    let log =
        include_bytes!("../../tests/fixtures/metadata-logs/with-snapshot/00000000000000000000.log");
    let snapshot = include_bytes!(
        "../../tests/fixtures/metadata-logs/with-snapshot/00000000000000000058-0000000001.checkpoint"
    );
    let mut from_log = Catalog::new();
    from_log.replay(log).unwrap();
    from_log.check_complete().unwrap();
    let mut from_snapshot = Catalog::from_snapshot(snapshot, 58, 1).unwrap();
    assert_eq!(from_snapshot.topics().count(), 2);
    from_snapshot.replay(log).unwrap();
    from_snapshot.check_complete().unwrap();

    let names: Vec<_> = from_log.topics().map(|topic| topic.name.as_str()).collect();
    assert_eq!(names, ["events", "late", "orders"]);
    assert_eq!(from_log.topics, from_snapshot.topics);
    assert_eq!(from_log.features, from_snapshot.features);
    assert_eq!(from_log.broker_configs, from_snapshot.broker_configs);
    assert_eq!(from_log.broker_epochs, from_snapshot.broker_epochs);
    assert_eq!((from_snapshot.next_offset(), from_snapshot.leader_epoch()), (67, 1));
    assert_eq!(from_log.broker_config(1, "min.insync.replicas"), Some("1"));
    // A snapshot forgets what was deleted before it.
    assert_eq!((from_log.removed.len(), from_snapshot.removed.len()), (1, 0));
    // What a log that starts above 0 cannot do is stand alone.
    let error = Catalog::new().replay(&log[91..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn voters_in_the_log_are_noted() {
    let log = include_bytes!(
        "../../tests/fixtures/metadata-logs/dynamic-quorum/00000000000000000000.log"
    );
    let snapshot = include_bytes!(
        "../../tests/fixtures/metadata-logs/dynamic-quorum/00000000000000000000-0000000000.checkpoint"
    );
    let mut catalog = Catalog::from_snapshot(snapshot, 0, 0).unwrap();
    assert_eq!(catalog.voters, BTreeSet::from([1]));
    catalog.replay(log).unwrap();
    catalog.check_complete().unwrap();
    assert_eq!(catalog.topic("orders").unwrap().partition_count(), 3);
    assert!(catalog.other_nodes(1).is_empty());
    assert_eq!(catalog.other_nodes(7), BTreeSet::from([1]));
}

#[test]
fn wishes_that_cannot_be_are_refused() {
    let mut log = Log::new();
    log.create("a.b", 2, 3);
    let catalog = &log.catalog;
    let create = |name: &str, id: u8, partition_count: i32| {
        let (name, overrides) = (TopicName::new(name).unwrap(), BTreeMap::new());
        let new =
            NewTopic { name: &name, id: TopicId([id; 16]), partition_count, overrides: &overrides };
        catalog.create_topic(&new, PLACE).map_err(|error| error.kind())
    };
    assert_eq!(create("a.b", 3, 1), Err(ErrorKind::TopicExists));
    assert_eq!(create("a_b", 3, 1), Err(ErrorKind::InvalidInput));
    assert!(create("a-b", 3, 1).is_ok());
    assert_eq!(create(crate::topic::CLUSTER_METADATA_TOPIC, 3, 1), Err(ErrorKind::InvalidInput));
    for count in [i32::MIN, 0, 100_001, i32::MAX] {
        assert_eq!(create("c", 3, count), Err(ErrorKind::InvalidInput), "{count}");
    }
    assert_eq!(create("c", 2, 1), Err(ErrorKind::InvalidInput));
    assert_eq!(create("c", 0, 1), Err(ErrorKind::InvalidInput));
    // A batch of the most partitions stays below what a broker reads of its metadata log.
    let largest = batch_of(&create("c", 3, 100_000).unwrap(), 0).unwrap();
    assert!(largest.len() < 8 << 20, "{}", largest.len());

    for total in [-1, 0, 3, 100_001] {
        let error = catalog.add_partitions("a.b", total, PLACE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{total}");
    }
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(catalog.add_partitions("x", 4, PLACE).unwrap_err().kind(), unknown);
    assert_eq!(catalog.alter_topic("x", &[]).unwrap_err().kind(), unknown);
    assert_eq!(catalog.delete_topic("../x").unwrap_err().kind(), unknown);
    assert!(catalog.alter_topic("a.b", &[("retention.ms", Some("-1"))]).unwrap().is_empty());
    let long = "x".repeat(40_000);
    let error = catalog.alter_topic("a.b", &[("retention.ms", Some(&long))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);

    let deletion = catalog.delete_topic("a.b").unwrap();
    log.commit(&deletion);
    assert!(log.catalog.is_removed(TopicId([2; 16])));
    let new = NewTopic {
        name: &TopicName::new("a_b").unwrap(),
        id: TopicId([2; 16]),
        partition_count: 1,
        overrides: &BTreeMap::new(),
    };
    assert!(log.catalog.create_topic(&new, PLACE).is_err(), "an id is never given twice");
}

#[test]
fn producer_ids_are_given_once() {
    let mut log = Log::new();
    let mut last = 0;
    for _ in 0..3 {
        let (ids, values) = log.catalog.take_producer_ids(NODE_ID, -1).unwrap();
        assert_eq!(ids, last..last + 1000);
        last = ids.end;
        log.commit(&values);
    }
    let again = broker_catalog().take_producer_ids(NODE_ID, -1).unwrap();
    assert_eq!(again.0, 1000..2000);
    let above = broker_catalog().take_producer_ids(NODE_ID, 4711).unwrap();
    assert_eq!(above.0, 4712..5712);
    assert!(broker_catalog().take_producer_ids(NODE_ID, i64::MAX).is_err());
}

#[test]
fn a_transaction_of_the_log_counts_at_its_end_or_never() {
    let begin = MetadataRecord::BeginTransaction { name: None };
    let topic = |name: &str, id: u8| {
        let name = TopicName::new(name).unwrap();
        let new = NewTopic {
            name: &name,
            id: TopicId([id; 16]),
            partition_count: 1,
            overrides: &BTreeMap::new(),
        };
        Catalog::new().create_topic(&new, PLACE).unwrap()
    };
    let mut log = Log::new();
    log.commit(&encode_all(std::slice::from_ref(&begin)).unwrap());
    log.commit(&topic("a", 2));
    assert_eq!(log.catalog.topics().count(), 0);
    assert!(log.catalog.apply(99, &begin.encode().unwrap()).is_err());
    let mend = log.catalog.mending_records().unwrap();
    log.commit(&mend);
    assert_eq!(log.catalog.topics().count(), 0);
    assert!(log.catalog.mending_records().unwrap().is_empty());

    log.commit(&encode_all(std::slice::from_ref(&begin)).unwrap());
    log.commit(&topic("a", 3));
    log.commit(&encode_all(&[MetadataRecord::EndTransaction]).unwrap());
    assert_eq!(log.catalog.topic("a").unwrap().id, TopicId([3; 16]));

    let end = MetadataRecord::EndTransaction.encode().unwrap();
    let error = log.catalog.apply(77, &end).unwrap_err();
    assert!(error.to_string().contains("offset 77"), "{error}");
}

#[test]
fn records_that_contradict_the_log_are_named_and_change_nothing() {
    let mut log = Log::new();
    log.create("a", 2, 2);
    let id = TopicId([2; 16]);
    let change = |id, partition| {
        MetadataRecord::PartitionChange(PartitionChangeRecord::new(TopicId([id; 16]), partition))
    };
    let records = [
        MetadataRecord::RemoveTopic { topic_id: TopicId([9; 16]) },
        change(9, 0),
        change(2, 2),
        log.catalog.new_partition(TopicId([9; 16]), 0, PLACE),
        log.catalog.new_partition(id, -1, PLACE),
        MetadataRecord::decode(&log.catalog.clone().delete_topic("a").unwrap()[0]).unwrap(),
    ];
    for record in &records[..5] {
        let before = log.catalog.clone();
        let error = log.catalog.apply(4711, &record.encode().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{record:?}");
        assert!(error.to_string().contains("offset 4711"), "{error}");
        assert_eq!(error.partition(), Some(("__cluster_metadata", 0)));
        assert_eq!(log.catalog, before);
    }
    assert!(log.catalog.apply(1, &records[5].encode().unwrap()).is_ok());

    // A hole in the numbers shows at the end only: records come in any order.
    log.create("b", 3, 1);
    let partition = log.catalog.new_partition(TopicId([3; 16]), 2, PLACE);
    log.catalog.apply(1, &partition.encode().unwrap()).unwrap();
    assert!(log.catalog.check_complete().unwrap_err().to_string().contains("no partition 1"));
}

#[test]
fn cut_and_changed_values_never_panic_and_name_their_offset() {
    let base = broker_catalog();
    let mut position = 0;
    let mut refused = 0;
    let mut scratch = Vec::new();
    while position < BROKER_LOG.len() {
        let entry = Entry::decode_first(&BROKER_LOG[position..]).unwrap();
        position += entry.bytes().len();
        if entry.is_control() || entry.record_count() > Some(60) {
            continue;
        }
        for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
            let value = record.unwrap().value.unwrap();
            if value[1] == 20 {
                continue;
            }
            let mut try_value = |value: &[u8]| {
                let mut catalog = base.clone();
                if let Err(error) = catalog.apply(4711, value) {
                    assert!(error.to_string().contains("offset 4711"), "{error}");
                    assert_eq!(catalog, base);
                    refused += 1;
                }
            };
            // Cloning the image dominates: every third cut and one bit a byte will do.
            for at in (0..value.len()).step_by(3) {
                try_value(&value[..at]);
                let mut changed = value.to_vec();
                changed[at] ^= 1 << (at % 8);
                try_value(&changed);
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn damaged_batches_are_errors_with_their_position() {
    for at in (0..BROKER_LOG.len()).step_by(61) {
        let mut changed = BROKER_LOG.to_vec();
        changed[at] ^= 0x10;
        let mut catalog = Catalog::new();
        match catalog.replay(&changed) {
            Err(error) => {
                let place = error.position().is_some() || error.to_string().contains("offset");
                assert!(place, "{error}");
            }
            // The epoch is the one thing that neither the sum nor the order of offsets covers.
            Ok(()) => assert_ne!(catalog.leader_epoch(), 1, "byte {at}"),
        }
        let _ = Catalog::new().replay(&BROKER_LOG[..at]);
    }
}

/// What the random verbs should have made: name -> (id, partitions, settings).
type Model = BTreeMap<String, (u8, i32, BTreeMap<String, String>)>;

#[test]
fn random_verbs_make_what_a_plain_map_says() {
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("OTTLA_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut log, mut model, mut last_id) = (Log::new(), Model::new(), 10u8);
    for _ in 0..400 {
        random_verb(&mut random, &mut log, &mut model, &mut last_id);
        if random.u8(..) < 20 {
            // As after a restart: only the bytes of the log are left.
            let mut replayed = Catalog::new();
            replayed.replay(&log.bytes).unwrap();
            assert_eq!(replayed, log.catalog);
        }
    }
    log.catalog.check_complete().unwrap();
}

fn random_verb(random: &mut fastrand::Rng, log: &mut Log, model: &mut Model, last_id: &mut u8) {
    let name = ["a", "b", "c.d", "c_d", "e"][random.usize(..5)].to_owned();
    let collides = name.starts_with("c") && model.keys().any(|other| other.starts_with("c"));
    match random.u8(..5) {
        0 | 1 if !collides && !model.contains_key(&name) && *last_id < u8::MAX => {
            *last_id += 1;
            let partition_count = random.i32(1..5);
            log.create(&name, *last_id, partition_count);
            let settings = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
            model.insert(name, (*last_id, partition_count, settings));
        }
        2 => {
            let total = random.i32(1..9);
            let added = log.catalog.add_partitions(&name, total, PLACE);
            match model.get_mut(&name) {
                Some(topic) if total > topic.1 => {
                    topic.1 = total;
                    log.commit(&added.unwrap());
                }
                _ => assert!(added.is_err()),
            }
        }
        3 => {
            let setting = ["retention.ms", "segment.bytes", "cleanup.policy"][random.usize(..3)];
            let value = random.bool().then(|| random.u8(..3).to_string());
            let altered = log.catalog.alter_topic(&name, &[(setting, value.as_deref())]);
            if let Some(topic) = model.get_mut(&name) {
                log.commit(&altered.unwrap());
                match value {
                    Some(value) => topic.2.insert(setting.to_owned(), value),
                    None => topic.2.remove(setting),
                };
            }
        }
        4 if random.bool() => {
            let deleted = log.catalog.delete_topic(&name);
            match model.remove(&name) {
                Some(_) => log.commit(&deleted.unwrap()),
                None => assert!(deleted.is_err()),
            }
        }
        _ => {}
    }
    let image: Model = log
        .catalog
        .topics()
        .map(|t| (t.name.to_string(), (t.id.0[0], t.partition_count(), t.overrides.clone())))
        .collect();
    assert_eq!(&image, model);
}
