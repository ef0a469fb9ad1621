"""What can be written: the forms that a record takes before it is one."""

from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Tuple, Union

from ottla._ottla import ffi
from ottla._records import Batch, Record

#: Bytes of any kind, or text, which becomes UTF-8.
Data = Union[bytes, bytearray, memoryview, str]

#: Names and values: a dict, or pairs in order.
Headers = Union[Mapping[str, Optional[Data]], Iterable[Tuple[str, Optional[Data]]]]


class _Fields(NamedTuple):
    key: Optional[Data]
    value: Optional[Data]
    headers: Optional[Headers] = None
    partition: Optional[int] = None
    timestamp: Optional[int] = None


class ProducerRecord(_Fields):
    """A record to be written: a tuple (key, value, headers, partition, timestamp). A value of None
    is a tombstone, which deletes its key in a compacted topic."""

    __slots__ = ()

    def __new__(
        cls,
        value: Optional[Data],
        key: Optional[Data] = None,
        headers: Optional[Headers] = None,
        partition: Optional[int] = None,
        timestamp: Optional[int] = None,
    ) -> "ProducerRecord":
        return super().__new__(cls, key, value, headers, partition, timestamp)


#: (key, value) or a longer tuple in the order of ProducerRecord.
Fields = Union[
    Tuple[Optional[Data], Optional[Data]],
    Tuple[Optional[Data], Optional[Data], Optional[Headers]],
    Tuple[Optional[Data], Optional[Data], Optional[Headers], Optional[int]],
    Tuple[Optional[Data], Optional[Data], Optional[Headers], Optional[int], Optional[int]],
]

#: A value, a key and a value or more, or a record that was read.
Sendable = Union[Data, None, Fields, ProducerRecord, Record]


#: Records; a value alone is one of them, as is what was read, or a ``ProducerRecord``.
Sendables = Union[Data, ProducerRecord, Record, Iterable[Sendable]]


def listed(records: Sendables) -> List[Sendable]:
    """All of them; one alone is a list, too."""
    if isinstance(records, (str, bytes, bytearray, memoryview, ProducerRecord, Record)):
        return [records]
    if isinstance(records, dict):
        raise TypeError("records is a dict, but must be a sequence of records")
    return list(records)


def one(
    value: Optional[Data],
    key: Optional[Data],
    headers: Optional[Headers],
    partition: Optional[int],
    timestamp: Optional[int],
) -> List[Tuple[Any, ...]]:
    """A list of one record."""
    return [(key, value, headers, partition, timestamp)]


#: The type of an array of records, looked up once.
RECORDS = ffi.typeof("ottla_record *")


def array_of(batch: Batch) -> Any:
    """The array of a batch, for a call."""
    return ffi.cast(RECORDS, batch.address)
