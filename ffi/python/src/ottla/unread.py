"""Records that a poll brought and that were not handed on yet: for interfaces that give out one
record at a time.

The invariant: a record that was not handed on is not committed, and not lost. The consumer itself
counts all that a poll returned as read; ``unread_from`` and ``give_back`` set that right.
"""

from contextlib import contextmanager
from typing import Dict, Iterator, List, Optional, Sequence

from ottla._records import Record
from ottla.consumer import Consumer
from ottla.errors import InvalidInput
from ottla.received import NO_RECORDS, TopicPartition


class Unread:
    """What is left of one batch."""

    __slots__ = ("_records", "_iterator", "_handed_on")

    def __init__(self) -> None:
        self._records: Sequence[Record] = NO_RECORDS
        self._iterator: Iterator[Record] = iter(())
        self._handed_on = 0

    def put(self, records: Sequence[Record]) -> None:
        """The next batch. Nothing may be left of the one before."""
        self._records, self._iterator, self._handed_on = records, iter(records), 0

    def __len__(self) -> int:
        return len(self._records) - self._handed_on

    def next(self) -> Optional[Record]:
        """Hands one on; None if nothing is left."""
        for record in self._iterator:
            self._handed_on += 1
            return record
        return None

    def take(self, count_max: Optional[int] = None) -> Sequence[Record]:
        """Hands on what is left, at most so many."""
        begin, count = self._handed_on, len(self)
        if count_max is None or count_max >= count:
            taken = self._records[begin:] if begin else self._records
            self.put(NO_RECORDS)
            return taken
        self._handed_on += count_max
        self._iterator = iter(self._records[self._handed_on :])
        return self._records[begin : self._handed_on]

    def drop(self) -> None:
        """Forgets them: only after they were given back, or if nobody may see them any more."""
        self.put(NO_RECORDS)

    def offsets(self) -> Dict[TopicPartition, int]:
        """The first one of each partition."""
        left: List[Record] = list(self._records[self._handed_on :])
        return {TopicPartition(one.topic, one.partition): one.offset for one in reversed(left)}

    def give_back(self, consumer: Consumer) -> None:
        """Has the next poll return them again."""
        for partition, offset in self.offsets().items():
            go_to(consumer, partition, offset)
        self.drop()


@contextmanager
def unread_from(consumer: Consumer, offsets: Dict[TopicPartition, int]) -> Iterator[None]:
    """Within this block the consumer counts as read only what comes before these offsets."""
    positions: Dict[TopicPartition, int] = {}
    try:
        for partition, offset in offsets.items():
            before = go_to(consumer, partition, offset)
            if before is not None:
                positions[partition] = before
        yield
    finally:
        for partition, before in positions.items():
            go_to(consumer, partition, before)


def go_to(consumer: Consumer, partition: TopicPartition, offset: int) -> Optional[int]:
    """Seeks, and says where the consumer was before: None if it does not have the partition."""
    try:
        before = consumer.position(*partition)
        consumer.seek(*partition, offset)
    except InvalidInput:
        return None
    return before
