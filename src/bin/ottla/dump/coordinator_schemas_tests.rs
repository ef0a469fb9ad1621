//! Goal: the tables fit what Kafka's own code wrote. Method: its bytes from the test vectors, and
//! what they say.

use serde_json::Value;

use super::*;

/// The bytes of one of the vectors.
fn vector(kind: &str, name: &str) -> Vec<u8> {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/coordinator_records.json"))
            .expect("the vectors are JSON");
    let found = vectors
        .as_array()
        .into_iter()
        .flatten()
        .find(|vector| vector["kind"] == kind && vector["name"] == name);
    let hex = found.and_then(|vector| vector["hex"].as_str()).expect("the vector is there");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

#[track_caller]
fn check(message: &Message, kind: &str, name: &str, json: &str) {
    let bytes = vector(kind, name);
    let version = i16::from_be_bytes([bytes[0], bytes[1]]);
    assert_eq!(message.print(version, &bytes, 2).expect("it is readable"), json, "{kind} {name}");
    // No prefix is taken for the whole, and none panics.
    for length in 2..bytes.len() {
        assert!(message.print(version, &bytes[..length], 2).is_err(), "{kind} {name} {length}");
    }
}

#[test]
fn offset_commits_of_each_version() {
    let value = &OFFSET_COMMIT.value;
    check(
        &OFFSET_COMMIT.key,
        "offset_commit_key",
        "v1",
        r#"{"group":"my-group","topic":"my-topic","partition":3}"#,
    );
    check(
        value,
        "offset_commit_value",
        "v0",
        r#"{"offset":12345,"metadata":"meta","commitTimestamp":1700000000000}"#,
    );
    check(
        value,
        "offset_commit_value",
        "v4",
        r#"{"offset":12345,"leaderEpoch":5,"metadata":"meta","commitTimestamp":1700000000000}"#,
    );
}

#[test]
fn classic_groups_of_each_version() {
    check(&GROUP_METADATA.key, "group_metadata_key", "v2", r#"{"group":"my-group"}"#);
    check(
        &GROUP_METADATA.value,
        "group_metadata_value",
        "v1",
        concat!(
            r#"{"protocolType":"consumer","generation":7,"protocol":"range","leader":"m-1","#,
            r#""members":[{"memberId":"m-1","clientId":"c","clientHost":"/127.0.0.1","#,
            r#""rebalanceTimeout":300000,"sessionTimeout":45000,"#,
            r#""subscription":"AQID","assignment":"BAU="}]}"#
        ),
    );
    check(
        &SUBSCRIPTION,
        "consumer_protocol_subscription",
        "v0",
        r#"{"topics":["a","b"],"userData":null}"#,
    );
    check(
        &ASSIGNMENT,
        "consumer_protocol_assignment",
        "v0",
        r#"{"assignedPartitions":[{"topic":"a","partitions":[0,1]}],"userData":null}"#,
    );
}

#[test]
fn groups_of_the_new_protocol() {
    let key = r#"{"groupId":"g"}"#;
    check(&CONSUMER_GROUP_METADATA.key, "consumer_group_metadata_key", "v3", key);
    let value = &CONSUMER_GROUP_METADATA.value;
    check(value, "consumer_group_metadata_value", "v0", r#"{"epoch":5}"#);
    check(
        &CONSUMER_GROUP_MEMBER.key,
        "consumer_group_member_metadata_key",
        "v5",
        r#"{"groupId":"g","memberId":"m"}"#,
    );
    check(
        &CONSUMER_GROUP_MEMBER.value,
        "consumer_group_member_metadata_value",
        "v0",
        concat!(
            r#"{"instanceId":null,"rackId":null,"clientId":"c","clientHost":"/h","#,
            r#""subscribedTopicNames":["a"],"subscribedTopicRegex":null,"#,
            r#""rebalanceTimeoutMs":300000,"serverAssignor":"uniform"}"#
        ),
    );
    check(
        &CONSUMER_GROUP_TARGET.value,
        "consumer_group_target_assignment_metadata_value",
        "v0",
        r#"{"assignmentEpoch":5}"#,
    );
    check(
        &CONSUMER_GROUP_TARGET_MEMBER.value,
        "consumer_group_target_assignment_member_value",
        "v0",
        r#"{"topicPartitions":[{"topicId":"AAAAAAAAAAEAAAAAAAAAAg","partitions":[0,1]}]}"#,
    );
    check(
        &CONSUMER_GROUP_CURRENT.value,
        "consumer_group_current_member_assignment_value",
        "v0",
        concat!(
            r#"{"memberEpoch":5,"previousMemberEpoch":4,"state":0,"assignedPartitions":"#,
            r#"[{"topicId":"AAAAAAAAAAEAAAAAAAAAAg","partitions":[0]}],"#,
            r#""partitionsPendingRevocation":[]}"#
        ),
    );
}

#[test]
fn transactions_of_each_version() {
    check(&TRANSACTION.key, "transaction_log_key", "v0", r#"{"transactionalId":"my-txn"}"#);
    check(
        &TRANSACTION.value,
        "transaction_log_value",
        "v0",
        concat!(
            r#"{"producerId":77,"producerEpoch":1,"transactionTimeoutMs":60000,"#,
            r#""transactionStatus":1,"transactionPartitions":[{"topic":"a","partitionIds":[0,1]}],"#,
            r#""transactionLastUpdateTimestampMs":1700000000005,"#,
            r#""transactionStartTimestampMs":1700000000000}"#
        ),
    );
    check(
        &TRANSACTION.value,
        "transaction_log_value",
        "v1_tagged",
        concat!(
            r#"{"producerId":77,"previousProducerId":70,"nextProducerId":78,"producerEpoch":1,"#,
            r#""transactionTimeoutMs":60000,"transactionStatus":1,"#,
            r#""transactionPartitions":[{"topic":"a","partitionIds":[0,1]}],"#,
            r#""transactionLastUpdateTimestampMs":1700000000005,"#,
            r#""transactionStartTimestampMs":1700000000000,"clientTransactionVersion":2}"#
        ),
    );
}
