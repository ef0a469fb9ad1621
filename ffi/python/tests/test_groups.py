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


def test_an_assignor_of_the_program(kitchen: ottla.Broker) -> None:
    asked: List[object] = []

    def all_to_the_first(topics: object, members: List[ottla.AssignorMember]) -> object:
        asked.append((topics, members))
        first = min(members, key=lambda member: member.instance_id or "")
        return {first.member_id: [("orders", number) for number in range(3)]}

    assignor = ottla.Assignor("first", all_to_the_first)  # type: ignore[arg-type]

    def member(name: str) -> ottla.Consumer:
        settings = {"group.instance.id": name}
        return kitchen.consumer("orders", settings, group="kitchen", assignors=[assignor])

    with member("b") as second, member("a") as first:
        for _ in range(4):
            first.poll()
            second.poll()
        assert (len(first.assignment()), second.assignment()) == (3, [])
        metadata = first.group_metadata()
        assert (metadata.group_id, metadata.instance_id) == ("kitchen", "a")
        assert metadata.generation >= 0 and metadata.member_id
    topics, members = asked[-1]  # type: ignore[misc]
    assert topics == {"orders": 3}
    assert {one.instance_id for one in members} == {"a", "b"}
    assert members[0].topics == ["orders"]


def test_what_an_assignor_raises(kitchen: ottla.Broker) -> None:
    answers: List[object] = [{}, {"nobody": []}, {"topic": 1}]

    def fail(_topics: object, members: List[ottla.AssignorMember]) -> object:
        answer = answers.pop() if answers else None
        if answer == {"topic": 1}:
            return {members[0].member_id: [("no such topic", 0)]}
        if answer is None:
            raise KeyError("on purpose")
        return answer

    assignor = ottla.Assignor("fails", fail)  # type: ignore[arg-type]
    for message in ("no such topic", "no such one"):
        with kitchen.consumer("orders", group="kitchen", assignors=[assignor]) as consumer:
            with pytest.raises(ottla.InvalidInput, match=message):
                consumer.poll()
    with kitchen.consumer("orders", group="kitchen", assignors=[assignor]) as consumer:
        assert not consumer.poll() and consumer.assignment() == []
    with kitchen.consumer("orders", group="kitchen", assignors=[assignor]) as consumer:
        with pytest.raises(KeyError, match="on purpose"):
            consumer.poll()
