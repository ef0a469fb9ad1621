"""Settings: Kafka's dotted names in a mapping, or the same with underscores as keywords."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ottla._ottla import ffi
from ottla.calls import invalid, text

#: What a setting can be: True is "true", a sequence is its items with commas between.
Value = Union[str, bool, int, float, Sequence[str]]

#: Settings by Kafka's dotted names.
Config = Mapping[str, Value]


#: No arguments that stand for settings.
NOTHING: Mapping[str, Tuple[str, Optional[str]]] = {}


class Settings:
    """An array of ottla_setting, and the texts that it leads to."""

    __slots__ = ("array", "count", "named", "_texts")

    def __init__(
        self,
        config: Optional[Mapping[str, Optional[Value]]],
        keywords: Mapping[str, Optional[Value]],
        none_is_default: bool = False,
        beside: Mapping[str, Tuple[str, Optional[str]]] = NOTHING,
    ) -> None:
        """``beside``: arguments of their own that stand for settings; None is one that was left
        out."""
        merged = once(config, keywords, beside)
        self.named = merged
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


def once(
    config: Optional[Mapping[str, Optional[Value]]],
    keywords: Mapping[str, Optional[Value]],
    beside: Mapping[str, Tuple[str, Optional[str]]],
) -> Dict[str, Optional[Value]]:
    """All settings by their dotted names. None of them is given twice: one would be silently lost."""
    if config is not None and not isinstance(config, Mapping):
        hint = "; a group is given as group=..." if "group" in beside else ""
        raise TypeError(
            f"the settings are of type {type(config).__name__}, but must be a mapping of names to"
            f" values, or keywords{hint}"
        )
    given = [(name, f'"{name}"', value) for name, value in (config or {}).items()]
    given += [(name.replace("_", "."), f"{name}=", value) for name, value in keywords.items()]
    given += [(of, f"{name}=", value) for name, (of, value) in beside.items() if value is not None]
    merged: Dict[str, Optional[Value]] = {}
    shown_as: Dict[str, str] = {}
    for name, shown_name, value in given:
        if name in merged:
            raise invalid(f"{name} is given twice: as {shown_as[name]} and as {shown_name}")
        merged[name], shown_as[name] = value, shown_name
    return merged


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
