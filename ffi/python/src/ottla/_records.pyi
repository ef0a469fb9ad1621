"""The extension written in C: what happens once for each record."""

from typing import Any, Dict, Iterator, List, Literal, Optional, Protocol, Sequence
from typing import Tuple, Union, overload

from typing_extensions import Buffer, final

class Source(Protocol):
    """What Records are of, and what owns their memory."""

    def partition(self, index: int) -> Tuple[str, int]: ...
    def headers(self, index: int) -> List[Tuple[str, Optional[bytes]]]: ...

@final
class Record:
    """A record that was read. ``bytes(record)`` is its value."""

    @property
    def topic(self) -> str:
        """The topic."""
    @property
    def partition(self) -> int:
        """The number of the partition."""
    @property
    def offset(self) -> int:
        """The place in the partition."""
    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970; -1 for none."""
    @property
    def timestamp_type(self) -> Literal["CreateTime", "LogAppendTime"]:
        """Whose clock the timestamp is of: the producer's or the log's."""
    @property
    def key(self) -> Optional[memoryview]:
        """The key, not copied, or None. It keeps the whole batch of records alive."""
    @property
    def value(self) -> Optional[memoryview]:
        """The value, not copied; None for a tombstone. It keeps the whole batch of records alive."""
    @property
    def headers(self) -> List[Tuple[str, Optional[bytes]]]:
        """Names and values, in order."""
    def key_bytes(self) -> Optional[bytes]:
        """The key, copied; None if there is none."""
    def value_bytes(self) -> Optional[bytes]:
        """The value, copied; None for a tombstone."""
    def text(self, encoding: str = "utf-8") -> Optional[str]:
        """The value as text; None for a tombstone. ``UnicodeDecodeError`` if it is none."""
    def json(self) -> Any:
        """What the value is as JSON; None for a tombstone, and for null. ``ValueError`` if it is
        none."""
    def __buffer__(self, flags: int) -> memoryview: ...

@final
class RecordsIterator(Iterator[Record]):
    """Records one by one."""

    def __next__(self) -> Record: ...
    def __length_hint__(self) -> int:
        """How many are left."""
    def stop(self) -> None:
        """Returns nothing more."""

@final
class Records(Sequence[Record]):
    """Records that were read together."""

    def __len__(self) -> int: ...
    def __iter__(self) -> RecordsIterator: ...
    @overload
    def __getitem__(self, index: int, /) -> Record: ...
    @overload
    def __getitem__(self, index: slice, /) -> List[Record]: ...
    def index(self, record: Record, /) -> int:  # type: ignore[override]
        """Where the record is: the same object, not an equal one."""
    def count(self, record: Record, /) -> int:
        """How often the record is there."""

@final
class Batch:
    """The array of ottla_record that the records stand for."""

    def __new__(cls, records: Any) -> Batch: ...
    @property
    def address(self) -> int:
        """Where the array is; 0 after release()."""
    def release(self) -> None:
        """Lets go of the array, and of what it leads into."""
    def __len__(self) -> int: ...

def records(address: int, count: int, source: Source) -> Records:
    """Records over so many ottla_record_view. ``source`` owns them."""

def headers(address: int, count: int) -> List[Tuple[str, Optional[bytes]]]:
    """So many ottla_header, copied."""
