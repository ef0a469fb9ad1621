"""The broker: opening, closing, topics."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, List

import pytest

import ottla
from ottla.calls import call


def test_a_directory_stays(tmp_path: Path) -> None:
    with ottla.open(tmp_path / "data") as broker:
        broker.create_topic("orders", partitions=4, retention_ms=3600_000)
    with ottla.open(str(tmp_path / "data")) as broker:
        (topic,) = broker.topics()
    assert (topic.name, len(topic.partitions), topic.is_internal) == ("orders", 4, False)
    assert topic.settings == {"retention.ms": "3600000"}
    assert [partition.partition for partition in topic.partitions] == [0, 1, 2, 3]
    assert topic.partitions[0].end_offset == 0


def test_one_at_a_time(tmp_path: Path) -> None:
    with ottla.open(os.fsencode(tmp_path)):
        with pytest.raises(ottla.Locked) as refused:
            ottla.open(tmp_path)
        assert (refused.value.kind, refused.value.code) == ("LOCKED", -4)
    ottla.open(tmp_path).close()


def test_closed_is_closed() -> None:
    broker = ottla.open(":memory:")
    assert not broker.closed
    broker.close()
    broker.close()
    assert broker.closed
    with pytest.raises(ottla.Closed, match="the broker was closed"):
        broker.topics()
    with pytest.raises(ottla.Closed):
        broker.__enter__()


def test_nobody_has_it_any_more(tmp_path: Path) -> None:
    broker = ottla.open(tmp_path)
    broker.create_topic("orders")
    del broker
    gc.collect()
    ottla.open(tmp_path).close()


def test_a_program_that_forgets_to_close(tmp_path: Path) -> None:
    program = (
        "import ottla, sys\n"
        "broker = ottla.open(sys.argv[1])\n"
        "broker.create_topic('orders')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    assert done.returncode == 0
    with ottla.open(tmp_path) as broker:
        assert [topic.name for topic in broker.topics()] == ["orders"]


def test_abandon(tmp_path: Path) -> None:
    broker = ottla.open(tmp_path)
    broker.create_topic("orders")
    broker.abandon()
    assert broker.closed
    with ottla.open(tmp_path) as broker:
        assert [topic.name for topic in broker.topics()] == ["orders"]


def test_topics_and_their_settings() -> None:
    with ottla.open(":memory:", {"num.partitions": 3}) as broker:
        broker.ensure_topic("orders")
        broker.ensure_topic("orders")
        assert len(broker.describe_topic("orders").partitions) == 3
        with pytest.raises(ottla.TopicExists):
            broker.create_topic("orders")
        broker.alter_topic("orders", {"retention.ms": 5}, cleanup_policy=["compact", "delete"])
        wanted = {"retention.ms": "5", "cleanup.policy": "compact,delete"}
        assert broker.describe_topic("orders").settings == wanted
        broker.alter_topic("orders", retention_ms=None, cleanup_policy=None)
        assert broker.describe_topic("orders").settings == {}
        broker.add_partitions("orders", 5)
        assert len(broker.describe_topic("orders").partitions) == 5
        broker.delete_topic("orders")
        assert broker.topics() == []
        with pytest.raises(ottla.UnknownTopicOrPartition):
            broker.describe_topic("orders")


def test_values_of_settings() -> None:
    with ottla.open(":memory:") as broker:
        broker.create_topic("orders", ottla_key_index=True, min_cleanable_dirty_ratio=0.25)
        settings = broker.describe_topic("orders").settings
        assert settings["ottla.key.index"] == "true"
        assert settings["min.cleanable.dirty.ratio"] == "0.25"
        with pytest.raises(TypeError, match="retention.ms is None"):
            broker.create_topic("other", retention_ms=None)
        with pytest.raises(TypeError, match="of type object"):
            broker.create_topic("other", retention_ms=object())
        with pytest.raises(ValueError, match='nearest one is "retention.ms"'):
            broker.create_topic("other", retention_m=5)
        with pytest.raises(ottla.InvalidInput, match="zero byte"):
            broker.create_topic("a\0b")
        with pytest.raises(TypeError, match="name of the topic is of type int"):
            broker.create_topic(5)


def test_a_consumer_that_cannot_be_is_not_left_open() -> None:
    started = time.monotonic()
    with pytest.raises(ottla.UnknownTopicOrPartition):
        with ottla.open(":memory:") as broker:
            broker.consumer("nowhere", group="kitchen")
    with pytest.raises(ottla.UnknownTopicOrPartition):
        with ottla.open(":memory:") as broker:
            broker.consumer(assign=[("nowhere", 0)])
    assert time.monotonic() - started < 5


def test_a_callback_that_raises_keeps_nothing_open(broker: ottla.Broker) -> None:
    def refuse(_consumer: ottla.Consumer, _partitions: object) -> None:
        raise KeyError("no")

    consumer = broker.consumer("orders", group="kitchen", on_revoked=refuse)
    consumer.poll()
    children = [broker.producer() for _ in range(9)]
    with pytest.raises(KeyError):
        broker.close()
    assert broker.closed and consumer.closed and all(child.closed for child in children)


def test_many_threads_close() -> None:
    failures: List[BaseException] = []

    def close(thing: Any) -> None:
        try:
            thing.close()
        except ottla.Closed as raised:
            # "Once more does nothing" is said of the broker.
            failures.extend([raised] if thing is broker else [])

    for _ in range(20):
        broker = ottla.open(":memory:")
        broker.create_topic("orders")
        consumers = [broker.consumer("orders", group="kitchen") for _ in range(3)]
        things = [broker, *consumers, broker, broker.producer(), broker]
        threads = [threading.Thread(target=close, args=(thing,)) for thing in things]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert broker.closed
    assert failures == []


def test_ctrl_c_while_something_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        call(*arguments)
        raise KeyboardInterrupt

    def refused(make: Callable[[], object]) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("ottla.calls.call", interrupted)
            with pytest.raises(KeyboardInterrupt):
                make()

    with ottla.open(tmp_path) as broker:
        broker.create_topic("orders", ottla_key_index=True)
        partition, identity = broker.partition("orders", 0), broker.new_identity()
        refused(lambda: broker.table("orders"))
        refused(lambda: broker.snapshot())
        refused(lambda: broker.transaction())
        refused(lambda: broker.transactional_producer("till"))
        refused(lambda: broker.atomic_append())
        refused(lambda: broker.producer())
        refused(lambda: broker.consumer())
        refused(lambda: broker.stream("orders", "k"))
        refused(lambda: broker.stream("orders", "k", 0))
        refused(lambda: broker.partition("orders", 0))
        refused(lambda: broker.appender(partition, identity))
        broker.close(0)
    refused(lambda: ottla.open(tmp_path))
    ottla.open(tmp_path).close()


def test_children_come_while_the_broker_closes() -> None:
    def make(broker: ottla.Broker, failures: List[BaseException]) -> None:
        try:
            for _ in range(500):
                kept.append(broker.partition("orders", 0))
        except ottla.Closed:
            pass
        except BaseException as raised:
            failures.append(raised)

    kept: List[ottla.Partition] = []
    failures: List[BaseException] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(10):
            broker = ottla.open(":memory:")
            broker.create_topic("orders")
            kept[:] = [broker.partition("orders", 0) for _ in range(500)]
            threads = [threading.Thread(target=make, args=(broker, failures)) for _ in range(3)]
            for thread in threads:
                thread.start()
            while not broker.closed:
                try:
                    broker.close(0.05)
                except ottla.StillOpen:
                    # One more was made behind its back.
                    pass
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
