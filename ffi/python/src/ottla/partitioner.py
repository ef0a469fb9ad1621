"""A partitioner of the program: a function that chooses the partition of a record.

It is called within a call that sends, on its thread. What it raises fails that call.
"""

import threading
import weakref
from operator import index
from typing import Any, Callable, Optional

from ottla._ottla import ffi, lib
from ottla.calls import callable_or_none, sized, text_of

#: Gets topic, key, value and the number of partitions. None leaves it to the producer.
PartitionerCallback = Callable[[str, Optional[bytes], Optional[bytes], int], Optional[int]]

#: No partition has this number: the call that sends fails.
NO_PARTITION = -2

#: No larger number reaches C.
PARTITION_MAX = (1 << 31) - 1


class Partitioner:
    """The function, as C is given it."""

    def __init__(self, partitioner: Optional[PartitionerCallback]) -> None:
        self._function = callable_or_none(partitioner, "partitioner")
        # Weak, so that the garbage collector can take a producer whose partitioner knows it. The
        # library calls it only within calls that send.
        self.me = ffi.new_handle(weakref.ref(self))

    def options(self) -> Any:
        """The struct for ottla_producer_new."""
        options = sized("ottla_producer_options")
        if self._function is not None:
            options.partitioner = lib.ottla_python_partitioner
            options.partitioner_data = self.me
        return options

    def keep_until(self, free: Callable[[Any], Any]) -> Callable[[Any], None]:
        """``free``, and until then what the library hands through."""

        def freeing(pointer: Any, _until_then: Any = self.me) -> None:
            free(pointer)

        return freeing

    def choose(self, topic: str, record: Any, count: int) -> int:
        """Asks the function."""
        if self._function is None:
            return -1
        key = bytes_or_none(record.key, record.key_length)
        chosen = self._function(topic, key, bytes_or_none(record.value, record.value_length), count)
        if chosen is None:
            return -1
        chosen = index(chosen)
        return chosen if 0 <= chosen <= PARTITION_MAX else NO_PARTITION


def bytes_or_none(start: Any, length: int) -> Optional[bytes]:
    """The bytes there; None for NULL."""
    return None if start == ffi.NULL else bytes(ffi.buffer(start, length))


#: What partitioners of this thread raised, for the call that sends.
_raised = threading.local()


def take_raised() -> Optional[BaseException]:
    """What a partitioner raised within the call of this thread that just ended. Ctrl-C is raised: it
    is no reason why a record was refused."""
    raised: Optional[BaseException] = getattr(_raised, "exception", None)
    _raised.exception = None
    if raised is not None and not isinstance(raised, Exception):
        raise raised
    return raised


def keep(_kind: Any, raised: BaseException, _trace: Any) -> None:
    """What was raised before the function below began: Ctrl-C."""
    _raised.exception = raised


@ffi.def_extern(error=NO_PARTITION, onerror=keep)  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_partitioner(me: Any, topic: Any, record: Any, count: int) -> int:
    partitioner: Optional[Partitioner] = ffi.from_handle(me)()
    if partitioner is None:
        return NO_PARTITION
    try:
        return partitioner.choose(text_of(topic), record, count)
    except BaseException as raised:
        _raised.exception = raised
        return NO_PARTITION
