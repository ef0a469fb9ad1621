"""Producers and deliveries."""

import gc
import math
import threading
import time
from types import SimpleNamespace
from typing import Any, Optional

import pytest

import ottla


def test_a_record_and_where_it_went(broker: ottla.Broker) -> None:
    with broker.producer(linger_ms=0) as producer:
        delivery = producer.send("orders", "one burger", key="john", partition=1, timestamp=77)
        assert delivery.result() == ottla.RecordMetadata("orders", 1, 0, 77)
        assert delivery.done() and delivery.exception() is None
        assert producer.send("orders", None, partition=1).result(10).offset == 1
    # Deliveries outlive the producer.
    assert delivery.result().offset == 0


def test_many_records(broker: ottla.Broker) -> None:
    with broker.producer() as producer:
        values = [b"%d" % number for number in range(500)]
        deliveries = producer.send_many("orders", [(b"one key", value) for value in values])
        written = deliveries.result()
        assert len(deliveries) == len(written) == 500
        assert [metadata.offset for metadata in written] == list(range(500))
        assert len({metadata.partition for metadata in written}) == 1
        assert (deliveries[-1], deliveries[3]) == (written[499], written[3])
        assert [*deliveries] == written
        with pytest.raises(IndexError):
            deliveries[500]
        assert producer.metrics()["record-send-total"] == 500


def test_forms_of_records(broker: ottla.Broker) -> None:
    broker.create_topic("forms", ottla_key_index=True)
    record = ottla.ProducerRecord(b"value", key=b"k", headers={"a": b"1", "b": None}, timestamp=5)
    with broker.producer() as producer:
        producer.send_many("forms", [record, ("k", bytearray(b"two")), (b"k", None, [("c", "3")])])
        producer.flush()
        found = list(broker.stream("forms", "k"))
        producer.send_many("forms", found).result()
    found = list(broker.stream("forms", "k"))
    values = [record.value_bytes() for record in found]
    headers = [record.headers for record in found]
    assert values == [b"value", b"two", None] * 2
    assert headers == [[("a", b"1"), ("b", None)], [], [("c", b"3")]] * 2
    assert (found[0].timestamp, found[0].topic, found[0].partition) == (5, "forms", 0)


def test_refused_in_the_middle(broker: ottla.Broker) -> None:
    with broker.producer() as producer:
        records = [b"a", b"b", ottla.ProducerRecord(b"c", partition=9), b"d"]
        with pytest.raises(ottla.UnknownTopicOrPartition) as refused:
            producer.send_many("orders", records)
        assert refused.value.taken == 2
        assert refused.value.deliveries is not None
        assert len(refused.value.deliveries.result()) == 2
        with pytest.raises(ottla.UnknownTopicOrPartition) as refused:
            producer.send("no such topic", b"")
        assert (refused.value.taken, refused.value.deliveries) == (0, None)


def test_not_in_time(broker: ottla.Broker) -> None:
    broker.create_topic("slow")
    with broker.producer(acks=0) as producer:
        assert producer.send("slow", b"").result().offset == -1
    with broker.producer(linger_ms=60_000) as producer:
        delivery = producer.send("slow", b"")
        assert not delivery.done()
        with pytest.raises(ottla.Pending):
            delivery[0]
        assert delivery.result(10).offset == 1


def test_closed(broker: ottla.Broker) -> None:
    producer = broker.producer(linger_ms=60_000)
    delivery = producer.send("orders", b"")
    producer.close()
    producer.close()
    assert delivery.done()
    with pytest.raises(ottla.Closed, match="the producer was closed"):
        producer.send("orders", b"")


def test_a_broker_closes_what_was_made_of_it() -> None:
    broker = ottla.open(":memory:")
    broker.create_topic("orders", ottla_key_index=True)
    producer = broker.producer(linger_ms=60_000)
    children = [producer, broker.transaction(), broker.stream("orders", "k"), broker.snapshot()]
    delivery = producer.send("orders", b"")
    broker.close()
    assert all(child.closed for child in children)
    assert delivery.result().offset == 0


def test_other_threads_go_on_while_one_waits(broker: ottla.Broker) -> None:
    consumer = broker.consumer(assign=[("orders", 0)])
    waiting = threading.Thread(target=consumer.poll, args=(1.0,))
    begun = time.monotonic()
    waiting.start()
    counted = 0
    while time.monotonic() - begun < 0.5:
        counted += 1
    # With the lock held this thread would have come to itself a few times, between slices.
    assert counted > 10_000 and waiting.is_alive()
    waiting.join()


def test_completions_come_through_a_descriptor(broker: ottla.Broker) -> None:
    import select

    with broker.producer() as producer:
        assert producer._completed() == []
        assert select.select([producer], [], [], 0)[0] == []
        for tag in (7, 8, 1 << 63):
            producer.send("orders", b"")._notify(tag)
        producer.flush()
        assert select.select([producer], [], [], 10)[0] == [producer]
        assert producer._completed() == [7, 8, 1 << 63]
        assert select.select([producer], [], [], 0)[0] == []


def test_a_partitioner_of_the_program(broker: ottla.Broker) -> None:
    def choose(topic: str, key: Optional[bytes], value: Optional[bytes], count: int) -> Optional[int]:
        assert (topic, count) == ("orders", 3)
        if value == b"fail":
            raise KeyError("on purpose")
        return None if key is None else int(key)

    with broker.producer(partitioner=choose) as producer:
        records = [("2", "a"), ("0", None), (None, "b"), ("1", "c")]
        written = producer.send_many("orders", records).result()
        assert [metadata.partition for metadata in (written[0], written[1], written[3])] == [2, 0, 1]
        for key in ("7", "-1", str(1 << 40)):
            with pytest.raises(ottla.OttlaError) as refused:
                producer.send("orders", "value", key=key)
        with pytest.raises(ottla.OttlaError) as refused:
            producer.send("orders", "fail")
        assert isinstance(refused.value.__cause__, KeyError)
        assert producer.send("orders", "value", key="9", partition=1).result().partition == 1


def test_handles_and_descriptors_come_to_an_end() -> None:
    import os

    from ottla._ottla import lib

    def once() -> None:
        broker = ottla.open(":memory:")
        broker.create_topic("orders")
        producer = broker.producer(linger_ms=0)
        producer.send("orders", "one").result()
        consumer = broker.consumer("orders", group="kitchen", on_assigned=lambda *_: None)
        (record,) = consumer.poll(1)
        with pytest.raises(ottla.OttlaError):
            broker.create_topic("orders")
        if record.offset == 0:
            producer.fileno()
        broker.close()

    once()
    gc.collect()
    handles = lib.ottla_handle_count()
    descriptors = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    for _ in range(50):
        once()
    gc.collect()
    assert lib.ottla_handle_count() == handles
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


def test_timeouts_of_any_size(broker: ottla.Broker) -> None:
    for timeout in (math.inf, 1e300, 1e18, 10**18):
        producer = broker.producer(linger_ms=60000)
        delivery = producer.send("orders", "one burger")
        producer.close(timeout)
        assert delivery.done() and delivery.wait(timeout)
    producer = broker.producer(linger_ms=60000)
    delivery = producer.send("orders", "one burger")
    with pytest.raises(ottla.InvalidInput, match="not a number"):
        delivery.wait(math.nan)
    with pytest.raises(ottla.InvalidInput, match="not a number"):
        producer.close(math.nan)
    assert not producer.closed


def test_a_partitioner_answers_with_a_whole_number(broker: ottla.Broker) -> None:
    answer: Any = 2.0
    with broker.producer(partitioner=lambda *_: answer) as producer:
        with pytest.raises(ottla.InvalidInput) as refused:
            producer.send("orders", "one burger")
        assert isinstance(refused.value.__cause__, TypeError)
        answer = True
        assert producer.send("orders", "one burger").result().partition == 1


def test_ctrl_c_in_a_partitioner(
    broker: ottla.Broker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with broker.producer(partitioner=interrupted) as producer:
        with pytest.raises(KeyboardInterrupt):
            producer.send("orders", "one burger")
    with broker.producer(partitioner=lambda *_: 0) as producer:
        # Before the first line of what C calls.
        with monkeypatch.context() as patched:
            patched.setattr("ottla.partitioner.ffi", SimpleNamespace(from_handle=interrupted))
            with pytest.raises(KeyboardInterrupt):
                producer.send("orders", "one burger")
        assert producer.send("orders", "one burger").result().offset == 0
    assert capfd.readouterr().err == ""
