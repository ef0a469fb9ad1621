"""One partition."""

import pytest

import ottla


def test_append_and_read(broker: ottla.Broker) -> None:
    with broker.partition("orders", 1) as partition:
        assert (partition.topic, partition.number) == ("orders", 1)
        for acks in ("all", 1, 0, -1):
            partition.append([b"a", ("k", "b")], acks)
        assert partition.append([b"last"]) == ottla.Appended(8, 8)
        assert (partition.log_start_offset(), partition.end_offset()) == (0, 9)
        assert partition.last_stable_offset() == 9
        assert partition.size_bytes() > 0
        partition.check()
        assert [bytes(record) for record in partition.read(6)] == [b"a", b"b", b"last"]
        assert [record.offset for record in partition.read(stop=3)] == [0, 1, 2]
        assert not partition.read_batch(9)
        with pytest.raises(ottla.OffsetOutOfRange):
            partition.read_batch(10)
        with pytest.raises(ottla.InvalidInput, match="acks is 5"):
            partition.append([b""], 5)
    with pytest.raises(ottla.UnknownTopicOrPartition):
        broker.partition("orders", 9)


def test_only_if_nobody_was_faster(broker: ottla.Broker) -> None:
    partition = broker.partition("orders", 0)
    partition.append([b"one"], expected_end=0)
    with pytest.raises(ottla.Conflict) as refused:
        partition.append([b"two"], expected_end=0)
    assert (refused.value.expected, refused.value.actual) == (0, 1)
    assert [bytes(record) for record in refused.value.records] == [b"one"]


def test_cutting_and_times(broker: ottla.Broker) -> None:
    partition = broker.partition("orders", 0)
    assert partition.offset_for_timestamp(0) is None
    assert partition.offset_of_max_timestamp() is None
    for time in (10, 30, 20):
        partition.append([ottla.ProducerRecord(b"", timestamp=time)])
    assert partition.offset_for_timestamp(15) == ottla.OffsetAndTimestamp(1, 30)
    assert partition.offset_of_max_timestamp() == ottla.OffsetAndTimestamp(1, 30)
    assert partition.truncate_to(2) == 2
    assert partition.delete_records(1) == 1
    assert (partition.log_start_offset(), partition.end_offset()) == (1, 2)
    assert partition.delete_records() == 2


def test_a_batch_is_appended_once(broker: ottla.Broker) -> None:
    partition = broker.partition("orders", 0)
    identity = broker.new_identity()
    with broker.appender(partition, identity) as appender:
        assert appender.append([b"one", b"two"]) == ottla.Appended(0, 1)
        assert appender.next_sequence == 2
        assert appender.append([b"three"], expected_end=2) == ottla.Appended(2, 2)
        with pytest.raises(ottla.Conflict):
            appender.append([b"four"], expected_end=2)
        with pytest.raises(ottla.InvalidInput, match="expect"):
            appender.append([b"four"], key="k")
    again = broker.appender(partition, identity, next_sequence=2)
    assert again.append([b"three"]) == ottla.Appended(2, 2)
    with pytest.raises(ottla.OutOfOrderSequence):
        broker.appender(partition, identity, next_sequence=9).append([b"ten"])
    (state,) = partition.producers()
    assert (state.id, state.epoch, state.last_sequence, state.last_offset) == (*identity, 2, 2)
    successor = broker.fence(identity)
    assert successor.epoch == identity.epoch + 1
    with pytest.raises(ottla.Fenced):
        again.append([b"four"])
    assert broker.appender(partition, successor).append([b"four"]).base_offset == 3


def test_only_if_a_key_has_that_version(broker: ottla.Broker) -> None:
    broker.create_topic("accounts", ottla_key_index=True)
    partition = broker.partition("accounts", 0)
    partition.append([("john", "1"), ("mary", "2")], key="john", version=ottla.NO_STREAM)
    with pytest.raises(ottla.Conflict) as refused:
        partition.append([("mary", "3")], key="john", version=1)
    assert (refused.value.key, refused.value.actual) == (b"john", 0)
    partition.append([("john", "3")], key=b"john", version=0)
    with pytest.raises(ottla.InvalidInput, match="expect"):
        partition.append([b""], key="john")
