"""Ottla is the SQLite of Kafka: Kafka's log inside your process.

    with ottla.open("data") as broker:
        broker.ensure_topic("orders", partitions=4)
"""

from ottla import errors
from ottla._ottla import ffi as _ffi
from ottla._ottla import lib as _lib
from ottla.broker import Broker, open
from ottla.errors import *  # noqa: F403  (every kind of error)
from ottla.received import Record, Records, TopicPartition
from ottla.topic import PartitionDescription, TopicDescription

__version__: str = _ffi.string(_lib.ottla_version()).decode("ascii")

__all__ = [
    "Broker",
    "PartitionDescription",
    "Record",
    "Records",
    "TopicDescription",
    "TopicPartition",
    "errors",
    "open",
]
__all__ += errors.__all__
