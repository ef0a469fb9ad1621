"""Streams: the records of one key, found without reading its partition."""

from typing import Any, Iterator, Optional, Tuple

from ottla._ottla import ffi, lib
from ottla._records import Batch, Record, Records
from ottla.calls import call, whole
from ottla.handle import Handle
from ottla.partition import Acks, Appended, acks_number
from ottla.received import records_of
from ottla.sending import Data, Sendables, array_of

#: In place of a version: whatever it is.
ANY_VERSION: int = lib.OTTLA_VERSION_ANY

#: In place of a version: the key must have no record.
NO_STREAM: int = lib.OTTLA_VERSION_NO_STREAM

#: Above every offset.
OFFSET_MAX = (1 << 63) - 1


class Stream(Handle):
    """The records of one key of a topic that has ``ottla.key.index=true``. Any number of threads."""

    __slots__ = ("_of",)

    _what = "the stream"
    _made_by = "Broker.stream(topic, key)"

    def __init__(self, pointer: Any, topic: str, key: Data) -> None:
        super().__init__(pointer, lib.ottla_stream_free)
        self._of = topic, key if isinstance(key, str) else bytes(key)

    def _about(self) -> str:
        topic, key = self._of
        return f"{topic} {key!r}"

    @property
    def partition(self) -> int:
        """The partition that it is in."""
        found = ffi.new("int32_t *")
        call(lib.ottla_stream_partition, self._open(), found)
        return int(found[0])

    def version(self) -> int:
        """The offset of the newest record; ``NO_STREAM``, which is -1, if there is none."""
        found = ffi.new("int64_t *")
        call(lib.ottla_stream_version, self._open(), found)
        return int(found[0])

    def append(
        self, records: Sendables, version: int = ANY_VERSION, acks: Acks = "all"
    ) -> Appended:
        """Appends records as one batch: all of them, or none. Each gets the stream's key.

        ``version``: only if that is still the stream's version; ``Conflict`` has what was appended
        meanwhile, and of several who expect the same one at most one succeeds.
        """
        batch = Batch(records)
        appended = ffi.new("ottla_appended *")
        expected = whole(version, "the version", 64)
        how = (array_of(batch), len(batch), acks_number(acks), expected)
        call(lib.ottla_stream_append, self._open(), *how, appended)
        return Appended(int(appended.base_offset), int(appended.last_offset))

    def read(self, start: int = 0, stop: Optional[int] = None) -> Iterator[Record]:
        """The records with offsets from ``start`` on and below ``stop``, the oldest first."""
        return self._pieces(*self._range(start, stop), False)

    def read_backwards(self, start: int = 0, stop: Optional[int] = None) -> Iterator[Record]:
        """The same records, the newest first."""
        return self._pieces(*self._range(start, stop), True)

    def __iter__(self) -> Iterator[Record]:
        return self.read()

    def __reversed__(self) -> Iterator[Record]:
        return self.read_backwards()

    def _range(self, start: int, stop: Optional[int]) -> Tuple[int, int]:
        self._open()
        return whole(start, "start", 64), OFFSET_MAX if stop is None else whole(stop, "stop", 64)

    def _pieces(self, start: int, stop: int, backwards: bool) -> Iterator[Record]:
        while start < stop:
            records = self._piece(start, stop, backwards)
            if not records:
                return
            yield from records
            if backwards:
                stop = records[-1].offset
            else:
                start = records[-1].offset + 1

    def _piece(self, start: int, stop: int, backwards: bool) -> Records:
        place = ffi.new("ottla_records **")
        call(lib.ottla_stream_read, self._open(), start, stop, backwards, 0, place)
        return records_of(place[0])
