"""Records to be written, as the library sees them: read back through the header's own structs."""

import sys
from types import MappingProxyType
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import pytest

import ottla
from ottla._ottla import ffi, lib
from ottla._records import Batch


class Seen(NamedTuple):
    key: Optional[bytes]
    value: Optional[bytes]
    headers: List[Tuple[bytes, Optional[bytes]]]
    partition: Optional[int]
    timestamp: Optional[int]


def bytes_at(start: Any, length: int) -> Optional[bytes]:
    return None if start == ffi.NULL else bytes(ffi.buffer(start, length))


def seen(batch: Batch) -> List[Seen]:
    array = ffi.cast("ottla_record *", batch.address)
    found = []
    for at in range(len(batch)):
        record = array[at]
        headers = []
        for header in record.headers[0 : record.header_count] if record.header_count else []:
            name = bytes_at(header.name, header.name_length)
            assert name is not None
            headers.append((name, bytes_at(header.value, header.value_length)))
        partition = record.partition if record.flags & lib.OTTLA_RECORD_PARTITION else None
        timestamp = record.timestamp if record.flags & lib.OTTLA_RECORD_TIMESTAMP else None
        found.append(
            Seen(
                bytes_at(record.key, record.key_length),
                bytes_at(record.value, record.value_length),
                headers,
                partition,
                timestamp,
            )
        )
    return found


def plain(value: Optional[bytes], key: Optional[bytes] = None) -> Seen:
    return Seen(key, value, [], None, None)


def test_values_of_all_kinds() -> None:
    values = [b"bytes", "text \u20ac", bytearray(b"array"), memoryview(b"view"), None, b"", "", b""]
    wanted = [b"bytes", "text \u20ac".encode(), b"array", b"view", None, b"", b"", b""]
    assert seen(Batch(values)) == [plain(value) for value in wanted]
    assert seen(Batch(iter(values))) == [plain(value) for value in wanted]
    assert seen(Batch([bytearray()])) == [plain(b"")]
    assert seen(Batch([])) == []


def test_pairs_and_longer_tuples() -> None:
    batch = Batch(
        [
            ("k", b"v"),
            (None, "v"),
            (b"k", None),
            (b"k", b"v", [("a", b"1"), ["b", None]]),
            (b"k", b"v", {"a": "1", "c": bytearray(b"3")}, 7),
            (b"k", b"v", None, None, 0),
            (b"k", b"v", (), 0, 99),
        ]
    )
    assert seen(batch) == [
        plain(b"v", b"k"),
        plain(b"v"),
        plain(None, b"k"),
        Seen(b"k", b"v", [(b"a", b"1"), (b"b", None)], None, None),
        Seen(b"k", b"v", [(b"a", b"1"), (b"c", b"3")], 7, None),
        Seen(b"k", b"v", [], None, 0),
        Seen(b"k", b"v", [], 0, 99),
    ]


def test_a_value_is_one_record() -> None:
    for value in ("abc", b"abc", bytearray(b"abc"), memoryview(b"abc")):
        assert [(one.key, one.value) for one in seen(Batch(value))] == [(None, b"abc")]


def test_a_record_alone_is_one_record() -> None:
    alone = seen(Batch(ottla.ProducerRecord("v", key="k", partition=1)))
    assert alone == [Seen(b"k", b"v", [], 1, None)]
    with ottla.open(":memory:") as broker:
        broker.create_topic("orders")
        with broker.partition("orders", 0) as partition:
            partition.append([("k", "v")])
            partition.append(next(partition.read()))
            assert [record.key_bytes() for record in partition.read()] == [b"k", b"k"]
    # A tuple is no record here, but two.
    assert len(Batch(("k", "v"))) == 2


def test_many_headers_stay_with_their_records() -> None:
    records = [(None, b"v", [(f"h{at}-{n}", b"%d" % n) for n in range(at % 5)]) for at in range(500)]
    for at, record in enumerate(seen(Batch(records))):
        wanted = [(f"h{at}-{n}".encode(), b"%d" % n) for n in range(at % 5)]
        assert record.headers == wanted


@pytest.mark.parametrize(
    ("records", "kind", "message"),
    [
        ({"k": "v"}, TypeError, "sequence"),
        (5, TypeError, "iterable"),
        ([b"", 3], TypeError, "record 1: the value is of type int"),
        ([(1.5, b"v")], TypeError, "record 0: the key is of type float"),
        ([("k",)], ValueError, "record 0: a tuple of 1"),
        ([("k", "v", None, None, None, None)], ValueError, "record 0: a tuple of 6"),
        ([("k", "v", 5)], TypeError, "headers is of type int"),
        ([("k", "v", [1])], TypeError, "a header is of type int"),
        ([("k", "v", ["ab"])], TypeError, "a header is of type str"),
        ([("k", "v", [("a",)])], TypeError, "a header is of type tuple"),
        ([("k", "v", [(b"a", b"v")])], TypeError, "the name of a header is of type bytes"),
        ([("k", "v", [("a", 1)])], TypeError, "the value of a header is of type int"),
        ([("k", "v", None, -1)], ValueError, "partition is -1"),
        ([("k", "v", None, 1 << 31)], ValueError, "partition is 2147483648"),
        ([("k", "v", None, "0")], TypeError, "partition is of type str"),
        ([("k", "v", None, None, 1 << 70)], ValueError, "timestamp is"),
        ([memoryview(b"abcdef")[::2]], BufferError, "contiguous"),
        (["\ud800"], UnicodeEncodeError, "surrogates"),
    ],
)
def test_what_cannot_be_written(records: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        Batch(records)


def test_what_is_written_is_kept_and_locked() -> None:
    value = bytearray(b"a long enough value")
    text = "".join(["te", "xt"])
    held = sys.getrefcount(text)
    records = [value, text]
    batch = Batch(records)
    records.clear()
    assert sys.getrefcount(text) == held + 1
    with pytest.raises(BufferError):
        value.clear()
    assert seen(batch) == [plain(b"a long enough value"), plain(b"text")]
    batch.release()
    assert (batch.address, len(batch)) == (0, 0)
    value.clear()
    assert sys.getrefcount(text) == held
    batch.release()


def test_a_failed_batch_holds_nothing() -> None:
    value = bytearray(b"value")
    name = "".join(["na", "me"])
    held = sys.getrefcount(name)
    for _ in range(100):
        with pytest.raises(TypeError):
            Batch([value, (None, value, [(name, b"")]), 5])
    value.clear()
    assert sys.getrefcount(name) == held


def test_headers_of_any_mapping() -> None:
    batch = Batch([("k", "v", MappingProxyType({"a": b"1", "b": None}))])
    assert seen(batch)[0].headers == [(b"a", b"1"), (b"b", None)]


class Stop(BaseException):
    """As Ctrl-C is."""


@pytest.mark.parametrize("is_inside_of_pair", [False, True])
def test_what_headers_raise_is_raised(is_inside_of_pair: bool) -> None:
    def broken() -> Iterator[str]:
        yield "a"
        raise Stop

    with pytest.raises(Stop):
        Batch([("k", "v", [broken()] if is_inside_of_pair else broken())])
