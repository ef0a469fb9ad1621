"""Transactions, conditions, streams."""

import pytest

import ottla


@pytest.fixture
def accounts(broker: ottla.Broker) -> ottla.Broker:
    broker.create_topic("accounts", partitions=2, ottla_key_index=True)
    return broker


def ends(broker: ottla.Broker, topic: str) -> int:
    return sum(partition.end_offset for partition in broker.describe_topic(topic).partitions)


def test_all_of_it(broker: ottla.Broker) -> None:
    with broker.transaction(transaction_timeout_ms=10_000) as transaction:
        transaction.send("orders", "one", partition=0)
        transaction.send_many("orders", [("k", "two"), ("k", "three")])
        assert ends(broker, "orders") == 0
        places = transaction.commit()
    assert transaction.closed
    assert ends(broker, "orders") == 3
    assert sum(place.last_offset - place.base_offset + 1 for place in places) == 3
    assert {place.topic for place in places} == {"orders"}


def test_the_end_of_a_block_commits(broker: ottla.Broker) -> None:
    with broker.transaction() as transaction:
        transaction.send("orders", "one")
    assert ends(broker, "orders") == 1
    with pytest.raises(ottla.Closed):
        transaction.send("orders", "one")


def test_nothing_of_it(broker: ottla.Broker) -> None:
    with pytest.raises(KeyError), broker.transaction() as transaction:
        transaction.send("orders", "one")
        raise KeyError
    with broker.transaction() as transaction:
        transaction.send("orders", "one")
        transaction.abort()
        with pytest.raises(ottla.InvalidTransactionState):
            transaction.send("orders", "two")
    broker.transaction().send("orders", "three")
    assert ends(broker, "orders") == 0


def test_somebody_was_faster(accounts: ottla.Broker) -> None:
    john = accounts.stream("accounts", "john")
    assert john.version() == ottla.NO_STREAM
    with accounts.transaction() as transaction:
        transaction.send("accounts", "1", key="john")
        transaction.expect_version("accounts", "john", ottla.NO_STREAM)
    assert john.version() == 0
    late = accounts.transaction()
    late.send("accounts", "2", key="john")
    late.expect_version("accounts", "john", ottla.NO_STREAM)
    with pytest.raises(ottla.Conflict) as refused, late:
        pass
    conflict = refused.value
    assert (conflict.topic, conflict.partition) == ("accounts", john.partition)
    assert (conflict.key, conflict.expected, conflict.actual) == (b"john", ottla.NO_STREAM, 0)
    assert conflict.is_complete
    assert [record.value_bytes() for record in conflict.records] == [b"1"]
    with accounts.transaction() as transaction:
        transaction.send("accounts", "2", key="john")
        transaction.expect_version("accounts", "john", conflict.actual)
    assert [record.value_bytes() for record in john] == [b"1", b"2"]


def test_an_expected_end(broker: ottla.Broker) -> None:
    with broker.transaction() as transaction:
        transaction.send("orders", "one", partition=2)
        transaction.expect_end("orders", 2, 0)
    with pytest.raises(ottla.Conflict) as refused, broker.transaction() as transaction:
        transaction.send("orders", "two", partition=2)
        transaction.expect_end("orders", 2, 0)
    assert (refused.value.key, refused.value.expected, refused.value.actual) == (None, 0, 1)


def test_a_stream_in_both_directions(accounts: ottla.Broker) -> None:
    with accounts.producer() as producer:
        for number in range(100):
            producer.send("accounts", f"{number}", key=f"key-{number % 3}", partition=1)
    stream = accounts.stream("accounts", "key-1", partition=1)
    wanted = [b"%d" % number for number in range(1, 100, 3)]
    assert [bytes(record) for record in stream] == wanted
    assert [bytes(record) for record in reversed(stream)] == wanted[::-1]
    assert [bytes(record) for record in stream.read(50, 60)] == [b"52", b"55", b"58"]
    assert [bytes(record) for record in stream.read_backwards(50, 60)] == [b"58", b"55", b"52"]
    assert list(accounts.stream("accounts", "nobody")) == []
    with pytest.raises(ottla.InvalidInput, match="key.index"):
        accounts.stream("orders", "key")


def test_the_newest_of_a_key(accounts: ottla.Broker) -> None:
    assert accounts.latest("accounts", "john") is None
    with accounts.producer() as producer:
        producer.send_many("accounts", [("john", "1"), ("john", "2"), ("mary", None)]).result()
    latest = accounts.latest("accounts", b"john")
    assert latest is not None and latest.value == b"2"
    assert accounts.latest("accounts", "mary") is None


def test_appending_to_a_stream(accounts: ottla.Broker) -> None:
    john = accounts.stream("accounts", "john")
    assert john.append([b"1"], version=ottla.NO_STREAM) == ottla.Appended(0, 0)
    john.append([b"2", ("john", b"3")], version=0, acks=1)
    with pytest.raises(ottla.Conflict) as refused:
        john.append([b"4"], version=0)
    assert [bytes(record) for record in refused.value.records] == [b"2", b"3"]
    john.append([b"4"])
    assert [record.key for record in john] == [b"john"] * 4
    assert john.version() == 3


def test_offsets_are_part_of_it(broker: ottla.Broker) -> None:
    broker.create_topic("deliveries")
    with broker.producer() as producer:
        producer.send_many("orders", ["one", "two"]).result()
    partitions = [("orders", number) for number in range(3)]
    with broker.consumer("orders", group="kitchen", enable_auto_commit=False) as consumer:
        for _ in range(2):
            records = list(consumer.records(until_end=True))
            with pytest.raises(KeyError), broker.transaction() as transaction:
                transaction.send_many("deliveries", records)
                transaction.commit_offsets(consumer)
                raise KeyError
        with broker.transaction() as transaction:
            transaction.send_many("deliveries", ["one", "two"])
            transaction.commit_offsets(consumer)
        committed = [offset.offset for offset in consumer.committed(partitions).values() if offset]
        assert sum(committed) == 2 and ends(broker, "deliveries") == 2
    with broker.transaction() as transaction:
        transaction.commit_offsets_of("bar", {("orders", 0): 0})
    with broker.consumer(group="bar") as consumer:
        assert consumer.committed([("orders", 0)])[ottla.TopicPartition("orders", 0)] is not None


def test_a_producer_with_an_id(broker: ottla.Broker) -> None:
    producer = broker.transactional_producer("till-1", transaction_timeout_ms=5000)
    assert producer.transactional_id == "till-1"
    with producer.transaction():
        producer.send("orders", "one")
    with pytest.raises(KeyError), producer.transaction():
        producer.send("orders", "two")
        raise KeyError
    producer.begin_transaction()
    producer.send_many("orders", ["three", "four"])
    with pytest.raises(ottla.InvalidTransactionState):
        producer.begin_transaction()
    assert sum(place.last_offset - place.base_offset + 1 for place in producer.commit_transaction()) == 2
    assert ends(broker, "orders") == 3
    with broker.transactional_producer("till-1"), pytest.raises(ottla.Fenced):
        producer.begin_transaction()


def test_an_atomic_append(broker: ottla.Broker) -> None:
    with broker.atomic_append() as append:
        append.add("orders", 0, [b"one", b"two"])
        append.add("orders", 1, [b"three"])
        append.expect_end("orders", 2, 0)
        assert append.commit() == [ottla.Appended(0, 1), ottla.Appended(0, 0)]
    with pytest.raises(ottla.Conflict), broker.atomic_append() as append:
        append.add("orders", 0, [b"four"])
        append.expect_end("orders", 1, 0)
    with pytest.raises(KeyError), broker.atomic_append() as append:
        append.add("orders", 0, [b"four"])
        raise KeyError
    assert ends(broker, "orders") == 3


def test_a_partitioner_within_a_transaction(broker: ottla.Broker) -> None:
    def choose(_topic: str, key: object, _value: object, _count: int) -> int:
        if key == b"fail":
            raise KeyError("on purpose")
        return 2

    with broker.transaction(partitioner=choose) as transaction:
        transaction.send("orders", "one", key="any")
        with pytest.raises(ottla.OttlaError) as refused:
            transaction.send("orders", "two", key="fail")
        assert isinstance(refused.value.__cause__, KeyError)
    producer = broker.transactional_producer("till", partitioner=choose)
    with producer.transaction():
        producer.send("orders", "three")
    ended = [partition.end_offset for partition in broker.describe_topic("orders").partitions]
    assert ended == [0, 0, 2]


def test_what_leaves_the_block_is_raised(broker: ottla.Broker) -> None:
    producer = broker.transactional_producer("till")
    for end in (producer.abort_transaction, producer.commit_transaction):
        with pytest.raises(ZeroDivisionError):
            with producer.transaction():
                producer.send("orders", "one burger")
                end()
                raise ZeroDivisionError
