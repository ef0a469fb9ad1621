"""Consumers that hand out one message at a time.

The invariant: only what was handed out is stored, and only what is stored is committed.
"""

import time
import weakref
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type

import ottla
from ottla._ottla import ffi, lib
from ottla.calls import call, callable_or_none, text_of
from ottla.confluent_kafka.config import flag, function, merged, without_network
from ottla.confluent_kafka.errors import KafkaError, error_of, failure, translated, translating
from ottla.confluent_kafka.lease import Lease
from ottla.confluent_kafka.message import Message, message_of
from ottla.confluent_kafka.producer import end_of, left_until
from ottla.confluent_kafka.stored import Key, Offsets, Stored, listed, offsets_of
from ottla.confluent_kafka.topic_partition import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    TopicPartition,
)
from ottla.confluent_kafka.transactions import GroupMetadata
from ottla.errors import OttlaError, UnknownTopicOrPartition
from ottla.offsets import OffsetAndMetadata

#: Is told which partitions come or go.
RebalanceCallback = Callable[["Consumer", List[TopicPartition]], Any]

#: How long a poll waits before it looks whether to commit, in seconds.
SLICE_S = 0.5


@translating
class Consumer:
    """Reads as a member of a group, or what it is assigned. One thread at a time."""

    def __init__(self, config: Optional[Mapping[str, Any]] = None, **keywords: Any) -> None:
        settings = without_network(merged(config, keywords))
        self._commits = flag(settings, "enable.auto.commit", True) and "group.id" in settings
        self._stores = flag(settings, "enable.auto.offset.store", True)
        self._tells_ends = flag(settings, "enable.partition.eof", False)
        self._commit_every = int(settings.pop("auto.commit.interval.ms", 5000)) / 1000
        self._on_commit = function(settings, "on_commit")
        self._callbacks: Dict[str, Optional[RebalanceCallback]] = {}
        self._stored = Stored()
        self._positions: Dict[Key, int] = {}
        self._events: List[Message] = []
        self._told_end: Dict[Key, int] = {}
        self._next_commit = time.monotonic() + self._commit_every
        self._is_within_callback = False
        self._is_closed = False
        self._lease = Lease(settings)
        settings["enable.auto.commit"] = False
        with self._lease.kept_only_on_success(), translated():
            self._consumer = self._lease.broker.consumer((), settings, **told(self))

    # Reading.

    def poll(self, timeout: Optional[float] = None) -> Optional[Message]:
        """The next message, or None if there is none for ``timeout`` seconds (None or -1: for
        ever)."""
        self._open()
        end = end_of(timeout)
        while True:
            message = self._next()
            left = left_until(end)
            if message is not None:
                return message
            self._fill(max(0.0, min(left, SLICE_S)))
            message = self._next()
            if message is not None or left_until(end) <= 0:
                return message

    def consume(self, num_messages: int = 1, timeout: float = -1) -> List[Message]:
        """As many messages, or fewer if the time was up before."""
        end = end_of(timeout)
        messages: List[Message] = []
        while len(messages) < num_messages:
            left = left_until(end)
            message = self.poll(None if left == float("inf") else max(0.0, left))
            if message is None:
                break
            messages.append(message)
        return messages

    def _next(self) -> Optional[Message]:
        self._commit_if_it_is_time()
        if self._events:
            return self._events.pop(0)
        record = next(self._consumer._handed_on.iterator(), None)
        if record is None:
            return None
        key = (record.topic, record.partition)
        self._positions[key] = record.offset + 1
        if self._stores:
            self._stored.put(key, OffsetAndMetadata(record.offset + 1))
        return message_of(record)

    def _fill(self, timeout: float) -> None:
        try:
            self._consumer._fetch(0 if self._tells_ends else timeout)
            if self._tells_ends and not self._consumer._handed_on:
                self._note_ends()
                if not self._events and timeout > 0:
                    self._consumer._fetch(timeout)
        except OttlaError as raised:
            self._events.append(
                Message(raised.topic, raised.partition, None, error=error_of(raised))
            )

    def _note_ends(self) -> None:
        """Puts an event for each partition whose end was reached since it was told last."""
        for key in self._consumer.assignment():
            position = self._consumer.position(*key)
            if self._consumer.lag(*key) == 0 and self._told_end.get(key) != position:
                self._told_end[key] = position
                end = KafkaError(KafkaError._PARTITION_EOF, "the end of the partition")
                self._events.append(Message(key.topic, key.partition, position, error=end))

    def _open(self) -> ottla.Consumer:
        if self._is_closed:
            raise RuntimeError("Consumer closed")
        return self._consumer

    # What is read.

    def subscribe(
        self,
        topics: List[str],
        on_assign: Optional[RebalanceCallback] = None,
        on_revoke: Optional[RebalanceCallback] = None,
        on_lost: Optional[RebalanceCallback] = None,
    ) -> None:
        """Becomes a member of the group. A name that begins with ``^`` is a regular expression. A
        topic that is not there yet is read once it is made."""
        if not isinstance(topics, list):
            raise TypeError("expected list of topic unicode strings")
        for callback in (on_assign, on_revoke, on_lost):
            callable_or_none(callback, "a callback of subscribe")
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}
        self._open()
        with translated():
            if not any(topic.startswith("^") for topic in topics):
                try:
                    return self._consumer.subscribe(topics)
                except UnknownTopicOrPartition:
                    pass
            self._consumer.subscribe_pattern(pattern_of(topics))

    def unsubscribe(self) -> None:
        """Leaves the group."""
        self._open()
        with translated():
            self._consumer.unsubscribe()

    def assign(self, partitions: List[TopicPartition]) -> None:
        """Reads these partitions, from their offsets. Within a callback: takes what the group gave,
        from these offsets; so does, while it is subscribed, just what the group gave already."""
        self._open()
        if not self._is_within_callback and not self._is_what_the_group_gave(partitions):
            with translated():
                self._commit_what_was_assigned_by_hand()
                self._consumer.assign([key_of(one) for one in partitions])
        for one in partitions:
            if one.offset >= 0 or one.offset in (OFFSET_BEGINNING, OFFSET_END):
                self._go_to(one)

    def _is_what_the_group_gave(self, partitions: List[TopicPartition]) -> bool:
        given = {key_of(one) for one in partitions}
        return bool(self._consumer.subscription()) and given == set(self._consumer.assignment())

    def incremental_assign(self, partitions: List[TopicPartition]) -> None:
        """Reads these, too."""
        if self._is_within_callback:
            return self.assign(partitions)
        self.assign([*(without(self.assignment(), partitions)), *partitions])

    def unassign(self) -> None:
        """Reads nothing. Within a callback there is nothing to do: the partitions go anyway."""
        if not self._is_within_callback:
            self.assign([])

    def incremental_unassign(self, partitions: List[TopicPartition]) -> None:
        """Reads these no more."""
        if not self._is_within_callback:
            self.assign(without(self.assignment(), partitions))

    def assignment(self) -> List[TopicPartition]:
        """The partitions that are read."""
        with translated():
            return [TopicPartition(*key) for key in self._open().assignment()]

    def pause(self, partitions: List[TopicPartition]) -> None:
        """Nothing of these comes until they are resumed."""
        self._open()
        with translated():
            self._consumer.pause([key_of(one) for one in partitions])

    def resume(self, partitions: List[TopicPartition]) -> None:
        """These come again."""
        self._open()
        with translated():
            self._consumer.resume([key_of(one) for one in partitions])

    # Where.

    def seek(self, partition: TopicPartition) -> None:
        """Goes to its offset."""
        self._open()
        self._go_to(partition)

    def _go_to(self, to: TopicPartition) -> None:
        key = key_of(to)
        with translated():
            if to.offset == OFFSET_BEGINNING:
                self._consumer.seek_to_beginning([key])
            elif to.offset == OFFSET_END:
                self._consumer.seek_to_end([key])
            else:
                self._consumer.seek(*key, to.offset)
        self._stored.forget([key])
        self._positions.pop(key, None)
        self._told_end.pop(key, None)

    def position(self, partitions: List[TopicPartition]) -> List[TopicPartition]:
        """Behind the messages that were handed out; OFFSET_INVALID where there was none."""
        self._open()
        found = [(one, self._positions.get(key_of(one), OFFSET_INVALID)) for one in partitions]
        return [TopicPartition(one.topic, one.partition, offset) for one, offset in found]

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> Tuple[int, int]:
        """The first offset, and the one behind the last."""
        key = key_of(partition)
        with translated():
            low = self._open().beginning_offsets([key])
            high = self._consumer.end_offsets([key])
        return next(iter(low.values())), next(iter(high.values()))

    def offsets_for_times(
        self, partitions: List[TopicPartition], timeout: float = -1
    ) -> List[TopicPartition]:
        """The first offset of the time that stands in place of each offset, or later; OFFSET_END
        where there is none."""
        with translated():
            found = self._open().offsets_for_times({key_of(one): one.offset for one in partitions})
        return [
            TopicPartition(*key, OFFSET_END if one is None else one.offset)
            for key, one in found.items()
        ]

    # What the group remembers.

    def store_offsets(
        self,
        message: Optional[Message] = None,
        offsets: Optional[List[TopicPartition]] = None,
    ) -> None:
        """Has them committed with the next commit: with ``enable.auto.offset.store=false``."""
        self._open()
        for key, offset in (offsets_of(message, offsets) or {}).items():
            self._stored.put(key, offset)

    def commit(
        self,
        message: Optional[Message] = None,
        offsets: Optional[List[TopicPartition]] = None,
        asynchronous: bool = True,
    ) -> Optional[List[TopicPartition]]:
        """Commits behind a message, given offsets, or what is stored. Returns what was committed,
        unless it does not wait for it: then ``on_commit`` is told within the next poll."""
        self._open()
        wanted = offsets_of(message, offsets)
        if wanted is None:
            wanted = self._stored.uncommitted()
            if not wanted and not asynchronous:
                raise failure("_NO_OFFSET", "nothing is stored that was not committed")
        with translated():
            self._commit(wanted, asynchronous)
        return None if asynchronous else listed(wanted)

    def _commit(self, offsets: Offsets, asynchronous: bool = False) -> None:
        error: Optional[KafkaError] = None
        try:
            # Who wants to be told needs to know how it went.
            if asynchronous and self._on_commit is None:
                self._consumer.commit_async(offsets)
            else:
                self._consumer.commit(offsets)
            self._stored.committed(offsets)
        except OttlaError as raised:
            error = error_of(raised)
            if not asynchronous:
                raise
        finally:
            if self._on_commit is not None:
                self._on_commit(error, listed(offsets))

    def _commit_if_it_is_time(self) -> None:
        if self._commits and time.monotonic() >= self._next_commit:
            self._next_commit = time.monotonic() + self._commit_every
            self._commit_stored(asynchronous=True)

    def _commit_stored(
        self, partitions: Optional[List[Key]] = None, asynchronous: bool = False
    ) -> None:
        offsets = self._stored.uncommitted(partitions)
        if offsets:
            self._commit(offsets, asynchronous)

    def _commit_what_was_assigned_by_hand(self) -> None:
        """Nothing of it is revoked, so that no callback does it."""
        if self._commits and not self._consumer.subscription():
            self._commit_stored()

    def committed(
        self, partitions: List[TopicPartition], timeout: float = -1
    ) -> List[TopicPartition]:
        """What the group committed; OFFSET_INVALID where nothing was."""
        with translated():
            found = self._open().committed([key_of(one) for one in partitions])
        return [
            TopicPartition(*key, OFFSET_INVALID)
            if one is None
            else TopicPartition(*key, one.offset, one.metadata or None)
            for key, one in found.items()
        ]

    def consumer_group_metadata(self) -> GroupMetadata:
        """For ``Producer.send_offsets_to_transaction``."""
        return GroupMetadata(self._open())

    def memberid(self) -> Optional[str]:
        """Which member of the group this is; None if it is none."""
        place = ffi.new("ottla_group_metadata **")
        with translated():
            call(lib.ottla_consumer_group_metadata, self._open()._open(), place)
        try:
            return text_of(lib.ottla_group_metadata_member_id(place[0])) or None
        finally:
            lib.ottla_group_metadata_free(place[0])

    def list_topics(self, topic: Optional[str] = None, timeout: float = -1) -> Any:
        """The topics: see ``admin.ClusterMetadata``."""
        from ottla.confluent_kafka.admin import cluster_metadata

        with translated():
            self._open()
            return cluster_metadata(self._lease.broker, topic)

    def close(self) -> None:
        """Commits what is stored, if that is done automatically, leaves the group, and lets go of the
        directory."""
        if self._is_closed:
            return
        try:
            if not self._consumer._is_not_to_close():
                with translated():
                    self._commit_what_was_assigned_by_hand()
                    self._consumer.close()
        finally:
            self._is_closed = True
            self._lease.end()

    def __enter__(self) -> "Consumer":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    # What the group decides.

    def _rebalanced(self, what: str, partitions: List[Key]) -> None:
        callback = self._callbacks.get(what)
        if what == "lost" and callback is None:
            callback = self._callbacks.get("revoke")
        self._is_within_callback = True
        try:
            if callback is not None:
                callback(self, [TopicPartition(*key) for key in partitions])
            if what == "revoke" and self._commits:
                self._commit_stored(partitions)
        finally:
            self._is_within_callback = False
            if what != "assign":
                self._stored.forget(partitions)
                for key in partitions:
                    self._positions.pop(key, None)


def told(consumer: Consumer) -> Dict[str, Any]:
    """Callbacks that do not keep the consumer from being collected."""
    to = weakref.ref(consumer)

    def tell(what: str) -> Callable[[ottla.Consumer, List[Key]], None]:
        def rebalanced(_of: ottla.Consumer, partitions: List[Key]) -> None:
            found = to()
            if found is not None:
                found._rebalanced(what, partitions)

        return rebalanced

    return {
        "on_assigned": tell("assign"),
        "on_revoked": tell("revoke"),
        "on_lost": tell("lost"),
    }


def pattern_of(topics: List[str]) -> str:
    """A regular expression of names and of expressions, which match names that begin so unless they
    end with ``$``."""
    parts = []
    for one in topics:
        if not one.startswith("^"):
            parts.append(one.replace(".", r"\."))
        elif one.endswith("$"):
            parts.append(f"(?:{one[1:-1]})")
        else:
            parts.append(f"(?:{one[1:]}).*")
    return "|".join(f"(?:{part})" for part in parts)


def key_of(partition: TopicPartition) -> Key:
    """Topic and number."""
    return (partition.topic, partition.partition)


def without(all_of_them: List[TopicPartition], gone: List[TopicPartition]) -> List[TopicPartition]:
    """Those that are not gone."""
    return [one for one in all_of_them if one not in gone]


