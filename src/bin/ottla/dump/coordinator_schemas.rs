//! The records of `__consumer_offsets` and `__transaction_state`, described for printing. Tables,
//! nothing else.

use super::schema::{Field, Kind, Message, field};

/// A kind of record: what its key says and what its value says.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Message,
    pub(super) value: Message,
}

/// The record of `__consumer_offsets` whose key begins with that number.
pub(super) fn of_group_key(number: i16) -> Option<&'static Pair> {
    match number {
        0 | 1 => Some(&OFFSET_COMMIT),
        2 => Some(&GROUP_METADATA),
        3 => Some(&CONSUMER_GROUP_METADATA),
        5 => Some(&CONSUMER_GROUP_MEMBER),
        6 => Some(&CONSUMER_GROUP_TARGET),
        7 => Some(&CONSUMER_GROUP_TARGET_MEMBER),
        8 => Some(&CONSUMER_GROUP_CURRENT),
        _ => None,
    }
}

/// The record of `__transaction_state` whose key begins with that number.
pub(super) fn of_transaction_key(number: i16) -> Option<&'static Pair> {
    (number == 0).then_some(&TRANSACTION)
}

/// Keys never are compact, and their number stands for the version.
const fn key(name: &'static str, fields: &'static [Field]) -> Message {
    Message { name, version_max: i16::MAX, flexible_since: i16::MAX, fields }
}

const NUMBERS: Kind = Kind::Array(&Kind::I32);

static OFFSET_COMMIT: Pair = Pair {
    key: key(
        "OffsetCommitKey",
        &[field("group", Kind::Text), field("topic", Kind::Text), field("partition", Kind::I32)],
    ),
    value: Message {
        name: "OffsetCommitValue",
        version_max: 4,
        flexible_since: 4,
        fields: &[
            field("offset", Kind::I64),
            field("leaderEpoch", Kind::I32).since(3),
            field("metadata", Kind::Text),
            field("commitTimestamp", Kind::I64),
            field("expireTimestamp", Kind::I64).since(1).until(1),
            field("topicId", Kind::Uuid).since(4).tag(0),
        ],
    },
};

static GROUP_METADATA: Pair = Pair {
    key: key("GroupMetadataKey", &[field("group", Kind::Text)]),
    value: Message {
        name: "GroupMetadataValue",
        version_max: 4,
        flexible_since: 4,
        fields: &[
            field("protocolType", Kind::Text),
            field("generation", Kind::I32),
            field("protocol", Kind::Text),
            field("leader", Kind::Text),
            field("currentStateTimestamp", Kind::I64).since(2),
            field(
                "members",
                Kind::Array(&Kind::Struct(&[
                    field("memberId", Kind::Text),
                    field("groupInstanceId", Kind::Text).since(3),
                    field("clientId", Kind::Text),
                    field("clientHost", Kind::Text),
                    field("rebalanceTimeout", Kind::I32).since(1),
                    field("sessionTimeout", Kind::I32),
                    field("subscription", Kind::Nested(&SUBSCRIPTION)),
                    field("assignment", Kind::Nested(&ASSIGNMENT)),
                ])),
            ),
        ],
    },
};

const TOPIC_PARTITIONS: &[Field] = &[field("topic", Kind::Text), field("partitions", NUMBERS)];

static SUBSCRIPTION: Message = Message {
    name: "ConsumerProtocolSubscription",
    version_max: 3,
    flexible_since: i16::MAX,
    fields: &[
        field("topics", Kind::Array(&Kind::Text)),
        field("userData", Kind::Bytes),
        field("ownedPartitions", Kind::Array(&Kind::Struct(TOPIC_PARTITIONS))).since(1),
        field("generationId", Kind::I32).since(2),
        field("rackId", Kind::Text).since(3),
    ],
};

static ASSIGNMENT: Message = Message {
    name: "ConsumerProtocolAssignment",
    version_max: 3,
    flexible_since: i16::MAX,
    fields: &[
        field("assignedPartitions", Kind::Array(&Kind::Struct(TOPIC_PARTITIONS))),
        field("userData", Kind::Bytes),
    ],
};

static CONSUMER_GROUP_METADATA: Pair = Pair {
    key: key("ConsumerGroupMetadataKey", &[field("groupId", Kind::Text)]),
    value: flexible(
        "ConsumerGroupMetadataValue",
        &[field("epoch", Kind::I32), field("metadataHash", Kind::I64).tag(0)],
    ),
};

static CONSUMER_GROUP_MEMBER: Pair = Pair {
    key: key(
        "ConsumerGroupMemberMetadataKey",
        &[field("groupId", Kind::Text), field("memberId", Kind::Text)],
    ),
    value: flexible(
        "ConsumerGroupMemberMetadataValue",
        &[
            field("instanceId", Kind::Text),
            field("rackId", Kind::Text),
            field("clientId", Kind::Text),
            field("clientHost", Kind::Text),
            field("subscribedTopicNames", Kind::Array(&Kind::Text)),
            field("subscribedTopicRegex", Kind::Text),
            field("rebalanceTimeoutMs", Kind::I32),
            field("serverAssignor", Kind::Text),
            field(
                "classicMemberMetadata",
                Kind::Struct(&[
                    field("sessionTimeoutMs", Kind::I32),
                    field(
                        "supportedProtocols",
                        Kind::Array(&Kind::Struct(&[
                            field("name", Kind::Text),
                            field("metadata", Kind::Bytes),
                        ])),
                    ),
                ]),
            )
            .tag(0),
        ],
    ),
};

static CONSUMER_GROUP_TARGET: Pair = Pair {
    key: key("ConsumerGroupTargetAssignmentMetadataKey", &[field("groupId", Kind::Text)]),
    value: flexible(
        "ConsumerGroupTargetAssignmentMetadataValue",
        &[field("assignmentEpoch", Kind::I32)],
    ),
};

const UUID_PARTITIONS: &[Field] = &[field("topicId", Kind::Uuid), field("partitions", NUMBERS)];

static CONSUMER_GROUP_TARGET_MEMBER: Pair = Pair {
    key: key(
        "ConsumerGroupTargetAssignmentMemberKey",
        &[field("groupId", Kind::Text), field("memberId", Kind::Text)],
    ),
    value: flexible(
        "ConsumerGroupTargetAssignmentMemberValue",
        &[field("topicPartitions", Kind::Array(&Kind::Struct(UUID_PARTITIONS)))],
    ),
};

static CONSUMER_GROUP_CURRENT: Pair = Pair {
    key: key(
        "ConsumerGroupCurrentMemberAssignmentKey",
        &[field("groupId", Kind::Text), field("memberId", Kind::Text)],
    ),
    value: flexible(
        "ConsumerGroupCurrentMemberAssignmentValue",
        &[
            field("memberEpoch", Kind::I32),
            field("previousMemberEpoch", Kind::I32),
            field("state", Kind::I8),
            field("assignedPartitions", Kind::Array(&Kind::Struct(UUID_PARTITIONS))),
            field("partitionsPendingRevocation", Kind::Array(&Kind::Struct(UUID_PARTITIONS))),
        ],
    ),
};

static TRANSACTION: Pair = Pair {
    key: key("TransactionLogKey", &[field("transactionalId", Kind::Text)]),
    value: Message {
        name: "TransactionLogValue",
        version_max: 1,
        flexible_since: 1,
        fields: &[
            field("producerId", Kind::I64),
            field("previousProducerId", Kind::I64).since(1).tag(0),
            field("nextProducerId", Kind::I64).since(1).tag(1),
            field("producerEpoch", Kind::I16),
            field("nextProducerEpoch", Kind::I16).since(1).tag(3),
            field("transactionTimeoutMs", Kind::I32),
            field("transactionStatus", Kind::I8),
            field(
                "transactionPartitions",
                Kind::Array(&Kind::Struct(&[
                    field("topic", Kind::Text),
                    field("partitionIds", NUMBERS),
                ])),
            ),
            field("transactionLastUpdateTimestampMs", Kind::I64),
            field("transactionStartTimestampMs", Kind::I64),
            field("clientTransactionVersion", Kind::I16).since(1).tag(2),
        ],
    },
};

const fn flexible(name: &'static str, fields: &'static [Field]) -> Message {
    Message { name, version_max: 0, flexible_since: 0, fields }
}

#[cfg(test)]
#[path = "coordinator_schemas_tests.rs"]
mod tests;
