"""What the tests share."""

from typing import Iterator

import pytest

import ottla


@pytest.fixture
def broker() -> Iterator[ottla.Broker]:
    """A broker in memory with a topic of three partitions."""
    with ottla.open(":memory:") as opened:
        opened.create_topic("orders", partitions=3)
        yield opened
