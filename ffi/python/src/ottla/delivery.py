"""What became of records that were sent."""

from typing import Any, Iterator, List, NamedTuple, NoReturn, Optional

from ottla._ottla import ffi, lib
from ottla.calls import call, error_named, error_of, in_slices, sized, text_of
from ottla.errors import OttlaError


class RecordMetadata(NamedTuple):
    """Where a record went."""

    topic: str
    partition: int
    #: -1 with ``acks=0``, which does not wait for one.
    offset: int
    #: Milliseconds since 1970.
    timestamp: int


class Deliveries:
    """What became of the records of one call of ``send_many``: as many as were taken. Any number of
    threads may ask, also after the producer was closed."""

    __slots__ = ("_pointer", "__weakref__")

    def __init__(self, pointer: Any) -> None:
        self._pointer = ffi.gc(pointer, lib.ottla_delivery_free)

    def done(self) -> bool:
        """Whether all records are decided, written or failed. Never waits."""
        return bool(lib.ottla_delivery_is_done(self._pointer))

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits for at most ``timeout`` seconds (None: for ever) until all are decided. Whoever
        waits is in a hurry: the records go out at once, whatever ``linger.ms`` says.

        False if the time was up. Failures are not raised here.
        """

        def step(slice_ms: int) -> Optional[bool]:
            status = lib.ottla_delivery_wait(self._pointer, slice_ms, ffi.NULL)
            return None if status == lib.OTTLA_E_PENDING else True

        return bool(in_slices(timeout, step))

    def result(self, timeout: Optional[float] = None) -> List[RecordMetadata]:
        """Waits until all are written, and says where they went. Raises what the first one that
        failed did, or ``Timeout`` if they are not decided in time."""
        self._wait_or_raise(timeout)
        return list(self)

    def _wait_or_raise(self, timeout: Optional[float]) -> None:
        if not self.wait(timeout):
            raise error_named("TIMEOUT", f"not decided within {timeout} seconds; it may be later")

    def __len__(self) -> int:
        return int(lib.ottla_delivery_count(self._pointer))

    def __getitem__(self, index: int) -> RecordMetadata:
        """Where one record went. Raises why it failed; ``Pending`` if it is not decided."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"there are {count} records")
        return metadata(self._pointer, index % count)

    def __iter__(self) -> Iterator[RecordMetadata]:
        return (metadata(self._pointer, at) for at in range(len(self)))

    def __repr__(self) -> str:
        state = "done" if self.done() else "pending"
        return f"<ottla.{type(self).__name__} of {len(self)}: {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a delivery can be neither copied nor pickled")

    def _notify(self, tag: int) -> None:
        """Has the tag put into the producer's completion queue when all are decided."""
        call(lib.ottla_delivery_notify, self._pointer, tag)


class Delivery(Deliveries):
    """What became of one record."""

    __slots__ = ()

    def result(self, timeout: Optional[float] = None) -> RecordMetadata:  # type: ignore[override]
        """Waits until the record is as safe as the producer's ``acks`` ask for, and says where it
        went. Raises why it failed, or ``Timeout`` if it is not decided in time."""
        self._wait_or_raise(timeout)
        return metadata(self._pointer, 0)

    def __repr__(self) -> str:
        if not self.done():
            return "<ottla.Delivery: pending>"
        try:
            where = metadata(self._pointer, 0)
        except OttlaError as failed:
            return f"<ottla.Delivery: failed, {failed}>"
        return f"<ottla.Delivery: {where.topic}-{where.partition}@{where.offset}>"

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        """Why it failed, or None."""
        self._wait_or_raise(timeout)
        error = ffi.new("ottla_error **")
        status = lib.ottla_delivery_get(self._pointer, 0, sized("ottla_record_metadata"), error)
        return None if status == 0 else error_of(status, error[0])


def metadata(pointer: Any, index: int) -> RecordMetadata:
    """Where one record of an ``ottla_delivery *`` went."""
    found = sized("ottla_record_metadata")
    call(lib.ottla_delivery_get, pointer, index, found)
    where = text_of(found.topic), int(found.partition)
    return RecordMetadata(*where, int(found.offset), int(found.timestamp))
