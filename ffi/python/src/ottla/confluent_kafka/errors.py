"""Errors with the codes that librdkafka gives them."""

import functools
import inspect
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, TypeVar

from ottla.errors import OttlaError

K = TypeVar("K", bound=type)

#: Kinds that Kafka's protocol has no code for.
LOCAL = {
    "INVALID_INPUT": "_INVALID_ARG",
    "IO": "_FS",
    "NO_SPACE": "_FS",
    "TIMEOUT": "_TIMED_OUT",
    "BUFFER_FULL": "_QUEUE_FULL",
    "FENCED": "_FENCED",
    "CONFLICT": "_CONFLICT",
    "CONCURRENT_USE": "_CONFLICT",
    "CLOSED": "_STATE",
    "INVALID_TRANSACTION_STATE": "_STATE",
    "POISONED": "_FATAL",
}


class KafkaError:
    """What went wrong: a code, and a sentence. Below -100 are codes of the client itself, the others
    are those of the protocol."""

    _PURGE_QUEUE = -152
    _FATAL = -150
    _MAX_POLL_EXCEEDED = -147
    _FENCED = -144
    _AUTO_OFFSET_RESET = -140
    _FAIL = -196
    _TRANSPORT = -195
    _MSG_TIMED_OUT = -192
    _PARTITION_EOF = -191
    _UNKNOWN_PARTITION = -190
    _FS = -189
    _UNKNOWN_TOPIC = -188
    _ALL_BROKERS_DOWN = -187
    _INVALID_ARG = -186
    _TIMED_OUT = -185
    _QUEUE_FULL = -184
    _ASSIGN_PARTITIONS = -175
    _REVOKE_PARTITIONS = -174
    _CONFLICT = -173
    _STATE = -172
    _NOT_IMPLEMENTED = -170
    _NO_OFFSET = -168
    UNKNOWN = -1
    NO_ERROR = 0
    OFFSET_OUT_OF_RANGE = 1
    INVALID_MSG = 2
    UNKNOWN_TOPIC_OR_PART = 3
    REQUEST_TIMED_OUT = 7
    MSG_SIZE_TOO_LARGE = 10
    TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    ILLEGAL_GENERATION = 22
    UNKNOWN_MEMBER_ID = 25
    REBALANCE_IN_PROGRESS = 27
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_CONFIG = 40
    INVALID_REQUEST = 42
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    KAFKA_STORAGE_ERROR = 56
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FENCED_INSTANCE_ID = 82
    PRODUCER_FENCED = 90

    def __init__(
        self,
        error: int,
        reason: Optional[str] = None,
        fatal: bool = False,
        retriable: bool = False,
        txn_requires_abort: bool = False,
    ) -> None:
        self._code = error
        self._reason = self.name() if reason is None else reason
        self._fatal = fatal
        self._retriable = retriable
        self._requires_abort = txn_requires_abort

    def code(self) -> int:
        """The number."""
        return self._code

    def name(self) -> str:
        """The name of the number."""
        return NAMES.get(self._code, f"ERR_{self._code}")

    def str(self) -> "Text":
        """The sentence."""
        return self._reason

    def fatal(self) -> bool:
        """Whether this client can do nothing any more."""
        return self._fatal

    def retriable(self) -> bool:
        """Whether the same may succeed later."""
        return self._retriable

    def txn_requires_abort(self) -> bool:
        """Whether the transaction has to be aborted."""
        return self._requires_abort

    def __eq__(self, other: object) -> bool:
        if isinstance(other, KafkaError):
            return self._code == other._code
        return other == self._code

    def __hash__(self) -> int:
        return hash(self._code)

    def __bool__(self) -> bool:
        return self._code != 0

    def __str__(self) -> "Text":
        return self._repr()

    def __repr__(self) -> "Text":
        return self._repr()

    def _repr(self) -> "Text":
        return f'KafkaError{{code={self.name()},val={self._code},str="{self._reason}"}}'


Text = str

CODES: Dict[Text, int] = {
    name: number
    for name, number in vars(KafkaError).items()
    if name.isupper() and isinstance(number, int)
}
NAMES = {number: name for name, number in CODES.items()}


class KafkaException(Exception):
    """Raised: ``args[0]`` is the ``KafkaError``."""


def error_of(raised: OttlaError, requires_abort: bool = False) -> KafkaError:
    """The KafkaError that stands for an exception of Ottla."""
    local = LOCAL.get(raised.kind)
    # Where the client has a word of its own, its users look for that one.
    code = CODES[local] if local else raised.kafka_code or CODES["_FAIL"]
    return KafkaError(
        code,
        str(raised),
        fatal=raised.kind in ("FENCED", "POISONED", "FORKED"),
        retriable=raised.retriable,
        txn_requires_abort=requires_abort,
    )


@contextmanager
def translated(requires_abort: bool = False) -> Iterator[None]:
    """Raises KafkaException for what Ottla raises."""
    try:
        yield
    except OttlaError as raised:
        raise KafkaException(error_of(raised, requires_abort)) from raised


def translating(kind: K) -> K:
    """Has all public methods of a class raise KafkaException for what Ottla raises."""
    for name, method in list(vars(kind).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(kind, name, translating_method(method))
    return kind


def translating_method(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method, which raises KafkaException."""

    @functools.wraps(method)
    def called(*arguments: Any, **keywords: Any) -> Any:
        try:
            return method(*arguments, **keywords)
        except OttlaError as raised:
            raise KafkaException(error_of(raised)) from raised

    return called


def failure(name: str, reason: str) -> KafkaException:
    """An exception that Ottla had no part in."""
    return KafkaException(KafkaError(CODES[name], reason))


__all__ = ["CODES", "KafkaError", "KafkaException", "error_of", "failure", "translated", "translating"]
