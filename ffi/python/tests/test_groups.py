"""Groups, from outside."""

from typing import List

import pytest

import ottla
from ottla import OffsetChange, TopicPartition


@pytest.fixture
def kitchen(broker: ottla.Broker) -> ottla.Broker:
    """The group has read all of ten records of each of three partitions."""
    with broker.producer() as producer:
        records = [ottla.ProducerRecord(b"", partition=n % 3, timestamp=n) for n in range(30)]
        producer.send_many("orders", records).result()
    with broker.consumer("orders", group="kitchen") as consumer:
        assert len(list(consumer.records(until_end=True))) == 30
        consumer.commit()
    return broker


def test_groups_are_listed_and_described(kitchen: ottla.Broker) -> None:
    assert kitchen.groups() == [ottla.GroupListing("kitchen", "Empty", "consumer", 0)]
    with kitchen.consumer("orders", group="kitchen", client_id="cook") as consumer:
        consumer.poll()
        described = kitchen.describe_group("kitchen")
        assert (described.name, described.state, len(described.members)) == ("kitchen", "Stable", 1)
        (member,) = described.members
        assert (member.client_id, member.is_away, member.instance_id) == ("cook", False, None)
        assert sorted(member.partitions) == [TopicPartition("orders", n) for n in range(3)]
        assert [(at.partition, at.offset, at.lag) for at in described.partitions] == [
            (0, 10, 0),
            (1, 10, 0),
            (2, 10, 0),
        ]
        assert {at.member_id for at in described.partitions} == {member.member_id}
        with pytest.raises(ottla.GroupNotEmpty):
            kitchen.delete_group("kitchen")
    with pytest.raises(ottla.UnknownGroup):
        kitchen.describe_group("bar")


def test_offsets_are_set(kitchen: ottla.Broker) -> None:
    def reset(**how: object) -> List[OffsetChange]:
        return kitchen.reset_group_offsets("kitchen", **how)  # type: ignore[arg-type]

    def after(**how: object) -> List[int]:
        return [change.after for change in reset(**how)]

    assert reset(shift_by=-3, dry_run=True)[0] == OffsetChange("orders", 0, 10, 7)
    assert after(to="earliest") == [0, 0, 0]
    assert after(to="latest", topics=["orders"]) == [10, 10, 10]
    assert after(offset=5, partitions=[("orders", 1)]) == [5]
    assert after(timestamp=6) == [2, 2, 2]
    assert after(duration_ms=1000) == [10, 10, 10]
    assert after(shift_by=-4) == [6, 6, 6]
    assert after(to="current") == [6, 6, 6]
    for wrong in ({}, {"to": "middle"}, {"to": "latest", "offset": 1}):
        with pytest.raises(ottla.InvalidInput):
            reset(**wrong)
    with pytest.raises(TypeError):
        reset(to="latest", topics="orders")
    offsets = kitchen.group_offsets("kitchen")
    assert {found.offset for found in offsets.values()} == {6}


def test_offsets_and_groups_are_deleted(kitchen: ottla.Broker) -> None:
    kitchen.delete_group_offsets("kitchen", [("orders", 0)])
    assert sorted(kitchen.group_offsets("kitchen")) == [("orders", 1), ("orders", 2)]
    kitchen.delete_group_offsets("kitchen", topics=["orders"])
    assert kitchen.group_offsets("kitchen") == {}
    kitchen.reset_group_offsets("bar", "latest", topics=["orders"])
    assert len(kitchen.group_offsets("bar")) == 3
    kitchen.delete_group("bar")
    assert "bar" not in [group.name for group in kitchen.groups()]
