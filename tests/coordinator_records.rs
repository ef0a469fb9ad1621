//! Goal: the records of Kafka's coordinators are read to the last field, and those that Ottla
//! writes come out byte for byte. Method: Kafka's own encodings with their description in words,
//! the internal topics of a real broker, and every record cut everywhere and with each bit changed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads its own files")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::format::consumer_group_records::{ConsumerGroupValue, TopicPartitions};
use ottla::format::consumer_protocol::{self, Assignment, Subscription};
use ottla::format::group_records::{GroupMetadataValue, GroupRecordKey, OffsetCommitValue};
use ottla::format::share_records::{ShareSnapshotKey, ShareSnapshotValue};
use ottla::format::transaction_records::{self, TransactionStatus, TransactionValue};
use ottla::format::{FormatError, FormatErrorKind};

#[derive(serde::Deserialize)]
struct Vector {
    kind: String,
    name: String,
    hex: String,
    version: i16,
    desc: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors/coordinator_records.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_vector_is_read_as_kafka_describes_it() {
    let vectors = vectors();
    assert!(vectors.len() >= 20);
    for vector in vectors {
        let described = describe(&vector.kind, &bytes(&vector.hex)).unwrap();
        assert_eq!(described, vector.desc, "{} {}", vector.kind, vector.name);
        assert_eq!(bytes(&vector.hex)[..2], vector.version.to_be_bytes());
    }
}

#[test]
fn every_cut_is_an_error_and_no_changed_bit_panics() {
    for vector in vectors() {
        let value = bytes(&vector.hex);
        for at in 0..value.len() {
            assert!(describe(&vector.kind, &value[..at]).is_err(), "{} cut to {at}", vector.kind);
            for bit in 0..8 {
                let mut changed = value.clone();
                changed[at] ^= 1 << bit;
                let _ = describe(&vector.kind, &changed);
            }
        }
        // The classic protocol lets newer members add fields; all else ends where it ends.
        let longer = [&value[..], &[0]].concat();
        let is_open = vector.kind.starts_with("consumer_protocol");
        assert_eq!(describe(&vector.kind, &longer).is_ok(), is_open, "{}", vector.kind);
    }
}

#[test]
fn a_version_from_the_future_is_unsupported_and_a_kind_passed_over() {
    for vector in vectors().into_iter().filter(|vector| vector.kind.ends_with("_value")) {
        let mut value = bytes(&vector.hex);
        value[1] = 99;
        let error = describe(&vector.kind, &value).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Unsupported, "{}", vector.kind);
        value[0] = 0x80;
        let error = describe(&vector.kind, &value).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{}", vector.kind);
    }
    let future = GroupRecordKey::decode(&[0, 99, 1, 2, 3]).unwrap();
    assert_eq!(future, GroupRecordKey::Unknown { kind: 99 });
    assert_eq!(future.encode().unwrap_err().kind, FormatErrorKind::Unsupported);
    assert_eq!(transaction_records::decode_key(&[0, 9, 0xff]), Ok(None));
    assert_eq!(ShareSnapshotKey::decode(&[0, 1, 0xff]), Ok(None));
    assert_eq!(ConsumerGroupValue::decode(11, &[0xff]), Ok(None));
}

#[test]
fn share_snapshots_are_read_in_the_layout_with_timestamps_too() {
    let mut value = vec![0, 0];
    value.extend(1i32.to_be_bytes());
    value.extend(2i32.to_be_bytes());
    value.extend(3i32.to_be_bytes());
    value.extend(100i64.to_be_bytes());
    value.extend(1_700_000_000_000i64.to_be_bytes());
    value.extend(1_700_000_000_001i64.to_be_bytes());
    value.extend([1, 0]);
    let snapshot = ShareSnapshotValue::decode(&value).unwrap();
    assert_eq!((snapshot.snapshot_epoch, snapshot.leader_epoch), (1, 3));
    assert_eq!((snapshot.start_offset, snapshot.state_batches.len()), (100, 0));
}

/// Says what the record says, in the words of Kafka's Java classes.
fn describe(kind: &str, bytes: &[u8]) -> Result<String, FormatError> {
    Ok(match kind {
        "consumer_protocol_subscription" => describe_subscription(&Subscription::decode(bytes)?),
        "consumer_protocol_assignment" => {
            let assignment = Assignment::decode(bytes)?;
            let partitions = describe_topics(&assignment.assigned_partitions);
            format!(
                "ConsumerProtocolAssignment(assignedPartitions={partitions}, userData={})",
                or_null(assignment.user_data.map(|data| format!("{data:?}")))
            )
        }
        "offset_commit_value" => {
            let value = OffsetCommitValue::decode(bytes)?;
            format!(
                "OffsetCommitValue(offset={}, leaderEpoch={}, metadata='{}', commitTimestamp={}, expireTimestamp={})",
                value.offset,
                value.leader_epoch,
                value.metadata,
                value.commit_timestamp,
                value.expire_timestamp
            )
        }
        "group_metadata_value" => describe_group(&GroupMetadataValue::decode(bytes)?),
        "transaction_log_key" => {
            let id = transaction_records::decode_key(bytes)?.unwrap_or_default();
            format!("TransactionLogKey(transactionalId='{id}')")
        }
        "transaction_log_value" => describe_transaction(&TransactionValue::decode(bytes)?),
        "share_snapshot_key" => {
            let Some(key) = ShareSnapshotKey::decode(bytes)? else { return Ok(String::new()) };
            format!(
                "ShareSnapshotKey(groupId='{}', topicId={}, partition={})",
                key.group, key.topic_id, key.partition
            )
        }
        "share_snapshot_value" => describe_share(&ShareSnapshotValue::decode(bytes)?),
        _ if kind.ends_with("_key") => describe_key(&GroupRecordKey::decode(bytes)?),
        _ => {
            let number = match kind {
                "consumer_group_metadata_value" => 3,
                "consumer_group_member_metadata_value" => 5,
                "consumer_group_target_assignment_metadata_value" => 6,
                "consumer_group_target_assignment_member_value" => 7,
                "consumer_group_current_member_assignment_value" => 8,
                _ => panic!("a vector of the unknown kind {kind}"),
            };
            describe_consumer_group(&ConsumerGroupValue::decode(number, bytes)?.unwrap())
        }
    })
}

fn or_null(text: Option<String>) -> String {
    text.unwrap_or_else(|| "null".to_owned())
}

fn quoted(text: Option<&String>) -> String {
    or_null(text.map(|text| format!("'{text}'")))
}

fn describe_key(key: &GroupRecordKey) -> String {
    match key {
        GroupRecordKey::OffsetCommit { group, topic, partition } => {
            format!("OffsetCommitKey(group='{group}', topic='{topic}', partition={partition})")
        }
        GroupRecordKey::GroupMetadata { group } => format!("GroupMetadataKey(group='{group}')"),
        GroupRecordKey::Group { kind: 3, group } => {
            format!("ConsumerGroupMetadataKey(groupId='{group}')")
        }
        GroupRecordKey::Member { kind: 5, group, member } => {
            format!("ConsumerGroupMemberMetadataKey(groupId='{group}', memberId='{member}')")
        }
        other => format!("{other:?}"),
    }
}

fn describe_topics(topics: &[consumer_protocol::TopicPartitions]) -> String {
    let described: Vec<_> = topics
        .iter()
        .map(|of| format!("TopicPartition(topic='{}', partitions={:?})", of.topic, of.partitions))
        .collect();
    format!("[{}]", described.join(", "))
}

fn describe_ids(name: &str, topics: &[TopicPartitions]) -> String {
    let described: Vec<_> = topics
        .iter()
        .map(|of| format!("{name}(topicId={}, partitions={:?})", of.topic_id, of.partitions))
        .collect();
    format!("[{}]", described.join(", "))
}

fn describe_subscription(subscription: &Subscription) -> String {
    format!(
        "ConsumerProtocolSubscription(topics=[{}], userData={}, ownedPartitions={}, generationId={}, rackId={})",
        subscription.topics.join(", "),
        or_null(subscription.user_data.as_ref().map(|data| format!("{data:?}"))),
        describe_topics(&subscription.owned_partitions),
        subscription.generation_id,
        quoted(subscription.rack_id.as_ref()),
    )
}

fn describe_group(group: &GroupMetadataValue) -> String {
    let mut members = String::new();
    for member in &group.members {
        write!(
            members,
            "MemberMetadata(memberId='{}', groupInstanceId={}, clientId='{}', clientHost='{}', rebalanceTimeout={}, sessionTimeout={}, subscription={:?}, assignment={:?})",
            member.member_id,
            quoted(member.group_instance_id.as_ref()),
            member.client_id,
            member.client_host,
            member.rebalance_timeout_ms,
            member.session_timeout_ms,
            member.subscription,
            member.assignment
        )
        .unwrap();
    }
    format!(
        "GroupMetadataValue(protocolType='{}', generation={}, protocol={}, leader={}, currentStateTimestamp={}, members=[{members}])",
        group.protocol_type,
        group.generation,
        quoted(group.protocol.as_ref()),
        quoted(group.leader.as_ref()),
        group.current_state_timestamp,
    )
}

fn describe_transaction(value: &TransactionValue) -> String {
    let partitions = value.partitions.as_ref().map(|topics| {
        let topics: Vec<_> = topics
            .iter()
            .map(|(topic, ids)| format!("PartitionsSchema(topic='{topic}', partitionIds={ids:?})"))
            .collect();
        format!("[{}]", topics.join(", "))
    });
    format!(
        "TransactionLogValue(producerId={}, previousProducerId={}, nextProducerId={}, producerEpoch={}, transactionTimeoutMs={}, transactionStatus={}, transactionPartitions={}, transactionLastUpdateTimestampMs={}, transactionStartTimestampMs={}, clientTransactionVersion={})",
        value.producer_id,
        value.previous_producer_id,
        value.next_producer_id,
        value.producer_epoch,
        value.timeout_ms,
        value.status as i8,
        or_null(partitions),
        value.last_update_timestamp,
        value.start_timestamp,
        value.client_version
    )
}

fn describe_share(value: &ShareSnapshotValue) -> String {
    let batches: Vec<_> = value
        .state_batches
        .iter()
        .map(|batch| {
            format!(
                "StateBatch(firstOffset={}, lastOffset={}, deliveryState={}, deliveryCount={})",
                batch.first_offset, batch.last_offset, batch.delivery_state, batch.delivery_count
            )
        })
        .collect();
    format!(
        "ShareSnapshotValue(snapshotEpoch={}, stateEpoch={}, leaderEpoch={}, startOffset={}, stateBatches=[{}])",
        value.snapshot_epoch,
        value.state_epoch,
        value.leader_epoch,
        value.start_offset,
        batches.join(", ")
    )
}

fn describe_consumer_group(value: &ConsumerGroupValue) -> String {
    match value {
        ConsumerGroupValue::Metadata { epoch } => {
            format!("ConsumerGroupMetadataValue(epoch={epoch})")
        }
        // Kafka prints the default of what is absent.
        ConsumerGroupValue::MemberMetadata(member) => format!(
            "ConsumerGroupMemberMetadataValue(instanceId={}, rackId={}, clientId='{}', clientHost='{}', subscribedTopicNames=[{}], subscribedTopicRegex={}, rebalanceTimeoutMs={}, serverAssignor={}, classicMemberMetadata=ClassicMemberMetadata(sessionTimeoutMs=0, supportedProtocols=[]))",
            quoted(member.instance_id.as_ref()),
            quoted(member.rack_id.as_ref()),
            member.client_id,
            member.client_host,
            member.topics.join(", "),
            quoted(member.topic_regex.as_ref()),
            member.rebalance_timeout_ms,
            quoted(member.server_assignor.as_ref()),
        ),
        ConsumerGroupValue::TargetAssignmentMetadata { assignment_epoch } => format!(
            "ConsumerGroupTargetAssignmentMetadataValue(assignmentEpoch={assignment_epoch})"
        ),
        ConsumerGroupValue::TargetAssignmentMember { partitions } => format!(
            "ConsumerGroupTargetAssignmentMemberValue(topicPartitions={})",
            describe_ids("TopicPartition", partitions)
        ),
        ConsumerGroupValue::CurrentMemberAssignment {
            member_epoch,
            previous_member_epoch,
            state,
            assigned,
            pending_revocation,
        } => format!(
            "ConsumerGroupCurrentMemberAssignmentValue(memberEpoch={member_epoch}, previousMemberEpoch={previous_member_epoch}, state={state}, assignedPartitions={}, partitionsPendingRevocation={})",
            describe_ids("TopicPartitions", assigned),
            describe_ids("TopicPartitions", pending_revocation)
        ),
        other => format!("{other:?}"),
    }
}

fn broker_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real-broker-kdata")
}

/// Calls `visit` with the key and value of every record of the folders that start with `prefix`.
fn for_each_record(prefix: &str, mut visit: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut scratch = Vec::new();
    for folder in std::fs::read_dir(broker_directory()).unwrap() {
        let folder = folder.unwrap();
        if !folder.file_name().to_str().unwrap().starts_with(prefix) {
            continue;
        }
        let log = std::fs::read(folder.path().join("00000000000000000000.log")).unwrap();
        let mut rest = &log[..];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).unwrap();
            rest = &rest[entry.bytes().len()..];
            if entry.is_control() {
                continue;
            }
            for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
                let record = record.unwrap();
                visit(record.key.unwrap(), record.value);
            }
        }
    }
}

#[test]
fn the_offsets_and_groups_of_a_broker_are_read_and_written_byte_for_byte() {
    let (mut offsets, mut groups) = (BTreeMap::new(), BTreeMap::new());
    for_each_record("__consumer_offsets-", |key, value| {
        let decoded = GroupRecordKey::decode(key).unwrap();
        assert_eq!(decoded.encode().unwrap(), key);
        let value = value.unwrap();
        match decoded {
            GroupRecordKey::OffsetCommit { group, topic, partition } => {
                let commit = OffsetCommitValue::decode(value).unwrap();
                assert_eq!(commit.encode().unwrap(), value);
                offsets.insert((group, topic, partition), commit);
            }
            GroupRecordKey::GroupMetadata { group } => {
                let metadata = GroupMetadataValue::decode(value).unwrap();
                assert_eq!(metadata.encode().unwrap(), value);
                for member in &metadata.members {
                    let subscription = Subscription::decode(&member.subscription).unwrap();
                    let version =
                        i16::from_be_bytes([member.subscription[0], member.subscription[1]]);
                    assert_eq!(subscription.encode(version).unwrap(), member.subscription);
                    if !member.assignment.is_empty() {
                        let assignment = Assignment::decode(&member.assignment).unwrap();
                        let version =
                            i16::from_be_bytes([member.assignment[0], member.assignment[1]]);
                        assert_eq!(assignment.encode(version).unwrap(), member.assignment);
                    }
                }
                groups.insert(group, metadata);
            }
            other => panic!("{other:?}"),
        }
    });

    let expected: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/expected.json")).unwrap();
    let committed = expected["real-broker-kdata"]["committed_offsets"].as_array().unwrap();
    assert_eq!(offsets.len(), committed.len());
    for fact in committed {
        let text = |field: &str| fact[field].as_str().unwrap().to_owned();
        let number = |field: &str| fact[field].as_i64().unwrap();
        let partition = i32::try_from(number("partition")).unwrap();
        let commit = &offsets[&(text("group"), text("topic"), partition)];
        assert_eq!(commit.offset, number("offset"));
        assert_eq!(i64::from(commit.leader_epoch), number("leader_epoch"));
        assert_eq!(commit.metadata, text("metadata"));
        assert_eq!(commit.commit_timestamp, number("commit_timestamp"));
    }
    let classic = expected["real-broker-kdata"]["classic_groups"].as_array().unwrap();
    assert_eq!(groups.len(), classic.len());
    for fact in classic {
        let group = &groups[fact["group"].as_str().unwrap()];
        assert_eq!(group.protocol_type, fact["protocol_type"].as_str().unwrap());
        assert_eq!(i64::from(group.generation), fact["generation"].as_i64().unwrap());
        assert_eq!(group.protocol.as_deref(), fact["protocol"].as_str());
        assert_eq!(group.leader.as_deref(), fact["leader"].as_str());
        assert_eq!(group.members.len() as u64, fact["members"].as_u64().unwrap());
    }
}

#[test]
fn the_transactional_ids_of_a_broker_are_read() {
    let mut newest = BTreeMap::new();
    for_each_record("__transaction_state-", |key, value| {
        let id = transaction_records::decode_key(key).unwrap().unwrap();
        newest.insert(id, TransactionValue::decode(value.unwrap()).unwrap());
    });
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/expected.json")).unwrap();
    let facts = expected["real-broker-kdata"]["transactional_ids"].as_array().unwrap();
    assert_eq!(newest.len(), facts.len());
    for fact in facts {
        let value = &newest[fact["transactional_id"].as_str().unwrap()];
        assert_eq!(value.producer_id, fact["producer_id"].as_i64().unwrap());
        assert_eq!(i64::from(value.producer_epoch), fact["producer_epoch"].as_i64().unwrap());
        assert_eq!(i64::from(value.timeout_ms), fact["timeout_ms"].as_i64().unwrap());
        assert_eq!(
            (value.status, fact["status"].as_i64()),
            (TransactionStatus::CompleteAbort, Some(5))
        );
    }
}

#[test]
fn what_ottla_will_write_reads_back_and_limits_are_kept() {
    let commit = OffsetCommitValue {
        offset: 12345,
        leader_epoch: 5,
        metadata: "meta".into(),
        commit_timestamp: 1_700_000_000_000,
        expire_timestamp: -1,
        topic_id: None,
    };
    let value = commit.encode().unwrap();
    assert_eq!(value, bytes("000300000000000030390000000500046d6574610000018bcfe56800"));
    assert_eq!(OffsetCommitValue::decode(&value).unwrap(), commit);
    let expiring = OffsetCommitValue { leader_epoch: -1, expire_timestamp: 7, ..commit.clone() };
    let value = expiring.encode().unwrap();
    assert_eq!(value[..2], [0, 1]);
    assert_eq!(OffsetCommitValue::decode(&value).unwrap(), expiring);
    let long = OffsetCommitValue { metadata: "x".repeat(32768), ..commit.clone() };
    assert_eq!(long.encode().unwrap_err().kind, FormatErrorKind::Limit);
    let negative = OffsetCommitValue { offset: -1, ..commit };
    let error = OffsetCommitValue::decode(&negative.encode().unwrap()).unwrap_err();
    assert_eq!(error.kind, FormatErrorKind::Corrupt);

    let placeholder = GroupMetadataValue {
        protocol_type: String::new(),
        generation: 0,
        protocol: None,
        leader: None,
        current_state_timestamp: -1,
        members: Vec::new(),
    };
    let value = placeholder.encode().unwrap();
    assert_eq!(GroupMetadataValue::decode(&value).unwrap(), placeholder);

    let subscription = Subscription {
        topics: vec!["a".into(), "b".into()],
        user_data: Some(vec![1]),
        owned_partitions: vec![consumer_protocol::TopicPartitions {
            topic: "a".into(),
            partitions: vec![0, 7],
        }],
        generation_id: 3,
        rack_id: Some("r".into()),
    };
    let newest = subscription.encode(3).unwrap();
    assert_eq!(Subscription::decode(&newest).unwrap(), subscription);
    let oldest = Subscription::decode(&subscription.encode(0).unwrap()).unwrap();
    assert_eq!((oldest.owned_partitions.len(), oldest.generation_id), (0, -1));
    assert!(subscription.encode(4).is_err());
    let mut newer = newest;
    newer[1] = 9;
    newer.extend([1, 2, 3]);
    assert_eq!(Subscription::decode(&newer).unwrap(), subscription);
}
