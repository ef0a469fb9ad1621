"""The end of the interpreter: what is open is closed while daemon threads may still use it.

The invariant: such a thread gets no exception for that. It stops where it is, as the interpreter stops
all threads a moment later, and nothing of it is printed.
"""

import atexit
import threading
import time
import weakref
from typing import Optional

#: Longer than any end of a program.
LONG_S = 1e6

#: The thread that ends the program.
_thread: Optional[int] = None


class _Sentinel:
    """Something to finalize."""


def _begin() -> None:
    global _thread
    _thread = threading.get_ident()


def stop_others() -> None:
    """Does not return in a daemon thread once the program ends."""
    while _thread is not None and _thread != threading.get_ident():
        time.sleep(LONG_S)


# What is registered last runs first: this has to run before the finalizers that close what is open,
# which weakref registers with the first of them.
_sentinel = _Sentinel()
weakref.finalize(_sentinel, int)
atexit.register(_begin)
