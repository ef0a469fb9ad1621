"""The broker: an open directory. Makes topics, producers, consumers and everything else."""

from functools import partial
from os import fsdecode
from typing import Any, Callable, Iterable, List, Optional, Sequence, Union

from ottla._ottla import ffi, lib
from ottla._records import Record
from ottla.assignor import Assignor
from ottla.atomic_append import AtomicAppend
from ottla.calls import (
    PathLike,
    Texts,
    call,
    data,
    in_slices,
    make,
    path,
    seconds_of,
    text,
    whole,
)
from ottla.children import Children
from ottla.consumer import Consumer
from ottla.errors import Closed, OttlaError, StillOpen
from ottla.groups import Groups
from ottla.handle import H, Handle
from ottla.identity import Appender, ProducerIdentity, fence, new_identity
from ottla.maintenance import Maintenance
from ottla.offsets import PartitionLike
from ottla.partition import Acks, Partition
from ottla.partitioner import PartitionerCallback
from ottla.producer import Producer
from ottla.rebalance import Rebalance, RebalanceCallback
from ottla.received import records_of
from ottla.sending import Data
from ottla.settings import Config, Settings, Value
from ottla.snapshot import Snapshot
from ottla.stream import Stream
from ottla.table import Table
from ottla.topic import TopicDescription, descriptions_of
from ottla.transaction import Transaction
from ottla.transactional_producer import TransactionalProducer


class Broker(Maintenance, Groups):
    """An open directory. Any number of threads may use it at the same time."""

    __slots__ = ("_children", "_directory")

    _what = "the broker"

    def __init__(
        self, directory: PathLike, config: Optional[Config] = None, **settings: Value
    ) -> None:
        place = ffi.new("ottla_broker **")
        made = Settings(config, settings)
        directory_text = path(directory, "the directory")
        make(lib.ottla_abandon, lib.ottla_open, directory_text, made.array, made.count, place)
        self._children = Children()
        self._directory = fsdecode(directory)
        super().__init__(place[0], partial(close_quietly, self._children))

    def _about(self) -> str:
        return repr(self._directory)

    def close(self, timeout: Optional[float] = 10.0) -> None:
        """Closes everything that was made of the broker, syncs it, and closes the directory. Once
        more does nothing.

        ``timeout``: how many seconds to wait while another thread is in the middle of something;
        None is for ever. ``StillOpen`` names what was in the way; nothing is closed then but what
        was made of the broker.
        """
        if self._is_not_to_close():
            return
        seconds_of(timeout)
        failure = self._children.close()
        pointer = self._pointer

        def step(slice_ms: int) -> Optional[bool]:
            try:
                call(lib.ottla_close, pointer, slice_ms)
            except StillOpen:
                return None
            except Closed:
                # Another thread was faster.
                return True
            except OttlaError:
                self._forget()
                raise
            return True

        if in_slices(timeout, step) is None:
            call(lib.ottla_close, pointer, 0)
        self._forget()
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """Lets go of the directory without closing it, as a kill would: the next open recovers it.
        For tests, and for a program that has to end at once."""
        pointer = self._open()
        self._forget()
        lib.ottla_abandon(pointer)

    # Topics.

    def create_topic(
        self, name: str, partitions: int = 0, config: Optional[Config] = None, **settings: Value
    ) -> None:
        """Makes a topic. ``partitions``: 0 is as many as the broker's ``num.partitions`` says.
        ``TopicExists`` if there is one of that name. It survives power loss."""
        self._make_topic(lib.ottla_topic_create, name, partitions, Settings(config, settings))

    def ensure_topic(
        self, name: str, partitions: int = 0, config: Optional[Config] = None, **settings: Value
    ) -> None:
        """Makes a topic unless there is one of that name, whose settings are then left as they are."""
        self._make_topic(lib.ottla_topic_ensure, name, partitions, Settings(config, settings))

    def _make_topic(
        self, function: Callable[..., int], name: str, partitions: int, made: Settings
    ) -> None:
        name_text = text(name, "the name of the topic")
        count = whole(partitions, "the number of partitions")
        call(function, self._open(), name_text, count, made.array, made.count)

    def delete_topic(self, name: str) -> None:
        """Deletes a topic and all its records."""
        call(lib.ottla_topic_delete, self._open(), text(name, "the name of the topic"))

    def alter_topic(
        self, name: str, config: Optional[Config] = None, **settings: Optional[Value]
    ) -> None:
        """Changes settings of a topic; None takes one back to its default. All of them, or none."""
        made = Settings(config, settings, none_is_default=True)
        name_text = text(name, "the name of the topic")
        call(lib.ottla_topic_alter, self._open(), name_text, made.array, made.count)

    def add_partitions(self, name: str, total: int) -> None:
        """Gives a topic more partitions: ``total`` counts the old ones."""
        name_text = text(name, "the name of the topic")
        count = whole(total, "the total of partitions")
        call(lib.ottla_topic_add_partitions, self._open(), name_text, count)

    def topics(self) -> List[TopicDescription]:
        """All topics, by name, those that Kafka keeps for itself among them."""
        place = ffi.new("ottla_topics **")
        call(lib.ottla_topics_list, self._open(), place)
        return descriptions_of(place[0])

    def describe_topic(self, name: str) -> TopicDescription:
        """One topic."""
        place = ffi.new("ottla_topics **")
        name_text = text(name, "the name of the topic")
        call(lib.ottla_topics_describe, self._open(), name_text, place)
        return descriptions_of(place[0])[0]

    # What is made of the broker.

    def producer(
        self,
        config: Optional[Config] = None,
        *,
        partitioner: Optional[PartitionerCallback] = None,
        **settings: Value,
    ) -> Producer:
        """Makes a producer. Settings are Kafka's: ``acks``, ``linger.ms``, ``compression.type`` ...

        ``partitioner`` gets topic, key, value and the number of partitions, and chooses one; None
        leaves it to the producer. It is called within ``send``, on its thread.
        """
        made = Settings(config, settings)
        return self._adopt(Producer(self._open(), made, partitioner))

    def consumer(
        self,
        topics: Union[str, Iterable[str]] = (),
        config: Optional[Config] = None,
        *,
        group: Optional[str] = None,
        assign: Iterable[PartitionLike] = (),
        on_assigned: Optional[RebalanceCallback] = None,
        on_revoked: Optional[RebalanceCallback] = None,
        on_lost: Optional[RebalanceCallback] = None,
        assignors: Sequence[Assignor] = (),
        **settings: Value,
    ) -> Consumer:
        """Makes a consumer: a member of a group that shares these topics, or one that reads the
        partitions of ``assign``. Without either it waits for ``subscribe`` or ``assign``.

        The callbacks get the consumer and a list of partitions, within its own calls. ``on_lost``
        stands in for ``on_revoked`` where nothing can be committed any more; without it that is
        called. ``assignors`` share out the partitions of the group instead of Kafka's. Settings are Kafka's: ``auto.offset.reset``, ``enable.auto.commit``,
        ``max.poll.records`` ...
        """
        made_settings = Settings(config, settings, beside={"group": ("group.id", group)})
        rebalance = Rebalance(on_assigned, on_revoked, on_lost, assignors)
        made = self._adopt(Consumer(self._open(), made_settings, rebalance))
        try:
            assigned = list(assign)
            if topics:
                made.subscribe(topics)
            if assigned:
                made.assign(assigned)
        except BaseException:
            # The traceback knows it: who closes the broker then is not to find it open.
            made.close()
            raise
        return made

    def partition(self, topic: str, number: int) -> Partition:
        """One partition, to append to and to ask directly."""
        return self._adopt(Partition(self._open(), topic, number))

    def transactional_producer(
        self,
        transactional_id: str,
        config: Optional[Config] = None,
        *,
        partitioner: Optional[PartitionerCallback] = None,
        **settings: Value,
    ) -> TransactionalProducer:
        """Makes a producer of transactions under an id, and fences the one that has it: its
        transaction is aborted, and nothing of it is committed any more."""
        named = {"transactional_id": ("transactional.id", transactional_id)}
        made = Settings(config, settings, beside=named)
        return self._adopt(TransactionalProducer(self._open(), made, partitioner))

    def atomic_append(self) -> AtomicAppend:
        """Begins an append to several partitions: all of it or nothing."""
        return self._adopt(AtomicAppend(self._open()))

    def new_identity(self) -> ProducerIdentity:
        """An identity for idempotent appends that nobody ever had in this directory."""
        return new_identity(self._open())

    def fence(self, identity: ProducerIdentity) -> ProducerIdentity:
        """Declares an identity over, and says which one takes its place."""
        return fence(self._open(), identity)

    def appender(
        self,
        partition: Partition,
        identity: ProducerIdentity,
        next_sequence: int = 0,
        acks: Acks = "all",
    ) -> Appender:
        """Appends batches to one partition, each once. What is appended first begins at the sequence
        number ``next_sequence``."""
        return self._adopt(Appender(partition._open(), identity, next_sequence, acks))

    def transaction(
        self,
        config: Optional[Config] = None,
        *,
        partitioner: Optional[PartitionerCallback] = None,
        **settings: Value,
    ) -> Transaction:
        """Begins a transaction: records, offsets and conditions, all or nothing. Settings are those
        of a producer that matter to one: ``transaction.timeout.ms``, ``compression.type``."""
        made = Settings(config, settings)
        return self._adopt(Transaction(self._open(), made, partitioner))

    def stream(self, topic: str, key: Data, partition: Optional[int] = None) -> Stream:
        """The records of one key, in the partition that a producer chooses for it, or in another
        one. The topic needs ``ottla.key.index=true``."""
        topic_text = text(topic, "the topic")
        start, length = data(key, "the key")
        place = ffi.new("ottla_stream **")
        if partition is None:
            where: Sequence[Any] = (lib.ottla_stream_new, self._open(), topic_text)
        else:
            number = whole(partition, "the partition")
            where = (lib.ottla_stream_new_in, self._open(), topic_text, number)
        make(lib.ottla_stream_free, *where, start, length, place)
        return self._adopt(Stream(place[0], topic, key))

    def latest(self, topic: str, key: Data) -> Optional[Record]:
        """The newest record of a key; None if there is none, or if it is a tombstone."""
        topic_text = text(topic, "the topic")
        start, length = data(key, "the key")
        place = ffi.new("ottla_records **")
        call(lib.ottla_latest, self._open(), topic_text, start, length, place)
        return next(iter(records_of(place[0])), None)

    def table(self, topic: str) -> Table:
        """The newest value of each key of a topic, read up to now."""
        place = ffi.new("ottla_table **")
        topic_text = text(topic, "the topic")
        make(lib.ottla_table_free, lib.ottla_table_new, self._open(), topic_text, place)
        return self._adopt(Table(place[0], topic))

    def snapshot(self, groups: Sequence[str] = ()) -> Snapshot:
        """All partitions, and what these groups have committed, as of this moment."""
        names = Texts(groups, "groups")
        place = ffi.new("ottla_snapshot **")
        what = (self._open(), names.array, names.count)
        make(lib.ottla_snapshot_free, lib.ottla_snapshot_new, *what, place)
        return self._adopt(Snapshot(place[0]))

    def _adopt(self, child: H) -> H:
        """Has the child closed before the broker, and keep it."""
        self._children.adopt(self, child)
        return child


def close_quietly(children: Children, pointer: Any) -> None:
    """Closes a broker that nobody has any more, or whose program ends."""
    children.free_dead()
    if lib.ottla_close(pointer, 0, ffi.NULL) == lib.OTTLA_E_STILL_OPEN:
        lib.ottla_abandon(pointer)


def open(directory: PathLike, config: Optional[Config] = None, **settings: Value) -> Broker:
    """Opens a directory, makes it if it is not there, and recovers it if it was not closed.

    ``":memory:"`` is one in memory, for tests. Settings have Kafka's names: in ``config`` with dots,
    as keywords with underscores. ``Locked`` while another program has the directory open.
    """
    return Broker(directory, config, **settings)
