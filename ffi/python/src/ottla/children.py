"""What was made of a broker, and has to be freed before it is closed.

The invariant: what nobody has any more is freed before its broker, also if the garbage collector
finds all of them in one circle and begins with the broker.
"""

import weakref
from typing import Any, Optional, Set

from ottla.errors import Closed
from ottla.handle import Handle

#: How many finalizers are kept before those that are done are looked for.
PRUNE_AT = 64


class Children:
    """The children of one broker. They keep it, it does not keep them."""

    __slots__ = ("_finalizers", "_prune_at")

    def __init__(self) -> None:
        self._finalizers: "Set[weakref.finalize[Any, Any]]" = set()
        self._prune_at = PRUNE_AT

    def adopt(self, broker: Handle, child: Handle) -> None:
        """One more."""
        child._keeps = broker
        self._finalizers.add(child._finalizer)
        if len(self._finalizers) >= self._prune_at:
            done = [one for one in list(self._finalizers) if not one.alive]
            self._finalizers.difference_update(done)
            self._prune_at = PRUNE_AT + 2 * len(self._finalizers)

    def close(self) -> Optional[Exception]:
        """Closes all of them, and returns the first failure: of the library or of a callback."""
        failure: Optional[Exception] = None
        # Other threads may add some meanwhile: a copy of a set is made at once.
        for finalizer in list(self._finalizers):
            known = finalizer.peek()
            if known is None:
                continue
            try:
                known[0].close()
            except Closed:
                # Another thread closes it at this moment.
                pass
            except Exception as error:
                failure = failure or error
        self.free_dead()
        return failure

    def free_dead(self) -> None:
        """Frees those that nobody has any more, but whose turn has not come yet."""
        for finalizer in list(self._finalizers):
            if finalizer.alive and finalizer.peek() is None:
                finalizer()
