"""Tables and snapshots."""

import pytest

import ottla


def test_a_table_follows_its_topic(broker: ottla.Broker) -> None:
    with broker.producer(linger_ms=0) as producer, broker.table("orders") as table:
        assert (len(table), table.get("john"), table.get("john", b"-")) == (0, None, b"-")
        producer.send_many("orders", [("john", "1"), ("mary", "2"), ("john", "3" * 5000)]).result()
        assert table.catch_up() == 3
        assert table.catch_up() == 0
        assert (table["john"], table[b"mary"], len(table)) == (b"3" * 5000, b"2", 2)
        assert "john" in table and "nobody" not in table
        with pytest.raises(KeyError):
            table["nobody"]
        assert dict(table.items()) == table.as_dict() == {b"john": b"3" * 5000, b"mary": b"2"}
        assert sorted(table) == [b"john", b"mary"]
        assert table.memory_bytes() > 5000
        assert sum(table.offsets().values()) == 3
        producer.send("orders", None, key="john").result()
        assert table.poll(10) == 1
        assert table.poll() == 0
        assert list(table) == [b"mary"]


def test_a_snapshot_is_of_one_moment(broker: ottla.Broker) -> None:
    with broker.producer(linger_ms=0) as producer:
        for number in range(5):
            producer.send("orders", f"{number}", partition=1).result()
        with broker.snapshot() as snapshot:
            producer.send("orders", "too late", partition=1).result()
            assert (snapshot.log_start_offset("orders", 1), snapshot.end_offset("orders", 1)) == (0, 5)
            wanted = [b"0", b"1", b"2", b"3", b"4"]
            assert [bytes(record) for record in snapshot.read("orders", 1)] == wanted
            assert [bytes(record) for record in snapshot.read("orders", 1, 3)] == wanted[3:]
            assert list(snapshot.read("orders", 0)) == []
            with pytest.raises(ottla.OffsetOutOfRange):
                snapshot.read("orders", 1, 6)


def test_a_snapshot_knows_groups(broker: ottla.Broker) -> None:
    partition = ottla.TopicPartition("orders", 1)
    with broker.producer() as producer:
        producer.send_many("orders", [ottla.ProducerRecord(b"", partition=1)] * 5).result()
    with broker.consumer(group="kitchen", assign=[partition]) as consumer:
        consumer.commit({partition: 3})
        with broker.snapshot(["kitchen"]) as snapshot:
            consumer.commit({partition: 4})
            assert snapshot.committed("kitchen", [partition]) == {partition: ottla.OffsetAndMetadata(3)}
            assert snapshot.end_offsets()[partition] == 5
            with pytest.raises(ottla.InvalidInput):
                snapshot.committed("bar", [partition])
