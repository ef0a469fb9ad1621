"""One partition, to append to and to ask directly."""

from dataclasses import dataclass
from typing import Any, Iterator, List, NamedTuple, Optional, Union

from ottla._ottla import ffi, lib
from ottla._records import Batch, Record, Records
from ottla.calls import call, data, invalid, make, text, whole
from ottla.handle import Handle
from ottla.offsets import OffsetAndTimestamp
from ottla.received import records_of
from ottla.rows import rows
from ottla.sending import Data, Sendables, array_of

#: Kafka's names for how safe a record has to be: "all" (synced), 1 (the system has it), 0.
Acks = Union[int, str]

#: About how much one read takes.
READ_BYTES = 1 << 20


class Appended(NamedTuple):
    """Where records went."""

    base_offset: int
    last_offset: int


@dataclass(frozen=True)
class ProducerState:
    """What a partition knows of an idempotent producer."""

    id: int
    #: Its newest epoch.
    epoch: int
    #: The sequence number of its last record; -1 if it has none in this epoch.
    last_sequence: int
    #: The offset of its last record; -1 if it has none in this epoch.
    last_offset: int
    #: The largest timestamp of its last batch, in milliseconds since 1970.
    last_timestamp: int


class Partition(Handle):
    """One partition of a topic. Any number of threads."""

    __slots__ = ("topic", "number")

    _what = "the partition"
    _made_by = "Broker.partition(topic, number)"

    def __init__(self, broker: Any, topic: str, number: int) -> None:
        place = ffi.new("ottla_partition **")
        what = (broker, text(topic, "the topic"), whole(number, "the number of the partition"))
        make(lib.ottla_partition_free, lib.ottla_partition_new, *what, place)
        super().__init__(place[0], lib.ottla_partition_free)
        self.topic = topic
        self.number = number

    def _about(self) -> str:
        return f"{self.topic}-{self.number}"

    def append(
        self,
        records: Sendables,
        acks: Acks = "all",
        expected_end: Optional[int] = None,
        key: Optional[Data] = None,
        version: Optional[int] = None,
    ) -> Appended:
        """Appends records as one batch: all of them or none, at consecutive offsets. When it returns
        they are as safe as ``acks`` says.

        ``expected_end``: only if the partition ends there. ``key`` and ``version``: only if the
        newest record of the key in this partition is still that one (``ottla.NO_STREAM``: if there
        is none). ``Conflict`` has what was appended meanwhile.
        """
        batch = Batch(records)
        appended = ffi.new("ottla_appended *")
        what = (array_of(batch), len(batch), acks_number(acks), appended)
        if (key is None) != (version is None) or (key is not None and expected_end is not None):
            raise invalid("expect an end, or the version of a key, or nothing")
        if expected_end is not None:
            expected_end = whole(expected_end, "expected_end", 64)
            call(lib.ottla_partition_append_expecting, self._open(), expected_end, *what)
        elif key is not None and version is not None:
            start, length = data(key, "the key")
            function = lib.ottla_partition_append_expecting_version
            expected = whole(version, "the version", 64)
            call(function, self._open(), start, length, expected, *what)
        else:
            call(lib.ottla_partition_append, self._open(), *what)
        return Appended(int(appended.base_offset), int(appended.last_offset))

    def read(self, start: Optional[int] = None, stop: Optional[int] = None) -> Iterator[Record]:
        """The records from an offset on, or from the beginning, up to the end as it is then, or
        below ``stop``. Those of transactions are read as they were written, decided or not."""
        begin = self.log_start_offset() if start is None else whole(start, "start", 64)
        end = None if stop is None else whole(stop, "stop", 64)
        self._open()
        return self._pieces(begin, end)

    def _pieces(self, start: int, stop: Optional[int]) -> Iterator[Record]:
        while stop is None or start < stop:
            records = self.read_batch(start)
            if not records:
                return
            for record in records:
                if stop is not None and record.offset >= stop:
                    return
                yield record
            start = records[-1].offset + 1

    def read_batch(self, start: int, bytes_max: int = READ_BYTES) -> Records:
        """Whole batches from an offset on: about so many bytes, at least one batch if there is one.
        Nothing at the end."""
        place = ffi.new("ottla_records **")
        where = whole(start, "start", 64), whole(bytes_max, "bytes_max", 64)
        call(lib.ottla_partition_read, self._open(), *where, place)
        return records_of(place[0])

    def log_start_offset(self) -> int:
        """The first offset that can be read."""
        return self._number(lib.ottla_partition_log_start_offset, "int64_t *")

    def end_offset(self) -> int:
        """The offset behind the newest record: the next record gets it."""
        return self._number(lib.ottla_partition_end_offset, "int64_t *")

    def last_stable_offset(self) -> int:
        """The end for readers of committed records."""
        return self._number(lib.ottla_partition_last_stable_offset, "int64_t *")

    def size_bytes(self) -> int:
        """The bytes of its segments."""
        return self._number(lib.ottla_partition_size_bytes, "uint64_t *")

    def delete_records(self, offset: int = -1) -> int:
        """Deletes the records below an offset (-1: all of them), for good. Says where the log begins
        then."""
        return self._number(lib.ottla_partition_delete_records, "int64_t *", whole(offset, "the offset", 64))

    def truncate_to(self, offset: int) -> int:
        """Cuts off all records from an offset on; batches go whole. Says where the log ends then."""
        return self._number(lib.ottla_partition_truncate_to, "int64_t *", whole(offset, "the offset", 64))

    def offset_for_timestamp(self, timestamp: int) -> Optional[OffsetAndTimestamp]:
        """The first record of that time (milliseconds since 1970) or later."""
        return self._found(lib.ottla_partition_offset_for_timestamp, whole(timestamp, "the timestamp", 64))

    def offset_of_max_timestamp(self) -> Optional[OffsetAndTimestamp]:
        """The record with the greatest timestamp, by the last offset of its batch."""
        return self._found(lib.ottla_partition_offset_of_max_timestamp)

    def producers(self) -> List[ProducerState]:
        """What the partition knows of idempotent producers, by their ids."""
        place = ffi.new("ottla_producer_states **")
        call(lib.ottla_partition_producers, self._open(), place)
        states = ffi.gc(place[0], lib.ottla_producer_states_free)
        count = lib.ottla_producer_states_count(states)
        get = lib.ottla_producer_states_get
        return rows(ProducerState, "ottla_producer_state", count, get, states)

    def check(self) -> None:
        """Raises why the partition cannot be written, if it is damaged."""
        call(lib.ottla_partition_damage, self._open())

    def _number(self, function: Any, place: str, *arguments: Any) -> int:
        found = ffi.new(place)
        call(function, self._open(), *arguments, found)
        return int(found[0])

    def _found(self, function: Any, *arguments: Any) -> Optional[OffsetAndTimestamp]:
        offset = ffi.new("int64_t *")
        timestamp = ffi.new("int64_t *")
        call(function, self._open(), *arguments, offset, timestamp)
        if offset[0] < 0:
            return None
        return OffsetAndTimestamp(int(offset[0]), int(timestamp[0]))


def acks_number(acks: Acks) -> int:
    """What ``acks`` is in C."""
    known = {"all": lib.OTTLA_ACKS_ALL, "-1": lib.OTTLA_ACKS_ALL}
    known.update({"1": lib.OTTLA_ACKS_LEADER, "0": lib.OTTLA_ACKS_NONE})
    number = known.get(str(acks))
    if number is None:
        raise invalid(f'acks is {acks!r}, but must be "all", 1 or 0')
    return int(number)
