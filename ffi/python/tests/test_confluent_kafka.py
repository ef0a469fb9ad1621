"""The look of confluent-kafka: a typical program, and what its users rely on."""

import gc
import os
import resource
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

import ottla
from ottla.confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from ottla.confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from ottla.confluent_kafka.lease import open_directories

Conf = Dict[str, Any]


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    """What a client is configured with."""
    return {"bootstrap.servers": f"ottla:{tmp_path}", "client.id": "test"}


def reader(conf: Conf, **more: Any) -> Consumer:
    settings = {**conf, "group.id": "kitchen", "auto.offset.reset": "earliest"}
    settings.update({name.replace("_", "."): value for name, value in more.items()})
    return Consumer(settings)


def produce(conf: Conf, topic: str, count: int, partition: int = 0) -> None:
    with Producer(conf) as producer:
        for number in range(count):
            producer.produce(topic, str(number), partition=partition)


def values(messages: List[Message]) -> List[Optional[bytes]]:
    return [message.value() for message in messages]


def test_a_typical_program(conf: Conf) -> None:
    """As such programs are written: make a topic, produce with callbacks, consume in a loop."""
    admin = AdminClient(conf)
    futures = admin.create_topics([NewTopic("orders", num_partitions=3, replication_factor=1)])
    for topic, future in futures.items():
        assert (topic, future.result()) == ("orders", None)

    delivered: List[Tuple[Optional[KafkaError], Message]] = []
    producer = Producer({**conf, "linger.ms": 1, "acks": "all", "socket.timeout.ms": 100})
    for number in range(30):
        producer.poll(0)
        producer.produce(
            "orders",
            key=f"customer {number % 5}",
            value=f"order {number}".encode(),
            headers={"number": str(number)},
            on_delivery=lambda error, message: delivered.append((error, message)),
        )
    assert producer.flush(10) == 0 == len(producer)
    assert len(delivered) == 30 and all(error is None for error, _ in delivered)
    assert delivered[0][1].offset() is not None

    assigned: List[TopicPartition] = []
    consumer = Consumer(
        {**conf, "group.id": "kitchen", "auto.offset.reset": "smallest", "enable.auto.commit": False}
    )
    consumer.subscribe(["orders"], on_assign=lambda _consumer, found: assigned.extend(found))
    messages = []
    try:
        while len(messages) < 30:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            messages.append(message)
            consumer.commit(message, asynchronous=False)
        assert consumer.poll(0.05) is None
    finally:
        consumer.close()
    first = next(message for message in messages if message.value() == b"order 0")
    assert (first.topic(), first.key(), first.headers()) == (
        "orders",
        b"customer 0",
        [("number", b"0")],
    )
    assert first.timestamp()[0] == TIMESTAMP_CREATE_TIME and len(first) == 7
    assert assigned == [TopicPartition("orders", number) for number in range(3)]

    with reader(conf) as again:
        committed = again.committed(assigned)
        assert sum(one.offset for one in committed) == 30
    producer.close()
    admin.close()
    assert open_directories() == []


def test_topics(conf: Conf) -> None:
    admin = AdminClient(conf)
    admin.create_topics([NewTopic("a", 2, config={"retention.ms": 1000})])["a"].result()
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic("a")])["a"].result()
    error = refused.value.args[0]
    assert error.code() == KafkaError.TOPIC_ALREADY_EXISTS == error
    assert error.name() == "TOPIC_ALREADY_EXISTS" and "exists" in error.str()
    admin.create_partitions([NewPartitions("a", 4)])["a"].result()
    assert list(admin.list_topics().topics["a"].partitions) == [0, 1, 2, 3]
    missing = admin.list_topics("b").topics["b"].error
    assert missing is not None and missing == KafkaError.UNKNOWN_TOPIC_OR_PART
    admin.delete_topics(["a"])["a"].result()
    assert admin.list_topics().topics == {}
    admin.close()


def test_only_what_was_handed_out_is_committed(conf: Conf) -> None:
    produce(conf, "orders", 10)
    where = [TopicPartition("orders", 0)]
    with reader(conf) as consumer:
        consumer.subscribe(["orders"])
        assert values(consumer.consume(3, 10)) == [b"0", b"1", b"2"]
        assert consumer.position(where)[0].offset == 3
        assert consumer.committed(where)[0].offset == OFFSET_INVALID
        committed = consumer.commit(asynchronous=False)
        assert committed is not None and committed[0].offset == 3
        with pytest.raises(KafkaException) as nothing:
            consumer.commit(asynchronous=False)
        assert nothing.value.args[0] == KafkaError._NO_OFFSET
        assert values(consumer.consume(2, 10)) == [b"3", b"4"]
    # The close commits.
    with reader(conf) as consumer:
        consumer.subscribe(["orders"])
        assert values(consumer.consume(9, 1)) == [b"5", b"6", b"7", b"8", b"9"]


def test_offsets_that_the_program_stores(conf: Conf) -> None:
    produce(conf, "orders", 4)
    where = [TopicPartition("orders", 0)]
    with reader(conf, enable_auto_offset_store=False) as consumer:
        consumer.subscribe(["orders"])
        first, second, _third = consumer.consume(3, 10)
        assert consumer.commit() is None
        consumer.store_offsets(second)
    with reader(conf) as consumer:
        consumer.subscribe(["orders"])
        assert values(consumer.consume(1, 10)) == [b"2"]
        consumer.commit(offsets=[TopicPartition("orders", 0, 1, "a note")], asynchronous=False)
        committed = consumer.committed(where)[0]
        assert (committed.offset, committed.metadata) == (1, "a note")
        with pytest.raises(ValueError):
            consumer.commit(message=first, offsets=where)


def test_places(conf: Conf) -> None:
    produce(conf, "orders", 5)
    produce(conf, "other", 5)
    with reader(conf, enable_partition_eof=True) as consumer:
        consumer.assign([TopicPartition("orders", 0, 3), TopicPartition("other", 0, OFFSET_END)])
        assert values(consumer.consume(2, 10)) == [b"3", b"4"]
        ends = consumer.consume(2, 10)
        errors = [end.error() for end in ends]
        assert errors == [KafkaError._PARTITION_EOF] * 2 and {end.offset() for end in ends} == {5}
        assert consumer.get_watermark_offsets(TopicPartition("orders", 0)) == (0, 5)
        found = consumer.offsets_for_times(
            [TopicPartition("orders", 0, 0), TopicPartition("other", 0, 1 << 60)]
        )
        assert [one.offset for one in found] == [0, OFFSET_END]
        consumer.pause([TopicPartition("other", 0)])
        consumer.seek(TopicPartition("orders", 0, OFFSET_BEGINNING))
        consumer.seek(TopicPartition("other", 0, 0))
        assert values(consumer.consume(5, 10)) == [b"0", b"1", b"2", b"3", b"4"]
        consumer.resume([TopicPartition("other", 0)])
        messages = [one for one in consumer.consume(20, 0.2) if not one.error()]
        assert {one.topic() for one in messages} == {"other"} and len(messages) == 5
        consumer.incremental_unassign([TopicPartition("orders", 0)])
        assert consumer.assignment() == [TopicPartition("other", 0)]


def test_callbacks_take_partitions_from_other_offsets(conf: Conf) -> None:
    produce(conf, "orders", 5)
    gone: List[TopicPartition] = []

    def assigned(consumer: Consumer, partitions: List[TopicPartition]) -> None:
        for partition in partitions:
            partition.offset = 4
        consumer.assign(partitions)

    def revoked(consumer: Consumer, partitions: List[TopicPartition]) -> None:
        consumer.commit(asynchronous=False)
        gone.extend(partitions)

    consumer = reader(conf, enable_auto_commit=False)
    consumer.subscribe(["orders", "made-later"], on_assign=assigned, on_revoke=revoked)
    assert values(consumer.consume(1, 10)) == [b"4"]
    assert consumer.memberid()
    consumer.close()
    assert gone == [TopicPartition("orders", 0)]
    with reader(conf) as consumer:
        consumer.subscribe(["^ord.*"])
        assert consumer.committed(gone)[0].offset == 5


def test_a_topic_that_is_made_after_the_subscription(conf: Conf) -> None:
    with reader(conf) as consumer:
        consumer.subscribe(["later.or-never"])
        assert consumer.poll(0) is None
        produce(conf, "later.or-never", 1)
        assert values(consumer.consume(1, 10)) == [b"0"]


def test_refusals(conf: Conf) -> None:
    with pytest.raises(KafkaException, match='nearest one is "acks"'):
        Producer({**conf, "acs": 1})
    with pytest.raises(KafkaException, match="ottla.directory"):
        Consumer({"group.id": "kitchen"})
    with pytest.raises(TypeError):
        Producer("localhost")  # type: ignore[arg-type]
    # What a test before left in a cycle.
    gc.collect()
    assert open_directories() == []
    with Producer({**conf, "allow.auto.create.topics": False}) as producer:
        with pytest.raises(KafkaException) as unknown:
            producer.produce("nowhere", b"")
        assert unknown.value.args[0] == KafkaError.UNKNOWN_TOPIC_OR_PART
        with pytest.raises(KafkaException) as not_begun:
            producer.begin_transaction()
        assert not_begun.value.args[0] == KafkaError._STATE
    consumer = reader(conf)
    consumer.close()
    consumer.close()
    with pytest.raises(RuntimeError, match="Consumer closed"):
        consumer.poll(0)


def test_the_buffer_is_full(conf: Conf) -> None:
    told: List[Message] = []
    with Producer(
        {**conf, "buffer.memory": 40_000, "batch.size": 10_000, "linger.ms": 60_000}
    ) as producer:
        with pytest.raises(BufferError):
            for _ in range(100_000):
                producer.produce("full", b"x" * 1000, callback=lambda _, one: told.append(one))
        produced = len(producer)
        while producer.poll(10) == 0:
            pass
        assert producer.flush() == 0
    assert len(told) == produced


def test_transactions(conf: Conf) -> None:
    produce(conf, "from", 3)
    AdminClient(conf).create_topics([NewTopic("to")])
    producer = Producer({**conf, "transactional.id": "mover"})
    with pytest.raises(KafkaException, match="init_transactions"):
        producer.begin_transaction()
    producer.init_transactions()
    consumer = reader(conf, enable_auto_commit=False)
    consumer.subscribe(["from"])
    for message, is_good in zip(consumer.consume(2, 10), (True, False)):
        producer.begin_transaction()
        producer.produce("to", message.value())
        offset = TopicPartition("from", 0, (message.offset() or 0) + 1)
        producer.send_offsets_to_transaction([offset], consumer.consumer_group_metadata())
        if is_good:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    assert consumer.committed([TopicPartition("from", 0)])[0].offset == 1
    # Also what is not handed out yet is still to come.
    assert values(consumer.consume(1, 10)) == [b"2"]
    consumer.close()
    with reader(conf, isolation_level="read_committed") as check:
        check.assign([TopicPartition("to", 0)])
        assert values(check.consume(2, 0.2)) == [b"0"]
    newer = Producer({**conf, "transactional.id": "mover"})
    newer.init_transactions()
    with pytest.raises(KafkaException) as fenced:
        producer.begin_transaction()
        producer.commit_transaction()
    assert fenced.value.args[0].fatal()
    producer.close()
    newer.close()


def test_clients_share_a_broker_until_the_last_is_gone(tmp_path: Path) -> None:
    conf = {"ottla.directory": str(tmp_path)}
    producer: Optional[Producer] = Producer(conf)
    consumer = reader(conf)
    assert open_directories() == [str(tmp_path)]
    with pytest.raises(ottla.Locked):
        ottla.open(tmp_path)
    consumer.close()
    # Nobody closes this one.
    assert producer is not None
    producer.produce("orders", b"kept")
    producer = None
    gc.collect()
    assert open_directories() == []
    with ottla.open(tmp_path) as broker:
        assert broker.describe_topic("orders").partitions[0].end_offset == 1
        own = {"ottla.broker": broker}
        produce(own, "orders", 1)
        with reader(own) as consumer:
            consumer.subscribe(["orders"])
            assert values(consumer.consume(2, 10)) == [b"kept", b"0"]


def test_a_callback_that_raises_leaves_the_others(conf: Conf) -> None:
    told: List[Optional[bytes]] = []

    def on_delivery(_error: object, message: Message) -> None:
        told.append(message.value())
        if message.value() == b"0":
            raise KeyError("no")

    with Producer(conf) as producer:
        for number in range(3):
            producer.produce("orders", str(number), on_delivery=on_delivery)
        with pytest.raises(KeyError):
            producer.flush(10)
        assert producer.flush(10) == 0
    assert told == [b"0", b"1", b"2"]


def test_more_descriptors_than_select_knows(conf: Conf) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2048), hard))
    taken = [os.dup(0) for _ in range(1024)]
    try:
        with Producer({**conf, "linger.ms": 20}) as producer:
            producer.produce("orders", "one burger")
            assert producer.poll(10) == 1
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_patterns_match_beginnings(conf: Conf) -> None:
    for topic in ("orders", "orders.new", "other"):
        produce(conf, topic, 1)

    def found(pattern: str) -> List[Optional[str]]:
        with reader(conf, group_id=pattern.strip("^$.*|")) as consumer:
            consumer.subscribe([pattern])
            return sorted(str(message.topic()) for message in consumer.consume(9, 0.5))

    assert found("^ord") == ["orders", "orders.new"]
    assert found("^orders$") == ["orders"]


def test_what_is_assigned_by_hand_is_committed_by_close(conf: Conf) -> None:
    produce(conf, "orders", 3)
    where = [TopicPartition("orders", 0)]
    with reader(conf) as consumer:
        consumer.assign(where)
        assert values(consumer.consume(2, 10)) == [b"0", b"1"]
    with reader(conf) as consumer:
        assert consumer.committed(where)[0].offset == 2
    with reader(conf) as consumer:
        consumer.assign(where)
        assert values(consumer.consume(1, 10)) == [b"2"]
        consumer.unassign()
        assert consumer.committed(where)[0].offset == 3
    with Consumer({**conf, "auto.offset.reset": "earliest"}) as alone:
        alone.assign(where)
        assert len(alone.consume(3, 10)) == 3
        with pytest.raises(ValueError, match="not a number"):
            alone.poll(float("nan"))


def test_no_exception_of_ottla_comes_out(conf: Conf) -> None:
    produce(conf, "orders", 1)
    producer = Producer({**conf, "message.max.bytes": 2000})
    with pytest.raises(KafkaException) as raised:
        producer.produce("orders", "x" * 5000)
    assert raised.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    mover = Producer({**conf, "transactional.id": "mover"})
    mover.init_transactions()
    mover.begin_transaction()
    with pytest.raises(KafkaException):
        mover.produce("orders", "x" * 5000000)
    mover.abort_transaction()
    mover.close()
    producer.produce("orders", "y")
    producer.flush()
    producer.close()
    consumer = reader(conf)
    consumer.close()
    uses: List[Callable[[], Any]] = [
        lambda: producer.produce("orders", "z"),
        lambda: AdminClient(conf).create_topics([NewTopic("no/name")])["no/name"].result(),
        lambda: mover.begin_transaction(),
    ]
    for use in uses:
        with pytest.raises(KafkaException):
            use()
    wrong: Any = 5
    for refused in (
        lambda: producer.produce("orders", "z", callback=wrong),
        lambda: producer.produce("orders", "z", on_delivery=wrong),
        lambda: reader(conf).subscribe(["orders"], on_assign=wrong),
    ):
        with pytest.raises(TypeError, match="must be callable"):
            refused()


def test_settings_that_programs_rely_on(conf: Conf) -> None:
    for wrong in ({"statistics.interval.ms": 1000}, {"partitioner": "consistent_random"}):
        with pytest.raises(KafkaException, match=next(iter(wrong))) as raised:
            Producer({**conf, **wrong})
        assert raised.value.args[0].code() == KafkaError._INVALID_ARG
    with pytest.raises(KafkaException, match="statistics"):
        reader(conf, statistics_interval_ms=1000)
    settings = {"partitioner": "murmur2_random", "statistics.interval.ms": 0, "linger.ms": 60000}
    of_topics = {"acks": 1, "linger.ms": 5}
    with Producer({**conf, **settings, "default.topic.config": of_topics}) as producer:
        producer.produce("orders", "x")
        assert producer.poll(0.05) == 0
    with pytest.raises(KafkaException, match="nonsense"):
        Producer({**conf, "default.topic.config": {"nonsense": 1}})
    with pytest.raises(TypeError, match="default.topic.config"):
        Producer({**conf, "default.topic.config": 5})
    told: List[Any] = []
    with Producer({**conf, "queue.buffering.max.messages": 2}) as producer:
        for _ in range(2):
            producer.produce("orders", "x", callback=lambda *what: told.append(what))
        with pytest.raises(BufferError, match="queue.buffering.max.messages"):
            producer.produce("orders", "x")
        assert producer.poll(10) > 0
        producer.produce("orders", "x")
    assert len(told) == 2
    with Consumer({**conf, "group.id": "k", "fetch.message.max.bytes": 1000}) as consumer:
        with pytest.raises(ValueError, match="not a number"):
            consumer.poll(float("nan"))


def test_assign_while_it_is_subscribed(conf: Conf) -> None:
    produce(conf, "orders", 3)
    produce(conf, "other", 3)
    with reader(conf) as consumer:
        consumer.subscribe(["orders"])
        assert values(consumer.consume(3, 10)) == [b"0", b"1", b"2"]
        consumer.assign([TopicPartition("orders", 0, 1)])
        assert values(consumer.consume(2, 10)) == [b"1", b"2"]
        with pytest.raises(KafkaException, match="unsubscribe first"):
            consumer.assign([TopicPartition("other", 0, 1)])


def test_a_child_closes_nothing_of_its_parent(conf: Conf) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("has no fork")
    produce(conf, "orders", 2)
    with Producer({**conf, "linger.ms": 60000}) as producer, reader(conf) as consumer:
        consumer.assign([TopicPartition("orders", 0)])
        assert values(consumer.consume(1, 10)) == [b"0"]
        producer.produce("orders", "of the parent")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with consumer, producer:
                    pass
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        assert values(consumer.consume(1, 10)) == [b"1"]
        assert producer.flush(10) == 0
