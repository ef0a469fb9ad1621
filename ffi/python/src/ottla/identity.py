"""Idempotent appends: an identity, and sequence numbers that a program keeps."""

from typing import Any, NamedTuple, Optional

from ottla._ottla import ffi, lib
from ottla._records import Batch
from ottla.calls import call, data, invalid, make, whole
from ottla.handle import Handle
from ottla.partition import Acks, Appended, acks_number
from ottla.sending import Data, Sendables, array_of


class ProducerIdentity(NamedTuple):
    """Who appends: an id of this directory, and which of those that used it."""

    id: int
    epoch: int


class Appender(Handle):
    """Appends batches to one partition, each once: a batch whose sequence numbers the partition has
    already is not appended again. One thread at a time."""

    __slots__ = ()

    _what = "the appender"
    _made_by = "Broker.appender(...)"

    def __init__(
        self, partition: Any, identity: ProducerIdentity, next_sequence: int, acks: Acks
    ) -> None:
        place = ffi.new("ottla_appender **")
        number = acks_number(acks)
        who = identity_struct(identity)
        what = (partition, number, who, whole(next_sequence, "next_sequence"))
        make(lib.ottla_appender_free, lib.ottla_appender_new, *what, place)
        super().__init__(place[0], lib.ottla_appender_free)

    def append(
        self,
        records: Sendables,
        expected_end: Optional[int] = None,
        key: Optional[Data] = None,
        version: Optional[int] = None,
    ) -> Appended:
        """Appends records as one batch. If it was appended before, the offsets are those of the
        first time. A failed append leaves the sequence number as it was.

        ``expected_end``: only if the partition ends there. ``key`` and ``version``: only if the
        newest record of the key is still that one.
        """
        batch = Batch(records)
        appended = ffi.new("ottla_appended *")
        what = (array_of(batch), len(batch), appended)
        if (key is None) != (version is None) or (key is not None and expected_end is not None):
            raise invalid("expect an end, or the version of a key, or nothing")
        if expected_end is not None:
            expected_end = whole(expected_end, "expected_end", 64)
            call(lib.ottla_appender_append_expecting, self._open(), expected_end, *what)
        elif key is not None and version is not None:
            start, length = data(key, "the key")
            function = lib.ottla_appender_append_expecting_version
            expected = whole(version, "the version", 64)
            call(function, self._open(), start, length, expected, *what)
        else:
            call(lib.ottla_appender_append, self._open(), *what)
        return Appended(int(appended.base_offset), int(appended.last_offset))

    @property
    def next_sequence(self) -> int:
        """The sequence number of what is appended next: for the program's notes."""
        found = ffi.new("int32_t *")
        call(lib.ottla_appender_next_sequence, self._open(), found)
        return int(found[0])


def identity_struct(identity: ProducerIdentity) -> Any:
    """An ottla_producer_identity."""
    struct = ffi.new("ottla_producer_identity *")
    struct.id, struct.epoch = identity.id, identity.epoch
    return struct


def identity_of(struct: Any) -> ProducerIdentity:
    """What an ottla_producer_identity says."""
    return ProducerIdentity(int(struct.id), int(struct.epoch))


def new_identity(broker: Any) -> ProducerIdentity:
    """One that nobody ever had in this directory."""
    struct = ffi.new("ottla_producer_identity *")
    call(lib.ottla_producer_identity_new, broker, struct)
    return identity_of(struct)


def fence(broker: Any, identity: ProducerIdentity) -> ProducerIdentity:
    """Declares an identity over, and says which one takes its place."""
    successor = ffi.new("ottla_producer_identity *")
    call(lib.ottla_producer_identity_fence, broker, identity_struct(identity), successor)
    return identity_of(successor)
