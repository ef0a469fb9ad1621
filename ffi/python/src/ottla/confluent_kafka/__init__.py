"""Ottla for programs that were written for confluent-kafka: the same names, the same calls.

    from ottla.confluent_kafka import Consumer, Producer

    producer = Producer({"ottla.directory": "data"})
    producer.produce("orders", "one burger", on_delivery=lambda error, message: print(message))
    producer.flush()

``ottla.directory`` takes the place of ``bootstrap.servers``, which may also say ``ottla:/a/path``;
``ottla.broker`` takes an open ``ottla.Broker``. Clients of one directory in one process share a
broker. Settings that only a network needs have no effect; all others are Ottla's, by Kafka's names,
and an unknown one is an error.

What differs:

- One process at a time has the directory open, with all producers and consumers of it: there is no
  server for others to talk to.
- ``auto.offset.reset`` is ``earliest`` unless it is set: librdkafka's is ``latest``.
- ``group.id`` may be missing; then nothing is committed, and ``subscribe`` is refused.
- ``produce`` makes a topic that is not there (``allow.auto.create.topics=false``: an error). A
  subscription to one that is not there waits for it, without an error message.
- Keys go by murmur2, as in Java (``partitioner``: ``murmur2_random``); librdkafka's own default is
  another one, so that keys may lie in other partitions than there.
- Messages in transactions are not called back for; ``commit`` with an ``on_commit`` waits.
- While it is subscribed, a consumer can be assigned only what the group gave it.
- Missing: statistics, ``Consumer.seek`` before an assignment, the serializers and the schema
  registry, ``SerializingProducer``, ``purge``, tokens, and of the ``AdminClient`` all but topics and
  partitions: ``ottla.Broker`` has groups, offsets and settings.
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
