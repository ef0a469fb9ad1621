"""Structs that the library fills in, as dataclasses whose fields have the same names."""

import dataclasses
from typing import Any, Callable, List, Type, TypeVar

from ottla._ottla import ffi
from ottla.calls import call, sized, text_or_none

R = TypeVar("R")


def row(kind: Type[R], struct: Any, **others: Any) -> R:
    """What a struct says; ``others`` are the fields that it does not have."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type, unused-ignore]
    names = [field.name for field in fields if field.name not in others]
    return kind(**{name: plain(getattr(struct, name)) for name in names}, **others)


def plain(value: Any) -> Any:
    """A number as it is, a ``const char *`` as a text or None."""
    return text_or_none(value) if isinstance(value, ffi.CData) else value


def rows(kind: Type[R], name: str, count: int, get: Callable[..., int], *owner: Any) -> List[R]:
    """So many rows, each filled in by ``get(*owner, index, struct, error)``."""
    struct = sized(name)
    found = []
    for index in range(count):
        call(get, *owner, index, struct)
        found.append(row(kind, struct))
    return found


def texts(count: int, get: Callable[..., int], *owner: Any) -> List[str]:
    """So many texts, each by ``get(*owner, index, place, error)``."""
    place = ffi.new("char **")
    found = []
    for index in range(count):
        call(get, *owner, index, place)
        found.append(text_or_none(place[0]) or "")
    return found
