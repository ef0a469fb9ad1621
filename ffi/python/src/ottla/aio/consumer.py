"""Consumers for asyncio."""

import asyncio
import time
from functools import partial
from types import TracebackType
from typing import Dict, Iterable, List, Optional, Sequence, Type, Union

import ottla
from ottla._records import Record
from ottla.aio.waiting import Readable, Turns
from ottla.calls import closed, end_of
from ottla.consumer import count_of
from ottla.errors import Closed
from ottla.offsets import (
    OffsetAndMetadata,
    OffsetAndTimestamp,
    OffsetsLike,
    PartitionLike,
    TimesLike,
)
from ottla.received import TopicPartition

#: A member of a group has to be heard of, and commits itself if it is told to, while nothing comes:
#: a waiting consumer polls at least this often, in seconds.
POLL_S = 1.0


class Consumer:
    """Reads partitions, alone or as a member of a group. Made by ``Broker.consumer``.

    ``async for record in consumer`` goes on until the consumer is closed. Several tasks may share
    one: each record goes to one of them. A task that is cancelled while it waits loses no record.
    Rebalance callbacks are plain functions; they get the consumer in ``sync`` and run on the loop's
    thread, within a poll or the close.
    """

    def __init__(self, consumer: ottla.Consumer) -> None:
        #: What it stands on: of one thread at a time, so leave it alone while tasks use this one.
        self.sync = consumer
        self._turns = Turns()
        self._readable = Readable(consumer.fileno)

    def __repr__(self) -> str:
        return repr(self.sync).replace("ottla.", "ottla.aio.", 1)

    # Reading.

    def __aiter__(self) -> "Consumer":
        return self

    async def __anext__(self) -> Record:
        while True:
            # A commit that is under way is not to count what comes after it began.
            if not self._turns.is_taken():
                record = next(self.sync._handed_on.iterator(), None)
                if record is not None:
                    return record
            try:
                await self._fetch(None)
            except Closed:
                if self.sync.closed:
                    raise StopAsyncIteration from None
                raise

    async def poll(
        self, timeout: Optional[float] = None, max_records: Optional[int] = None
    ) -> Sequence[Record]:
        """The next records, as soon as there are any; none if ``timeout`` seconds (None: for ever)
        have passed."""
        self._open()
        if max_records is not None:
            max_records = count_of(max_records)
        await self._fetch(end_of(timeout))
        return self.sync._handed_on.take(max_records)

    async def _fetch(self, end: Optional[float]) -> None:
        """Returns when there are records to hand on, or the time is up."""
        # Others have their turn, also if there is always something to read.
        await asyncio.sleep(0)
        while True:
            async with self._turns.lock():
                consumer = self._open()
                if not consumer._handed_on:
                    consumer._fetch(0.0)
                if consumer._handed_on:
                    return
            left = POLL_S if end is None else min(POLL_S, end - time.monotonic())
            if left <= 0:
                return
            await self._readable.wait(left)

    def _open(self) -> ottla.Consumer:
        if self.sync.closed:
            raise closed("the consumer")
        return self.sync

    # What is read, and where. Records that nobody got yet are read again afterwards.

    async def subscribe(self, topics: Union[str, Iterable[str]]) -> None:
        """Becomes a member of the group and shares these topics with its other members."""
        await self._turns.at_once(self._moved, "subscribe", topics)

    async def unsubscribe(self) -> None:
        """Leaves the group, or lets go of the partitions that were assigned."""
        await self._turns.at_once(self._moved, "unsubscribe")

    async def assign(self, partitions: Iterable[PartitionLike]) -> None:
        """Reads these partitions and no others."""
        await self._turns.at_once(self._moved, "assign", partitions)

    async def pause(self, partitions: Iterable[PartitionLike]) -> None:
        """Nothing of these partitions comes until they are resumed."""
        await self._turns.at_once(self._moved, "pause", partitions)

    async def resume(self, partitions: Iterable[PartitionLike]) -> None:
        """Records of these partitions come again."""
        await self._turns.at_once(self._moved, "resume", partitions)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Goes to an offset."""
        await self._turns.at_once(self._moved, "seek", topic, partition, offset)

    async def seek_to_beginning(self, partitions: Iterable[PartitionLike] = ()) -> None:
        """Goes to the oldest records of these partitions, or of all."""
        await self._turns.at_once(self._moved, "seek_to_beginning", partitions)

    async def seek_to_end(self, partitions: Iterable[PartitionLike] = ()) -> None:
        """Goes to the ends of these partitions, or of all."""
        await self._turns.at_once(self._moved, "seek_to_end", partitions)

    async def seek_to_timestamp(self, topic: str, partition: int, timestamp: int) -> int:
        """Goes to the first record of that time (milliseconds since 1970) or later, or to the end.
        Says which offset that is."""
        found = await self._turns.at_once(
            self._moved, "seek_to_timestamp", topic, partition, timestamp
        )
        return int(found)

    def _moved(self, name: str, *arguments: object) -> int:
        found: int = getattr(self._open(), name)(*arguments)
        # Tasks that wait look again.
        self._readable.wake()
        return found

    async def assignment(self) -> List[TopicPartition]:
        """The partitions that are read."""
        return await self._turns.at_once(lambda: self._open().assignment())

    async def position(self, topic: str, partition: int) -> int:
        """The offset of the next record that somebody gets."""
        return await self._turns.at_once(lambda: self._open().position(topic, partition))

    async def lag(self, topic: str, partition: int) -> int:
        """How many offsets lie between the position and the end of the partition."""
        return await self._turns.at_once(lambda: self._open().lag(topic, partition))

    async def beginning_offsets(
        self, partitions: Iterable[PartitionLike]
    ) -> Dict[TopicPartition, int]:
        """The offset of the oldest record of each of these partitions."""
        return await self._turns.aside(lambda: partial(self._open().beginning_offsets, partitions))

    async def end_offsets(self, partitions: Iterable[PartitionLike]) -> Dict[TopicPartition, int]:
        """The offset after the newest record of each of these partitions."""
        return await self._turns.aside(lambda: partial(self._open().end_offsets, partitions))

    async def offsets_for_times(
        self, times: TimesLike
    ) -> Dict[TopicPartition, Optional[OffsetAndTimestamp]]:
        """For each partition the first record of a time (milliseconds since 1970) or later."""
        return await self._turns.aside(lambda: partial(self._open().offsets_for_times, times))

    # What the group remembers.

    async def commit(self, offsets: Optional[OffsetsLike] = None) -> None:
        """Commits behind all records that somebody got, or given offsets. It survives power loss.

        A cancelled commit goes on; nobody is told how it went.
        """

        await self._turns.aside(lambda: partial(self._open().commit, offsets))

    async def committed(
        self, partitions: Iterable[PartitionLike]
    ) -> Dict[TopicPartition, Optional[OffsetAndMetadata]]:
        """What the group committed of partitions, which need not be assigned."""
        return await self._turns.aside(lambda: partial(self._open().committed, partitions))

    async def close(self) -> None:
        """Commits behind all records that somebody got, if that is done automatically, leaves the
        group, and ends the ``async for`` of all tasks. Once more does nothing."""
        async with self._turns.lock():
            if self.sync.closed:
                return
            # First, for the descriptor is gone afterwards.
            self._readable.wake()
            self.sync.close()

    async def __aenter__(self) -> "Consumer":
        self._open()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()
