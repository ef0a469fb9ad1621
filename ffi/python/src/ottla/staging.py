"""What is staged for a transaction: records, offsets of groups, conditions."""

from typing import Any, Callable, NamedTuple, Optional, List

from ottla._ottla import ffi, lib
from ottla._records import Batch
from ottla.calls import call, data, sized, text, text_of, whole
from ottla.consumer import Consumer
from ottla.errors import OttlaError
from ottla.handle import Handle
from ottla.offsets import Offsets, OffsetsLike
from ottla.partitioner import take_raised
from ottla.sending import Data, Headers, Sendables, array_of, one


class Place(NamedTuple):
    """Where the records of a transaction went in one partition."""

    topic: str
    partition: int
    base_offset: int
    last_offset: int


class Staging(Handle):
    """Something that has an open transaction. Nothing of it is in the log before its commit."""

    __slots__ = ()

    #: How the names of its functions begin.
    _prefix = ""

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

    def send_many(self, topic: str, records: Sendables) -> None:
        """Stages records. If one is refused, those before it are staged; the transaction goes on."""
        batch = Batch(records)
        topic_text = text(topic, "the topic")
        try:
            self._call("send", topic_text, array_of(batch), len(batch), ffi.NULL)
        except OttlaError as refused:
            # A partitioner of the program may be why.
            raise refused from take_raised()

    def commit_offsets(self, consumer: Consumer) -> None:
        """Stages the offsets behind the records that a consumer returned: its group goes on there if,
        and only if, the transaction commits. The consumer needs ``enable.auto.commit=false``."""
        with consumer.as_handed_on():
            self._call("commit_offsets", consumer._open())

    def commit_offsets_of(self, group: str, offsets: OffsetsLike) -> None:
        """Stages offsets of a group that has no members."""
        made = Offsets(offsets)
        self._call("commit_offsets_of", text(group, "the group"), made.array, made.count)

    def expect_end(self, topic: str, partition: int, offset: int) -> None:
        """Lets the commit happen only if the partition still ends at ``offset`` then."""
        partition = whole(partition, "the number of the partition")
        end = whole(offset, "the offset", 64)
        self._call("expect_end", text(topic, "the topic"), partition, end)

    def expect_version(self, topic: str, key: Data, version: int) -> None:
        """Lets the commit happen only if the newest record of the key is still the one with the
        offset ``version`` then; ``ottla.NO_STREAM``: if there is none."""
        start, length = data(key, "the key")
        expected = whole(version, "the version", 64)
        self._call("expect_version", text(topic, "the topic"), start, length, expected)

    def _call(self, name: str, *arguments: Any) -> None:
        function: Callable[..., int] = getattr(lib, f"{self._prefix}_{name}")
        call(function, self._open(), *arguments)

    def _commit(self) -> List[Place]:
        places = ffi.new("ottla_places **")
        self._call("commit_with_places", places)
        return places_of(places[0])


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
