//! Goal: what Kafka wrote is read and written again byte for byte; every other input is an error
//! or another record, never a panic. Method: real record values, each cut everywhere and each of
//! their bits changed.

use super::*;
use crate::format::FormatErrorKind;
use crate::format::meta_properties::DirectoryId;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Record values from the metadata log of a broker.
const FROM_KAFKA: [&str; 9] = [
    "01020007742d6e6f6e6536e59be0afcb440e8e2888174060ab0c00",
    "0103010000000036e59be0afcb440e8e2888174060ab0c02000000010200000001010100000001000000000000000002c79a3fccf6057ca0ec6a874055c6a30600",
    "01040002145f5f7472616e73616374696f6e5f73746174651f756e636c65616e2e6c65616465722e656c656374696f6e2e656e61626c650666616c736500",
    "01050100000000101d1d44d7c34995a4e7c567ebe0868d010104ffffffff",
    "010c00116d657461646174612e76657273696f6e001600",
    "010c000e67726f75702e76657273696f6e000100",
    "01140000",
    "01170001001212426f6f747374726170207265636f726473",
    "01180000",
];

fn full_partition() -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition: 7,
        topic_id: TopicId([3; 16]),
        replicas: vec![1, 2, 3],
        isr: vec![2],
        removing_replicas: vec![4],
        adding_replicas: vec![],
        leader: NO_LEADER,
        leader_recovery_state: 1,
        leader_epoch: 9,
        partition_epoch: 10,
        directories: Some(vec![DirectoryId([1; 16]), DirectoryId([2; 16])]),
        eligible_leader_replicas: Some(vec![3]),
        last_known_elr: Some(vec![]),
    })
}

fn full_change() -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition: 7,
        topic_id: TopicId([3; 16]),
        isr: Some(vec![1]),
        leader: 1,
        replicas: Some(vec![1, 2]),
        removing_replicas: Some(vec![]),
        adding_replicas: Some(vec![5]),
        leader_recovery_state: 0,
        eligible_leader_replicas: Some(vec![2]),
        last_known_elr: Some(vec![6]),
        directories: Some(vec![DirectoryId([1; 16])]),
    })
}

fn all() -> Vec<MetadataRecord> {
    let mut records = vec![
        full_partition(),
        full_change(),
        MetadataRecord::PartitionChange(PartitionChangeRecord::new(TopicId([1; 16]), 0)),
        MetadataRecord::RemoveTopic { topic_id: TopicId([5; 16]) },
        MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: 1,
            broker_epoch: -1,
            next_producer_id: 1000,
        }),
        MetadataRecord::Config(ConfigRecord {
            resource_type: RESOURCE_BROKER,
            resource_name: String::new(),
            name: "retention.ms".into(),
            value: None,
        }),
        MetadataRecord::BeginTransaction { name: None },
        MetadataRecord::AbortTransaction { reason: Some("why".into()) },
    ];
    records.extend(FROM_KAFKA.map(|hex| MetadataRecord::decode(&bytes(hex)).unwrap()));
    records
}

#[test]
fn records_of_a_broker_are_read_and_written_byte_for_byte() {
    for hex in FROM_KAFKA {
        let value = bytes(hex);
        let record = MetadataRecord::decode(&value).unwrap();
        assert_eq!(record.encode().unwrap(), value, "{record:?}");
    }
    let MetadataRecord::Partition(record) = MetadataRecord::decode(&bytes(FROM_KAFKA[1])).unwrap()
    else {
        panic!("a partition record")
    };
    assert_eq!((record.partition, record.leader, record.leader_epoch), (0, 1, 0));
    assert_eq!(record.directories.unwrap()[0].to_string(), "x5o_zPYFfKDsaodAVcajBg");
    let MetadataRecord::PartitionChange(record) =
        MetadataRecord::decode(&bytes(FROM_KAFKA[3])).unwrap()
    else {
        panic!("a partition change")
    };
    assert_eq!((record.partition, record.leader, record.isr), (0, NO_LEADER, None));
}

#[test]
fn every_kind_reads_back() {
    for record in all() {
        let value = record.encode().unwrap();
        assert_eq!(MetadataRecord::decode(&value).unwrap(), record);
        assert!(record_name(record.api_key()).is_some());
    }
}

#[test]
fn every_cut_is_an_error_and_no_changed_bit_panics() {
    for record in all() {
        let value = record.encode().unwrap();
        for at in 0..value.len() {
            assert!(MetadataRecord::decode(&value[..at]).is_err(), "{record:?} cut to {at}");
            for bit in 0..8 {
                let mut changed = value.clone();
                changed[at] ^= 1 << bit;
                let _ = MetadataRecord::decode(&changed);
            }
        }
        let mut longer = value;
        longer.push(0);
        assert!(MetadataRecord::decode(&longer).is_err(), "{record:?}");
    }
}

#[test]
fn newer_things_are_unsupported_and_unknown_kinds_are_passed_over() {
    let kind = |value: &[u8]| MetadataRecord::decode(value).unwrap_err().kind;
    assert_eq!(kind(&[2, 20, 0, 0]), FormatErrorKind::Unsupported);
    assert_eq!(kind(&[1, 20, 1, 0]), FormatErrorKind::Unsupported);
    let mut newer_partition = full_partition().encode().unwrap();
    newer_partition[2] = 3;
    assert_eq!(kind(&newer_partition), FormatErrorKind::Unsupported);
    for (api_key, version) in [(0, 5), (27, 0), (6, 0), (99, 9)] {
        let value = [1, api_key, version, 0xff, 0xff];
        let (api_key, version) = (api_key.into(), version.into());
        let record = MetadataRecord::decode(&value).unwrap();
        assert_eq!(record, MetadataRecord::Unknown { api_key, version });
        assert_eq!(record.encode().unwrap_err().kind, FormatErrorKind::Unsupported);
    }
    assert_eq!(record_name(0), Some("RegisterBrokerRecord"));
    assert_eq!(record_name(6), None);
}

#[test]
fn unknown_tagged_fields_are_passed_over() {
    let mut value = bytes(FROM_KAFKA[0]);
    value.pop();
    value.extend_from_slice(&[1, 9, 2, 0xaa, 0xbb]);
    let expected = MetadataRecord::decode(&bytes(FROM_KAFKA[0])).unwrap();
    assert_eq!(MetadataRecord::decode(&value).unwrap(), expected);
}

#[test]
fn of_a_registered_broker_id_and_epoch_are_read() {
    let value = bytes(
        "01000300000001008dcc0972f0284f64b5663d8deac784df0000000000000007020a504c41494e54455854",
    );
    let expected = RegisterBrokerRecord { broker_id: 1, broker_epoch: 7, version: 3 };
    let record = MetadataRecord::decode(&value).unwrap();
    assert_eq!(record, MetadataRecord::RegisterBroker(expected));
    assert_eq!(record.encode().unwrap_err().kind, FormatErrorKind::Unsupported);
    for at in 0..32 {
        assert!(MetadataRecord::decode(&value[..at]).is_err());
    }
}
