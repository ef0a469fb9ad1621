"""Consumers: read partitions, alone or as a member of a group."""

import threading
import time
from contextlib import contextmanager
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Union,
)

from ottla._ottla import ffi, lib
from ottla._records import Record
from ottla.calls import (
    Texts,
    call,
    closed,
    error_of,
    in_slices,
    invalid,
    make,
    seconds_of,
    sized,
    text,
    text_of,
    text_or_none,
    whole,
)
from ottla.handed_on import HandedOn
from ottla.handle import Handle
from ottla.metrics import metrics_of
from ottla.offsets import (
    OffsetAndMetadata,
    OffsetAndTimestamp,
    Offsets,
    OffsetsLike,
    PartitionLike,
    Partitions,
    TimesLike,
    by_partition,
    named,
    offsets_of,
    partitions_of,
)
from ottla.rebalance import CommitCallback, Rebalance
from ottla.received import TopicPartition, records_of
from ottla.settings import Settings

#: How often it looks whether other members have let go of partitions, in seconds.
LOOK_S = 0.1

#: How long a close waits for another thread to come out of the consumer, in seconds.
PATIENCE = 10.0


class GroupMetadata(NamedTuple):
    """Who a consumer is in its group."""

    group_id: str
    #: How many times it was decided who reads what; -1 for a consumer that is no member.
    generation: int
    #: Empty for a consumer that is no member.
    member_id: str
    #: Its ``group.instance.id``.
    instance_id: Optional[str]


class Consumer(Handle):
    """Reads partitions from any offset, and follows their ends; as a member of a group it shares
    them with others. One thread at a time: ``ConcurrentUse``.

    ``for record in consumer`` goes on for ever; ``records`` can be told when to end.
    """

    __slots__ = ("_rebalance", "_handed_on", "_closer", "_is_woken", "_group")

    _what = "the consumer"
    _made_by = "Broker.consumer(...)"

    def __init__(self, broker: Any, settings: Settings, rebalance: Rebalance) -> None:
        place = ffi.new("ottla_consumer **")
        options = rebalance.options()
        what = (broker, settings.array, settings.count, options)
        make(lib.ottla_consumer_free, lib.ottla_consumer_new, *what, place)

        handed_on = HandedOn()

        def free(pointer: Any, _until_then: Any = rebalance.needed_by_library) -> None:
            # The last automatic commit is not to count what nobody has seen.
            give_back(pointer, handed_on)
            lib.ottla_consumer_free(pointer)

        super().__init__(place[0], free)
        self._closer: Optional[int] = None
        self._is_woken = False
        self._group = settings.named.get("group.id")
        rebalance.belong_to(self)
        self._rebalance = rebalance
        self._handed_on = handed_on

    def _about(self) -> str:
        return f"of group {self._group!r}" if self._group else "without a group"

    # Reading.

    def poll(
        self, timeout: Optional[float] = 0.0, max_records: Optional[int] = None
    ) -> Sequence[Record]:
        """The next records: at once if there are any, else as soon as some are published, or none
        when ``timeout`` seconds (None: for ever) have passed. At most ``max.poll.records`` of them,
        and at most ``max_records``. Another thread ends it with ``wakeup``."""
        if max_records is not None:
            max_records = count_of(max_records)
        if self._handed_on:
            seconds_of(timeout)
        else:
            self._fetch(timeout)
        return self._handed_on.take(max_records)

    def _fetch(self, timeout: Optional[float]) -> bool:
        """Has records to hand on, or returns when the time is up. Says whether a wakeup ended it."""
        place = ffi.new("ottla_records **")

        def step(slice_ms: int) -> Optional[bool]:
            place[0] = ffi.NULL
            try:
                call(lib.ottla_consumer_poll, self._open(), slice_ms, place)
            finally:
                # Also if Ctrl-C came meanwhile: a commit would count records that nobody has.
                if place[0] != ffi.NULL:
                    self._handed_on.put(records_of(place[0]))
            # What there is, if there is anything, comes with the next poll then.
            self._raise()
            if self._handed_on:
                # It did not wait: the wakeup is for the next one that does.
                return False
            is_woken, self._is_woken = self._is_woken, False
            return is_woken or None

        return bool(in_slices(timeout, step))

    def __iter__(self) -> Iterator[Record]:
        return self.records()

    def records(self, idle: Optional[float] = None, until_end: bool = False) -> Iterator[Record]:
        """One record after the other. It ends when none came for ``idle`` seconds; with
        ``until_end``, when all that there was is read; otherwise never. ``wakeup`` ends it, too.

        ``until_end`` leaves out partitions that are paused. A member of a group waits for its
        partitions first, while other members have to let go of them: for at most ``idle`` seconds.
        A commit counts the records that were returned, and no others of the same poll.
        """
        since = time.monotonic()
        while True:
            is_woken = False
            if not self._handed_on:
                is_woken = self._fetch(0.0 if until_end else idle)
            while until_end and not (is_woken or self._handed_on or self._is_at_end()):
                if idle is not None and time.monotonic() - since >= idle:
                    return
                is_woken = self._fetch(LOOK_S)
            if not self._handed_on:
                return
            yield from self._handed_on.iterator()
            since = time.monotonic()

    def _is_at_end(self) -> bool:
        paused = set(self.paused())
        assigned = self.assignment()
        if not assigned and self.subscription():
            return not self._is_rebalancing()
        return all(self.lag(*one) == 0 for one in assigned if one not in paused)

    def _is_rebalancing(self) -> bool:
        """Whether members of the group still have to let go of partitions, or to take them."""
        if self._keeps is None:
            return False
        group = text(self.group_metadata().group_id, "the group")
        place = ffi.new("ottla_group **")
        call(lib.ottla_group_describe, self._keeps._open(), group, place)
        info = sized("ottla_group_info")
        call(lib.ottla_group_get, ffi.gc(place[0], lib.ottla_group_free), info)
        return info.state in (lib.OTTLA_GROUP_ASSIGNING, lib.OTTLA_GROUP_RECONCILING)

    def wakeup(self) -> None:
        """Lets the poll that waits in another thread return at once, without records; if none waits,
        the next one that would. Any thread."""
        self._is_woken = True
        call(lib.ottla_consumer_wakeup, self._open())

    def fileno(self) -> int:
        """A descriptor that is readable when a poll has something to return or to do. Only wait on
        it, and take it out of the event loop before the consumer is closed."""
        place = ffi.new("int32_t *")
        call(lib.ottla_consumer_fd, self._open(), place)
        return int(place[0])

    # What is read.

    def subscribe(self, topics: Union[str, Iterable[str]]) -> None:
        """Becomes a member of the group and shares the partitions of these topics with its other
        members. The next polls bring the partitions."""
        names = Texts([topics] if isinstance(topics, str) else topics, "topics")
        self._move(lib.ottla_consumer_subscribe, names.array, names.count)

    def subscribe_pattern(self, pattern: str) -> None:
        """As ``subscribe``, to all topics whose whole name matches a regular expression, those
        included that are made later."""
        self._move(lib.ottla_consumer_subscribe_pattern, text(pattern, "the pattern"))

    def unsubscribe(self) -> None:
        """Leaves the group at once, or lets go of the partitions that were assigned."""
        self._move(lib.ottla_consumer_unsubscribe)

    def assign(self, partitions: Iterable[PartitionLike]) -> None:
        """Reads these partitions and no others."""
        self._with_partitions(lib.ottla_consumer_assign, partitions)

    def assignment(self) -> List[TopicPartition]:
        """The partitions that are read."""
        return self._list(lib.ottla_consumer_assignment)

    def subscription(self) -> List[str]:
        """The topics that are subscribed to; of a pattern, those that match now."""
        return [partition.topic for partition in self._list(lib.ottla_consumer_subscription)]

    def pause(self, partitions: Iterable[PartitionLike]) -> None:
        """Polls return nothing of these partitions until they are resumed."""
        self._with_partitions(lib.ottla_consumer_pause, partitions)

    def resume(self, partitions: Iterable[PartitionLike]) -> None:
        """Polls return records of these partitions again."""
        self._with_partitions(lib.ottla_consumer_resume, partitions)

    def paused(self) -> List[TopicPartition]:
        """The partitions that are paused."""
        return self._list(lib.ottla_consumer_paused)

    # Where it reads.

    def position(self, topic: str, partition: int) -> int:
        """The offset of the next record to return."""
        with self.as_handed_on():
            return self._number(lib.ottla_consumer_position, topic, partition)

    def lag(self, topic: str, partition: int) -> int:
        """How many offsets lie between the position and the end of the partition."""
        with self.as_handed_on():
            return self._number(lib.ottla_consumer_lag, topic, partition)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Goes to an offset: the next poll continues there."""
        where = named((topic, partition))
        offset = whole(offset, "the offset", 64)
        self._move(lib.ottla_consumer_seek, text(where.topic, "the topic"), where.partition, offset)

    def seek_to_beginning(self, partitions: Iterable[PartitionLike] = ()) -> None:
        """Goes to the oldest records of these partitions, or of all that are assigned."""
        self._with_partitions(lib.ottla_consumer_seek_to_beginning, partitions)

    def seek_to_end(self, partitions: Iterable[PartitionLike] = ()) -> None:
        """Goes to the ends of these partitions, or of all that are assigned."""
        self._with_partitions(lib.ottla_consumer_seek_to_end, partitions)

    def seek_to_timestamp(self, topic: str, partition: int, timestamp: int) -> int:
        """Goes to the first record of that time (milliseconds since 1970) or later, or to the end.
        Says which offset that is."""
        found = ffi.new("int64_t *")
        function = lib.ottla_consumer_seek_to_timestamp
        where = named((topic, partition))
        time_ms = whole(timestamp, "the timestamp", 64)
        self._move(function, text(where.topic, "the topic"), where.partition, time_ms, found)
        return int(found[0])

    def beginning_offsets(self, partitions: Iterable[PartitionLike]) -> Dict[TopicPartition, int]:
        """The offset of the oldest record of each of these partitions."""
        return self._numbers(lib.ottla_consumer_beginning_offsets, partitions)

    def end_offsets(self, partitions: Iterable[PartitionLike]) -> Dict[TopicPartition, int]:
        """The offset after the newest record of each of these partitions that this consumer may
        read."""
        return self._numbers(lib.ottla_consumer_end_offsets, partitions)

    def offsets_for_times(
        self, times: TimesLike
    ) -> Dict[TopicPartition, Optional[OffsetAndTimestamp]]:
        """For each partition the first record of a time (milliseconds since 1970) or later."""
        if not isinstance(times, Mapping):
            kind = type(times).__name__
            raise TypeError(f"times are of type {kind}, but must be a mapping of partitions")
        asked = Partitions(times)
        wanted = [whole(timestamp, "the timestamp", 64) for timestamp in times.values()]
        timestamps = ffi.new("int64_t[]", wanted)
        found = ffi.new("ottla_offset_and_timestamp[]", asked.count)
        function = lib.ottla_consumer_offsets_for_times
        self._call(function, asked.array, timestamps, asked.count, found)
        return {
            partition: OffsetAndTimestamp(int(one.offset), int(one.timestamp))
            if one.offset >= 0
            else None
            for partition, one in zip(asked.named, found)
        }

    # What the group remembers.

    def commit(self, offsets: Optional[OffsetsLike] = None) -> None:
        """Commits behind the records that were returned, or given offsets, each that of the next
        record to read. It survives power loss."""
        if offsets is None:
            with self.as_handed_on():
                self._call(lib.ottla_consumer_commit)
        else:
            made = Offsets(offsets)
            self._call(lib.ottla_consumer_commit_offsets, made.array, made.count)

    def commit_async(
        self,
        offsets: Optional[OffsetsLike] = None,
        on_commit: Optional[CommitCallback] = None,
    ) -> None:
        """Commits without waiting. ``on_commit`` gets the outcome later, within a poll, a commit or
        the close of this consumer: None or an exception, and the offsets."""
        told = self._rebalance.remember(on_commit)
        if offsets is None:
            with self.as_handed_on():
                self._call(lib.ottla_consumer_commit_async, *told)
        else:
            made = Offsets(offsets)
            function = lib.ottla_consumer_commit_offsets_async
            self._call(function, made.array, made.count, *told)

    def committed(
        self, partitions: Iterable[PartitionLike]
    ) -> Dict[TopicPartition, Optional[OffsetAndMetadata]]:
        """What the group committed of partitions, which need not be assigned."""
        asked = Partitions(partitions)
        place = ffi.new("ottla_offsets **")
        self._call(lib.ottla_consumer_committed, asked.array, asked.count, place)
        return offsets_of(place[0])

    @contextmanager
    def as_handed_on(self) -> Iterator[None]:
        """Within this block the consumer's positions are behind the records that were returned one by
        one, instead of behind the last poll: for what looks at the positions."""
        positions: Dict[TopicPartition, int] = {}
        try:
            for partition, offset in self._handed_on.unread().items():
                positions[partition] = self._number(lib.ottla_consumer_position, *partition)
                seek(self._open(), partition, offset)
            yield
        finally:
            for partition, position in positions.items():
                seek(self._open(), partition, position)

    def group_metadata(self) -> GroupMetadata:
        """Who this consumer is in its group now."""
        place = ffi.new("ottla_group_metadata **")
        self._call(lib.ottla_consumer_group_metadata, place)
        found = ffi.gc(place[0], lib.ottla_group_metadata_free)
        return GroupMetadata(
            text_of(lib.ottla_group_metadata_group_id(found)),
            int(lib.ottla_group_metadata_generation(found)),
            text_of(lib.ottla_group_metadata_member_id(found)),
            text_or_none(lib.ottla_group_metadata_instance_id(found)),
        )

    def metrics(self) -> Dict[str, float]:
        """What it has done so far, by name."""
        place = ffi.new("ottla_metrics **")
        self._call(lib.ottla_consumer_metrics, place)
        return metrics_of(place[0])

    def close(self) -> None:
        """Commits its positions if that is done automatically, and leaves the group. A poll of
        another thread is ended first. Once more does nothing."""
        if self._is_not_to_close():
            return
        pointer = self._open()
        error = ffi.new("ottla_error **")

        def step() -> int:
            lib.ottla_error_free(error[0])
            error[0] = ffi.NULL
            return int(lib.ottla_consumer_close(pointer, error))

        # A poll of another thread finds that there is no consumer when its slice is over; callbacks
        # of this one may still commit.
        self._closer = threading.get_ident()
        give_back(pointer, self._handed_on)
        status = self._patiently(step)
        if status in (lib.OTTLA_E_CONCURRENT_USE, lib.OTTLA_E_INVALID_INPUT):
            self._closer = None
            raise error_of(status, error[0])
        self._forget()
        self._patiently(lambda: int(lib.ottla_consumer_free(pointer)))
        if status != 0:
            raise error_of(status, error[0])
        self._raise()

    def _patiently(self, step: Callable[[], int]) -> int:
        """Waits until no other thread is inside of the consumer."""
        end = time.monotonic() + PATIENCE
        while True:
            status = step()
            if status != lib.OTTLA_E_CONCURRENT_USE or time.monotonic() > end:
                return status
            lib.ottla_consumer_wakeup(self._pointer, ffi.NULL)
            time.sleep(0.001)

    # How calls are made.

    def _open(self) -> Any:
        pointer = super()._open()
        if self._closer is not None and self._closer != threading.get_ident():
            raise closed(self._what)
        return pointer

    def _call(self, function: Callable[..., int], *arguments: Any) -> None:
        call(function, self._open(), *arguments)
        self._raise()

    def _move(self, function: Callable[..., int], *arguments: Any) -> None:
        """A call that changes positions: what was not handed on is read again, if at all."""
        pointer = self._open()
        give_back(pointer, self._handed_on)
        self._call(function, *arguments)

    def _raise(self) -> None:
        """Raises what a callback raised within the call before."""
        raised = self._rebalance.raised()
        if raised is not None:
            raise raised

    def _with_partitions(
        self, function: Callable[..., int], partitions: Iterable[PartitionLike]
    ) -> None:
        made = Partitions(partitions)
        self._move(function, made.array, made.count)

    def _list(self, function: Callable[..., int]) -> List[TopicPartition]:
        place = ffi.new("ottla_topic_partitions **")
        self._call(function, place)
        return partitions_of(place[0])

    def _number(self, function: Callable[..., int], topic: str, partition: int) -> int:
        found = ffi.new("int64_t *")
        where = named((topic, partition))
        self._call(function, text(where.topic, "the topic"), where.partition, found)
        return int(found[0])

    def _numbers(
        self, function: Callable[..., int], partitions: Iterable[PartitionLike]
    ) -> Dict[TopicPartition, int]:
        made = Partitions(partitions)
        found = ffi.new("int64_t[]", made.count)
        self._call(function, made.array, made.count, found)
        return by_partition(made, list(found))


def count_of(max_records: int) -> int:
    """How many records a poll may hand on."""
    count = whole(max_records, "max_records", 64)
    if count < 0:
        raise invalid(f"max_records is {count}, but must be 0 or more")
    return count


def give_back(pointer: Any, handed_on: HandedOn) -> None:
    """Has the next poll return again what was not handed on."""
    for partition, offset in handed_on.unread().items():
        seek(pointer, partition, offset)
    handed_on.drop()


def seek(pointer: Any, partition: TopicPartition, offset: int) -> None:
    """Goes to an offset, if the partition is still the consumer's."""
    topic = text(partition.topic, "the topic")
    lib.ottla_consumer_seek(pointer, topic, partition.partition, offset, ffi.NULL)
