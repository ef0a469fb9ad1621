"""How much of what a poll brought went on to the program.

The library counts all that a poll returned as read. Where records are handed on in smaller pieces, a
commit must not count the rest: a program that ends then would never see it.
"""

from itertools import islice
from operator import length_hint
from typing import Dict, Iterator, Optional, Sequence

from ottla._records import Record, Records
from ottla.received import NO_RECORDS, TopicPartition


class HandedOn:
    """The last batch, and how much of it went on."""

    __slots__ = ("_records", "_iterator")

    def __init__(self) -> None:
        self.put(NO_RECORDS)

    def put(self, records: Records) -> None:
        """The next batch. An iterator over the one before ends."""
        self._records = records
        self._iterator = iter(records)

    def drop(self) -> None:
        """What is left is not handed on: the iterator ends."""
        self._iterator.stop()
        self.put(NO_RECORDS)

    def __bool__(self) -> bool:
        return length_hint(self._iterator) > 0

    def iterator(self) -> Iterator[Record]:
        """What is left, one by one: each counts when it is returned."""
        return self._iterator

    def take(self, count_max: Optional[int]) -> Sequence[Record]:
        """What is left, at most so many."""
        left = length_hint(self._iterator)
        if left == len(self._records) and (count_max is None or count_max >= left):
            taken = self._records
            self.put(NO_RECORDS)
            return taken
        return list(islice(self._iterator, count_max))

    def unread(self) -> Dict[TopicPartition, int]:
        """Of each partition that something is left of, the first offset."""
        left = length_hint(self._iterator)
        if left == 0:
            return {}
        records = reversed(self._records[len(self._records) - left :])
        return {TopicPartition(one.topic, one.partition): one.offset for one in records}
