//! The records of Kafka's own topics: metadata, groups, transactions, share groups, Raft's markers,
//! and the protocol between members. And a whole metadata log that is replayed.

use ottla::batch::builder::{BatchBuilder, BatchOptions};
use ottla::doors::replay_catalog;
use ottla::format::batch_header::stamp;
use ottla::format::consumer_group_records::ConsumerGroupValue;
use ottla::format::consumer_protocol::{Assignment, Subscription};
use ottla::format::control_record::{ControlType, EndTransactionMarker};
use ottla::format::group_records::{GroupMetadataValue, GroupRecordKey, OffsetCommitValue};
use ottla::format::metadata_records::MetadataRecord;
use ottla::format::raft_control::{
    KraftVersion, KraftVoters, LeaderChange, SnapshotFooter, SnapshotHeader,
};
use ottla::format::share_records::{ShareSnapshotKey, ShareSnapshotValue};
use ottla::format::transaction_records::{self, TransactionValue};

use crate::bytes::Input;
use crate::heap::within;
use crate::small_files::fixpoint;

/// A value in memory may take so much for each byte of its record, and is there up to three times.
const GROWTH: usize = 1200;

/// A record of the metadata log.
///
/// # Panics
/// If what was read is written unreadably.
pub fn metadata_records(data: &[u8]) {
    within(GROWTH * data.len() + 8192, || {
        let Ok(record) = MetadataRecord::decode(data) else { return };
        // Some kinds are only read.
        if record.encode().is_ok() {
            let encode = |record: &MetadataRecord| record.encode().expect("its kind is written");
            fixpoint(data, MetadataRecord::decode, encode);
        }
    });
}

/// A record of another internal topic, or a message between members.
///
/// # Panics
/// If what was read is written unreadably.
pub fn group_records(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.u8() % 16;
    let bytes = input.rest();
    within(GROWTH * bytes.len() + 8192, || match kind {
        0 => group_key(bytes),
        1 => {
            let encode = |value: &OffsetCommitValue| value.encode().expect("it was read");
            drop(fixpoint(bytes, OffsetCommitValue::decode, encode));
        }
        2 => {
            let encode = |value: &GroupMetadataValue| value.encode().expect("it was read");
            drop(fixpoint(bytes, GroupMetadataValue::decode, encode));
        }
        3 => {
            let encode = |value: &Subscription| value.encode(3).expect("it was read");
            drop(fixpoint(bytes, Subscription::decode, encode));
        }
        4 => {
            let encode = |value: &Assignment| value.encode(3).expect("it was read");
            drop(fixpoint(bytes, Assignment::decode, encode));
        }
        5 => drop(ShareSnapshotKey::decode(bytes)),
        6 => drop(ShareSnapshotValue::decode(bytes)),
        7 => drop(transaction_records::decode_key(bytes)),
        8 => drop(TransactionValue::decode(bytes)),
        9 => drop(fixpoint(bytes, LeaderChange::decode, |v| v.encode().expect("it was read"))),
        10 => drop(fixpoint(bytes, SnapshotHeader::decode, SnapshotHeader::encode)),
        11 => drop(fixpoint(bytes, SnapshotFooter::decode, SnapshotFooter::encode)),
        12 => drop(fixpoint(bytes, KraftVersion::decode, KraftVersion::encode)),
        13 => drop(KraftVoters::decode(bytes)),
        14 => {
            drop(fixpoint(bytes, EndTransactionMarker::decode, |v| v.encode().to_vec()));
            drop(fixpoint(bytes, ControlType::decode_key, |v| v.encode_key().to_vec()));
        }
        _ => {
            let mut rest = Input::new(bytes);
            let number = rest.u8();
            drop(ConsumerGroupValue::decode(i16::from(number % 20), rest.rest()));
        }
    });
}

fn group_key(bytes: &[u8]) {
    let Ok(key) = GroupRecordKey::decode(bytes) else { return };
    if let GroupRecordKey::Unknown { .. } = key {
        assert!(key.encode().is_err(), "an unknown kind was written");
        return;
    }
    let written = key.encode().expect("it was read");
    assert_eq!(GroupRecordKey::decode(&written).ok(), Some(key));
}

/// A metadata log of the input's records, replayed.
///
/// # Panics
/// If a replay makes topics that have no name, or does not come to the same twice.
pub fn catalog(data: &[u8]) {
    let mut input = Input::new(data);
    let mut builder = BatchBuilder::new();
    let (mut log, mut next) = (Vec::new(), 0_i64);
    while !input.is_empty() && log.len() < 1 << 15 {
        builder.start(&BatchOptions::default());
        let count = 1 + input.below(3);
        for _ in 0..count {
            builder.push(0, None, Some(input.piece()), &[]).expect("it is small");
        }
        let batch = builder.finish().expect("it has a record");
        stamp(batch, next, 1);
        log.extend_from_slice(batch);
        next += count as i64;
    }
    // Each end of a transaction copies the image of the catalog.
    let budget = GROWTH * log.len() + (256 << 10);
    let Ok(topics) = within(budget, || replay_catalog(&log)) else { return };
    assert!(topics.iter().all(|(name, count)| !name.is_empty() && *count > 0));
    let again = replay_catalog(&log).expect("it was replayed");
    assert_eq!(again, topics);
}
