"""Ottla is the SQLite of Kafka: Kafka's log inside your process.

    with ottla.open("data") as broker:
        broker.ensure_topic("orders", partitions=4)
        producer = broker.producer()
        written = producer.send("orders", "one burger", key="john").result()
"""

from ottla import errors
from ottla._ottla import ffi as _ffi
from ottla._ottla import lib as _lib
from ottla.assignor import Assignor, AssignorMember
from ottla.atomic_append import AtomicAppend
from ottla.broker import Broker, open
from ottla.consumer import Consumer, GroupMetadata
from ottla.delivery import Deliveries, Delivery, RecordMetadata
from ottla.errors import *  # noqa: F403  (every kind of error)
from ottla.groups import (
    GroupDescription,
    GroupListing,
    GroupPartition,
    MemberDescription,
    OffsetChange,
)
from ottla.identity import Appender, ProducerIdentity
from ottla.maintenance import (
    CompactionOutcome,
    RetentionHold,
    RetentionOutcome,
    SettingDescription,
    default_settings,
)
from ottla.offsets import OffsetAndMetadata, OffsetAndTimestamp
from ottla.partition import Appended, Partition, ProducerState
from ottla.producer import Producer
from ottla.received import Record, Records, TopicPartition
from ottla.report import (
    ClampedOffset,
    FinishedTransaction,
    RecoveredPartition,
    RecoveryReport,
)
from ottla.sending import ProducerRecord
from ottla.snapshot import Snapshot
from ottla.staging import Place
from ottla.stream import ANY_VERSION, NO_STREAM, Stream
from ottla.table import Table
from ottla.topic import PartitionDescription, TopicDescription
from ottla.transaction import Transaction
from ottla.transactional_producer import TransactionalProducer
from ottla.verify import Verification, VerifiedPartition, verify

__version__: str = _ffi.string(_lib.ottla_version()).decode("ascii")

__all__ = [
    "ANY_VERSION",
    "Appended",
    "Appender",
    "Assignor",
    "AssignorMember",
    "AtomicAppend",
    "Broker",
    "ClampedOffset",
    "CompactionOutcome",
    "Consumer",
    "Deliveries",
    "Delivery",
    "FinishedTransaction",
    "GroupDescription",
    "GroupListing",
    "GroupMetadata",
    "GroupPartition",
    "MemberDescription",
    "NO_STREAM",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OffsetChange",
    "Partition",
    "PartitionDescription",
    "Place",
    "Producer",
    "ProducerIdentity",
    "ProducerRecord",
    "ProducerState",
    "Record",
    "RecordMetadata",
    "Records",
    "RecoveredPartition",
    "RecoveryReport",
    "RetentionHold",
    "RetentionOutcome",
    "SettingDescription",
    "Snapshot",
    "Stream",
    "Table",
    "TopicDescription",
    "TopicPartition",
    "Transaction",
    "TransactionalProducer",
    "Verification",
    "VerifiedPartition",
    "default_settings",
    "errors",
    "open",
    "verify",
]
__all__ += errors.__all__
