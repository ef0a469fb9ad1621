//! The records of the metadata log, described for printing. A table, nothing else.

use super::schema::{Field, Kind, Message, field};

/// The description of the record with that key in the frame.
pub(super) fn of_api_key(api_key: u32) -> Option<&'static Message> {
    RECORDS.iter().find(|(key, _)| *key == api_key).map(|(_, message)| message)
}

const ENDPOINT: &[Field] = &[
    field("name", Kind::Text),
    field("host", Kind::Text),
    field("port", Kind::U16),
    field("securityProtocol", Kind::I16),
];

const FEATURE: &[Field] = &[
    field("name", Kind::Text),
    field("minSupportedVersion", Kind::I16),
    field("maxSupportedVersion", Kind::I16),
];

const NUMBERS: Kind = Kind::Array(&Kind::I32);
const UUIDS: Kind = Kind::Array(&Kind::Uuid);

const fn record(name: &'static str, version_max: i16, fields: &'static [Field]) -> Message {
    Message { name, version_max, flexible_since: 0, fields }
}

static RECORDS: [(u32, Message); 22] = [
    (
        0,
        record(
            "REGISTER_BROKER_RECORD",
            3,
            &[
                field("brokerId", Kind::I32),
                field("isMigratingZkBroker", Kind::Bool).since(2),
                field("incarnationId", Kind::Uuid),
                field("brokerEpoch", Kind::I64),
                field("endPoints", Kind::Array(&Kind::Struct(ENDPOINT))),
                field("features", Kind::Array(&Kind::Struct(FEATURE))),
                field("rack", Kind::Text),
                field("fenced", Kind::Bool),
                field("inControlledShutdown", Kind::Bool).since(1),
                field("logDirs", UUIDS).since(3).tag(0),
            ],
        ),
    ),
    (
        1,
        record(
            "UNREGISTER_BROKER_RECORD",
            0,
            &[field("brokerId", Kind::I32), field("brokerEpoch", Kind::I64)],
        ),
    ),
    (2, record("TOPIC_RECORD", 0, &[field("name", Kind::Text), field("topicId", Kind::Uuid)])),
    (
        3,
        record(
            "PARTITION_RECORD",
            2,
            &[
                field("partitionId", Kind::I32),
                field("topicId", Kind::Uuid),
                field("replicas", NUMBERS),
                field("isr", NUMBERS),
                field("removingReplicas", NUMBERS),
                field("addingReplicas", NUMBERS),
                field("leader", Kind::I32),
                field("leaderRecoveryState", Kind::I8).tag(0),
                field("leaderEpoch", Kind::I32),
                field("partitionEpoch", Kind::I32),
                field("directories", UUIDS).since(1),
                field("eligibleLeaderReplicas", NUMBERS).since(2).tag(1),
                field("lastKnownElr", NUMBERS).since(2).tag(2),
            ],
        ),
    ),
    (
        4,
        record(
            "CONFIG_RECORD",
            0,
            &[
                field("resourceType", Kind::I8),
                field("resourceName", Kind::Text),
                field("name", Kind::Text),
                field("value", Kind::Text),
            ],
        ),
    ),
    (
        5,
        record(
            "PARTITION_CHANGE_RECORD",
            2,
            &[
                field("partitionId", Kind::I32),
                field("topicId", Kind::Uuid),
                field("isr", NUMBERS).tag(0),
                field("leader", Kind::I32).tag(1),
                field("replicas", NUMBERS).tag(2),
                field("removingReplicas", NUMBERS).tag(3),
                field("addingReplicas", NUMBERS).tag(4),
                field("leaderRecoveryState", Kind::I8).tag(5),
                field("directories", UUIDS).since(1).tag(8),
                field("eligibleLeaderReplicas", NUMBERS).since(2).tag(6),
                field("lastKnownElr", NUMBERS).since(2).tag(7),
            ],
        ),
    ),
    (7, record("FENCE_BROKER_RECORD", 0, &[field("id", Kind::I32), field("epoch", Kind::I64)])),
    (8, record("UNFENCE_BROKER_RECORD", 0, &[field("id", Kind::I32), field("epoch", Kind::I64)])),
    (9, record("REMOVE_TOPIC_RECORD", 0, &[field("topicId", Kind::Uuid)])),
    (
        12,
        record(
            "FEATURE_LEVEL_RECORD",
            0,
            &[field("name", Kind::Text), field("featureLevel", Kind::I16)],
        ),
    ),
    (
        15,
        record(
            "PRODUCER_IDS_RECORD",
            0,
            &[
                field("brokerId", Kind::I32),
                field("brokerEpoch", Kind::I64),
                field("nextProducerId", Kind::I64),
            ],
        ),
    ),
    (
        17,
        record(
            "BROKER_REGISTRATION_CHANGE_RECORD",
            2,
            &[
                field("brokerId", Kind::I32),
                field("brokerEpoch", Kind::I64),
                field("fenced", Kind::I8).tag(0),
                field("inControlledShutdown", Kind::I8).since(1).tag(1),
                field("logDirs", UUIDS).since(2).tag(2),
            ],
        ),
    ),
    (
        18,
        record(
            "ACCESS_CONTROL_ENTRY_RECORD",
            0,
            &[
                field("id", Kind::Uuid),
                field("resourceType", Kind::I8),
                field("resourceName", Kind::Text),
                field("patternType", Kind::I8),
                field("principal", Kind::Text),
                field("host", Kind::Text),
                field("operation", Kind::I8),
                field("permissionType", Kind::I8),
            ],
        ),
    ),
    (19, record("REMOVE_ACCESS_CONTROL_ENTRY_RECORD", 0, &[field("id", Kind::Uuid)])),
    (20, record("NO_OP_RECORD", 0, &[])),
    (21, record("ZK_MIGRATION_STATE_RECORD", 0, &[field("zkMigrationState", Kind::I8)])),
    (
        22,
        record(
            "REMOVE_USER_SCRAM_CREDENTIAL_RECORD",
            0,
            &[field("name", Kind::Text), field("mechanism", Kind::I8)],
        ),
    ),
    (23, record("BEGIN_TRANSACTION_RECORD", 0, &[field("name", Kind::Text).tag(0)])),
    (24, record("END_TRANSACTION_RECORD", 0, &[])),
    (25, record("ABORT_TRANSACTION_RECORD", 0, &[field("reason", Kind::Text).tag(0)])),
    (
        27,
        record(
            "REGISTER_CONTROLLER_RECORD",
            0,
            &[
                field("controllerId", Kind::I32),
                field("incarnationId", Kind::Uuid),
                field("zkMigrationReady", Kind::Bool),
                field("endPoints", Kind::Array(&Kind::Struct(ENDPOINT))),
                field("features", Kind::Array(&Kind::Struct(FEATURE))),
            ],
        ),
    ),
    (28, record("CLEAR_ELR_RECORD", 0, &[field("topicName", Kind::Text)])),
];

const VOTER: &[Field] =
    &[field("voterId", Kind::I32), field("voterDirectoryId", Kind::Uuid).since(1)];

/// The value of a LEADER_CHANGE control record. The version is its first field.
pub(super) static LEADER_CHANGE: Message = record(
    "LeaderChangeMessage",
    1,
    &[
        field("version", Kind::I16),
        field("leaderId", Kind::I32),
        field("voters", Kind::Array(&Kind::Struct(VOTER))),
        field("grantingVoters", Kind::Array(&Kind::Struct(VOTER))),
    ],
);

/// The value of a SNAPSHOT_HEADER control record.
pub(super) static SNAPSHOT_HEADER: Message = record(
    "SnapshotHeaderRecord",
    0,
    &[field("version", Kind::I16), field("lastContainedLogTimestamp", Kind::I64)],
);

/// The value of a SNAPSHOT_FOOTER control record.
pub(super) static SNAPSHOT_FOOTER: Message =
    record("SnapshotFooterRecord", 0, &[field("version", Kind::I16)]);

/// The value of a KRAFT_VERSION control record.
pub(super) static KRAFT_VERSION: Message = record(
    "KRaftVersionRecord",
    0,
    &[field("version", Kind::I16), field("kRaftVersion", Kind::I16)],
);

/// The value of a KRAFT_VOTERS control record.
pub(super) static KRAFT_VOTERS: Message = record(
    "VotersRecord",
    0,
    &[
        field("version", Kind::I16),
        field(
            "voters",
            Kind::Array(&Kind::Struct(&[
                field("voterId", Kind::I32),
                field("voterDirectoryId", Kind::Uuid),
                field(
                    "endpoints",
                    Kind::Array(&Kind::Struct(&[
                        field("name", Kind::Text),
                        field("host", Kind::Text),
                        field("port", Kind::U16),
                    ])),
                ),
                field(
                    "kRaftVersionFeature",
                    Kind::Struct(&[
                        field("minSupportedVersion", Kind::I16),
                        field("maxSupportedVersion", Kind::I16),
                    ]),
                ),
            ])),
        ),
    ],
);
