"""Settings: Kafka's dotted names in a mapping, or the same with underscores as keywords."""

from typing import Any, List, Mapping, Optional, Sequence, Union

from ottla._ottla import ffi
from ottla.calls import text

#: What a setting can be: True is "true", a sequence is its items with commas between.
Value = Union[str, bool, int, float, Sequence[str]]

#: Settings by Kafka's dotted names.
Config = Mapping[str, Value]


class Settings:
    """An array of ottla_setting, and the texts that it leads to."""

    __slots__ = ("array", "count", "_texts")

    def __init__(
        self,
        config: Optional[Mapping[str, Optional[Value]]],
        keywords: Mapping[str, Optional[Value]],
        none_is_default: bool = False,
    ) -> None:
        merged = dict(config or {})
        merged.update({name.replace("_", "."): value for name, value in keywords.items()})
        self.count = len(merged)
        self.array = ffi.new("ottla_setting[]", self.count)
        self._texts: List[Any] = []
        for setting, (name, value) in zip(self.array, merged.items()):
            setting.name = self._text(name, "the name of a setting")
            if value is not None:
                setting.value = self._text(shown(value, name), f"the value of {name}")
            elif not none_is_default:
                raise TypeError(f"the value of {name} is None: leave it out for its default")

    def _text(self, value: str, what: str) -> Any:
        made = text(value, what)
        self._texts.append(made)
        return made


def shown(value: Value, name: str) -> str:
    """A value as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise TypeError(f"the value of {name} is of type {type(value).__name__}")
