"""Producers for asyncio."""

import asyncio
from types import TracebackType
from typing import Dict, List, Optional, Type

import ottla
from ottla.aio.waiting import Reader, aside, resolve
from ottla.calls import closed
from ottla.delivery import Deliveries, RecordMetadata
from ottla.errors import BufferFull, OttlaError
from ottla.producer import TAGS_MAX
from ottla.sending import Data, Headers, ProducerRecord, Sendables, listed

#: How long to wait for room while ``buffer.memory`` is full, before looking again, in seconds.
FULL_S = 0.002


class Producer:
    """Sends records. Made by ``Broker.producer``.

    Who awaits is in a hurry: records go out as soon as the loop comes round, whatever ``linger.ms``
    says, and those of all tasks that sent meanwhile go together. A task that is cancelled while it
    waits leaves nothing behind, but does not take back what it sent.
    """

    def __init__(self, producer: ottla.Producer) -> None:
        #: What it stands on.
        self.sync = producer
        self._reader = Reader(producer.fileno, self._take_completed)
        self._waiting: "Dict[int, asyncio.Future[None]]" = {}
        self._to_hurry: List[Deliveries] = []
        self._last_tag = 0
        self._is_closing = False

    def __repr__(self) -> str:
        return repr(self.sync).replace("ottla.", "ottla.aio.", 1)

    async def send(
        self,
        topic: str,
        value: Optional[Data] = None,
        key: Optional[Data] = None,
        headers: Optional[Headers] = None,
        partition: Optional[int] = None,
        timestamp: Optional[int] = None,
    ) -> RecordMetadata:
        """Sends a record, and returns when it is as safe as the producer's ``acks`` ask for. Also
        waits while ``buffer.memory`` is full; ``asyncio.wait_for`` sets a limit."""
        record = ProducerRecord(value, key, headers, partition, timestamp)
        return (await self.send_many(topic, [record]))[0]

    async def send_many(self, topic: str, records: Sendables) -> List[RecordMetadata]:
        """Sends records, and returns when all of them are written. Raises what the first one that
        failed did; if one is refused, those before it stay sent, as ``taken`` of the exception
        says. If there is no room for all at once, they go in several parts."""
        left = listed(records)
        parts: List[Deliveries] = []
        taken = 0
        while True:
            try:
                parts.append(self._open().try_send_many(topic, left))
                break
            except BufferFull as full:
                left = left[full.taken or 0 :]
                taken += full.taken or 0
                if full.deliveries is not None:
                    parts.append(full.deliveries)
                    self._hurry(full.deliveries)
            except OttlaError as refused:
                if refused.taken is not None:
                    refused.taken += taken
                raise
            await asyncio.sleep(FULL_S)
        for part in parts:
            await self._decided(part)
        return [metadata for part in parts for metadata in part]

    async def flush(self) -> None:
        """Returns when all that was sent before is decided. Raises what the first record that
        failed did."""
        await aside(self._open().flush)

    async def close(self, timeout: Optional[float] = None) -> None:
        """Flushes, for at most ``timeout`` seconds (None: as long as it takes), and takes no more
        records. What is undecided then fails. Once more does nothing."""
        self._is_closing = True
        self._reader.leave()
        try:
            await aside(self.sync.close, timeout)
        finally:
            # All is decided, one way or the other.
            waiting, self._waiting = self._waiting, {}
            for future in waiting.values():
                resolve(future)

    async def __aenter__(self) -> "Producer":
        self._open()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    def _open(self) -> ottla.Producer:
        if self._is_closing:
            raise closed("the producer")
        return self.sync

    async def _decided(self, delivery: Deliveries) -> None:
        """Waits for it: its tag comes through the descriptor."""
        if delivery.done():
            return
        loop = asyncio.get_running_loop()
        if self._is_closing:
            await aside(delivery.wait)
            return
        if self._reader.enter(loop):
            self._waiting.clear()
        self._last_tag += 1
        tag = self._last_tag
        future = self._waiting[tag] = loop.create_future()
        try:
            delivery._notify(tag)
            self._hurry(delivery)
            await future
        finally:
            self._waiting.pop(tag, None)
            if not self._waiting:
                self._reader.leave()

    def _take_completed(self) -> None:
        """The descriptor is readable. Tags of tasks that were cancelled are among them."""
        while True:
            tags = self.sync._completed()
            for tag in tags:
                future = self._waiting.get(tag)
                if future is not None:
                    resolve(future)
            if len(tags) < TAGS_MAX:
                return

    def _hurry(self, delivery: Deliveries) -> None:
        """Has it go out once all tasks that can run now have sent theirs."""
        if not self._to_hurry:
            asyncio.get_running_loop().call_soon(self._hurry_all)
        self._to_hurry.append(delivery)

    def _hurry_all(self) -> None:
        to_hurry, self._to_hurry = self._to_hurry, []
        for delivery in to_hurry:
            delivery.wait(0)
