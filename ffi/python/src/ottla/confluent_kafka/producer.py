"""Producers that report by callback."""

import itertools
import selectors
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple

import ottla
from ottla import calls
from ottla.calls import callable_or_none
from ottla.confluent_kafka.config import (
    check_partitioner,
    flag,
    function,
    merged,
    without_network,
)
from ottla.confluent_kafka.errors import (
    KafkaError,
    KafkaException,
    error_of,
    failure,
    translated,
    translating,
)
from ottla.confluent_kafka.lease import Lease
from ottla.confluent_kafka.message import TIMESTAMP_CREATE_TIME, HeaderList, Message
from ottla.confluent_kafka.topic_partition import TopicPartition
from ottla.confluent_kafka.transactions import GroupMetadata, Transactions
from ottla.delivery import Deliveries
from ottla.errors import BufferFull, OttlaError, UnknownTopicOrPartition
from ottla.producer import TAGS_MAX
from ottla.sending import Data, Headers, ProducerRecord

#: Is told what became of a message: the error or None, and the message.
DeliveryCallback = Callable[[Optional[KafkaError], Message], Any]

#: How long a wait is at most before Ctrl-C is looked for, in seconds.
SLICE_S = 0.1

#: What was sent, for its callback.
Sent = Tuple[Deliveries, str, ProducerRecord, Optional[DeliveryCallback]]


@translating
class Producer:
    """``produce`` takes messages, ``poll`` and ``flush`` call back what became of them. Any number of
    threads."""

    def __init__(self, config: Optional[Mapping[str, Any]] = None, **keywords: Any) -> None:
        settings = merged(config, keywords)
        self._on_delivery = function(settings, "on_delivery") or function(settings, "dr_cb")
        self._makes_topics = flag(settings, "allow.auto.create.topics", True)
        # As many are undecided, or not called back for; 0 is no limit but that of the memory.
        self._count_max = int(settings.pop("queue.buffering.max.messages", 0))
        check_partitioner(settings)
        settings.pop("client.id", None)
        name = settings.pop("transactional.id", None)
        timeout_ms = settings.pop("transaction.timeout.ms", None)
        self._sent: Dict[int, Sent] = {}
        # Next to the lock of the interpreter it needs none of its own.
        self._tags = itertools.count(1)
        self._decided: Deque[int] = deque()
        self._transactions: Optional[Transactions] = None
        self._lease = Lease(settings)
        with self._lease.kept_only_on_success(), translated():
            self._producer: ottla.Producer = self._lease.broker.producer(without_network(settings))
        if name is not None:
            self._transactions = Transactions(self._lease.broker, name, timeout_ms)

    def produce(
        self,
        topic: str,
        value: Optional[Data] = None,
        key: Optional[Data] = None,
        partition: int = -1,
        callback: Optional[DeliveryCallback] = None,
        on_delivery: Optional[DeliveryCallback] = None,
        timestamp: int = 0,
        headers: Optional[Headers] = None,
    ) -> None:
        """Takes a message. ``BufferError`` while ``buffer.memory`` is full, or so many messages as
        ``queue.buffering.max.messages`` says wait: ``poll``, and try again. A topic that is not there is made, unless ``allow.auto.create.topics`` is false."""
        for wanted, what in ((callback, "callback"), (on_delivery, "on_delivery")):
            callable_or_none(wanted, what)
        if 0 < self._count_max <= len(self._sent):
            raise BufferError(
                f"{self._count_max} messages wait (queue.buffering.max.messages): poll for them"
            )
        record = ProducerRecord(
            value,
            key,
            headers,
            None if partition < 0 else partition,
            timestamp if timestamp > 0 else None,
        )
        delivery = self._send(topic, record)
        # Staged in a transaction, whose commit says how it went, and for all at once.
        if delivery is None:
            return
        tag = next(self._tags)
        self._sent[tag] = delivery, topic, record, on_delivery or callback or self._on_delivery
        delivery._notify(tag)

    def _send(self, topic: str, record: ProducerRecord) -> Optional[Deliveries]:
        try:
            return self._try_to_send(topic, record)
        except UnknownTopicOrPartition as unknown:
            if not self._makes_topics or unknown.partition is not None:
                raise KafkaException(error_of(unknown)) from unknown
        with translated():
            self._lease.broker.ensure_topic(topic)
            return self._try_to_send(topic, record)

    def _try_to_send(self, topic: str, record: ProducerRecord) -> Optional[Deliveries]:
        if self._transactions is not None:
            self._transactions.send(topic, record)
            return None
        try:
            return self._producer.try_send_many(topic, [record])
        except BufferFull as full:
            raise BufferError(str(full)) from full

    def poll(self, timeout: Optional[float] = None) -> int:
        """Calls back for messages that are decided; how many. Waits for the first of them, for at
        most ``timeout`` seconds (None or -1: for ever)."""
        end = end_of(timeout)
        while True:
            served = self._serve()
            left = left_until(end)
            if served or left <= 0 or not self._sent:
                return served
            wait_readable(self._producer, min(left, SLICE_S))

    def flush(self, timeout: Optional[float] = None) -> int:
        """Sends all, and calls back for it, for at most ``timeout`` seconds (None or -1: as long as
        it takes). How many messages are left undecided."""
        end = end_of(timeout)
        for delivery, *_ in list(self._sent.values()):
            delivery.wait(0)
        while self._sent:
            self._serve()
            left = left_until(end)
            if left <= 0:
                break
            if self._sent:
                wait_readable(self._producer, min(left, SLICE_S))
        return len(self._sent)

    def __len__(self) -> int:
        """How many messages are undecided or not called back for."""
        return len(self._sent)

    def _serve(self) -> int:
        served = 0
        while True:
            with translated():
                tags = self._producer._completed()
            # What a callback raises leaves the others for the next call.
            self._decided.extend(tags)
            while self._decided:
                sent = self._sent.pop(self._decided.popleft(), None)
                if sent is not None:
                    served += 1
                    call_back(*sent)
            if len(tags) < TAGS_MAX:
                return served

    # Transactions: messages in them are not called back for.

    def init_transactions(self, timeout: float = -1) -> None:
        """Takes the ``transactional.id``, and fences who had it before."""
        self._in_transactions().init()

    def begin_transaction(self) -> None:
        """Begins a transaction: what is produced is staged until it is committed."""
        self._in_transactions().begin()

    def commit_transaction(self, timeout: float = -1) -> None:
        """Writes all of it, synced, or nothing."""
        self._in_transactions().commit()

    def abort_transaction(self, timeout: float = -1) -> None:
        """Drops all of it."""
        self._in_transactions().abort()

    def send_offsets_to_transaction(
        self, positions: List[TopicPartition], group_metadata: GroupMetadata, timeout: float = -1
    ) -> None:
        """Has the group go on at these offsets if, and only if, the transaction commits."""
        self._in_transactions().send_offsets(positions, group_metadata)

    def _in_transactions(self) -> Transactions:
        if self._transactions is None:
            raise failure("_STATE", "set transactional.id for transactions")
        return self._transactions

    def list_topics(self, topic: Optional[str] = None, timeout: float = -1) -> Any:
        """The topics: see ``admin.ClusterMetadata``."""
        from ottla.confluent_kafka.admin import cluster_metadata  # which imports this module's package

        with translated():
            return cluster_metadata(self._lease.broker, topic)

    def close(self) -> None:
        """Flushes, and lets go of the directory."""
        if self._transactions is not None:
            self._transactions.close()
        if not self._producer._is_not_to_close():
            self.flush()
            with translated():
                self._producer.close()
        self._lease.end()

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


def call_back(
    delivery: Deliveries, topic: str, record: ProducerRecord, callback: Optional[DeliveryCallback]
) -> None:
    """Says what became of one message."""
    if callback is None:
        return
    error: Optional[KafkaError] = None
    partition, offset, timestamp = record.partition, None, -1
    try:
        written = delivery[0]
        partition, offset, timestamp = written.partition, written.offset, written.timestamp
    except OttlaError as raised:
        error = error_of(raised)
    time_and_kind = (TIMESTAMP_CREATE_TIME, timestamp) if timestamp >= 0 else (0, -1)
    key, value, headers = bytes_of(record.key), bytes_of(record.value), header_list(record.headers)
    message = Message(topic, partition, offset, key, value, headers, time_and_kind, error)
    callback(error, message)


def bytes_of(data: Optional[Data]) -> Optional[bytes]:
    """What was written of it."""
    return data.encode("utf-8") if isinstance(data, str) else None if data is None else bytes(data)


def header_list(headers: Optional[Headers]) -> Optional[HeaderList]:
    """The same as pairs."""
    if not headers:
        return None
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, bytes_of(value)) for name, value in pairs]


def wait_readable(producer: ottla.Producer, timeout: float) -> None:
    """Waits until something was decided. Not by select, which knows only descriptors below 1,024."""
    with selectors.DefaultSelector() as selector:
        selector.register(producer, selectors.EVENT_READ)
        selector.select(timeout)


def end_of(timeout: Optional[float]) -> Optional[float]:
    """When the time will be up; None for never."""
    if timeout is not None and timeout != timeout:
        raise ValueError("the timeout is not a number")
    return None if timeout is None or timeout < 0 else calls.end_of(timeout)


def left_until(end: Optional[float]) -> float:
    """How many seconds are left."""
    return float("inf") if end is None else end - time.monotonic()


