"""Records that were read: the sequence and its items, over arrays made by hand."""

import gc
import weakref
from collections.abc import Sequence
from typing import Any, List, Optional, Tuple

import pytest

from ottla import _records
from ottla._ottla import ffi, lib
from ottla._records import Batch, Record, Records

Fields = Tuple[Optional[bytes], Optional[bytes]]


class Memory:
    """An array of views, and who is asked about them."""

    def __init__(self, fields: List[Fields]) -> None:
        self.asked = 0
        self.views = ffi.new("ottla_record_view[]", len(fields))
        self.bytes: List[Any] = []
        for at, (key, value) in enumerate(fields):
            view = self.views[at]
            view.offset, view.timestamp, view.partition_index = 100 + at, 1000 + at, at % 3
            view.key, view.key_length = self.field(key)
            view.value, view.value_length = self.field(value)

    def field(self, value: Optional[bytes]) -> Tuple[Any, int]:
        if value is None:
            return ffi.NULL, -1
        self.bytes.append(ffi.new("uint8_t[]", value + b"beyond"))
        return self.bytes[-1], len(value)

    def partition(self, index: int) -> Tuple[str, int]:
        self.asked += 1
        return (f"topic-{index}", 10 + index)

    def headers(self, index: int) -> List[Tuple[str, Optional[bytes]]]:
        return [("index", str(index).encode())]

    def records(self) -> Records:
        return _records.records(int(ffi.cast("uintptr_t", self.views)), len(self.views), self)


def test_a_record_shows_its_view() -> None:
    memory = Memory([(b"key", b"value"), (None, None), (b"", b"")])
    memory.views[1].header_count_and_type = 1 | lib.OTTLA_RECORD_VIEW_LOG_APPEND_TIME
    first, second, third = memory.records()
    assert (first.topic, first.partition) == ("topic-0", 10)
    assert (first.offset, first.timestamp, first.timestamp_type) == (100, 1000, "CreateTime")
    assert (first.key, first.value, first.headers) == (b"key", b"value", [])
    assert (first.key_bytes(), first.value_bytes(), bytes(first)) == (b"key", b"value", b"value")
    assert (second.key, second.value) == (None, None)
    assert (second.key_bytes(), second.value_bytes()) == (None, None)
    assert (second.headers, second.timestamp_type) == ([("index", b"1")], "LogAppendTime")
    assert (third.key_bytes(), third.value_bytes(), third.value) == (b"", b"", b"")
    assert repr(first) == (
        "Record(topic='topic-0', partition=10, offset=100, key=b'key', value=b'value')"
    )
    with pytest.raises(BufferError, match="tombstone"):
        bytes(second)


def test_records_are_a_sequence() -> None:
    records = Memory([(None, b"%d" % at) for at in range(10)]).records()
    assert len(records) == 10
    assert [record.offset for record in records] == list(range(100, 110))
    assert (records[0].offset, records[-1].offset) == (100, 109)
    assert [record.offset for record in records[7:]] == [107, 108, 109]
    assert [record.offset for record in records[::-4]] == [109, 105, 101]
    assert [record.offset for record in reversed(records)] == list(range(109, 99, -1))
    assert len(list(iter(records))) == 10
    assert repr(records) == "<10 records>"
    assert not Memory([]).records()
    assert isinstance(records, Sequence)
    third = records[3]
    assert third not in records and records.count(third) == 0
    with pytest.raises(ValueError):
        records.index(third)
    for wrong in (10, -11, 1 << 80):
        with pytest.raises(IndexError):
            records[wrong]


def test_a_partition_is_asked_for_once() -> None:
    memory = Memory([(None, b"")] * 30)
    for _ in range(2):
        for record in memory.records():
            assert record.topic == f"topic-{record.partition - 10}"
    assert memory.asked == 6


def test_bytes_are_not_copied_and_cannot_be_changed() -> None:
    memory = Memory([(b"key", b"value")])
    (record,) = memory.records()
    value = record.value
    assert value is not None and value.readonly and value.format == "B"
    memory.bytes[1][0] = ord("V")
    assert bytes(value) == b"Value"
    with pytest.raises(TypeError):
        value[0] = 1


def test_a_view_keeps_the_memory() -> None:
    class Owned(Memory):
        pass

    for look in (lambda record: record.value, lambda record: record.key, lambda record: record):
        memory: Optional[Memory] = Owned([(b"key", b"value")])
        assert memory is not None
        is_there = weakref.ref(memory)
        kept = look(memory.records()[0])
        memory = None
        gc.collect()
        assert is_there() is not None
        del kept
        gc.collect()
        assert is_there() is None


def test_an_iterator_keeps_the_memory() -> None:
    iterator = iter(Memory([(None, b"value")] * 3).records())
    gc.collect()
    assert [bytes(record) for record in iterator] == [b"value"] * 3


def test_a_failing_source_is_heard() -> None:
    class Failing(Memory):
        def partition(self, index: int) -> Tuple[str, int]:
            raise KeyError(index)

    record = Failing([(None, b"")]).records()[0]
    for look in ("topic", "partition"):
        with pytest.raises(KeyError):
            getattr(record, look)
    with pytest.raises(KeyError):
        repr(record)


def test_nobody_else_makes_records() -> None:
    for kind in (Record, Records):
        with pytest.raises(TypeError, match="come from reading"):
            kind()
    with pytest.raises(ValueError):
        _records.records(0, 1, Memory([]))
    with pytest.raises(ValueError):
        _records.records(8, -1, Memory([]))


def test_a_record_that_was_read_can_be_written() -> None:
    memory = Memory([(b"key", b"value"), (None, None)])
    memory.views[1].header_count_and_type = 1
    batch = Batch(memory.records())
    array = ffi.cast("ottla_record *", batch.address)
    assert bytes(ffi.buffer(array[0].key, array[0].key_length)) == b"key"
    assert array[0].value == memory.views[0].value
    assert (array[1].key, array[1].value, array[1].flags) == (ffi.NULL, ffi.NULL, 0)
    assert array[1].header_count == 1
    assert bytes(ffi.buffer(array[1].headers.value, array[1].headers.value_length)) == b"1"


def test_headers_are_copied() -> None:
    texts = [ffi.new("char[]", b"name"), ffi.new("char[]", b"not \xff text")]
    value = ffi.new("uint8_t[]", b"value")
    headers = ffi.new("ottla_header[]", 2)
    headers[0].name, headers[0].name_length = texts[0], 4
    headers[0].value, headers[0].value_length = value, 5
    headers[1].name, headers[1].name_length = texts[1], 10
    found = _records.headers(int(ffi.cast("uintptr_t", headers)), 2)
    assert found == [("name", b"value"), ("not \udcff text", None)]


def test_values_as_text_and_as_json() -> None:
    values = ["sopa de ma\u00f1ana".encode(), b"", b"\xff", None, b'{"dish": ["soup", null]}', b"null"]
    text, empty, broken, tombstone, document, null = Memory([(b"k", v) for v in values]).records()
    assert (text.text(), empty.text(), tombstone.text()) == ("sopa de ma\u00f1ana", "", None)
    assert (broken.text("latin-1"), broken.text(encoding="latin-1")) == ("\xff", "\xff")
    with pytest.raises(UnicodeDecodeError):
        broken.text()
    with pytest.raises(LookupError):
        text.text("no such encoding")
    assert (document.json(), null.json(), tombstone.json()) == ({"dish": ["soup", None]}, None, None)
    for wrong in (text, empty, broken):
        with pytest.raises(ValueError):
            wrong.json()
