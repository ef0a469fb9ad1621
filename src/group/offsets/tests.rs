//! Replaying logs: what counts of them, whatever is in them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::replay::{Replay, Replayed};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::entry::Entry;
use crate::config::compression::Compression;
use crate::format::control_record::{ControlType, EndTransactionMarker};
use crate::format::group_records::{
    GroupMember, GroupMetadataValue, GroupRecordKey, OffsetCommitValue,
};
use crate::topic::TopicPartition;

/// A log that is being written.
#[derive(Default)]
struct Log {
    batches: Vec<Vec<u8>>,
    next_offset: i64,
}

type Pair = (Vec<u8>, Option<Vec<u8>>);

impl Log {
    fn batch(&mut self, options: BatchOptions, records: &[Pair]) -> &mut Log {
        let mut builder = BatchBuilder::new();
        builder.start(&BatchOptions { base_offset: self.next_offset, ..options });
        for (key, value) in records {
            builder.push(1, Some(key), value.as_deref(), &[]).unwrap();
        }
        self.next_offset += records.len() as i64;
        self.batches.push(builder.take().unwrap());
        self
    }

    fn plain(&mut self, records: &[Pair]) -> &mut Log {
        self.batch(BatchOptions::default(), records)
    }

    fn in_transaction(&mut self, id: i64, records: &[Pair]) -> &mut Log {
        let producer = Some(BatchProducer { id, epoch: 0, base_sequence: 0 });
        let options = BatchOptions { producer, transactional: true, ..BatchOptions::default() };
        self.batch(options, records)
    }

    fn marker(&mut self, id: i64, control: ControlType) -> &mut Log {
        let producer = Some(BatchProducer { id, epoch: 0, base_sequence: -1 });
        let options = BatchOptions {
            producer,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        };
        let value = EndTransactionMarker { coordinator_epoch: 0 }.encode();
        self.batch(options, &[(control.encode_key().to_vec(), Some(value.to_vec()))])
    }

    fn replay(&self) -> Replayed {
        let is_ours = |group: &str| group != "elsewhere";
        let mut replay = Replay::new(Duration::ZERO, &is_ours);
        let mut scratch = Vec::new();
        for batch in &self.batches {
            replay.entry(&Entry::decode(batch).unwrap(), &mut scratch);
        }
        replay.finish()
    }

    /// All offsets, as `group topic-partition`.
    fn offsets(&self) -> BTreeMap<String, i64> {
        let table = self.replay().table;
        let of_group = |(name, group): (&std::sync::Arc<str>, &super::Group)| {
            let name = name.clone();
            let shown = move |at: &TopicPartition| format!("{name} {at}");
            let offsets = group.offsets.iter();
            offsets.map(move |(at, s)| (shown(at), s.committed.offset)).collect::<Vec<_>>()
        };
        table.groups.iter().flat_map(of_group).collect()
    }
}

fn key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let (group, topic) = (group.to_owned(), topic.to_owned());
    GroupRecordKey::OffsetCommit { group, topic, partition }.encode().unwrap()
}

fn value(offset: i64) -> OffsetCommitValue {
    OffsetCommitValue {
        offset,
        leader_epoch: -1,
        metadata: String::new(),
        commit_timestamp: 1000,
        expire_timestamp: -1,
        topic_id: None,
    }
}

fn offset(group: &str, offset: i64) -> Pair {
    (key(group, "t", 0), Some(value(offset).encode().unwrap()))
}

fn tombstone(group: &str) -> Pair {
    (key(group, "t", 0), None)
}

fn metadata(group: &str, generation: i32) -> Pair {
    let value = GroupMetadataValue {
        protocol_type: "consumer".to_owned(),
        generation,
        protocol: Some("range".to_owned()),
        leader: Some("m".to_owned()),
        current_state_timestamp: 5,
        members: vec![GroupMember {
            member_id: "m".to_owned(),
            group_instance_id: None,
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 1,
            subscription: vec![1],
            assignment: vec![],
        }],
    };
    let key = GroupRecordKey::GroupMetadata { group: group.to_owned() };
    (key.encode().unwrap(), Some(value.encode().unwrap()))
}

fn check(log: &Log, expected: &[(&str, i64)]) {
    let expected = expected.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect();
    assert_eq!(log.offsets(), expected);
}

#[test]
fn the_newest_record_counts_and_a_tombstone_takes_it_back() {
    let mut log = Log::default();
    log.plain(&[offset("a", 5), offset("b", 1)]).plain(&[offset("a", 3), tombstone("b")]);
    check(&log, &[("a t-0", 3)]);
    log.plain(&[tombstone("a"), offset("a", 1)]);
    check(&log, &[("a t-0", 1)]);
    log.plain(&[tombstone("a")]);
    assert!(log.replay().table.groups.is_empty(), "nothing is left of a group without records");
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let options = BatchOptions { compression: codec, ..BatchOptions::default() };
        log.batch(options, &[offset("a", 7), offset("b", 8)]);
        check(&log, &[("a t-0", 7), ("b t-0", 8)]);
    }
}

#[test]
fn offsets_of_a_transaction_wait_for_its_marker() {
    let mut log = Log::default();
    log.plain(&[offset("a", 1)]).in_transaction(7, &[offset("a", 5), offset("b", 6)]);
    check(&log, &[("a t-0", 1)]);
    log.marker(8, ControlType::Commit);
    check(&log, &[("a t-0", 1)]);
    log.marker(7, ControlType::Commit);
    check(&log, &[("a t-0", 5), ("b t-0", 6)]);
    log.in_transaction(7, &[offset("a", 9)]).marker(7, ControlType::Abort);
    log.marker(7, ControlType::Commit);
    check(&log, &[("a t-0", 5), ("b t-0", 6)]);
    let skipped = log.replay().skipped;
    assert_eq!(skipped, 0);
}

#[test]
fn a_marker_that_comes_late_puts_nothing_over_later_records() {
    let mut log = Log::default();
    log.in_transaction(7, &[offset("a", 5), offset("b", 5), offset("c", 5)]);
    log.plain(&[offset("a", 2), tombstone("b")]).marker(7, ControlType::Commit);
    check(&log, &[("a t-0", 2), ("c t-0", 5)]);
    // Two transactions at once: the order of their records counts, not that of their markers.
    log.in_transaction(1, &[offset("a", 11)]).in_transaction(2, &[offset("a", 12)]);
    log.marker(2, ControlType::Commit).marker(1, ControlType::Commit);
    check(&log, &[("a t-0", 12), ("c t-0", 5)]);
}

#[test]
fn groups_go_on_from_their_generation_or_epoch() {
    let mut log = Log::default();
    log.plain(&[metadata("classic", 7), offset("classic", 1), metadata("classic", 8)]);
    let newer = |kind, value: &[u8]| {
        let key = GroupRecordKey::Group { kind, group: "newer".to_owned() };
        (key.encode().unwrap(), Some(value.to_vec()))
    };
    log.plain(&[newer(3, &[0, 0, 0, 0, 0, 5, 0]), newer(6, &[0, 0, 0, 0, 0, 5, 0])]);
    log.plain(&[offset("newer", 3), offset("simple", 2)]);
    let table = log.replay().table;
    let info = |name: &str| table.groups[name].info();
    assert_eq!((info("classic").generation, info("classic").protocol_type), (8, "consumer".into()));
    assert_eq!((info("newer").generation, info("newer").is_newer), (5, true));
    assert_eq!((info("simple").generation, info("simple").protocol_type), (0, String::new()));
    assert_eq!(table.groups["newer"].other_keys.len(), 2);
}

#[test]
fn an_offset_may_carry_its_own_time() {
    let mut log = Log::default();
    let expiring = OffsetCommitValue { expire_timestamp: 61_000, ..value(4) };
    log.plain(&[(key("a", "t", 0), Some(expiring.encode().unwrap())), offset("b", 4)]);
    let table = log.replay().table;
    let kept = |group: &str| table.groups[group].offsets.values().next().unwrap().retention;
    assert_eq!((kept("a"), kept("b")), (Some(Duration::from_secs(60)), None));
}

#[test]
fn hostile_records_are_passed_over_and_counted() {
    let good = offset("a", 1);
    let bad: Vec<Pair> = vec![
        (vec![], good.1.clone()),
        (vec![0], good.1.clone()),
        (good.0[..5].to_vec(), good.1.clone()),
        (vec![0x7f, 0xff, 0, 0], good.1.clone()),
        (vec![0xff, 0xff, 0, 0], good.1.clone()),
        (good.0.clone(), Some(vec![])),
        (good.0.clone(), Some(vec![0, 9, 0, 0])),
        (good.0.clone(), Some(good.1.clone().unwrap()[..9].to_vec())),
        (good.0.clone(), Some(value(-1).encode().unwrap())),
        (key("a", "no/topic", 0), good.1.clone()),
        (key("a", "t", -1), good.1.clone()),
        (key("", "t", 0), good.1.clone()),
        offset("elsewhere", 4),
        (metadata("a", 1).0, Some(vec![0, 3, 0])),
        (vec![0, 3, 0, 1, b'a'], Some(vec![9, 9])),
        (vec![0, 12, 0, 1, b'a'], Some(vec![0, 0])),
    ];
    for (number, pair) in bad.iter().enumerate() {
        let mut log = Log::default();
        log.plain(&[good.clone(), pair.clone(), offset("b", 2)]);
        assert_eq!(log.replay().skipped, 1, "number {number}");
        check(&log, &[("a t-0", 1), ("b t-0", 2)]);
    }
    let mut negative = Log::default();
    negative.plain(&[metadata("a", -5)]);
    assert_eq!(negative.replay().table.groups["a"].info().generation, 0);
}

/// Any bytes in key and value: no panic, and what was there before stays.
#[test]
fn random_records_do_no_harm() {
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(77);
    println!("OTTLA_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..3_000 {
        let mut record = if rng.bool() { offset("a", 3) } else { metadata("a", 3) };
        for bytes in [&mut record.0, record.1.as_mut().unwrap()] {
            for _ in 0..rng.usize(..3) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            bytes.truncate(rng.usize(bytes.len() / 2..=bytes.len()));
        }
        let mut log = Log::default();
        log.plain(&[offset("steady", 1)]).in_transaction(4, &[record.clone()]);
        log.plain(&[record]).marker(4, ControlType::Commit);
        assert_eq!(log.offsets()["steady t-0"], 1);
    }
}
