"""For the tests of programs that use Ottla: a plugin of pytest, which finds it by itself, and small
things that such tests want.

    from ottla.testing import produce, values

    def test_kitchen(ottla_broker):
        produce(ottla_broker, "orders", ["one burger"])
        ...
        assert values(ottla_broker, "dishes") == [b"burger"]
"""

import time
from pathlib import Path
from typing import Iterator, List, Optional

import pytest

import ottla
from ottla.sending import Sendables
from ottla.settings import Config, Value

#: How often a wait looks again, in seconds.
LOOK_S = 0.005


@pytest.fixture
def ottla_broker() -> Iterator[ottla.Broker]:
    """A broker in memory: no file is left of it, and no other test sees it. It closes what the test
    leaves open."""
    with ottla.open(":memory:") as broker:
        yield broker


class Directory:
    """A directory, to be opened more than once."""

    def __init__(self, path: Path) -> None:
        #: Where it is.
        self.path = path
        self._broker: Optional[ottla.Broker] = None

    def open(self, config: Optional[Config] = None, **settings: Value) -> ottla.Broker:
        """Opens it; closes it first if it is open."""
        self.close()
        self._broker = ottla.open(self.path, config, **settings)
        return self._broker

    def crash(self) -> None:
        """Lets go of it as a kill of the program would: the next ``open`` recovers it."""
        if self._broker is not None and not self._broker.closed:
            self._broker.abandon()

    def close(self) -> None:
        """Closes it, if it is open."""
        if self._broker is not None:
            self._broker.close()


@pytest.fixture
def ottla_directory(tmp_path: Path) -> Iterator[Directory]:
    """A new directory, for tests of what survives."""
    directory = Directory(tmp_path / "ottla")
    yield directory
    directory.close()


def produce(
    broker: ottla.Broker, topic: str, records: Sendables, partitions: int = 1
) -> List[ottla.RecordMetadata]:
    """Writes records, as ``Producer.send_many`` takes them, and says where they went. Makes the
    topic if it is not there."""
    broker.ensure_topic(topic, partitions=partitions)
    with broker.producer() as producer:
        return producer.send_many(topic, records).result()


def read_all(broker: ottla.Broker, topic: str) -> List[ottla.Record]:
    """All records of a topic at this moment, one partition after the other. Those of transactions
    that were aborted or are open are not among them."""
    partitions = [(topic, one.partition) for one in broker.describe_topic(topic).partitions]
    reading = {"isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    with broker.consumer((), reading, assign=partitions) as consumer:
        consumer.seek_to_beginning()
        found = list(consumer.records(until_end=True))
    return sorted(found, key=lambda record: (record.partition, record.offset))


def values(broker: ottla.Broker, topic: str) -> List[Optional[bytes]]:
    """The values of ``read_all``."""
    return [record.value_bytes() for record in read_all(broker, topic)]


def wait_until_caught_up(
    broker: ottla.Broker, group: str, topic: str, timeout: float = 10.0
) -> None:
    """Returns when the group has committed all that the topic has at this moment. ``TimeoutError``
    says how much is missing."""
    partitions = broker.describe_topic(topic).partitions
    ends = {(topic, one.partition): one.end_offset for one in partitions}
    end = time.monotonic() + timeout
    while True:
        with broker.snapshot([group]) as snapshot:
            committed = snapshot.committed(group, ends)
        missing = {}
        for partition, found in committed.items():
            left = ends[partition] - (0 if found is None else found.offset)
            if left > 0:
                missing[partition.partition] = left
        if not missing:
            return
        if time.monotonic() > end:
            raise TimeoutError(
                f"the group {group} has not caught up with {topic} within {timeout} s; records"
                f" that are missing, by partition: {missing}"
            )
        time.sleep(LOOK_S)
