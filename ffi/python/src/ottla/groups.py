"""Consumer groups, looked at and put right from outside."""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import call, invalid, sized, text, text_of, whole
from ottla.handle import Handle
from ottla.offsets import (
    OffsetAndMetadata,
    PartitionLike,
    Partitions,
    offsets_of,
    partitions_at,
)
from ottla.received import TopicPartition
from ottla.rows import row, rows

#: Where a group stands, by the number that it has in C.
STATES = {
    lib.OTTLA_GROUP_EMPTY: "Empty",
    lib.OTTLA_GROUP_ASSIGNING: "Assigning",
    lib.OTTLA_GROUP_RECONCILING: "Reconciling",
    lib.OTTLA_GROUP_STABLE: "Stable",
}


@dataclass(frozen=True)
class GroupListing:
    """A group, in a list."""

    name: str
    #: "Empty", "Assigning", "Reconciling", "Stable".
    state: str
    #: "consumer"; empty for a group that never had members.
    protocol_type: str
    member_count: int


@dataclass(frozen=True)
class MemberDescription:
    """A member of a group."""

    member_id: str
    #: Its ``group.instance.id``.
    instance_id: Optional[str]
    client_id: str
    #: How long ago its last poll ended, in milliseconds; -1 while it is in one.
    since_poll_ms: int
    #: It was closed, and its place is kept for a while.
    is_away: bool
    #: What it reads.
    partitions: List[TopicPartition]


@dataclass(frozen=True)
class GroupPartition:
    """How far a group has come in a partition."""

    topic: str
    partition: int
    #: The member that reads it.
    member_id: Optional[str]
    #: What was committed; -1 if nothing was.
    offset: int
    #: The note that was committed with it.
    metadata: str
    leader_epoch: int
    log_start_offset: int
    end_offset: int
    #: The records between the committed offset and the end; -1 if either is missing.
    lag: int


@dataclass(frozen=True)
class GroupDescription:
    """A group."""

    name: str
    #: "Empty", "Assigning", "Reconciling", "Stable".
    state: str
    protocol_type: str
    #: What the members were last assigned by.
    assignor: Optional[str]
    #: How many times it was decided anew who reads what.
    generation: int
    rebalance_count: int
    #: How often a member did not poll for longer than ``max.poll.interval.ms``.
    stall_count: int
    #: How many of these members were put out.
    eviction_count: int
    members: List[MemberDescription]
    partitions: List[GroupPartition]


@dataclass(frozen=True)
class OffsetChange:
    """What a reset did to a partition, or would do."""

    topic: str
    partition: int
    #: -1 if nothing was committed.
    before: int
    after: int


class Groups(Handle):
    """The part of a broker that knows consumer groups."""

    __slots__ = ()

    def groups(self) -> List[GroupListing]:
        """All groups that have members or committed offsets, by name."""
        place = ffi.new("ottla_groups **")
        call(lib.ottla_groups_list, self._open(), place)
        listed = ffi.gc(place[0], lib.ottla_groups_free)
        info = sized("ottla_group_listing")
        found = []
        for at in range(lib.ottla_groups_count(listed)):
            call(lib.ottla_groups_get, listed, at, info)
            found.append(row(GroupListing, info, state=STATES.get(info.state, "Unknown")))
        return found

    def describe_group(self, group: str) -> GroupDescription:
        """A group: its members, what each reads, and how far the group has come."""
        place = ffi.new("ottla_group **")
        call(lib.ottla_group_describe, self._open(), text(group, "the group"), place)
        described = ffi.gc(place[0], lib.ottla_group_free)
        info = sized("ottla_group_info")
        call(lib.ottla_group_get, described, info)
        return row(
            GroupDescription,
            info,
            state=STATES.get(info.state, "Unknown"),
            members=[member(described, at) for at in range(info.member_count)],
            partitions=rows(
                GroupPartition,
                "ottla_group_partition_info",
                info.partition_count,
                lib.ottla_group_partition,
                described,
            ),
        )

    def delete_group(self, group: str) -> None:
        """Deletes a group without members: everything that it committed."""
        call(lib.ottla_group_delete, self._open(), text(group, "the group"))

    def group_offsets(self, group: str) -> Dict[TopicPartition, OffsetAndMetadata]:
        """The offsets that a group committed; none for a group that does not exist."""
        place = ffi.new("ottla_offsets **")
        call(lib.ottla_group_offsets, self._open(), text(group, "the group"), place)
        return {partition: found for partition, found in offsets_of(place[0]).items() if found}

    def delete_group_offsets(
        self,
        group: str,
        partitions: Iterable[PartitionLike] = (),
        topics: Iterable[str] = (),
    ) -> None:
        """Deletes offsets of a group without members: of these partitions or topics, or all."""
        made = scope(partitions, topics)
        group_text = text(group, "the group")
        function = lib.ottla_group_delete_offsets
        call(function, self._open(), group_text, made.array, made.count)

    def reset_group_offsets(
        self,
        group: str,
        to: Optional[str] = None,
        *,
        offset: Optional[int] = None,
        timestamp: Optional[int] = None,
        duration_ms: Optional[int] = None,
        shift_by: Optional[int] = None,
        partitions: Iterable[PartitionLike] = (),
        topics: Iterable[str] = (),
        dry_run: bool = False,
    ) -> List[OffsetChange]:
        """Sets the offsets of a group without members: of these partitions or topics, or of all that
        it committed; all or none. With ``dry_run`` nothing changes.

        One of: ``to`` ("earliest", "latest", or "current", which sets right what is out of range);
        ``offset``, or the nearest that there is; ``timestamp``, the first record of that time
        (milliseconds since 1970) or later; ``duration_ms``, the first that is not older;
        ``shift_by``, so many records on, or back.
        """
        kind, value = target(to, offset, timestamp, duration_ms, shift_by)
        made = scope(partitions, topics)
        place = ffi.new("ottla_offset_changes **")
        where = (text(group, "the group"), made.array, made.count)
        function = lib.ottla_group_reset_offsets
        call(function, self._open(), *where, kind, value, dry_run, place)
        return changes_of(place[0])


def member(described: Any, index: int) -> MemberDescription:
    """One member of a group."""
    info = sized("ottla_group_member_info")
    call(lib.ottla_group_member, described, index, info)
    partitions = partitions_at(info.partitions, info.partition_count)
    return row(MemberDescription, info, partitions=partitions)


def scope(partitions: Iterable[PartitionLike], topics: Iterable[str]) -> Partitions:
    """What is meant: partitions, and topics, which have the partition -1."""
    if isinstance(topics, str):
        raise TypeError("topics is one str, but must be a list of them")
    return Partitions([*partitions, *((topic, -1) for topic in topics)])


def target(
    to: Optional[str],
    offset: Optional[int],
    timestamp: Optional[int],
    duration_ms: Optional[int],
    shift_by: Optional[int],
) -> Any:
    """The number of the kind of a reset, and its value."""
    named = {
        "earliest": lib.OTTLA_RESET_EARLIEST,
        "latest": lib.OTTLA_RESET_LATEST,
        "current": lib.OTTLA_RESET_CURRENT,
    }
    if to is not None and to not in named:
        raise invalid(f'to is {to!r}, but must be "earliest", "latest" or "current"')
    chosen = [] if to is None else [(named[to], 0)]
    numbers = [
        (lib.OTTLA_RESET_OFFSET, offset),
        (lib.OTTLA_RESET_TIMESTAMP, timestamp),
        (lib.OTTLA_RESET_DURATION, duration_ms),
        (lib.OTTLA_RESET_SHIFT_BY, shift_by),
    ]
    names = ("offset", "timestamp", "duration_ms", "shift_by")
    given = [(*number, name) for number, name in zip(numbers, names) if number[1] is not None]
    chosen += [(kind, whole(value, name, 64)) for kind, value, name in given if value is not None]
    if len(chosen) != 1:
        raise invalid("give one of to, offset, timestamp, duration_ms and shift_by")
    return chosen[0]


def changes_of(changes: Any) -> List[OffsetChange]:
    """What an ``ottla_offset_changes *`` lists, which is freed."""
    listed = ffi.gc(changes, lib.ottla_offset_changes_free)
    found = ffi.new("ottla_offset_change *")
    all_of_them = []
    for at in range(lib.ottla_offset_changes_count(listed)):
        call(lib.ottla_offset_changes_get, listed, at, found)
        numbers = int(found.partition), int(found.before), int(found.after)
        all_of_them.append(OffsetChange(text_of(found.topic), *numbers))
    return all_of_them
