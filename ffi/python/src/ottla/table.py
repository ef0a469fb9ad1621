"""Tables: the newest value of each key of a topic, in memory, kept current."""

from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from ottla._ottla import ffi, lib
from ottla.calls import call, data, in_slices
from ottla.handle import Handle
from ottla.offsets import offsets_of
from ottla.received import TopicPartition
from ottla.sending import Data

#: Room for a value at the first try.
FIRST_TRY_BYTES = 512


class Table(Handle):
    """The newest value of each key, as far as the topic was read. ``table[key]`` is bytes.

    ``catch_up`` and ``poll`` read on. Any number of threads may look things up, but not while it
    reads on: ``ConcurrentUse``.
    """

    __slots__ = ("_topic",)

    _what = "the table"
    _made_by = "Broker.table(topic)"

    def __init__(self, pointer: Any, topic: str) -> None:
        super().__init__(pointer, lib.ottla_table_free)
        self._topic = topic

    def _about(self) -> str:
        return self._topic

    def __getitem__(self, key: Data) -> bytes:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: Data) -> bool:
        return self._value(key, 0) is not None

    def __len__(self) -> int:
        found = ffi.new("size_t *")
        call(lib.ottla_table_length, self._open(), found)
        return int(found[0])

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in self.items())

    def get(self, key: Data, default: Optional[bytes] = None) -> Optional[bytes]:
        """The value of a key."""
        found = self._value(key, FIRST_TRY_BYTES)
        return default if found is None else found

    def _value(self, key: Data, room: int) -> Optional[bytes]:
        start, key_length = data(key, "the key")
        length = ffi.new("int64_t *")
        only_whether = room == 0
        while True:
            buffer = ffi.new("uint8_t[]", room)
            call(lib.ottla_table_get, self._open(), start, key_length, buffer, room, length)
            if length[0] < 0:
                return None
            if only_whether:
                return b""
            if length[0] <= room:
                return bytes(ffi.buffer(buffer, length[0]))
            room = length[0]

    def items(self) -> Iterator[Tuple[bytes, bytes]]:
        """All keys and values, in no particular order. ``InvalidInput`` if the table reads on
        meanwhile."""
        position = ffi.new("ottla_table_position *")
        place = ffi.new("ottla_table_entries **")
        first = ffi.new("ottla_table_entry **")
        count = ffi.new("size_t *")
        while True:
            call(lib.ottla_table_read, self._open(), position, 0, place)
            if place[0] == ffi.NULL:
                return
            entries = ffi.gc(place[0], lib.ottla_table_entries_free)
            call(lib.ottla_table_entries_all, entries, first, count)
            for entry in first[0][0 : count[0]]:
                key = bytes(ffi.buffer(entry.key, entry.key_length))
                yield key, bytes(ffi.buffer(entry.value, entry.value_length))
            ffi.release(entries)

    def as_dict(self) -> Mapping[bytes, bytes]:
        """All of it, copied."""
        return dict(self.items())

    def offsets(self) -> Dict[TopicPartition, int]:
        """Where the table stands: of each partition the offset of the next record."""
        place = ffi.new("ottla_offsets **")
        call(lib.ottla_table_offsets, self._open(), place)
        return {at: found.offset for at, found in offsets_of(place[0]).items() if found}

    def memory_bytes(self) -> int:
        """How much memory it takes."""
        found = ffi.new("size_t *")
        call(lib.ottla_table_memory_bytes, self._open(), found)
        return int(found[0])

    def catch_up(self) -> int:
        """Reads on to the ends of all partitions as they are now. Says how many records it took."""
        count = ffi.new("uint64_t *")
        call(lib.ottla_table_catch_up, self._open(), count)
        return int(count[0])

    def poll(self, timeout: Optional[float] = 0.0) -> int:
        """As ``catch_up``, but waits for at most ``timeout`` seconds (None: for ever) if there is
        nothing to read."""
        count = ffi.new("uint64_t *")

        def step(slice_ms: int) -> Optional[int]:
            call(lib.ottla_table_poll, self._open(), slice_ms, count)
            return int(count[0]) or None

        return in_slices(timeout, step) or 0
