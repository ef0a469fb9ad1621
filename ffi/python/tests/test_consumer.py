"""Consumers, alone and in groups."""

import gc
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any, Dict, List, Set

import pytest

import ottla
from ottla import TopicPartition
from ottla.calls import call


def fill(broker: ottla.Broker, count: int = 30) -> None:
    with broker.producer() as producer:
        records = [ottla.ProducerRecord(f"{n}", partition=n % 3, timestamp=n) for n in range(count)]
        producer.send_many("orders", records).result()


def values(records: Any) -> Set[int]:
    return {int(bytes(record)) for record in records}


ALL = [TopicPartition("orders", number) for number in range(3)]


def test_assigned_by_hand(broker: ottla.Broker) -> None:
    fill(broker)
    with broker.consumer(assign=ALL[:2], max_poll_records=7) as consumer:
        first = consumer.poll(1)
        assert len(first) == 7
        rest = list(consumer.records(until_end=True))
        assert len(rest) == 13
        assert values(first) | values(rest) == {n for n in range(30) if n % 3 < 2}
        assert consumer.assignment() == ALL[:2]
        assert not consumer.poll()
        assert consumer.position("orders", 0) == 10
        assert consumer.metrics()["records-consumed-total"] == 20
    with pytest.raises(ottla.Closed, match="the consumer was closed"):
        consumer.poll()


def test_a_group_remembers(broker: ottla.Broker) -> None:
    fill(broker)
    with broker.consumer("orders", group="kitchen", enable_auto_commit=False) as consumer:
        assert consumer.subscription() == ["orders"]
        assert len(list(consumer.records(until_end=True))) == 30
        consumer.commit()
        wanted = ottla.OffsetAndMetadata(10)
        assert consumer.committed(ALL) == {partition: wanted for partition in ALL}
        consumer.commit({("orders", 1): 5, ALL[2]: ottla.OffsetAndMetadata(6, "note")})
        committed = consumer.committed(ALL)
        assert committed[ALL[1]] == ottla.OffsetAndMetadata(5)
        assert committed[ALL[2]] == ottla.OffsetAndMetadata(6, "note")
    with broker.consumer(["orders"], {"group.id": "kitchen"}) as consumer:
        assert len(list(consumer.records(until_end=True))) == 9
    with broker.consumer("orders", group="bar", auto_offset_reset="latest") as consumer:
        assert consumer.committed(ALL) == {partition: None for partition in ALL}
        assert not consumer.poll()


def test_members_share(broker: ottla.Broker) -> None:
    fill(broker)
    told: List[Any] = []

    def note(name: str) -> Any:
        return lambda consumer, partitions: told.append((name, consumer, sorted(partitions)))

    with broker.consumer(
        "orders", group="kitchen", on_assigned=note("assigned"), on_revoked=note("revoked")
    ) as first:
        first.poll()
        assert told == [("assigned", first, ALL)]
        with broker.consumer("orders", group="kitchen") as second:
            for _ in range(4):
                first.poll()
                second.poll()
            shared = [*first.assignment(), *second.assignment()]
            assert sorted(shared) == ALL and second.assignment()
            assert ("revoked", first) in [entry[:2] for entry in told]
    assert told[-1][0] == "revoked"


def test_callbacks_may_use_the_consumer(broker: ottla.Broker) -> None:
    fill(broker)

    def skip(consumer: ottla.Consumer, partitions: List[TopicPartition]) -> None:
        for partition in partitions:
            assert consumer.position(*partition) == 0
            consumer.seek(*partition, 8)
        with pytest.raises(ottla.InvalidInput):
            consumer.poll()
        with pytest.raises(ottla.InvalidInput):
            consumer.close()

    with broker.consumer("orders", group="kitchen", on_assigned=skip) as consumer:
        assert values(consumer.records(until_end=True)) == {24, 25, 26, 27, 28, 29}


def test_what_a_callback_raises(broker: ottla.Broker) -> None:
    fill(broker)

    def fail(_consumer: ottla.Consumer, _partitions: List[TopicPartition]) -> None:
        raise KeyError("on purpose")

    consumer = broker.consumer("orders", group="kitchen", on_assigned=fail, on_revoked=fail)
    with pytest.raises(KeyError, match="on purpose"):
        consumer.poll(1)
    assert len(list(consumer.records(until_end=True))) == 30
    with pytest.raises(KeyError, match="on purpose"):
        consumer.close()
    assert consumer.closed


def test_the_last_commit_is_made_while_closing(broker: ottla.Broker) -> None:
    fill(broker)

    def commit(consumer: ottla.Consumer, partitions: List[TopicPartition]) -> None:
        consumer.commit({partition: 4 for partition in partitions})

    settings = {"enable.auto.commit": False}
    consumer = broker.consumer("orders", settings, group="kitchen", on_revoked=commit)
    consumer.poll(1)
    consumer.close()
    with broker.consumer(group="kitchen") as other:
        assert set(other.committed(ALL).values()) == {ottla.OffsetAndMetadata(4)}


def test_seeking(broker: ottla.Broker) -> None:
    fill(broker)
    with broker.consumer(assign=ALL) as consumer:
        assert consumer.beginning_offsets(ALL) == {partition: 0 for partition in ALL}
        assert consumer.end_offsets(ALL) == {partition: 10 for partition in ALL}
        consumer.seek_to_end()
        assert not consumer.poll()
        consumer.seek_to_beginning(ALL[:1])
        assert len(consumer.poll()) == 10
        assert consumer.seek_to_timestamp("orders", 1, 20) == 7
        assert consumer.lag("orders", 1) == 3
        assert values(consumer.records(until_end=True)) == {22, 25, 28}
        found = consumer.offsets_for_times({ALL[0]: 4, ALL[1]: 1000})
        assert found == {ALL[0]: ottla.OffsetAndTimestamp(2, 6), ALL[1]: None}
        consumer.pause(ALL[1:])
        assert consumer.paused() == ALL[1:]
        consumer.seek_to_beginning()
        assert {record.partition for record in consumer.records(idle=0)} == {0}
        consumer.resume(ALL)
        assert consumer.paused() == []


def test_a_poll_waits_for_what_comes(broker: ottla.Broker) -> None:
    with broker.consumer(assign=ALL) as consumer, broker.producer(linger_ms=0) as producer:
        begun = time.monotonic()
        assert not consumer.poll(0.25)
        assert time.monotonic() - begun >= 0.25
        later = threading.Timer(0.2, lambda: producer.send("orders", b"5"))
        later.start()
        assert values(consumer.poll(None)) == {5}
        later.join()
        assert list(consumer.records(idle=0.01)) == []


def test_one_thread_at_a_time(broker: ottla.Broker) -> None:
    consumer = broker.consumer(assign=ALL)
    ended: List[BaseException] = []

    def follow() -> None:
        try:
            for _ in consumer:
                pass
        except ottla.OttlaError as error:
            ended.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    refused = 0
    for _ in range(200):
        try:
            consumer.poll()
        except ottla.ConcurrentUse:
            refused += 1
        time.sleep(0.0005)
    assert refused > 0
    consumer.close()
    thread.join()
    assert isinstance(ended[0], (ottla.Closed, ottla.ConcurrentUse)), ended


def test_records_outlive_everything() -> None:
    broker = ottla.open(":memory:")
    broker.create_topic("orders")
    with broker.producer() as producer:
        producer.send_many("orders", [(f"k{n}", f"v{n}" * 50, {"h": "x"}) for n in range(100)])
    consumer = broker.consumer(assign=[("orders", 0)])
    records = consumer.poll(1)
    views = [record.value for record in records]
    broker.close()
    del consumer, broker, records
    gc.collect()
    assert [bytes(view) for view in views if view is not None] == [b"v%d" % n * 50 for n in range(100)]


def test_records_have_headers_and_a_place(broker: ottla.Broker) -> None:
    with broker.producer() as producer:
        producer.send("orders", b"v", key=b"k", headers={"a": b"1"}, partition=2, timestamp=5)
    with broker.consumer(assign=ALL) as consumer:
        (record,) = consumer.poll(1)
    assert (record.topic, record.partition, record.offset) == ("orders", 2, 0)
    assert (record.timestamp, record.timestamp_type) == (5, "CreateTime")
    assert (record.key, record.value, record.headers) == (b"k", b"v", [("a", b"1")])


def test_wrong_arguments(broker: ottla.Broker) -> None:
    with broker.consumer(assign=ALL) as consumer:
        with pytest.raises(TypeError, match="a partition is"):
            consumer.assign(["orders"])  # type: ignore[list-item]
        with pytest.raises(ottla.UnknownTopicOrPartition):
            consumer.assign([("orders", 99)])
        with pytest.raises(ottla.InvalidInput, match="group"):
            consumer.commit()
        with pytest.raises(OverflowError):
            consumer.assign([("orders", 1 << 40)])
    with pytest.raises(ottla.InvalidInput, match="group.id"):
        broker.consumer("orders")
    with pytest.raises(ottla.InvalidInput, match="nearest"):
        broker.consumer(max_pol_records=5)


def test_ctrl_c_ends_a_long_poll() -> None:
    program = (
        "import ottla, signal\n"
        # Started in the background it may be ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with ottla.open(':memory:') as broker:\n"
        "    broker.create_topic('orders')\n"
        "    consumer = broker.consumer(assign=[('orders', 0)])\n"
        "    print('polls', flush=True)\n"
        "    try:\n"
        "        consumer.poll(None)\n"
        "    except KeyboardInterrupt:\n"
        "        print('ended', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"polls\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == b"ended\n"
    assert process.returncode == 0


def test_a_forgotten_consumer_leaves_its_group(broker: ottla.Broker) -> None:
    told: Dict[str, int] = {"revoked": 0}

    def count(_consumer: ottla.Consumer, _partitions: List[TopicPartition]) -> None:
        told["revoked"] += 1

    consumer = broker.consumer("orders", group="kitchen", on_revoked=count)
    consumer.poll()
    del consumer
    gc.collect()
    assert told["revoked"] == 0
    with broker.consumer("orders", group="kitchen") as other:
        other.poll()
        assert sorted(other.assignment()) == ALL


def test_a_commit_that_nobody_waits_for(broker: ottla.Broker) -> None:
    fill(broker)
    told: List[Any] = []

    def note(raised: Any, offsets: Any) -> None:
        told.append((raised, offsets))

    with broker.consumer("orders", group="kitchen", enable_auto_commit=False) as consumer:
        assert len(list(consumer.records(until_end=True))) == 30
        consumer.commit_async()
        consumer.commit_async({ALL[0]: 3}, on_commit=note)
        consumer.commit_async({ALL[0]: 99}, on_commit=note)
        assert told == []
        consumer.commit({ALL[1]: 4})
        assert told[0] == (None, {ALL[0]: ottla.OffsetAndMetadata(3)})
        assert isinstance(told[1][0], ottla.OffsetOutOfRange)

        def fail(_raised: Any, _offsets: Any) -> None:
            raise KeyError("on purpose")

        consumer.commit_async(on_commit=fail)
        with pytest.raises(KeyError):
            for _ in range(1000):
                consumer.poll(0.01)


def test_a_wakeup_ends_a_poll(broker: ottla.Broker) -> None:
    with broker.consumer(assign=ALL) as consumer:
        later = threading.Timer(0.2, consumer.wakeup)
        begun = time.monotonic()
        later.start()
        assert not consumer.poll(60)
        assert 0.1 < time.monotonic() - begun < 30
        later.join()
        consumer.wakeup()
        assert not consumer.poll(60)


def test_a_descriptor_tells_of_records(broker: ottla.Broker) -> None:
    import select

    with broker.consumer(assign=ALL) as consumer:
        assert consumer.fileno() == consumer.fileno()
        while consumer.poll() or select.select([consumer], [], [], 0)[0]:
            pass
        fill(broker)
        assert select.select([consumer], [], [], 10)[0] == [consumer]
        assert len(list(consumer.records(until_end=True))) == 30


def test_a_commit_counts_what_was_returned(broker: ottla.Broker) -> None:
    fill(broker)
    settings = {"enable.auto.commit": False}
    with broker.consumer("orders", settings, group="kitchen") as consumer:
        seen: Dict[TopicPartition, int] = {}
        for count, record in enumerate(consumer, 1):
            seen[TopicPartition(record.topic, record.partition)] = record.offset + 1
            if count in (1, 7, 15):
                consumer.commit()
                committed = consumer.committed(seen)
                assert {at: found.offset for at, found in committed.items() if found} == seen
                for partition, offset in seen.items():
                    assert consumer.position(*partition) == offset
                    assert consumer.lag(*partition) == 10 - offset
            if count == 20:
                break
        assert len(consumer.poll(0, max_records=4)) == 4
        assert len(consumer.poll(0)) == 6
        assert not consumer.poll(0)


def test_what_was_not_returned_is_read_again(broker: ottla.Broker) -> None:
    fill(broker)

    def first(consumer: ottla.Consumer, count: int) -> List[int]:
        records = consumer.records()
        return [int(bytes(next(records))) for _ in range(count)]

    read = []
    with broker.consumer("orders", group="kitchen", enable_auto_commit=True) as consumer:
        read += first(consumer, 7)
    forgotten = broker.consumer("orders", group="kitchen", enable_auto_commit=True)
    read += first(forgotten, 5)
    del forgotten
    gc.collect()
    with broker.consumer("orders", group="kitchen", enable_auto_commit=False) as consumer:
        with broker.transaction() as transaction:
            read += first(consumer, 6)
            transaction.commit_offsets(consumer)
    with broker.consumer("orders", group="kitchen") as consumer:
        read += [int(bytes(record)) for record in consumer.records(until_end=True)]
    assert sorted(read) == list(range(30))


def test_seeking_while_iterating(broker: ottla.Broker) -> None:
    fill(broker)
    with broker.consumer(assign=ALL[:1]) as consumer:
        offsets = []
        for record in consumer.records(until_end=True):
            offsets.append(record.offset)
            if len(offsets) == 3:
                consumer.seek("orders", 0, 8)
        assert offsets == [0, 1, 2, 8, 9]


def test_until_end_waits_for_partitions(broker: ottla.Broker) -> None:
    fill(broker)
    old = broker.consumer("orders", group="kitchen", enable_auto_commit=True)
    assert len(old.poll(1, max_records=1)) == 1
    new = broker.consumer("orders", group="kitchen")
    # The other member has them still.
    assert list(new.records(until_end=True, idle=0.2)) == []
    leaver = threading.Timer(0.3, old.close)
    leaver.start()
    assert len(list(new.records(until_end=True))) == 29
    leaver.join()


def test_until_end_leaves_out_what_is_paused(broker: ottla.Broker) -> None:
    fill(broker)
    consumer = broker.consumer(assign=ALL, auto_offset_reset="earliest")
    consumer.pause([ALL[1]])
    deadline = threading.Timer(5, consumer.close)
    deadline.start()
    assert len(list(consumer.records(until_end=True))) == 20
    deadline.cancel()


def test_a_wakeup_is_for_the_poll_that_waits(broker: ottla.Broker) -> None:
    fill(broker)
    consumer = broker.consumer(assign=ALL, auto_offset_reset="earliest")
    consumer.wakeup()
    assert len(consumer.poll(5)) == 30
    started = time.monotonic()
    assert not consumer.poll(5)
    assert time.monotonic() - started < 4
    assert not consumer.poll(0.1)


def test_no_record_is_lost_to_ctrl_c(
    broker: ottla.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(broker)
    consumer = broker.consumer("orders", group="kitchen", enable_auto_commit=True)
    assert consumer.poll(5, max_records=1)
    consumer.seek_to_beginning()

    def interrupted(*arguments: Any) -> None:
        call(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ottla.consumer.call", interrupted)
        with pytest.raises(KeyboardInterrupt):
            consumer.poll(5)
    consumer.close()
    with broker.consumer("orders", group="kitchen") as consumer:
        assert len(list(consumer.records(until_end=True))) == 30


def test_ctrl_c_before_a_callback(
    broker: ottla.Broker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(me: object) -> object:
        patched.undo()
        raise KeyboardInterrupt

    with broker.consumer("orders", group="kitchen", on_assigned=lambda *_: None) as consumer:
        with monkeypatch.context() as patched:
            patched.setattr("ottla.rebalance.ffi", SimpleNamespace(from_handle=interrupted))
            with pytest.raises(KeyboardInterrupt):
                consumer.poll(1)
    assert capfd.readouterr().err == ""
