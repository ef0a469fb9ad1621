"""Transactions: records for many partitions, offsets of groups and conditions, all or nothing."""

from types import TracebackType
from typing import Any, Iterable, List, NamedTuple, Optional, Type

from ottla._ottla import ffi, lib
from ottla._records import Batch
from ottla.calls import call, data, sized, text, text_of
from ottla.handle import Handle
from ottla.sending import Data, Headers, Sendable, array_of, one

#: In place of a version: the key must have no record.
NO_STREAM: int = lib.OTTLA_VERSION_NO_STREAM


class Place(NamedTuple):
    """Where the records of a transaction went in one partition."""

    topic: str
    partition: int
    base_offset: int
    last_offset: int


class Transaction(Handle):
    """A transaction. One thread at a time.

    In ``with`` it is committed at the end of the block, and aborted if an exception leaves it.
    Until the commit nothing of it is in the log; then all of it is, with one sync.
    """

    __slots__ = ("_is_over",)

    _what = "the transaction"

    def __init__(self, pointer: Any) -> None:
        super().__init__(pointer, lib.ottla_transaction_free)
        self._is_over = False

    def send(
        self,
        topic: str,
        value: Optional[Data] = None,
        key: Optional[Data] = None,
        headers: Optional[Headers] = None,
        partition: Optional[int] = None,
        timestamp: Optional[int] = None,
    ) -> None:
        """Stages a record: it is copied, and nowhere to be seen before the commit."""
        self.send_many(topic, one(value, key, headers, partition, timestamp))

    def send_many(self, topic: str, records: Iterable[Sendable]) -> None:
        """Stages records. If one is refused, those before it are staged; the transaction goes on."""
        batch = Batch(records)
        topic_text = text(topic, "the topic")
        pointer = self._open()
        array = array_of(batch)
        call(lib.ottla_transaction_send, pointer, topic_text, array, len(batch), ffi.NULL)

    def expect_end(self, topic: str, partition: int, offset: int) -> None:
        """Lets the commit happen only if the partition still ends at ``offset`` then."""
        topic_text = text(topic, "the topic")
        call(lib.ottla_transaction_expect_end, self._open(), topic_text, partition, offset)

    def expect_version(self, topic: str, key: Data, version: int) -> None:
        """Lets the commit happen only if the newest record of the key is still the one with the
        offset ``version`` then; ``NO_STREAM``: if there is none."""
        topic_text = text(topic, "the topic")
        start, length = data(key, "the key")
        function = lib.ottla_transaction_expect_version
        call(function, self._open(), topic_text, start, length, version)

    def commit(self) -> List[Place]:
        """Writes all of it, synced, or nothing: ``Conflict`` if a condition does not hold. Says
        where the records went."""
        places = ffi.new("ottla_places **")
        pointer = self._open()
        self._is_over = True
        call(lib.ottla_transaction_commit_with_places, pointer, places)
        return places_of(places[0])

    def abort(self) -> None:
        """Drops everything that was staged."""
        pointer = self._open()
        self._is_over = True
        call(lib.ottla_transaction_abort, pointer)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and not self._is_over and not self.closed:
                self.commit()
        finally:
            self.close()


def places_of(places: Any) -> List[Place]:
    """What an ``ottla_places *`` lists, which is freed."""
    try:
        return [place(places, at) for at in range(lib.ottla_places_count(places))]
    finally:
        lib.ottla_places_free(places)


def place(places: Any, index: int) -> Place:
    """One of them."""
    found = sized("ottla_place")
    call(lib.ottla_places_get, places, index, found)
    base, last = int(found.base_offset), int(found.last_offset)
    return Place(text_of(found.topic), int(found.partition), base, last)
