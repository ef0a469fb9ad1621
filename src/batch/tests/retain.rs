//! What compaction leaves of a batch: Kafka's own results, the life of tombstones and markers, and
//! random batches against the plain rule.

use serde::Deserialize;

use super::{OwnedRecord, entries, from_hex, read_records, to_hex};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::entry::Entry;
use crate::batch::records::RecordView;
use crate::batch::retain::{Judge, Retained, Retainer, Retention, Verdict};
use crate::config::compression::Compression;
use crate::format::batch_header::TimestampType;
use crate::format::control_record::{ControlType, EndTransactionMarker};
use crate::format::record::HeaderList;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const NOW_MS: i64 = 1_700_000_001_000;

#[derive(Deserialize)]
struct FilterVector {
    name: String,
    now: i64,
    delete_retention_ms: i64,
    keep_keys: Vec<String>,
    retain_empty: bool,
    input_hex: String,
    output_hex: String,
}

fn retention() -> Retention {
    Retention {
        now_ms: NOW_MS,
        delete_retention_ms: DAY_MS,
        keep_empty: false,
        discard: false,
        is_idle_marker: false,
    }
}

/// Judges each record when it sees it.
struct ByRecord<F>(F, Vec<Verdict>);

impl<F: FnMut(&RecordView<'_>) -> Verdict> ByRecord<F> {
    fn new(judge: F) -> ByRecord<F> {
        ByRecord(judge, Vec::new())
    }
}

impl<F: FnMut(&RecordView<'_>) -> Verdict> Judge for ByRecord<F> {
    fn see(&mut self, record: &RecordView<'_>) {
        let verdict = (self.0)(record);
        self.1.push(verdict);
    }

    fn judge(&mut self, index: usize) -> Verdict {
        self.1[index]
    }
}

/// What is left, where the records of `keys` are the newest ones.
fn retain(batch: &[u8], retention: &Retention, keys: &[&[u8]]) -> (Retained, Vec<u8>) {
    let entry = Entry::decode(batch).unwrap();
    let mut out = b"before".to_vec();
    let retained = Retainer::default()
        .retain(
            &entry,
            retention,
            &mut out,
            &mut ByRecord::new(|record| match record.key {
                Some(key) if keys.contains(&key) => Verdict::IsNewest,
                _ => Verdict::Goes,
            }),
        )
        .unwrap();
    assert!(out.starts_with(b"before"));
    (retained, out.split_off(6))
}

#[test]
fn kafkas_filter_leaves_the_same_bytes() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/compaction.json"));
    let vectors: Vec<FilterVector> = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let (input, expected) = (from_hex(&vector.input_hex), from_hex(&vector.output_hex));
        let entry = Entry::decode(&input).unwrap();
        if !entry.compression().unwrap().is_available() {
            continue;
        }
        let retention = Retention {
            now_ms: vector.now,
            delete_retention_ms: vector.delete_retention_ms,
            keep_empty: vector.retain_empty,
            ..retention()
        };
        let keys: Vec<&[u8]> = vector.keep_keys.iter().map(|key| key.as_bytes()).collect();
        let (retained, output) = retain(&input, &retention, &keys);
        let (found, wanted) = (&entries(&output)[0], &entries(&expected)[0]);
        found.verify_checksum().unwrap();
        if entry.compression().unwrap() == Compression::None || keys.is_empty() {
            assert_eq!(to_hex(&output), to_hex(&expected), "{}", vector.name);
        }
        let (mut header, wanted_header) = (*found.header().unwrap(), *wanted.header().unwrap());
        // Another encoder of the same codec: other bytes, the same content.
        (header.batch_length, header.crc) = (wanted_header.batch_length, wanted_header.crc);
        assert_eq!(header, wanted_header, "{}", vector.name);
        assert_eq!(read_records(found).unwrap(), read_records(wanted).unwrap(), "{}", vector.name);
        let emptied = if keys.is_empty() { Retained::Emptied } else { Retained::Rewritten };
        assert_eq!(retained, emptied, "{}", vector.name);
    }
}

#[test]
fn an_emptied_marker_is_the_one_of_kafka() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/batches.json"));
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let vector = vectors.iter().find(|v| v["name"] == "empty_control_batch_retained").unwrap();
    let expected = from_hex(vector["hex"].as_str().unwrap());
    let marker = marker(ControlType::Commit, 1_700_000_000_050);
    let discard = Retention { discard: true, keep_empty: true, ..retention() };
    assert_eq!(retain(&marker, &discard, &[]), (Retained::Emptied, expected.clone()));
    // What was emptied before stays as it is.
    assert_eq!(retain(&expected, &discard, &[]), (Retained::Untouched, Vec::new()));
    let drop = Retention { keep_empty: false, ..discard };
    assert_eq!(retain(&expected, &drop, &[]), (Retained::Dropped, Vec::new()));
    assert_eq!(retain(&marker, &drop, &[]), (Retained::Dropped, Vec::new()));
}

/// The marker from which the emptied one of the vectors came.
fn marker(kind: ControlType, timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions {
        producer: Some(BatchProducer { id: 4242, epoch: 3, base_sequence: -1 }),
        transactional: true,
        control: true,
        base_offset: 1000,
        leader_epoch: 9,
        ..BatchOptions::default()
    });
    let value = EndTransactionMarker { coordinator_epoch: 11 }.encode();
    builder.push(timestamp, Some(&kind.encode_key()), Some(&value), &[]).unwrap();
    builder.take().unwrap()
}

fn batch_of(records: &[(&str, Option<&str>, i64)], options: &BatchOptions) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(options);
    for (key, value, timestamp) in records {
        let key = (!key.is_empty()).then_some(key.as_bytes());
        builder.push(*timestamp, key, value.map(str::as_bytes), &[]).unwrap();
    }
    builder.take().unwrap()
}

#[test]
fn a_tombstone_stays_until_its_horizon_is_over() {
    let records = [("a", Some("1"), 100), ("b", None, 90), ("c", Some("3"), 110)];
    let options = BatchOptions { base_offset: 7, ..BatchOptions::default() };
    let batch = batch_of(&records, &options);
    let keys: [&[u8]; 3] = [b"a", b"b", b"c"];
    let before = read_records(&Entry::decode(&batch).unwrap()).unwrap();

    // Met for the first time: all stay, and the time begins.
    let (retained, first) = retain(&batch, &retention(), &keys);
    let entry = Entry::decode(&first).unwrap();
    assert_eq!(retained, Retained::Rewritten);
    assert_eq!(entry.header().unwrap().delete_horizon_ms(), Some(NOW_MS + DAY_MS));
    assert_eq!(read_records(&entry).unwrap(), before, "times and offsets are as before");

    // Not over: nothing changes, however often it is met.
    let soon = Retention { now_ms: NOW_MS + DAY_MS - 1, ..retention() };
    assert_eq!(retain(&first, &soon, &keys), (Retained::Untouched, Vec::new()));
    // A record goes meanwhile: the horizon is the same.
    let (_, fewer) = retain(&first, &soon, &keys[..2]);
    let fewer_entry = Entry::decode(&fewer).unwrap();
    assert_eq!(fewer_entry.header().unwrap().delete_horizon_ms(), Some(NOW_MS + DAY_MS));
    assert_eq!(fewer_entry.header().unwrap().max_timestamp, 100);
    assert_eq!(read_records(&fewer_entry).unwrap(), before[..2]);

    // Over: it goes, the others stay, the mark stays.
    let late = Retention { now_ms: NOW_MS + DAY_MS, ..retention() };
    let (retained, second) = retain(&first, &late, &keys);
    assert_eq!(retained, Retained::Rewritten);
    let entry = Entry::decode(&second).unwrap();
    let left: Vec<OwnedRecord> = [0, 2].map(|index| before[index].clone()).to_vec();
    assert_eq!(read_records(&entry).unwrap(), left);
    assert_eq!(retain(&second, &late, &keys), (Retained::Untouched, Vec::new()));

    // One that must stay whatever it is stays even then.
    let entry = Entry::decode(&first).unwrap();
    let mut out = Vec::new();
    let retained =
        Retainer::default().retain(&entry, &late, &mut out, &mut ByRecord::new(|_| Verdict::Stays));
    assert_eq!(retained.unwrap(), Retained::Untouched);
}

#[test]
fn an_idle_marker_gets_a_horizon_once() {
    let batch = marker(ControlType::Abort, 1_700_000_000_000);
    let idle = Retention { is_idle_marker: true, ..retention() };
    let keep = |batch: &[u8], retention: &Retention| {
        let (mut out, mut retainer) = (Vec::new(), Retainer::default());
        let entry = Entry::decode(batch).unwrap();
        let kept = retainer
            .retain(&entry, retention, &mut out, &mut ByRecord::new(|_| Verdict::Stays))
            .unwrap();
        (kept, out)
    };
    assert_eq!(keep(&batch, &retention()), (Retained::Untouched, Vec::new()));
    let (retained, marked) = keep(&batch, &idle);
    assert_eq!(retained, Retained::Rewritten);
    let entry = Entry::decode(&marked).unwrap();
    assert_eq!(entry.header().unwrap().delete_horizon_ms(), Some(NOW_MS + DAY_MS));
    assert_eq!(entry.control_type(), Ok(Some(ControlType::Abort)));
    assert_eq!(entry.max_timestamp(), 1_700_000_000_000);
    assert_eq!(keep(&marked, &idle), (Retained::Untouched, Vec::new()));
}

#[test]
fn old_messages_become_batches() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/legacy.json"));
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let mut converted = 0;
    for vector in &vectors {
        let bytes = from_hex(vector["hex"].as_str().unwrap());
        for entry in entries(&bytes) {
            if !entry.compression().unwrap().is_available() {
                continue;
            }
            let before = read_records(&entry).unwrap();
            let mut out = Vec::new();
            let mut retainer = Retainer::default();
            let kept = retainer.retain(
                &entry,
                &retention(),
                &mut out,
                &mut ByRecord::new(|_| Verdict::IsNewest),
            );
            assert_eq!(kept.unwrap(), Retained::Rewritten, "{}", vector["name"]);
            let after = Entry::decode(&out).unwrap();
            after.verify_checksum().unwrap();
            assert_eq!(after.magic(), 2);
            assert_eq!(read_records(&after).unwrap(), before, "{}", vector["name"]);
            assert_eq!(Some(after.last_offset()), before.last().map(|record| record.offset));
            assert_eq!(after.timestamp_type(), entry.timestamp_type());
            let newest = before.iter().map(|record| record.timestamp).max();
            assert_eq!(Some(after.max_timestamp()), newest, "{}", vector["name"]);
            let has_tombstone = before.iter().any(|record| record.value.is_none());
            let horizon = after.header().unwrap().delete_horizon_ms();
            assert_eq!(horizon, has_tombstone.then_some(NOW_MS + DAY_MS), "{}", vector["name"]);
            // All gone: its place can be kept.
            let keep_empty = Retention { keep_empty: true, ..retention() };
            let (kept, emptied) = retain(entry.bytes(), &keep_empty, &[]);
            assert_eq!(kept, Retained::Emptied);
            assert_eq!(Entry::decode(&emptied).unwrap().last_offset(), entry.last_offset());
            converted += 1;
        }
    }
    assert!(converted >= 6, "{converted}");
}

#[test]
fn random_batches_keep_exactly_what_they_should() {
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("OTTLA_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let codecs = Compression::ALL.into_iter().filter(|codec| codec.is_available());
    let codecs: Vec<Compression> = codecs.collect();
    let (mut retainer, mut out) = (Retainer::default(), Vec::new());
    for _ in 0..3_000 {
        let batch = random_batch(&mut random, &codecs);
        let entry = Entry::decode(&batch).unwrap();
        let before = read_records(&entry).unwrap();
        let stays: Vec<bool> = before.iter().map(|_| random.u8(0..4) > 0).collect();
        let retention = Retention { keep_empty: random.bool(), ..retention() };
        let mut asked = stays.iter();
        out.clear();
        let kept =
            retainer.retain(
                &entry,
                &retention,
                &mut out,
                &mut ByRecord::new(|_| {
                    if *asked.next().unwrap() { Verdict::Stays } else { Verdict::Goes }
                }),
            );
        let expected: Vec<OwnedRecord> = before
            .iter()
            .zip(&stays)
            .filter(|(_, stays)| **stays)
            .map(|(record, _)| record.clone())
            .collect();
        let header = entry.header().unwrap();
        let after = match kept.unwrap() {
            Retained::Untouched => batch.clone(),
            Retained::Dropped => {
                assert!(expected.is_empty() && !retention.keep_empty && out.is_empty());
                continue;
            }
            _ => out.clone(),
        };
        let after = Entry::decode(&after).unwrap();
        after.verify_checksum().unwrap();
        assert_eq!(read_records(&after).unwrap(), expected);
        let found = after.header().unwrap();
        assert_eq!(found.base_offset, header.base_offset);
        assert_eq!(found.last_offset(), header.last_offset());
        assert_eq!(found.producer_id, header.producer_id);
        assert_eq!(found.last_sequence(), header.last_sequence());
        assert_eq!(found.partition_leader_epoch, header.partition_leader_epoch);
        if header.timestamp_type() == TimestampType::CreateTime && !expected.is_empty() {
            let newest = expected.iter().map(|record| record.timestamp).max();
            assert_eq!(Some(found.max_timestamp), newest);
        }
        let tombstone_stays = expected.iter().any(|record| record.value.is_none());
        assert_eq!(found.delete_horizon_ms().is_some(), tombstone_stays);
    }
}

fn random_batch(random: &mut fastrand::Rng, codecs: &[Compression]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let append_time = random.u8(0..4) == 0;
    let timestamp_type =
        if append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
    builder.start(&BatchOptions {
        compression: codecs[random.usize(..codecs.len())],
        timestamp_type,
        now_ms: 1_700_000_000_000,
        producer: random.bool().then(|| BatchProducer {
            id: 5,
            epoch: 1,
            base_sequence: random.i32(0..=i32::MAX),
        }),
        base_offset: random.i64(0..1 << 40),
        leader_epoch: random.i32(0..5),
        ..BatchOptions::default()
    });
    let (mut delta, spread) = (0, [1, 5, 100_000][random.usize(..3)]);
    for _ in 0..random.usize(1..12) {
        delta += random.i32(1..4);
        let key = vec![random.u8(..); random.usize(0..70)];
        let value = vec![random.u8(..); random.usize(0..200)];
        let value = (random.u8(0..8) > 0).then_some(&value[..]);
        let timestamp = 1_600_000_000_000 + random.i64(0..spread);
        let pairs = [("name", Some(&b"x"[..])), ("none", None)];
        let headers = &pairs[..random.usize(0..3)];
        let headers = HeaderList::Pairs(headers);
        builder.push_at(delta, timestamp, Some(&key), value, headers).unwrap();
    }
    builder.take().unwrap()
}
