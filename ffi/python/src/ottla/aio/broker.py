"""The broker for asyncio."""

import weakref
from types import TracebackType
from typing import Any, Generator, Iterable, List, NoReturn, Optional, Sequence, Type, Union

import ottla
from ottla._records import Record
from ottla.aio.consumer import Consumer
from ottla.aio.producer import Producer
from ottla.aio.transaction import Transaction
from ottla.aio.waiting import aside
from ottla.assignor import Assignor
from ottla.calls import PathLike, seconds_of
from ottla.offsets import PartitionLike
from ottla.partitioner import PartitionerCallback
from ottla.rebalance import RebalanceCallback
from ottla.sending import Data
from ottla.settings import Config, Value
from ottla.topic import TopicDescription


class Broker:
    """An open directory, for tasks. Any number of them may use it at the same time.

    It stands on an ``ottla.Broker``, which is its attribute ``sync``: whatever has no coroutine here
    can be called there, in ``asyncio.to_thread`` if it reads or writes much.
    """

    def __init__(self, broker: ottla.Broker) -> None:
        #: What it stands on.
        self.sync = broker
        self._children: "weakref.WeakSet[Union[Producer, Consumer]]" = weakref.WeakSet()

    def __repr__(self) -> str:
        return repr(self.sync).replace("ottla.", "ottla.aio.", 1)

    def producer(
        self,
        config: Optional[Config] = None,
        *,
        partitioner: Optional[PartitionerCallback] = None,
        **settings: Value,
    ) -> Producer:
        """Makes a producer: ``ottla.Broker.producer``."""
        made = Producer(self.sync.producer(config, partitioner=partitioner, **settings))
        self._children.add(made)
        return made

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
        """Makes a consumer: ``ottla.Broker.consumer``."""
        made = Consumer(
            self.sync.consumer(
                topics,
                config,
                group=group,
                assign=assign,
                on_assigned=on_assigned,
                on_revoked=on_revoked,
                on_lost=on_lost,
                assignors=assignors,
                **settings,
            )
        )
        self._children.add(made)
        return made

    def transaction(
        self,
        config: Optional[Config] = None,
        *,
        partitioner: Optional[PartitionerCallback] = None,
        **settings: Value,
    ) -> Transaction:
        """Begins a transaction: ``ottla.Broker.transaction``."""
        made = self.sync.transaction(config, partitioner=partitioner, **settings)
        return Transaction(made)

    async def create_topic(
        self, name: str, partitions: int = 0, config: Optional[Config] = None, **settings: Value
    ) -> None:
        """Makes a topic; ``TopicExists`` if there is one of that name."""
        await aside(lambda: self.sync.create_topic(name, partitions, config, **settings))

    async def ensure_topic(
        self, name: str, partitions: int = 0, config: Optional[Config] = None, **settings: Value
    ) -> None:
        """Makes a topic unless there is one of that name."""
        await aside(lambda: self.sync.ensure_topic(name, partitions, config, **settings))

    async def delete_topic(self, name: str) -> None:
        """Deletes a topic and all its records."""
        await aside(self.sync.delete_topic, name)

    async def topics(self) -> List[TopicDescription]:
        """All topics, by name."""
        return await aside(self.sync.topics)

    async def latest(self, topic: str, key: Data) -> Optional[Record]:
        """The newest record of a key; None if there is none, or if it is a tombstone."""
        return await aside(self.sync.latest, topic, key)

    async def close(self, timeout: Optional[float] = 10.0) -> None:
        """Closes its producers and consumers, and then ``ottla.Broker.close``."""
        seconds_of(timeout)
        failure: Optional[Exception] = None
        for child in list(self._children):
            try:
                await child.close()
            except Exception as error:
                failure = failure or error
        await aside(self.sync.close, timeout)
        if failure is not None:
            raise failure

    async def __aenter__(self) -> "Broker":
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()


class Opening:
    """A broker that is opened when it is awaited, or by ``async with``."""

    def __init__(
        self, directory: PathLike, config: Optional[Config], settings: "dict[str, Value]"
    ) -> None:
        self._arguments = directory, config, settings
        self._broker: Optional[Broker] = None

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"{name}: the broker is not open yet: `broker = await ottla.aio.open(...)`, or"
            " `async with ottla.aio.open(...) as broker`"
        )

    def __await__(self) -> Generator[Any, None, Broker]:
        return self._open().__await__()

    async def _open(self) -> Broker:
        directory, config, settings = self._arguments
        return Broker(await aside(lambda: ottla.open(directory, config, **settings)))

    async def __aenter__(self) -> Broker:
        self._broker = await self._open()
        return self._broker

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._broker is not None:
            await self._broker.close()


def open(directory: PathLike, config: Optional[Config] = None, **settings: Value) -> Opening:
    """Opens a directory as ``ottla.open`` does, on a thread of the executor, for it may have to be
    recovered: ``async with open(...) as broker`` or ``broker = await open(...)``."""
    return Opening(directory, config, settings)
