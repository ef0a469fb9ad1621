"""Calling the library: arguments in, exceptions out. Nothing here knows a particular function.

cffi lets go of the interpreter's lock for each call. A call that waits is made in slices, so that
Ctrl-C is answered within one of them.
"""

import os
import re
import time
from functools import lru_cache
from math import ceil, inf
from operator import index
from typing import Any, Callable, Iterable, Optional, Tuple, TypeVar, Union

from ottla import ending
from ottla._ottla import ffi, lib
from ottla.errors import CLASS_OF_KIND, Conflict, InvalidInput, OttlaError

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])

#: How long Python is not asked whether somebody pressed Ctrl-C.
SLICE_MS = 100

#: More seconds than these are as good as for ever: a century.
SECONDS_MAX = 100 * 365 * 86400.0

#: Text or a path, as the functions of ``os`` take it.
PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

#: The type of what is made for nearly every call, looked up once.
ERROR_PLACE = ffi.typeof("ottla_error **")


def call(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function whose last argument is a place for an error, and raises that error."""
    error = ffi.new(ERROR_PLACE)
    status = function(*arguments, error)
    if status != 0:
        raise error_of(status, error[0])


def make(free: Callable[[Any], Any], function: Callable[..., int], *arguments: Any) -> None:
    """As ``call``, for a function that makes something: its last argument is the place for that.
    If Ctrl-C comes meanwhile it is freed: nobody has it, and the broker could not be closed."""
    try:
        call(function, *arguments)
    except BaseException:
        made = arguments[-1][0]
        if made != ffi.NULL:
            free(made)
        raise


def error_of(status: int, error: Any, is_ours: bool = True) -> OttlaError:
    """The exception that stands for a status code and an error object, which is freed if it is
    ours."""
    if status == lib.OTTLA_E_INVALID_HANDLE:
        return closed(freed(error, is_ours))
    ending.stop_others()
    kind = text_of(lib.ottla_status_name(status)).replace("OTTLA_E_", "", 1)
    exception = CLASS_OF_KIND.get(kind, OttlaError)
    if error == ffi.NULL:
        raised = exception(kind.replace("_", " ").lower())
    else:
        raised = exception(text_of(lib.ottla_error_message(error)))
        describe(raised, error)
        if is_ours:
            lib.ottla_error_free(error)
    raised.code = status
    raised.kind = kind
    return raised


#: How the library names what has no handle any more.
FREED = re.compile("the handle of an? (.+?) (?:was|is being) freed")


def freed(error: Any, is_ours: bool) -> str:
    """What it is that has no handle any more. Python never has a handle that never was: another
    thread closed it between the look at it and the call."""
    found = None if error == ffi.NULL else FREED.match(text_of(lib.ottla_error_message(error)))
    if is_ours:
        lib.ottla_error_free(error)
    return f"the {found[1]}" if found else "the object"


def describe(raised: OttlaError, error: Any) -> None:
    """Copies what an error object has beside its message."""
    raised.retriable = bool(lib.ottla_error_is_retriable(error))
    raised.kafka_code = int(lib.ottla_error_kafka_code(error))
    raised.topic = text_or_none(lib.ottla_error_topic(error))
    raised.file = text_or_none(lib.ottla_error_file(error))
    partition = int(lib.ottla_error_partition(error))
    raised.partition = None if partition < 0 else partition
    position = int(lib.ottla_error_position(error))
    raised.position = None if position < 0 else position
    if isinstance(raised, Conflict):
        describe_conflict(raised, error)


def describe_conflict(raised: Conflict, error: Any) -> None:
    """Copies what stood against a condition."""
    from ottla.received import records_of  # which needs this module

    found = sized("ottla_conflict")
    records = ffi.new("ottla_records **")
    if lib.ottla_error_conflict(error, found, records) != 0:
        return
    raised.topic, raised.partition = text_of(found.topic), int(found.partition)
    if found.key != ffi.NULL:
        raised.key = bytes(ffi.buffer(found.key, found.key_length))
    raised.expected, raised.actual = int(found.expected), int(found.actual)
    raised.is_complete = bool(found.is_complete)
    raised.records = records_of(records[0])


def invalid(message: str) -> InvalidInput:
    """The exception for an argument that is found wrong before the library sees it."""
    raised = InvalidInput(message)
    raised.kind = "INVALID_INPUT"
    raised.code = int(lib.OTTLA_E_INVALID_INPUT)
    return raised


def closed(what: str) -> OttlaError:
    """The exception for the use of something that was closed."""
    ending.stop_others()
    return error_named("CLOSED", f"{what} was closed")


def error_named(kind: str, message: str) -> OttlaError:
    """An exception of one of the library's kinds that the library had no part in."""
    raised = CLASS_OF_KIND[kind](message)
    raised.kind = kind
    raised.code = int(getattr(lib, f"OTTLA_E_{kind}"))
    return raised


def callable_or_none(value: Optional[C], what: str) -> Optional[C]:
    """A function of the program, or None."""
    if value is None or callable(value):
        return value
    raise TypeError(f"{what} is of type {type(value).__name__}, but must be callable")


def whole(value: int, what: str, bits: int = 32) -> int:
    """A whole number that C has room for."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{what} is of type {type(value).__name__}, but must be int") from None
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise OverflowError(f"{what} is {number}, which is not a number of {bits} bits")
    return number


def text(value: str, what: str) -> Any:
    """A ``char[]`` of a text: names, which cannot have a zero byte inside. Not to be written to."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is of type {type(value).__name__}, but must be str")
    return name(value, what) if len(value) <= NAME_LENGTH_MAX else encoded(value, what)


def encoded(value: str, what: str) -> Any:
    """A new ``char[]`` of a text."""
    characters = value.encode("utf-8")
    if b"\0" in characters:
        raise invalid(f"{what} has a zero byte inside: {value!r}")
    return ffi.new("char[]", characters)


#: Names of topics are used over and over, and none is longer than this.
NAME_LENGTH_MAX = 249

name = lru_cache(maxsize=1024)(encoded)


class Texts:
    """A ``const char *[]`` of texts, and the texts that it leads to."""

    __slots__ = ("array", "count", "_texts")

    def __init__(self, values: Iterable[str], what: str) -> None:
        if isinstance(values, (str, bytes)):
            kind = type(values).__name__
            raise TypeError(f"{what} is of type {kind}, but must be a list of str")
        self._texts = [text(value, f"one of {what}") for value in values]
        self.array = ffi.new("char *[]", self._texts)
        self.count = len(self._texts)


def path(value: PathLike, what: str) -> Any:
    """A ``char[]`` of a path."""
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise invalid(f"{what} has a zero byte inside: {encoded!r}")
    return ffi.new("char[]", encoded)


def data(value: Union[bytes, bytearray, memoryview, str], what: str) -> Tuple[Any, int]:
    """A ``const uint8_t *`` of bytes that are there, which keeps them, and their length."""
    if isinstance(value, str):
        value = value.encode("utf-8")
    try:
        start = ffi.from_buffer("uint8_t[]", value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{what} is of type {kind}, but must be bytes or str") from None
    return start, len(start)


def text_of(pointer: Any) -> str:
    """The text at a ``const char *``."""
    found: bytes = ffi.string(pointer)
    return found.decode("utf-8", "surrogateescape")


def text_or_none(pointer: Any) -> Optional[str]:
    """The text at a ``const char *``; None for NULL."""
    return None if pointer == ffi.NULL else text_of(pointer)


def sized(name: str) -> Any:
    """A new struct that begins with its size: all zeros but for that."""
    struct = ffi.new(f"{name} *")
    struct.struct_size = ffi.sizeof(name)
    return struct


def milliseconds(timeout: Optional[float]) -> int:
    """Seconds as the library counts time; None is for ever."""
    seconds = seconds_of(timeout)
    return -1 if seconds is None else ceil(min(seconds, SECONDS_MAX) * 1000)


def seconds_of(timeout: Optional[float], what: str = "the timeout") -> Optional[float]:
    """A number of seconds to wait; None is for ever."""
    if timeout is None or timeout == inf:
        return None
    try:
        seconds = timeout + 0.0
    except TypeError:
        kind = type(timeout).__name__
        raise TypeError(f"{what} is of type {kind}, but must be seconds, or None") from None
    if seconds != seconds:
        raise invalid(f"{what} is not a number")
    if seconds < 0:
        raise invalid(f"{what} is {timeout}, but must be seconds from 0 on; None is for ever")
    return seconds


def end_of(timeout: Optional[float]) -> Optional[float]:
    """When the time will be up, by the monotonic clock; None is never."""
    seconds = seconds_of(timeout)
    return None if seconds is None else time.monotonic() + seconds


def in_slices(timeout: Optional[float], wait: Callable[[int], Optional[T]]) -> Optional[T]:
    """Waits for at most ``timeout`` seconds (None: for ever) until ``wait``, which gets a number of
    milliseconds, returns something."""
    end = end_of(timeout)
    left = SLICE_MS if end is None else milliseconds(timeout)
    while True:
        found = wait(min(left, SLICE_MS))
        if found is not None:
            return found
        if end is not None:
            left = milliseconds(max(0.0, end - time.monotonic()))
            if left == 0:
                return None
