"""Ottla is the SQLite of Kafka: Kafka's log inside your process.

    with ottla.open("data") as broker:
        broker.ensure_topic("orders", partitions=4)
        producer = broker.producer()
        written = producer.send("orders", "one burger", key="john").result()
"""

from ottla import errors
from ottla._ottla import ffi as _ffi
from ottla._ottla import lib as _lib
from ottla.broker import Broker, open
from ottla.consumer import Consumer
from ottla.delivery import Deliveries, Delivery, RecordMetadata
from ottla.errors import *  # noqa: F403  (every kind of error)
from ottla.offsets import OffsetAndMetadata, OffsetAndTimestamp
from ottla.partition import Appended, Partition
from ottla.producer import Producer
from ottla.received import Record, Records, TopicPartition
from ottla.sending import ProducerRecord
from ottla.snapshot import Snapshot
from ottla.stream import Stream
from ottla.table import Table
from ottla.topic import PartitionDescription, TopicDescription
from ottla.transaction import NO_STREAM, Place, Transaction

__version__: str = _ffi.string(_lib.ottla_version()).decode("ascii")

__all__ = [
    "NO_STREAM",
    "Appended",
    "Broker",
    "Consumer",
    "Deliveries",
    "Delivery",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "Partition",
    "PartitionDescription",
    "Place",
    "Producer",
    "ProducerRecord",
    "Record",
    "RecordMetadata",
    "Records",
    "Snapshot",
    "Stream",
    "Table",
    "TopicDescription",
    "TopicPartition",
    "Transaction",
    "errors",
    "open",
]
__all__ += errors.__all__
