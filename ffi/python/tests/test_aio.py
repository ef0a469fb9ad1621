"""asyncio: sending, reading, committing, cancelling, closing, one loop after the other."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Awaitable, Callable, List

import pytest

import ottla
import ottla.aio
from ottla.aio.consumer import Consumer


def run(test: Callable[[ottla.aio.Broker], Awaitable[None]]) -> None:
    """With a broker in memory that has a topic of three partitions."""

    async def main() -> None:
        async with ottla.aio.open(":memory:") as broker:
            await broker.create_topic("orders", partitions=3)
            await test(broker)
            assert readers() == 0

    asyncio.run(main(), debug=True)


def readers() -> int:
    """How many descriptors the loop waits for, but for its own."""
    selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    return len(selector.get_map()) - 1


def values(records: Any) -> List[bytes]:
    return sorted(bytes(record) for record in records)


async def write(broker: ottla.aio.Broker, count: int, first: int = 0) -> None:
    numbers = range(first, first + count)
    await broker.producer().send_many("orders", [b"%03d" % number for number in numbers])


def test_sending() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        async with broker.producer(linger_ms=60_000) as producer:
            written = await producer.send("orders", "a", key="k", partition=1, timestamp=7)
            assert written == ottla.RecordMetadata("orders", 1, 0, 7)
            many = await asyncio.gather(*(producer.send("orders", b"b") for _ in range(300)))
            assert len(set(many)) == 300
            assert readers() == 0
            await producer.flush()
            assert producer.sync.metrics()["record-send-total"] == 301
            with pytest.raises(ottla.UnknownTopicOrPartition):
                await producer.send("nowhere", b"")
        with pytest.raises(ottla.Closed):
            await producer.send("orders", b"")

    run(test)


def test_no_thread_stands_behind_sends_and_polls() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        producer = broker.producer()
        consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
        before = threading.active_count()
        await asyncio.gather(*(producer.send("orders", b"x") for _ in range(50)))
        found = 0
        while found < 50:
            found += len(await consumer.poll(10))
        assert threading.active_count() == before

    run(test)


def test_memory_is_full() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        producer = broker.producer(buffer_memory=50_000, batch_size=20_000, linger_ms=60_000)
        written = await producer.send_many("orders", [b"x" * 1000] * 500)
        assert len(written) == 500
        records = [b"x" * 1000] * 200 + [ottla.ProducerRecord(b"", partition=9)]
        with pytest.raises(ottla.UnknownTopicOrPartition) as refused:
            await producer.send_many("orders", records)
        assert refused.value.taken == 200

    run(test)


def test_a_cancelled_send_leaves_nothing_behind() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        producer = broker.producer()
        for turns in range(4):
            task = asyncio.ensure_future(producer.send("orders", b"x"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert producer._waiting == {} and readers() == 0
        await producer.send("orders", b"y")
        assert producer._waiting == {} and readers() == 0

    run(test)


def test_reading() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        await write(broker, 1500)
        consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
        found = []
        async for record in consumer:
            found.append(bytes(record))
            if len(found) == 1500:
                break
        assert sorted(found) == sorted(b"%03d" % number for number in range(1500))
        assert len(await consumer.poll(0.01)) == 0

        async def later() -> None:
            await asyncio.sleep(0.05)
            await write(broker, 3, 2000)

        task = asyncio.ensure_future(later())
        got: List[bytes] = []
        while len(got) < 3:
            got += values(await consumer.poll(10, max_records=2))
        assert sorted(got) == [b"2000", b"2001", b"2002"]
        await task

    run(test)


def test_a_cancelled_task_loses_no_record() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
        found: List[bytes] = []

        async def read() -> None:
            async for record in consumer:
                found.append(bytes(record))

        async def feed() -> None:
            for number in range(100):
                await write(broker, 3, 3 * number)

        feeding = asyncio.ensure_future(feed())
        while len(found) < 300:
            task = asyncio.ensure_future(read())
            await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait([task])
        await feeding
        assert sorted(found) == [b"%03d" % number for number in range(300)]

    run(test)


def test_tasks_share_a_consumer() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
        found: List[bytes] = []

        async def read() -> None:
            async for record in consumer:
                found.append(bytes(record))
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(read()) for _ in range(5)]
        await write(broker, 200)
        while len(found) < 200:
            await consumer.commit()
            await asyncio.sleep(0.001)
        # Its end is the end of all loops.
        await consumer.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        assert sorted(found) == [b"%03d" % number for number in range(200)]

    run(test)


def test_only_what_somebody_got_is_committed() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        await write(broker, 90)

        def member(**settings: ottla.aio.broker.Value) -> Consumer:
            return broker.consumer(
                "orders", group="kitchen", auto_offset_reset="earliest", **settings
            )

        async def committed(consumer: Consumer) -> int:
            places = [("orders", number) for number in range(3)]
            found = await consumer.committed(places)
            return sum(one.offset for one in found.values() if one is not None)

        first = member(enable_auto_commit=False)
        got = [bytes(await first.__anext__()) for _ in range(10)]
        positions = [await first.position(*one) for one in await first.assignment()]
        lags = [await first.lag(*one) for one in await first.assignment()]
        assert (sum(positions), sum(lags)) == (10, 80)
        await first.commit()
        assert await committed(first) == 10
        got += [bytes(await first.__anext__()) for _ in range(10)]
        await first.commit()
        assert await committed(first) == 20
        await first.__anext__()
        await first.close()
        # This one commits by itself when it is closed.
        second = member(enable_auto_commit=True)
        got += [bytes(await second.__anext__()) for _ in range(15)]
        await second.close()
        third = member()
        got += values(await third.poll(10))
        while len(got) < 90:
            got += values(await third.poll(10))
        assert sorted(got) == [b"%03d" % number for number in range(90)]

    run(test)


def test_seeking_and_pausing() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        producer = broker.producer()
        for partition in range(2):
            records = [ottla.ProducerRecord(b"%d" % n, partition=partition) for n in range(5)]
            await producer.send_many("orders", records)
        consumer = broker.consumer(assign=[("orders", 0), ("orders", 1)])
        await consumer.seek_to_beginning()
        await consumer.__anext__()
        await consumer.pause([("orders", 0)])
        await consumer.seek("orders", 1, 3)
        assert values(await consumer.poll(10)) == [b"3", b"4"]
        await consumer.resume([("orders", 0)])
        assert len(await consumer.poll(10)) >= 4
        assert await consumer.end_offsets([("orders", 0)]) == {("orders", 0): 5}

    run(test)


def test_transactions() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        await write(broker, 10)
        await broker.create_topic("out")
        consumer = broker.consumer(
            "orders", group="kitchen", auto_offset_reset="earliest", enable_auto_commit=False
        )
        async with broker.transaction() as transaction:
            record = await consumer.__anext__()
            transaction.send("out", bytes(record))
            await transaction.commit_offsets(consumer)
        with pytest.raises(ZeroDivisionError):
            async with broker.transaction() as transaction:
                transaction.send("out", bytes(await consumer.__anext__()))
                await transaction.commit_offsets(consumer)
                1 // 0
        found = await consumer.committed([("orders", number) for number in range(3)])
        assert sum(one.offset for one in found.values() if one is not None) == 1
        assert broker.sync.describe_topic("out").partitions[0].end_offset >= 1
        async with broker.transaction() as transaction:
            transaction.expect_end("orders", 0, 1 << 40)
            transaction.send("out", b"no")
            with pytest.raises(ottla.Conflict):
                await transaction.commit()

    run(test)


def test_rebalance_callbacks_and_what_they_raise() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        await write(broker, 3)
        threads = []

        def assigned(_consumer: ottla.Consumer, partitions: List[ottla.TopicPartition]) -> None:
            threads.append(threading.get_ident())
            raise RuntimeError(f"{len(partitions)} partitions")

        consumer = broker.consumer(
            "orders", group="g", auto_offset_reset="earliest", on_assigned=assigned
        )
        with pytest.raises(RuntimeError, match="3 partitions"):
            await consumer.poll(10)
        found = 0
        while found < 3:
            found += len(await consumer.poll(10))
        assert threads == [threading.get_ident()]

    run(test)


def test_closing_while_tasks_wait() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        await broker.create_topic("quiet")
        consumer = broker.consumer("quiet", group="kitchen")
        waiting = asyncio.ensure_future(consumer.poll())
        producer = broker.producer(linger_ms=60_000)
        sending = asyncio.ensure_future(producer.send("orders", b"x"))
        for _ in range(3):
            await asyncio.sleep(0)
        await broker.close()
        with pytest.raises(ottla.Closed):
            await waiting
        assert (await sending).offset == 0
        with pytest.raises(ottla.Closed):
            await consumer.poll()
        assert [record async for record in consumer] == []

    run(test)


def test_one_loop_after_the_other(tmp_path: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with ottla.open(tmp_path) as opened:
        broker = ottla.aio.Broker(opened)
        opened.create_topic("orders", partitions=3)
        producer = broker.producer()
        consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")

        async def once(number: int) -> None:
            waiting = asyncio.ensure_future(consumer.poll())
            await producer.send("orders", b"%d" % number)
            assert values(await waiting) == [b"%d" % number]
            await consumer.commit()
            # The loop ends while somebody waits.
            asyncio.ensure_future(consumer.poll())
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        for number in range(5):
            asyncio.run(once(number))

        # As an old program does it, which never cancels what waits.
        loop = asyncio.new_event_loop()
        forgotten = loop.create_task(consumer.poll())
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        asyncio.run(once(5))
        forgotten._log_destroy_pending = False  # type: ignore[attr-defined]
        del forgotten
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_commit_in_a_thread_keeps_others_out() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        await write(broker, 60)
        consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
        assert await consumer.poll(10, max_records=1)
        commits = [asyncio.ensure_future(consumer.commit()) for _ in range(20)]
        await asyncio.sleep(0)
        for commit in commits[::3]:
            commit.cancel()
        found = 1
        while found < 60:
            found += len(await consumer.poll(10, max_records=3))
            await consumer.position("orders", 0)
        await asyncio.wait(commits)
        assert all(one.cancelled() or one.exception() is None for one in commits)

    run(test)


def test_a_callback_that_raises_keeps_nothing_open() -> None:
    def refuse(*_: object) -> None:
        raise KeyError("no")

    async def main() -> None:
        broker = await ottla.aio.open(":memory:")
        await broker.create_topic("orders")
        consumer = broker.consumer("orders", group="kitchen", on_revoked=refuse)
        await consumer.poll(0.1)
        with pytest.raises(ottla.InvalidInput, match="not a number"):
            await asyncio.wait_for(consumer.poll(float("nan")), 5)
        with pytest.raises(KeyError):
            await broker.close()
        assert broker.sync.closed

    asyncio.run(main())


def test_a_cancelled_commit_goes_on() -> None:
    async def test(broker: ottla.aio.Broker) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        may_go_on = threading.Event()
        blocked = asyncio.get_running_loop().run_in_executor(None, may_go_on.wait, 10)

        async def work() -> None:
            async with broker.transaction() as transaction:
                transaction.send("orders", "one burger", partition=0)

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await blocked
        assert broker.sync.partition("orders", 0).end_offset() == 1

    run(test)


def test_a_value_is_one_record_and_a_dict_is_none() -> None:
    async def main() -> None:
        async with ottla.aio.open(":memory:") as broker:
            await broker.create_topic("orders")
            producer = broker.producer()
            for value in ("abc", b"abc", bytearray(b"abc"), memoryview(b"abc")):
                assert len(await producer.send_many("orders", value)) == 1
            assert len(await producer.send_many("orders", ottla.ProducerRecord("v"))) == 1
            wrong: Any = {"k": "v"}
            with pytest.raises(TypeError, match="records is a dict"):
                await producer.send_many("orders", wrong)

    asyncio.run(main())
