"""Telling how far a long call has come."""

from typing import Any, Callable, Optional

from ottla._ottla import ffi, lib
from ottla.calls import callable_or_none

#: Is told how many bytes of about how many are done, on the thread of the call.
ProgressCallback = Callable[[int, int], Any]


class Progress:
    """A callback, and what it raised: C has no exceptions, so it waits for the end of the call."""

    def __init__(self, callback: Optional[ProgressCallback]) -> None:
        self._callback = callable_or_none(callback, "progress")
        self._raised: Optional[BaseException] = None
        self._me = ffi.new_handle(self)

    def put_into(self, options: Any) -> None:
        """Sets the fields ``progress`` and ``user_data`` of a struct of options."""
        if self._callback is not None:
            options.progress = lib.ottla_python_progress
            options.user_data = self._me

    def call(self, done: int, total: int) -> None:
        """Calls it, unless it raised before."""
        if self._callback is None or self._raised is not None:
            return
        try:
            self._callback(done, total)
        except BaseException as raised:
            self._raised = raised

    def check(self) -> None:
        """Raises what it raised."""
        if self._raised is not None:
            raise self._raised


@ffi.def_extern()  # type: ignore[untyped-decorator, unused-ignore]
def ottla_python_progress(me: Any, done: int, total: int) -> None:
    progress: Progress = ffi.from_handle(me)
    progress.call(done, total)
