"""Partitions and offsets, on their way in and out."""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ottla._ottla import ffi, lib
from ottla.calls import call, text, text_of, whole
from ottla.received import TopicPartition

#: A TopicPartition, or another pair of a topic and a number.
PartitionLike = Tuple[str, int]


class OffsetAndMetadata(NamedTuple):
    """What a group committed: the offset of the next record to read, and a note."""

    offset: int
    metadata: str = ""
    #: -1 for none.
    leader_epoch: int = -1


class OffsetAndTimestamp(NamedTuple):
    """A record by its offset, and its time in milliseconds since 1970."""

    offset: int
    timestamp: int


#: Offsets to commit: of each partition that of the next record to read, perhaps with a note.
OffsetsLike = Union[
    Mapping[TopicPartition, Union[int, OffsetAndMetadata]],
    Mapping[Tuple[str, int], Union[int, OffsetAndMetadata]],
]

#: A time in milliseconds since 1970 for each partition.
TimesLike = Union[Mapping[TopicPartition, int], Mapping[Tuple[str, int], int]]


class Partitions:
    """An array of ottla_topic_partition, and the texts that it leads to."""

    __slots__ = ("array", "count", "named", "_texts")

    def __init__(self, partitions: Iterable[PartitionLike]) -> None:
        self.named: List[TopicPartition] = [named(partition) for partition in partitions]
        self.count = len(self.named)
        self.array = ffi.new("ottla_topic_partition[]", self.count)
        self._texts = [text(partition.topic, "the topic") for partition in self.named]
        for at, partition in enumerate(self.named):
            self.array[at].topic = self._texts[at]
            self.array[at].partition = partition.partition


def named(partition: PartitionLike) -> TopicPartition:
    """A TopicPartition of any pair."""
    if isinstance(partition, tuple) and len(partition) == 2:
        return TopicPartition(partition[0], whole(partition[1], "the number of a partition"))
    raise TypeError(f"a partition is a TopicPartition or (topic, number), but not {partition!r}")


class Offsets:
    """An array of ottla_offset, and the texts that it leads to."""

    __slots__ = ("array", "count", "_texts")

    def __init__(self, offsets: OffsetsLike) -> None:
        if not isinstance(offsets, Mapping):
            raise TypeError(
                f"offsets are of type {type(offsets).__name__}, but must be a mapping:"
                " {(topic, partition): offset}"
            )
        self.count = len(offsets)
        self.array = ffi.new("ottla_offset[]", self.count)
        self._texts: List[Any] = []
        for at, (partition, given) in enumerate(offsets.items()):
            offset = given if isinstance(given, OffsetAndMetadata) else OffsetAndMetadata(given)
            topic, number = named(partition)
            one = self.array[at]
            one.topic, one.partition = self._text(topic, "the topic"), number
            one.offset = whole(offset.offset, "the offset", 64)
            one.leader_epoch = whole(offset.leader_epoch, "the leader epoch")
            one.metadata = self._text(offset.metadata, "the metadata")

    def _text(self, value: str, what: str) -> Any:
        made = text(value, what)
        self._texts.append(made)
        return made


def offset_of(offset: Any) -> Tuple[TopicPartition, Optional[OffsetAndMetadata]]:
    """What an ottla_offset says; None for an offset of -1."""
    partition = TopicPartition(text_of(offset.topic), int(offset.partition))
    if offset.offset < 0:
        return partition, None
    note = "" if offset.metadata == ffi.NULL else text_of(offset.metadata)
    return partition, OffsetAndMetadata(int(offset.offset), note, int(offset.leader_epoch))


def offsets_of(offsets: Any) -> Dict[TopicPartition, Optional[OffsetAndMetadata]]:
    """What an ``ottla_offsets *`` lists, which is freed."""
    found = ffi.new("ottla_offset *")
    all_of_them = {}
    try:
        for at in range(lib.ottla_offsets_count(offsets)):
            call(lib.ottla_offsets_get, offsets, at, found)
            partition, offset = offset_of(found)
            all_of_them[partition] = offset
    finally:
        lib.ottla_offsets_free(offsets)
    return all_of_them


def partition_of(partition: Any) -> TopicPartition:
    """What an ottla_topic_partition says."""
    return TopicPartition(text_of(partition.topic), int(partition.partition))


def partitions_at(first: Any, count: int) -> List[TopicPartition]:
    """So many ottla_topic_partition."""
    return [partition_of(first[at]) for at in range(count)]


def partitions_of(partitions: Any) -> List[TopicPartition]:
    """What an ``ottla_topic_partitions *`` lists, which is freed."""
    found = ffi.new("ottla_topic_partition *")
    all_of_them: List[TopicPartition] = []
    try:
        for at in range(lib.ottla_topic_partitions_count(partitions)):
            call(lib.ottla_topic_partitions_get, partitions, at, found)
            all_of_them.append(partition_of(found))
    finally:
        lib.ottla_topic_partitions_free(partitions)
    return all_of_them


def by_partition(partitions: Partitions, numbers: Sequence[int]) -> Dict[TopicPartition, int]:
    """Numbers that came in the order of the partitions."""
    return {partition: int(number) for partition, number in zip(partitions.named, numbers)}
