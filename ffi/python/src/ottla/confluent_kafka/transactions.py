"""The transactions of a producer with ``transactional.id``."""

from contextlib import contextmanager
from typing import Iterator, List, Optional

import ottla
from ottla._ottla import lib
from ottla.confluent_kafka.errors import failure, translated
from ottla.confluent_kafka.topic_partition import TopicPartition
from ottla.consumer import seek
from ottla.sending import ProducerRecord
from ottla.transactional_producer import TransactionalProducer


class GroupMetadata:
    """Which consumer's group the offsets of a transaction are for."""

    def __init__(self, consumer: ottla.Consumer) -> None:
        self._consumer = consumer


class Transactions:
    """One after the other, under an id."""

    def __init__(self, broker: ottla.Broker, name: str, timeout_ms: Optional[object]) -> None:
        self._broker = broker
        self._name = name
        self._settings = {} if timeout_ms is None else {"transaction.timeout.ms": str(timeout_ms)}
        self._producer: Optional[TransactionalProducer] = None
        self._is_open = False

    def init(self) -> None:
        """Takes the id, and ends what an earlier holder left open."""
        if self._producer is None:
            with translated():
                self._producer = self._broker.transactional_producer(self._name, self._settings)

    def begin(self) -> None:
        """Begins one."""
        with translated():
            self._ready().begin_transaction()
        self._is_open = True

    def send(self, topic: str, record: ProducerRecord) -> None:
        """Stages a message."""
        if not self._is_open:
            raise failure("_STATE", "no transaction is open: call begin_transaction")
        self._ready().send_many(topic, [record])

    def send_offsets(self, offsets: List[TopicPartition], group: GroupMetadata) -> None:
        """Stages offsets of a consumer's group."""
        consumer = group._consumer
        with translated(requires_abort=True), placed(consumer, offsets):
            self._ready()._call("commit_offsets", consumer._open())

    def commit(self) -> None:
        """Writes all of it, or nothing."""
        with translated(requires_abort=True):
            self._ready().commit_transaction()
        self._is_open = False

    def abort(self) -> None:
        """Drops all of it."""
        self._is_open = False
        with translated():
            self._ready().abort_transaction()

    def close(self) -> None:
        """Aborts what is open."""
        if self._producer is not None:
            self._producer.close()

    def _ready(self) -> TransactionalProducer:
        if self._producer is None:
            raise failure("_STATE", "call init_transactions first")
        return self._producer


@contextmanager
def placed(consumer: ottla.Consumer, offsets: List[TopicPartition]) -> Iterator[None]:
    """Within this block the consumer's positions are these, and behind what was handed out."""
    places = consumer._handed_on.unread()
    places.update({ottla.TopicPartition(one.topic, one.partition): one.offset for one in offsets})
    positions = {}
    try:
        for partition, offset in places.items():
            positions[partition] = consumer._number(lib.ottla_consumer_position, *partition)
            seek(consumer._open(), partition, offset)
        yield
    finally:
        for partition, position in positions.items():
            seek(consumer._open(), partition, position)
