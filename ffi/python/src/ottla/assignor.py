"""An assignor of the program: who of a group reads what, decided by a function.

It is called within a poll of one of the members, on that thread, and must not use any consumer. What
it raises, that poll raises; nobody reads anything until it is decided anew.
"""

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

from ottla._ottla import ffi, lib
from ottla.calls import call, callable_or_none, invalid, text, text_of, text_or_none
from ottla.offsets import PartitionLike, named, partitions_at
from ottla.received import TopicPartition


@dataclass(frozen=True)
class AssignorMember:
    """A member of a group, as an assignor sees it."""

    member_id: str
    #: Its ``group.instance.id``.
    instance_id: Optional[str]
    #: What it subscribed to. A topic need not exist.
    topics: List[str]
    #: What it reads at the moment.
    owned: List[TopicPartition]
    #: The generation in which it came to read that; -1 if it never read anything.
    generation: int


#: Gets each topic with its number of partitions, and the members. Says by ``member_id`` who reads what.
AssignFunction = Callable[
    [Dict[str, int], List[AssignorMember]], Mapping[str, Iterable[PartitionLike]]
]


class Assignor(NamedTuple):
    """A way to share out partitions. Members agree on one by its name: two of one name must decide
    alike, and nothing but the arguments may matter."""

    name: str
    assign: AssignFunction


#: What assignors of this thread raised, for the call that they were asked within.
_raised = threading.local()


def take_raised() -> Optional[BaseException]:
    """What an assignor raised within the call of this thread that just ended."""
    raised: Optional[BaseException] = getattr(_raised, "exception", None)
    _raised.exception = None
    return raised


class Asked:
    """An assignor, as C is given it. Weakly, so that the garbage collector can take a consumer whose
    assignor knows it."""

    def __init__(self, assignor: Assignor) -> None:
        self.assignor = assignor
        self.me = ffi.new_handle(weakref.ref(self))


class Assignors:
    """An array of ottla_assignor, and what it leads to."""

    __slots__ = ("array", "count", "needed_by_library", "_kept")

    def __init__(self, assignors: Sequence[Assignor]) -> None:
        for assignor in assignors:
            if not isinstance(assignor, Assignor):
                raise TypeError(f"assignors has {assignor!r}, which is no ottla.Assignor")
            callable_or_none(assignor.assign, f"assign of the assignor {assignor.name}")
        self.count = len(assignors)
        self.array = ffi.new("ottla_assignor[]", self.count)
        asked = [Asked(assignor) for assignor in assignors]
        names = [text(assignor.name, "the name of an assignor") for assignor in assignors]
        self.needed_by_library = [one.me for one in asked]
        self._kept = (asked, names)
        for made, name, one in zip(self.array, names, asked):
            made.name, made.assign, made.user_data = name, lib.ottla_python_assign, one.me


def member_of(member: Any) -> AssignorMember:
    """What an ottla_assignor_member says."""
    return AssignorMember(
        text_of(member.member_id),
        text_or_none(member.instance_id),
        [text_of(member.topics[at]) for at in range(member.topic_count)],
        partitions_at(member.owned, member.owned_count),
        int(member.generation),
    )


def decide(
    assignor: Assignor, topics: Dict[str, int], members: List[AssignorMember], assignment: Any
) -> None:
    """Asks the function, and passes on what it says."""
    place_of_member = {member.member_id: at for at, member in enumerate(members)}
    place_of_topic = {topic: at for at, topic in enumerate(topics)}
    for member_id, partitions in assignor.assign(dict(topics), list(members)).items():
        member = place_of_member.get(member_id)
        if member is None:
            raise invalid(f"the assignor {assignor.name} names a member {member_id!r}: no such one")
        for partition in partitions:
            topic = place_of_topic.get(named(partition)[0])
            if topic is None:
                raise invalid(f"the assignor {assignor.name} names {partition}: no such topic")
            call(lib.ottla_assignment_add, assignment, member, topic, named(partition)[1])


@ffi.def_extern()  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_assign(
    me: Any, topics: Any, topic_count: int, members: Any, member_count: int, assignment: Any
) -> None:
    try:
        known = {
            text_of(topics[at].topic): int(topics[at].partition_count) for at in range(topic_count)
        }
        found = [member_of(members[at]) for at in range(member_count)]
        asked: Optional[Asked] = ffi.from_handle(me)()
        if asked is not None:
            decide(asked.assignor, known, found, assignment)
    except BaseException as raised:
        _raised.exception = raised
