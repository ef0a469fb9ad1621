"""Snapshots: all partitions as of one moment."""

from typing import Any, Dict, Iterable, Iterator, Optional

from ottla._ottla import ffi, lib
from ottla._records import Record
from ottla.calls import call, text, whole
from ottla.handle import Handle
from ottla.offsets import OffsetAndMetadata, PartitionLike, Partitions, offsets_of
from ottla.received import TopicPartition, records_of


class Snapshot(Handle):
    """All partitions, and what groups had committed, as of the moment it was taken. Any number of
    threads. It keeps segments from being deleted from the disk until it is closed."""

    __slots__ = ()

    _what = "the snapshot"
    _made_by = "Broker.snapshot()"

    def __init__(self, pointer: Any) -> None:
        super().__init__(pointer, lib.ottla_snapshot_free)

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset behind the newest record that the partition had."""
        return self._offset(lib.ottla_snapshot_end_offset, topic, partition)

    def log_start_offset(self, topic: str, partition: int) -> int:
        """The first offset that the partition had."""
        return self._offset(lib.ottla_snapshot_log_start_offset, topic, partition)

    def end_offsets(self) -> Dict[TopicPartition, int]:
        """All partitions, and where each ended."""
        place = ffi.new("ottla_offsets **")
        call(lib.ottla_snapshot_end_offsets, self._open(), place)
        return {partition: offset.offset for partition, offset in offsets_of(place[0]).items() if offset}

    def committed(
        self, group: str, partitions: Iterable[PartitionLike]
    ) -> Dict[TopicPartition, Optional[OffsetAndMetadata]]:
        """What one of the groups had committed of partitions."""
        asked = Partitions(partitions)
        place = ffi.new("ottla_offsets **")
        group_text = text(group, "the group")
        function = lib.ottla_snapshot_committed
        call(function, self._open(), group_text, asked.array, asked.count, place)
        return offsets_of(place[0])

    def _offset(self, function: Any, topic: str, partition: int) -> int:
        found = ffi.new("int64_t *")
        number = whole(partition, "the number of the partition")
        call(function, self._open(), text(topic, "the topic"), number, found)
        return int(found[0])

    def read(self, topic: str, partition: int, start: Optional[int] = None) -> Iterator[Record]:
        """The records that the partition had, from the offset ``start`` on, or from its beginning."""
        if start is None:
            start = self.log_start_offset(topic, partition)
        place = ffi.new("ottla_snapshot_reader **")
        topic_text = text(topic, "the topic")
        where = whole(partition, "the number of the partition"), whole(start, "start", 64)
        call(lib.ottla_snapshot_read, self._open(), topic_text, *where, place)
        return pieces(ffi.gc(place[0], lib.ottla_snapshot_reader_free))


def pieces(reader: Any) -> Iterator[Record]:
    """What an ``ottla_snapshot_reader *`` reads."""
    place = ffi.new("ottla_records **")
    while True:
        call(lib.ottla_snapshot_reader_next, reader, place)
        if place[0] == ffi.NULL:
            return
        yield from records_of(place[0])
