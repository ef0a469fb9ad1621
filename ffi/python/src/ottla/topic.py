"""Topics as they are described."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import call, sized, text_of
from ottla.rows import rows


@dataclass(frozen=True)
class PartitionDescription:
    """A partition of a topic."""

    #: Its number.
    partition: int
    #: The first offset that can be read.
    log_start_offset: int
    #: The offset behind the newest record.
    end_offset: int
    #: The bytes of its segments.
    size_bytes: int
    #: All below this offset went through compaction; 0 if nothing did.
    cleaned_to_offset: int
    #: Why it is not compacted any more before the directory is opened again.
    compaction_error: Optional[str]
    #: Why it cannot be written, if it is damaged.
    damage: Optional[str]


@dataclass(frozen=True)
class TopicDescription:
    """A topic."""

    #: Its name.
    name: str
    #: Its id as Kafka prints it: another one after the topic was deleted and made anew.
    id: str
    #: Its partitions, by number.
    partitions: List[PartitionDescription]
    #: The settings that were made for it; all others have their defaults.
    settings: Dict[str, str]
    #: Whether Kafka keeps topics of this name for itself.
    is_internal: bool


def descriptions_of(topics: Any) -> List[TopicDescription]:
    """What an ``ottla_topics *`` lists, which is freed."""
    try:
        return [description(topics, at) for at in range(lib.ottla_topics_count(topics))]
    finally:
        lib.ottla_topics_free(topics)


def description(topics: Any, index: int) -> TopicDescription:
    """One topic of a list."""
    info = sized("ottla_topic_info")
    call(lib.ottla_topics_get, topics, index, info)
    return TopicDescription(
        name=text_of(info.name),
        id=text_of(info.id),
        partitions=rows(
            PartitionDescription,
            "ottla_partition_info",
            info.partition_count,
            lib.ottla_topics_partition,
            topics,
            index,
        ),
        settings=dict(setting(topics, index, at) for at in range(info.setting_count)),
        is_internal=bool(info.is_internal),
    )


def setting(topics: Any, index: int, at: int) -> List[str]:
    """Name and value of one setting."""
    name = ffi.new("char **")
    value = ffi.new("char **")
    call(lib.ottla_topics_setting, topics, index, at, name, value)
    return [text_of(name[0]), text_of(value[0])]
