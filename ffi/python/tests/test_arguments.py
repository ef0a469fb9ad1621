"""Wrong arguments: refused when they are given, in a sentence that names them."""

from typing import Any, Callable, List

import pytest

import ottla


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
