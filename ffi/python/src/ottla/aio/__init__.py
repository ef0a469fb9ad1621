"""Ottla for asyncio: the same nouns, whose calls are awaited.

    async with ottla.aio.open("data") as broker:
        await broker.ensure_topic("orders")
        producer = broker.producer()
        await producer.send("orders", "one burger", key="john")
        async for record in broker.consumer("orders", group="kitchen"):
            print(record.value_bytes())

Records come and go through descriptors that the loop waits for: no thread stands behind a send or a
poll. What may wait for the disk (open, flush, commit, close, making topics) runs on a thread of the
loop's default executor meanwhile, so that other tasks go on while it syncs.

A broker may be used in one event loop after the other; its producers and consumers, too, by one
loop at a time.
"""

from ottla.aio.broker import Broker, open
from ottla.aio.consumer import Consumer
from ottla.aio.producer import Producer
from ottla.aio.transaction import Transaction

__all__ = ["Broker", "Consumer", "Producer", "Transaction", "open"]
