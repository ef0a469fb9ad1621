"""What owns an object of the library: frees it when it is closed, when nobody has it any more, or
when the interpreter ends."""

import os
import weakref
from types import TracebackType
from typing import Any, Callable, NoReturn, Optional, Type, TypeVar

from ottla._ottla import ffi
from ottla.calls import closed

H = TypeVar("H", bound="Handle")


class Handle:
    """An object with a ``close``, to be used in ``with``."""

    __slots__ = ("_pointer", "_finalizer", "_keeps", "_process", "__weakref__")

    #: With its article, for messages.
    _what = "the object"

    #: What makes such objects; empty for what programs make themselves.
    _made_by = ""

    def __new__(cls: Type[H], *arguments: Any, **_keywords: Any) -> H:
        # What is made of something gets its pointer first, which programs do not have.
        if cls._made_by and not (arguments and isinstance(arguments[0], ffi.CData)):
            raise TypeError(f"{cls.__name__} objects are made by {cls._made_by}")
        return super().__new__(cls)

    def __init__(self, pointer: Any, free: Callable[[Any], Any]) -> None:
        self._pointer = pointer
        # Children come after their broker, and the newest are freed first when the program ends.
        self._finalizer = weakref.finalize(self, free, pointer)
        # What it was made of: not closed by the garbage collector before it.
        self._keeps: Optional["Handle"] = None
        self._process = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return bool(self._pointer == ffi.NULL)

    def close(self) -> None:
        """Closes it. Once more does nothing."""
        if not self._is_not_to_close():
            self._free()

    def _is_not_to_close(self) -> bool:
        """Whether it was closed, or belongs to the parent of this process, which closes it."""
        return self.closed or self._process != os.getpid()

    def _open(self) -> Any:
        """The pointer, for a call."""
        pointer = self._pointer
        if pointer == ffi.NULL:
            raise closed(self._what)
        return pointer

    def _free(self) -> None:
        self._pointer = ffi.NULL
        self._keeps = None
        self._finalizer()

    def _forget(self) -> None:
        """The library has freed it."""
        self._pointer = ffi.NULL
        self._keeps = None
        self._finalizer.detach()

    def _about(self) -> str:
        """What it is of, as far as that is known without asking the library."""
        return ""

    def __repr__(self) -> str:
        about = self._about()
        shown = f"ottla.{type(self).__name__}{about and ' '}{about}"
        return f"<{shown} (closed)>" if self.closed else f"<{shown}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self._what} can be neither copied nor pickled")

    def __enter__(self: H) -> H:
        self._open()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()
