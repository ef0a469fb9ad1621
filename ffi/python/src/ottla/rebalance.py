"""What a consumer calls back: while partitions come and go, and when a commit has ended.

It is called within a call of the consumer, on its thread. What it raises waits until that call
returns: C has no exceptions.
"""

import weakref
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from ottla._ottla import ffi, lib
from ottla.assignor import Assignor, Assignors, take_raised
from ottla.calls import callable_or_none, error_of, sized
from ottla.errors import OttlaError
from ottla.offsets import OffsetAndMetadata, offset_of, partitions_at
from ottla.received import TopicPartition

if TYPE_CHECKING:
    from ottla.consumer import Consumer

#: Is told which partitions come or go. It may commit, seek, pause and ask for positions.
RebalanceCallback = Callable[["Consumer", List[TopicPartition]], Any]

#: What was to be committed.
CommittedOffsets = Dict[TopicPartition, Optional[OffsetAndMetadata]]

#: Is told how a commit went: None or an exception, and the offsets.
CommitCallback = Callable[[Optional[OttlaError], CommittedOffsets], Any]


class Committing:
    """A commit under way whose outcome somebody wants to know. Alive until it is told."""

    def __init__(self, rebalance: "Rebalance", callback: CommitCallback) -> None:
        self._rebalance = weakref.ref(rebalance)
        self._callback = callback
        self.me = ffi.new_handle(self)

    def tell(self, raised: Optional[OttlaError], offsets: CommittedOffsets) -> None:
        """Calls the callback, once."""
        rebalance = self._rebalance()
        if rebalance is None:
            return
        rebalance._committing.discard(self)
        try:
            self._callback(raised, offsets)
        except BaseException as failure:
            rebalance._raised = rebalance._raised or failure


class Rebalance:
    """The callbacks of one consumer."""

    def __init__(
        self,
        on_assigned: Optional[RebalanceCallback],
        on_revoked: Optional[RebalanceCallback],
        on_lost: Optional[RebalanceCallback],
        assignors: Sequence[Assignor] = (),
    ) -> None:
        self._assignors = Assignors(assignors)
        self._on_assigned = callable_or_none(on_assigned, "on_assigned")
        self._on_revoked = callable_or_none(on_revoked, "on_revoked")
        self._on_lost = callable_or_none(on_lost, "on_lost")
        self._consumer: Callable[[], Optional["Consumer"]] = lambda: None
        self._raised: Optional[BaseException] = None
        self._committing: Set[Committing] = set()
        # The library hands it through. Weak, so that the garbage collector can take a consumer whose
        # callbacks know it: what has to outlive that is only this.
        self._me = ffi.new_handle(weakref.ref(self))
        self.needed_by_library = (
            self._me,
            self._committing,
            self._assignors.needed_by_library,
        )

    def belong_to(self, consumer: "Consumer") -> None:
        """Says which consumer the callbacks are told about."""
        self._consumer = weakref.ref(consumer)

    def options(self) -> Any:
        """The struct for ottla_consumer_new."""
        options = sized("ottla_consumer_options")
        options.user_data = self._me
        options.assignors, options.assignor_count = self._assignors.array, self._assignors.count
        if self._on_assigned is not None:
            options.on_assigned = lib.ottla_python_on_assigned
        if self._on_revoked is not None:
            options.on_revoked = lib.ottla_python_on_revoked
        if self._on_lost is not None:
            options.on_lost = lib.ottla_python_on_lost
        return options

    def remember(self, callback: Optional[CommitCallback]) -> Tuple[Any, Any]:
        """A function pointer and user data that lead to a callback of a commit."""
        if callback is None:
            return ffi.NULL, ffi.NULL
        callable_or_none(callback, "on_commit")
        committing = Committing(self, callback)
        self._committing.add(committing)
        return lib.ottla_python_on_commit, committing.me

    def call(self, callback: Optional[RebalanceCallback], first: Any, count: int) -> None:
        """Calls one of them, and keeps what it raises."""
        consumer = self._consumer()
        # There is none any more if the garbage collector frees it.
        if callback is None or consumer is None:
            return
        try:
            callback(consumer, partitions_at(first, count))
        except BaseException as raised:
            self._raised = self._raised or raised

    def raised(self) -> Optional[BaseException]:
        """What a callback raised since somebody asked, or an assignor within the last call."""
        raised, self._raised = self._raised, None
        of_assignor = take_raised()
        return raised or of_assignor


def keep(_kind: Any, raised: BaseException, trace: Any) -> None:
    """What was raised before one of the functions below had begun, Ctrl-C for example."""
    me = None if trace is None else trace.tb_frame.f_locals.get("me")
    of = None if me is None else ffi.from_handle(me)
    rebalance = of._rebalance() if isinstance(of, Committing) else of and of()
    if rebalance is not None:
        rebalance._raised = rebalance._raised or raised


@ffi.def_extern(onerror=keep)  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_on_assigned(me: Any, _consumer: Any, first: Any, count: int) -> None:
    rebalance: Optional[Rebalance] = ffi.from_handle(me)()
    if rebalance is not None:
        rebalance.call(rebalance._on_assigned, first, count)


@ffi.def_extern(onerror=keep)  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_on_revoked(me: Any, _consumer: Any, first: Any, count: int) -> None:
    rebalance: Optional[Rebalance] = ffi.from_handle(me)()
    if rebalance is not None:
        rebalance.call(rebalance._on_revoked, first, count)


@ffi.def_extern(onerror=keep)  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_on_lost(me: Any, _consumer: Any, first: Any, count: int) -> None:
    rebalance: Optional[Rebalance] = ffi.from_handle(me)()
    if rebalance is not None:
        rebalance.call(rebalance._on_lost, first, count)


@ffi.def_extern(onerror=keep)  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_on_commit(
    me: Any, _consumer: Any, first: Any, count: int, status: int, error: Any
) -> None:
    committing: Committing = ffi.from_handle(me)
    offsets = dict(offset_of(first[at]) for at in range(count))
    raised = None if status == 0 else error_of(status, error, is_ours=False)
    committing.tell(raised, offsets)
