"""Ottla for programs that were written for confluent-kafka: the same names, the same calls.

    from ottla.confluent_kafka import Consumer, Producer

    producer = Producer({"ottla.directory": "data"})
    producer.produce("orders", "one burger", on_delivery=lambda error, message: print(message))
    producer.flush()

``ottla.directory`` takes the place of ``bootstrap.servers``, which may also say ``ottla:/a/path``;
``ottla.broker`` takes an open ``ottla.Broker``. Clients of one directory in one process share a
broker. Settings that only a network needs have no effect; all others are Ottla's, by Kafka's names,
and an unknown one is an error.
"""

from ottla import __version__
from ottla.confluent_kafka.consumer import Consumer
from ottla.confluent_kafka.errors import KafkaError, KafkaException
from ottla.confluent_kafka.message import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    TIMESTAMP_NOT_AVAILABLE,
    Message,
)
from ottla.confluent_kafka.producer import Producer
from ottla.confluent_kafka.topic_partition import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    OFFSET_STORED,
    TopicPartition,
)

__all__ = [
    "OFFSET_BEGINNING",
    "OFFSET_END",
    "OFFSET_INVALID",
    "OFFSET_STORED",
    "TIMESTAMP_CREATE_TIME",
    "TIMESTAMP_LOG_APPEND_TIME",
    "TIMESTAMP_NOT_AVAILABLE",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "Producer",
    "TopicPartition",
    "__version__",
]
