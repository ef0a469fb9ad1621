"""The broker: an open directory. Makes topics, producers, consumers and everything else."""

import weakref
from typing import Any, Callable, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import PathLike, call, in_slices, path, text
from ottla.errors import OttlaError, StillOpen
from ottla.handle import Handle
from ottla.settings import Config, Settings, Value
from ottla.topic import TopicDescription, descriptions_of


class Broker(Handle):
    """An open directory. Any number of threads may use it at the same time."""

    __slots__ = ("_children",)

    _what = "the broker"

    def __init__(
        self, directory: PathLike, config: Optional[Config] = None, **settings: Value
    ) -> None:
        place = ffi.new("ottla_broker **")
        made = Settings(config, settings)
        directory_text = path(directory, "the directory")
        call(lib.ottla_open, directory_text, made.array, made.count, place)
        super().__init__(place[0], close_quietly)
        self._children: "weakref.WeakSet[Handle]" = weakref.WeakSet()

    def close(self, timeout: Optional[float] = 10.0) -> None:
        """Closes everything that was made of the broker, syncs it, and closes the directory. Once
        more does nothing.

        ``timeout``: how many seconds to wait while another thread is in the middle of something;
        None is for ever. ``StillOpen`` names what was in the way; nothing is closed then but what
        was made of the broker.
        """
        if self.closed:
            return
        failure: Optional[OttlaError] = None
        for child in list(self._children):
            try:
                child.close()
            except OttlaError as error:
                failure = failure or error
        pointer = self._open()

        def step(slice_ms: int) -> Optional[bool]:
            try:
                call(lib.ottla_close, pointer, slice_ms)
            except StillOpen:
                return None
            except OttlaError:
                self._forget()
                raise
            return True

        if in_slices(timeout, step) is None:
            call(lib.ottla_close, pointer, 0)
        self._forget()
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """Lets go of the directory without closing it, as a kill would: the next open recovers it.
        For tests, and for a program that has to end at once."""
        pointer = self._open()
        self._forget()
        lib.ottla_abandon(pointer)

    # Topics.

    def create_topic(
        self, name: str, partitions: int = 0, config: Optional[Config] = None, **settings: Value
    ) -> None:
        """Makes a topic. ``partitions``: 0 is as many as the broker's ``num.partitions`` says.
        ``TopicExists`` if there is one of that name. It survives power loss."""
        self._make_topic(lib.ottla_topic_create, name, partitions, Settings(config, settings))

    def ensure_topic(
        self, name: str, partitions: int = 0, config: Optional[Config] = None, **settings: Value
    ) -> None:
        """Makes a topic unless there is one of that name, whose settings are then left as they are."""
        self._make_topic(lib.ottla_topic_ensure, name, partitions, Settings(config, settings))

    def _make_topic(
        self, function: Callable[..., int], name: str, partitions: int, made: Settings
    ) -> None:
        name_text = text(name, "the name of the topic")
        call(function, self._open(), name_text, partitions, made.array, made.count)

    def delete_topic(self, name: str) -> None:
        """Deletes a topic and all its records."""
        call(lib.ottla_topic_delete, self._open(), text(name, "the name of the topic"))

    def alter_topic(
        self, name: str, config: Optional[Config] = None, **settings: Optional[Value]
    ) -> None:
        """Changes settings of a topic; None takes one back to its default. All of them, or none."""
        made = Settings(config, settings, none_is_default=True)
        name_text = text(name, "the name of the topic")
        call(lib.ottla_topic_alter, self._open(), name_text, made.array, made.count)

    def add_partitions(self, name: str, total: int) -> None:
        """Gives a topic more partitions: ``total`` counts the old ones."""
        name_text = text(name, "the name of the topic")
        call(lib.ottla_topic_add_partitions, self._open(), name_text, total)

    def topics(self) -> List[TopicDescription]:
        """All topics, by name, those that Kafka keeps for itself among them."""
        place = ffi.new("ottla_topics **")
        call(lib.ottla_topics_list, self._open(), place)
        return descriptions_of(place[0])

    def describe_topic(self, name: str) -> TopicDescription:
        """One topic."""
        place = ffi.new("ottla_topics **")
        name_text = text(name, "the name of the topic")
        call(lib.ottla_topics_describe, self._open(), name_text, place)
        return descriptions_of(place[0])[0]

    # What others make of the broker.

    def _adopt(self, child: Handle) -> Any:
        """Has the child closed before the broker."""
        self._children.add(child)


def close_quietly(pointer: Any) -> None:
    """Closes a broker that nobody has any more, or whose program ends."""
    if lib.ottla_close(pointer, 0, ffi.NULL) == lib.OTTLA_E_STILL_OPEN:
        lib.ottla_abandon(pointer)


def open(directory: PathLike, config: Optional[Config] = None, **settings: Value) -> Broker:
    """Opens a directory, makes it if it is not there, and recovers it if it was not closed.

    ``":memory:"`` is one in memory, for tests. Settings have Kafka's names: in ``config`` with dots,
    as keywords with underscores. ``Locked`` while another program has the directory open.
    """
    return Broker(directory, config, **settings)
