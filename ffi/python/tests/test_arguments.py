"""Wrong arguments: refused when they are given, in a sentence that names them."""

from typing import Any, Callable, List

import pytest

import ottla
import ottla.aio


def test_a_setting_that_is_given_twice(broker: ottla.Broker) -> None:
    twice: List[Callable[[], Any]] = [
        lambda: broker.consumer("orders", group="h", group_id="g"),
        lambda: broker.consumer("orders", {"group.id": "g"}, group="h"),
        lambda: broker.consumer("orders", {"group.id": "g"}, group_id="g"),
    ]
    for use in twice:
        with pytest.raises(ottla.InvalidInput, match="group.id is given twice: as .* and as group"):
            use()
    with pytest.raises(ottla.InvalidInput, match='as "linger.ms" and as linger_ms='):
        broker.producer({"linger.ms": 5}, linger_ms=6)
    with pytest.raises(ottla.InvalidInput, match="as transactional_id="):
        broker.transactional_producer("mover", {"transactional.id": "other"})
    with pytest.raises(ottla.InvalidInput, match="as retention_ms="):
        broker.alter_topic("orders", {"retention.ms": 5}, retention_ms=None)


def test_settings_that_are_no_mapping(broker: ottla.Broker) -> None:
    wrong: Any = "g"
    with pytest.raises(TypeError, match="of type str, but must be a mapping.*group=..."):
        broker.consumer("orders", wrong)
    for use in (
        lambda: ottla.open(":memory:", wrong),
        lambda: broker.producer(wrong),
        lambda: broker.create_topic("other", 1, wrong),
    ):
        with pytest.raises(TypeError, match="the settings are of type str"):
            use()


def test_callbacks_that_cannot_be_called(broker: ottla.Broker) -> None:
    wrong: Any = 5
    consumer = broker.consumer("orders", group="kitchen")
    refused: List[Callable[[], Any]] = [
        lambda: broker.consumer("orders", group="g", on_assigned=wrong),
        lambda: broker.consumer("orders", group="g", on_revoked=wrong),
        lambda: broker.consumer("orders", group="g", on_lost=wrong),
        lambda: broker.consumer("orders", group="g", assignors=[ottla.Assignor("mine", wrong)]),
        lambda: broker.producer(partitioner=wrong),
        lambda: broker.transaction(partitioner=wrong),
        lambda: broker.compact("orders", progress=wrong),
        lambda: ottla.verify("data", progress=wrong),
        lambda: consumer.commit_async(on_commit=wrong),
    ]
    for use in refused:
        with pytest.raises(TypeError, match="is of type int, but must be callable"):
            use()
    with pytest.raises(TypeError, match="is no ottla.Assignor"):
        broker.consumer("orders", group="g", assignors=[wrong])


def refused_with(sentence: str, use: Callable[[Any], Any], *wrong: Any) -> None:
    """Each of these is refused, and the sentence says what it is about."""
    for one in wrong:
        with pytest.raises((TypeError, OverflowError, ottla.InvalidInput), match=sentence):
            use(one)


def test_numbers(broker: ottla.Broker) -> None:
    broker.create_topic("by-key", ottla_key_index=True)
    consumer = broker.consumer(assign=[("orders", 0)])
    partition, stream = broker.partition("orders", 0), broker.stream("by-key", "john")
    transaction, append, snapshot = broker.transaction(), broker.atomic_append(), broker.snapshot()
    identity = broker.new_identity()
    appender = broker.appender(partition, identity)
    of_partition: List[Callable[[Any], Any]] = [
        lambda n: broker.create_topic("new", partitions=n),
        lambda n: broker.add_partitions("orders", n),
        lambda n: broker.partition("orders", n),
        lambda n: broker.stream("by-key", "john", n or "0"),
        lambda n: broker.consumer(assign=[("orders", n)]),
        lambda n: consumer.seek("orders", n, 0),
        lambda n: consumer.lag("orders", n),
        lambda n: transaction.expect_end("orders", n, 0),
        lambda n: append.add("orders", n, [b"x"]),
        lambda n: append.expect_end("orders", n, 0),
        lambda n: snapshot.end_offset("orders", n),
        lambda n: snapshot.read("orders", n),
    ]
    for use in of_partition:
        refused_with("the (number|total|partition).* is of type .*, but must be int", use, "3", 1.5, None)
        refused_with("is not a number of 32 bits", use, 1 << 31, -(1 << 200))
    wide: List[Callable[[Any], Any]] = [
        lambda n: consumer.seek("orders", 0, n),
        lambda n: consumer.seek_to_timestamp("orders", 0, n),
        lambda n: consumer.offsets_for_times({("orders", 0): n}),
        lambda n: consumer.commit({("orders", 0): n}),
        lambda n: consumer.poll(0, n),
        lambda n: partition.append([b"x"], expected_end=n),
        lambda n: partition.append([b"x"], key="k", version=n),
        lambda n: partition.read(n),
        lambda n: partition.read(0, n),
        lambda n: partition.read_batch(n),
        lambda n: partition.delete_records(n),
        lambda n: partition.truncate_to(n),
        lambda n: partition.offset_for_timestamp(n),
        lambda n: stream.append([b"x"], version=n),
        lambda n: stream.read(n),
        lambda n: stream.read_backwards(0, n),
        lambda n: appender.append([b"x"], expected_end=n),
        lambda n: transaction.expect_version("orders", "k", n),
        lambda n: transaction.expect_end("orders", 0, n),
        lambda n: append.expect_version("orders", "k", n),
        lambda n: snapshot.read("orders", 0, n),
        lambda n: broker.reset_group_offsets("kitchen", offset=n),
        lambda n: broker.reset_group_offsets("kitchen", timestamp=n),
    ]
    for use in wide:
        refused_with("is of type .*, but must be int", use, "0", 1.5, [])
        refused_with("is not a number of 64 bits", use, 1 << 63)
    assert partition.end_offset() == 0
    # What has a whole number inside is one.
    assert broker.partition("orders", True).number == 1
    refused_with("max_records is -1", lambda n: consumer.poll(0, n), -1)


def test_timeouts(broker: ottla.Broker) -> None:
    consumer, producer = broker.consumer(assign=[("orders", 0)]), broker.producer()
    table, delivery = broker.table("orders"), producer.send("orders", b"x")
    delivery.result()
    consumer.poll(10)
    waits: List[Callable[[Any], Any]] = [
        consumer.poll,
        lambda timeout: next(consumer.records(idle=timeout)),
        table.poll,
        delivery.wait,
        lambda timeout: delivery.result(timeout=timeout),
        producer.close,
        broker.close,
    ]
    for wait in waits:
        refused_with("the timeout is of type .*, but must be seconds, or None", wait, "1", [])
        refused_with("the timeout is .*, but must be seconds from 0 on", wait, -1, -0.5)
        refused_with("the timeout is not a number", wait, float("nan"))
    assert not producer.closed and not broker.closed
    delivery.result(float("inf"))
    producer.send("orders", b"y").result()
    consumer.assign([("orders", number) for number in range(3)])
    consumer.seek_to_beginning()
    assert consumer.poll(float("inf"))


def test_partitions_and_offsets(broker: ottla.Broker) -> None:
    wrong: Any = [("t", 0, 3)]
    consumer = broker.consumer("orders", group="kitchen")
    for use in (
        lambda: consumer.commit(wrong),
        lambda: consumer.commit_async(wrong),
        lambda: broker.transaction().commit_offsets_of("kitchen", wrong),
    ):
        with pytest.raises(TypeError, match=r"must be a mapping: {\(topic, partition\): offset}"):
            use()
    with pytest.raises(TypeError, match="must be a mapping of partitions"):
        consumer.offsets_for_times(wrong)
    topics: Any = b"t"
    with pytest.raises(TypeError, match="topics is of type bytes, but must be a list of str"):
        broker.consumer(topics, group="kitchen")


def test_what_only_a_broker_makes(broker: ottla.Broker) -> None:
    some: Any = {"acks": "all"}
    made: List[Any] = [ottla.Producer, ottla.Consumer, ottla.Partition, ottla.Transaction]
    made += [ottla.TransactionalProducer, ottla.AtomicAppend, ottla.Appender]
    made += [ottla.Stream, ottla.Table, ottla.Snapshot]
    for kind in made:
        for arguments in ((), (some,), (broker, "orders"), (broker, "orders", 0)):
            with pytest.raises(TypeError, match=rf"^{kind.__name__} objects are made by Broker\.\w+\("):
                kind(*arguments)


def test_what_was_not_awaited() -> None:
    forgotten: Any = ottla.aio.open(":memory:")
    with pytest.raises(AttributeError, match="producer: .* not open yet: .*await ottla.aio.open"):
        forgotten.producer()


def test_a_read_is_checked_when_it_is_asked_for(broker: ottla.Broker) -> None:
    partition = broker.partition("orders", 0)
    partition.append([b"a", b"b", b"c"])
    assert [bytes(record) for record in partition.read(1, 2)] == [b"b"]
    partition.close()
    with pytest.raises(ottla.Closed):
        partition.read(0)
