"""Messages: what was read, and what was sent."""

from typing import List, Optional, Tuple

from ottla._records import Record
from ottla.confluent_kafka.errors import KafkaError

#: What a timestamp is.
TIMESTAMP_NOT_AVAILABLE = 0
TIMESTAMP_CREATE_TIME = 1
TIMESTAMP_LOG_APPEND_TIME = 2

#: Names and values.
HeaderList = List[Tuple[str, Optional[bytes]]]


class Message:
    """A record, or an event in its place: see ``error``."""

    __slots__ = ("_topic", "_partition", "_offset", "_key", "_value", "_headers", "_time", "_error")

    def __init__(
        self,
        topic: Optional[str],
        partition: Optional[int],
        offset: Optional[int],
        key: Optional[bytes] = None,
        value: Optional[bytes] = None,
        headers: Optional[HeaderList] = None,
        timestamp: Tuple[int, int] = (TIMESTAMP_NOT_AVAILABLE, -1),
        error: Optional[KafkaError] = None,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._offset = offset
        self._key = key
        self._value = value
        self._headers = headers
        self._time = timestamp
        self._error = error

    def topic(self) -> Optional[str]:
        """The topic."""
        return self._topic

    def partition(self) -> Optional[int]:
        """The number of the partition."""
        return self._partition

    def offset(self) -> Optional[int]:
        """The place in the partition."""
        return self._offset

    def key(self) -> Optional[bytes]:
        """The key."""
        return self._key

    def value(self) -> Optional[bytes]:
        """The value; None for a tombstone."""
        return self._value

    def headers(self) -> Optional[HeaderList]:
        """Names and values; None if there are none."""
        return self._headers

    def timestamp(self) -> Tuple[int, int]:
        """What it is, TIMESTAMP_CREATE_TIME for example, and milliseconds since 1970."""
        return self._time

    def error(self) -> Optional[KafkaError]:
        """None for a record."""
        return self._error

    def leader_epoch(self) -> Optional[int]:
        """None: a log in one process has one leader for ever."""
        return None

    def latency(self) -> Optional[float]:
        """None: not measured."""
        return None

    def set_key(self, key: Optional[bytes]) -> None:
        """Puts another one in its place."""
        self._key = key

    def set_value(self, value: Optional[bytes]) -> None:
        """Puts another one in its place."""
        self._value = value

    def set_headers(self, headers: Optional[HeaderList]) -> None:
        """Puts others in their place."""
        self._headers = headers

    def __len__(self) -> int:
        return 0 if self._value is None else len(self._value)

    def __repr__(self) -> str:
        where = f"{self._topic}[{self._partition}]@{self._offset}"
        return f"<Message {where}{'' if self._error is None else f' {self._error}'}>"


def message_of(record: Record) -> Message:
    """A record that was read."""
    is_creation = record.timestamp_type == "CreateTime"
    kind = TIMESTAMP_CREATE_TIME if is_creation else TIMESTAMP_LOG_APPEND_TIME
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.key_bytes(),
        record.value_bytes(),
        record.headers or None,
        (kind, record.timestamp) if record.timestamp >= 0 else (TIMESTAMP_NOT_AVAILABLE, -1),
    )
