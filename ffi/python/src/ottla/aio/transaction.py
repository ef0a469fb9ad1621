"""Transactions for asyncio."""

import asyncio
from types import TracebackType
from typing import List, Optional, Type

import ottla
from ottla.aio.consumer import Consumer
from ottla.aio.waiting import Turns
from ottla.sending import Data, Headers, ProducerRecord, Sendables
from ottla.staging import Place


class Transaction:
    """Records, offsets and conditions, all or nothing. Made by ``Broker.transaction``.

    ``async with`` commits at the end of the block, and aborts if an exception leaves it. Until then
    all is staged in memory and takes no time: only the commit is to be awaited.
    """

    def __init__(self, transaction: ottla.Transaction) -> None:
        #: What it stands on.
        self.sync = transaction
        self._turns = Turns()
        self._is_over = False

    def send(
        self,
        topic: str,
        value: Optional[Data] = None,
        key: Optional[Data] = None,
        headers: Optional[Headers] = None,
        partition: Optional[int] = None,
        timestamp: Optional[int] = None,
    ) -> None:
        """Stages a record."""
        self.send_many(topic, [ProducerRecord(value, key, headers, partition, timestamp)])

    def send_many(self, topic: str, records: Sendables) -> None:
        """Stages records. If one is refused, those before it are staged."""
        self.sync.send_many(topic, records)

    def expect_end(self, topic: str, partition: int, offset: int) -> None:
        """Lets the commit happen only if the partition still ends at ``offset`` then."""
        self.sync.expect_end(topic, partition, offset)

    def expect_version(self, topic: str, key: Data, version: int) -> None:
        """Lets the commit happen only if the newest record of the key is the one with the offset
        ``version`` then."""
        self.sync.expect_version(topic, key, version)

    async def commit_offsets(self, consumer: Consumer) -> None:
        """Stages offsets of the consumer's group: behind all records that somebody got."""
        await consumer._turns.at_once(self.sync.commit_offsets, consumer.sync)

    async def commit(self) -> List[Place]:
        """Writes all of it, synced, or nothing: ``Conflict`` if a condition does not hold. Says
        where the records went. A cancelled commit goes on; nobody is told how it went."""
        self._is_over = True
        return await self._turns.aside(lambda: self.sync.commit)

    async def abort(self) -> None:
        """Drops everything that was staged."""
        self._is_over = True
        await self._turns.at_once(self.sync.abort)

    async def __aenter__(self) -> "Transaction":
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and not self._is_over:
                await self.commit()
        finally:
            # A commit that was cancelled goes on: first it has to be done.
            await asyncio.shield(self._turns.at_once(self.sync.close))
