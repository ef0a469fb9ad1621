"""Atomic appends: batches for several partitions, all or nothing."""

from types import TracebackType
from typing import Any, List, Optional, Type

from ottla._ottla import ffi, lib
from ottla._records import Batch
from ottla.calls import call, data, make, text, whole
from ottla.handle import Handle
from ottla.partition import Appended
from ottla.sending import Data, Sendables, array_of


class AtomicAppend(Handle):
    """Batches for several partitions, and conditions. One thread at a time.

    In ``with`` it is committed at the end of the block, and forgotten if an exception leaves it.
    """

    __slots__ = ("_batches", "_is_over")

    _what = "the atomic append"
    _made_by = "Broker.atomic_append()"

    def __init__(self, broker: Any) -> None:
        place = ffi.new("ottla_atomic_append **")
        make(lib.ottla_atomic_append_free, lib.ottla_atomic_append_new, broker, place)
        super().__init__(place[0], lib.ottla_atomic_append_free)
        self._batches = 0
        self._is_over = False

    def add(self, topic: str, partition: int, records: Sendables) -> None:
        """Adds a batch for one partition. Several for the same one are written in this order."""
        batch = Batch(records)
        topic_text, array = text(topic, "the topic"), array_of(batch)
        partition = whole(partition, "the number of the partition")
        function = lib.ottla_atomic_append_add
        call(function, self._open(), topic_text, partition, array, len(batch))
        self._batches += 1

    def expect_end(self, topic: str, partition: int, end: int) -> None:
        """Lets the commit happen only if the partition still ends at ``end`` then."""
        topic_text = text(topic, "the topic")
        where = whole(partition, "the number of the partition"), whole(end, "the end", 64)
        call(lib.ottla_atomic_append_expect_end, self._open(), topic_text, *where)

    def expect_version(self, topic: str, key: Data, version: int) -> None:
        """Lets the commit happen only if the stream of the key still has this version then."""
        topic_text = text(topic, "the topic")
        start, length = data(key, "the key")
        function = lib.ottla_atomic_append_expect_version
        call(function, self._open(), topic_text, start, length, whole(version, "the version", 64))

    def commit(self) -> List[Appended]:
        """Commits everything, synced, or nothing. Says where the batches are, in their order."""
        pointer = self._open()
        places = ffi.new("ottla_appended[]", self._batches)
        self._is_over = True
        call(lib.ottla_atomic_append_commit, pointer, places, self._batches)
        return [Appended(int(place.base_offset), int(place.last_offset)) for place in places]

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and not self._is_over and not self._is_not_to_close():
                self.commit()
        finally:
            self.close()
