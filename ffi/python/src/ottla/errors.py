"""The exceptions: one class for each kind of error that the library knows.

Where Python has an exception for the same thing, the class is one of those, too: ``ottla.Timeout``
is a ``TimeoutError``. ``ottla.OttlaError`` is the parent of all.
"""

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple, Type

from ottla._records import Record

if TYPE_CHECKING:
    from ottla.delivery import Deliveries


class OttlaError(Exception):
    """Why a call failed. The message is a sentence that says what to do, as far as that is known.

    It can be pickled; ``records`` and ``deliveries`` do not go with it.
    """

    #: The number of the status code: the OTTLA_E_... of ottla.h.
    code: int = -100
    #: Its name without OTTLA_E_: "TIMEOUT".
    kind: str = "OTHER"
    #: Whether the same call may succeed later, without anything being changed.
    retriable: bool = False
    #: The code that Kafka's protocol has for this; 0 where it has none.
    kafka_code: int = 0
    #: The topic that the error is about.
    topic: Optional[str] = None
    #: The partition that the error is about.
    partition: Optional[int] = None
    #: The file that the error is about.
    file: Optional[str] = None
    #: The position in that file, in bytes.
    position: Optional[int] = None
    #: How many records of the call were taken before the one that was refused.
    taken: Optional[int] = None
    #: What becomes of those.
    deliveries: Optional["Deliveries"] = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        # What is of this process stays in it.
        gone = ("deliveries", "records")
        kept = {name: value for name, value in vars(self).items() if name not in gone}
        return type(self), (self.message,), kept


class InvalidInput(OttlaError, ValueError):
    """A name, setting or argument that can never work. Nothing was changed."""


class Io(OttlaError, OSError):
    """The operating system refused a call (not for want of space)."""


class Corrupt(OttlaError):
    """Bytes on the disk are not what was written. Other data stays readable."""


class Locked(OttlaError):
    """Another process, or another Broker of this one, holds the directory."""


class NoSpace(OttlaError, OSError):
    """The disk, a quota or a file size limit is exhausted. Free space and try again."""


class Limit(OttlaError, ValueError):
    """Something is larger than a limit allows; the message names the limit."""


class UnknownTopicOrPartition(OttlaError, LookupError):
    """No such topic or partition."""


class TopicExists(OttlaError):
    """A topic of that name exists already."""


class OffsetOutOfRange(OttlaError, LookupError):
    """The offset lies outside of what the partition holds."""


class Poisoned(OttlaError):
    """A sync failed earlier, its outcome is unknown: no more writes until the directory is opened
    anew. Reads go on."""


class ReadOnly(OttlaError):
    """The broker was opened for reading only."""


class Unsupported(OttlaError):
    """Of a version or a kind that this library does not know."""


class Closed(OttlaError):
    """The broker, or the thing itself, was closed."""


class Timeout(OttlaError, TimeoutError):
    """The time was up. If something was being written, its outcome is unknown."""


class BufferFull(OttlaError):
    """The bounded memory of the producer is full; try again later."""


class Fenced(OttlaError):
    """Somebody newer took this object's place. Make a new one."""


class OutOfOrderSequence(OttlaError):
    """A batch of an idempotent producer does not follow the one before it. It was not written."""


class UnknownGroup(OttlaError, LookupError):
    """No such consumer group."""


class GroupNotEmpty(OttlaError):
    """The consumer group has members: close them first."""


class Conflict(OttlaError):
    """A condition does not hold any more: somebody else was faster. Nothing was written. Whoever
    takes ``records`` into account can try again, expecting ``actual``."""

    #: The key whose version was expected; None if it was about the end of the partition.
    key: Optional[bytes] = None
    #: What was expected: an end, or a version.
    expected: int = -1
    #: What there was.
    actual: int = -1
    #: What was appended meanwhile, the oldest first: at most 1,000, and about a megabyte.
    records: Sequence[Record] = ()
    #: Whether those are all.
    is_complete: bool = False


class InvalidTransactionState(OttlaError, RuntimeError):
    """The call does not fit the state of the transaction."""


class Forked(OttlaError, RuntimeError):
    """The object was made before a fork, and this is the child. It belongs to the parent."""


class Panic(OttlaError, RuntimeError):
    """A defect of the library, caught at its border. Close what is open and report the message."""


class ConcurrentUse(OttlaError, RuntimeError):
    """Another thread is inside of this object, which one thread at a time may use."""


class StillOpen(OttlaError):
    """Something is still open; the message names it."""


class Pending(OttlaError):
    """Not decided yet: ask later, or wait."""


class CallbackFailed(OttlaError):
    """A callback of the program reported a failure."""


#: Which class stands for which status code, by the code's name without OTTLA_E_. INVALID_HANDLE is
#: not among them: here it can only mean CLOSED.
CLASS_OF_KIND: Dict[str, Type[OttlaError]] = {
    "INVALID_INPUT": InvalidInput,
    "IO": Io,
    "CORRUPT": Corrupt,
    "LOCKED": Locked,
    "NO_SPACE": NoSpace,
    "LIMIT": Limit,
    "UNKNOWN_TOPIC_OR_PARTITION": UnknownTopicOrPartition,
    "TOPIC_EXISTS": TopicExists,
    "OFFSET_OUT_OF_RANGE": OffsetOutOfRange,
    "POISONED": Poisoned,
    "READ_ONLY": ReadOnly,
    "UNSUPPORTED": Unsupported,
    "CLOSED": Closed,
    "TIMEOUT": Timeout,
    "BUFFER_FULL": BufferFull,
    "FENCED": Fenced,
    "OUT_OF_ORDER_SEQUENCE": OutOfOrderSequence,
    "UNKNOWN_GROUP": UnknownGroup,
    "GROUP_NOT_EMPTY": GroupNotEmpty,
    "CONFLICT": Conflict,
    "INVALID_TRANSACTION_STATE": InvalidTransactionState,
    "OTHER": OttlaError,
    "FORKED": Forked,
    "PANIC": Panic,
    "CONCURRENT_USE": ConcurrentUse,
    "STILL_OPEN": StillOpen,
    "PENDING": Pending,
    "CALLBACK": CallbackFailed,
}

__all__ = [
    "BufferFull",
    "CallbackFailed",
    "Closed",
    "ConcurrentUse",
    "Conflict",
    "Corrupt",
    "Fenced",
    "Forked",
    "GroupNotEmpty",
    "InvalidInput",
    "InvalidTransactionState",
    "Io",
    "Limit",
    "Locked",
    "NoSpace",
    "OffsetOutOfRange",
    "OttlaError",
    "OutOfOrderSequence",
    "Panic",
    "Pending",
    "Poisoned",
    "ReadOnly",
    "StillOpen",
    "Timeout",
    "TopicExists",
    "UnknownGroup",
    "UnknownTopicOrPartition",
    "Unsupported",
]
