"""The offsets that a consumer commits: behind each message that was handed out, or as the program
says.

The invariant: only what was handed out or named by the program is committed.
"""

from typing import Dict, Iterable, List, Optional, Tuple

from ottla.confluent_kafka.message import Message
from ottla.confluent_kafka.topic_partition import TopicPartition
from ottla.offsets import OffsetAndMetadata, OffsetsLike

#: Topic and number.
Key = Tuple[str, int]


class Stored:
    """What is stored, and what of it is not committed yet."""

    def __init__(self) -> None:
        self._offsets: Dict[Key, OffsetAndMetadata] = {}
        self._committed: Dict[Key, OffsetAndMetadata] = {}

    def put(self, key: Key, offset: OffsetAndMetadata) -> None:
        """Stores one."""
        self._offsets[key] = offset

    def uncommitted(self, partitions: Optional[Iterable[Key]] = None) -> "Offsets":
        """What is stored of these partitions, or of all, and was not committed."""
        return {
            key: offset
            for key, offset in self._offsets.items()
            if self._committed.get(key) != offset and (partitions is None or key in partitions)
        }

    def committed(self, offsets: OffsetsLike) -> None:
        """These were."""
        for (topic, partition), offset in offsets.items():
            if isinstance(offset, OffsetAndMetadata):
                self._committed[topic, partition] = offset

    def forget(self, partitions: Iterable[Key]) -> None:
        """Partitions that are not read any more, or from elsewhere."""
        for key in partitions:
            self._offsets.pop(key, None)
            self._committed.pop(key, None)


#: By topic and number.
Offsets = Dict[Key, OffsetAndMetadata]


def offsets_of(
    message: Optional[Message], offsets: Optional[List[TopicPartition]]
) -> Optional[Offsets]:
    """What the program says: behind a message, or a list; None for what is stored."""
    if message is not None and offsets is not None:
        raise ValueError("message and offsets are mutually exclusive")
    if message is not None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if message.error() is not None or topic is None or partition is None or offset is None:
            raise ValueError("the message is no record")
        return {(topic, partition): OffsetAndMetadata(offset + 1)}
    if offsets is None:
        return None
    return {
        (one.topic, one.partition): OffsetAndMetadata(one.offset, one.metadata or "")
        for one in offsets
    }


def listed(offsets: Offsets) -> List[TopicPartition]:
    """The same as a list."""
    return [
        TopicPartition(topic, partition, one.offset, one.metadata or None)
        for (topic, partition), one in offsets.items()
    ]
