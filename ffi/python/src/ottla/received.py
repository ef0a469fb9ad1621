"""Records that were read, as Python sees them: what owns them, and what they are of."""

from collections.abc import Sequence
from typing import Any, List, NamedTuple, Optional, Tuple

from ottla import _records
from ottla._ottla import ffi, lib
from ottla._records import Record, Records
from ottla.calls import call, text_of


Sequence.register(Records)


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Source:
    """Owns an ottla_records, and answers what its array of views does not say."""

    __slots__ = ("_pointer",)

    def __init__(self, pointer: Any) -> None:
        self._pointer = ffi.gc(pointer, lib.ottla_records_free)

    def partition(self, index: int) -> Tuple[str, int]:
        """The partition that views mean by a number."""
        found = ffi.new("ottla_topic_partition *")
        call(lib.ottla_records_partition, self._pointer, index, found)
        return (text_of(found.topic), int(found.partition))

    def headers(self, index: int) -> List[Tuple[str, Optional[bytes]]]:
        """The headers of one record."""
        first = ffi.new("ottla_header **")
        count = ffi.new("size_t *")
        call(lib.ottla_records_headers, self._pointer, index, first, count)
        return _records.headers(int(ffi.cast("uintptr_t", first[0])), count[0])


#: What there is when there is nothing.
NO_RECORDS = _records.records(0, 0, Source(ffi.NULL))


def records_of(pointer: Any) -> Records:
    """The records that an ``ottla_records *`` stands for, which becomes theirs; NULL is none."""
    if pointer == ffi.NULL:
        return NO_RECORDS
    source = Source(pointer)
    views = ffi.new("ottla_record_view **")
    count = ffi.new("size_t *")
    call(lib.ottla_records_views, pointer, views, count)
    return _records.records(int(ffi.cast("uintptr_t", views[0])), count[0], source)


__all__ = ["NO_RECORDS", "Record", "Records", "Source", "TopicPartition", "records_of"]
