"""What objects show of themselves."""

from pathlib import Path
from typing import Any, List

import pytest

import ottla
import ottla.aio


def test_objects_say_what_they_are(tmp_path: Path) -> None:
    broker = ottla.open(tmp_path / "data")
    broker.create_topic("orders", partitions=3, ottla_key_index=True)
    made: List[Any] = [
        broker.producer(),
        broker.consumer("orders", group="kitchen"),
        broker.consumer((), {"group.id": "till"}),
        broker.consumer(assign=[("orders", 0)]),
        broker.partition("orders", 2),
        broker.transactional_producer("mover"),
        broker.transaction(),
        broker.atomic_append(),
        broker.stream("orders", "john"),
        broker.stream("orders", bytearray(b"ann")),
        broker.table("orders"),
        broker.snapshot(),
    ]
    shown = [
        "ottla.Producer",
        "ottla.Consumer of group 'kitchen'",
        "ottla.Consumer of group 'till'",
        "ottla.Consumer without a group",
        "ottla.Partition orders-2",
        "ottla.TransactionalProducer 'mover'",
        "ottla.Transaction",
        "ottla.AtomicAppend",
        "ottla.Stream orders 'john'",
        "ottla.Stream orders b'ann'",
        "ottla.Table orders",
        "ottla.Snapshot",
    ]
    assert [repr(one) for one in made] == [f"<{one}>" for one in shown]
    assert repr(broker) == f"<ottla.Broker {str(tmp_path / 'data')!r}>"
    assert repr(ottla.aio.Broker(broker)) == f"<ottla.aio.Broker {str(tmp_path / 'data')!r}>"
    broker.close()
    assert [repr(one) for one in made] == [f"<{one} (closed)>" for one in shown]
    assert repr(broker).endswith("data' (closed)>")


def test_deliveries_say_how_it_went(broker: ottla.Broker) -> None:
    with broker.producer(linger_ms=60_000) as producer:
        one, many = producer.send("orders", b"x", partition=1), producer.send_many("orders", [b"y"])
        assert (repr(one), repr(many)) == (
            "<ottla.Delivery: pending>",
            "<ottla.Deliveries of 1: pending>",
        )
        producer.flush()
        assert (repr(one), repr(many)) == (
            "<ottla.Delivery: orders-1@0>",
            "<ottla.Deliveries of 1: done>",
        )
        lost = producer.send("orders", b"x", partition=1)
        broker.delete_topic("orders")
        with pytest.raises(ottla.OttlaError):
            lost.result()
    assert repr(lost).startswith("<ottla.Delivery: failed, ")
