"""The Python side of tests/interop_python.rs: kafka-python's record classes behind two verbs.

records FILE...    prints batches and records, checksums verified, no trailing bytes allowed
write DIRECTORY    writes NAME.batch per codec and kind, beside each NAME.lines: what a reader must find

The lines are those of tests/interop/lines.rs:

    B base last count codec C|L maxTimestamp producerId producerEpoch baseSequence txn control
    R offset timestamp key value headers

Bytes are lower-case hex, - is null and . is empty; headers are name=value,... or . for none.
"""

import os
import random
import sys

from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
START = 1_700_000_000_000


def hexadecimal(data):
    if data is None:
        return "-"
    return bytes(data).hex() or "."


def lines_of(data):
    """The lines of whole batches, or an exception with what is wrong."""
    lines = []
    records = MemoryRecords(data)
    if records.valid_bytes() != len(data):
        raise ValueError("%d bytes, of which %d are batches" % (len(data), records.valid_bytes()))
    while True:
        batch = records.next_batch()
        if batch is None:
            return lines
        if not batch.validate_crc():
            raise ValueError("the checksum of the batch does not match")
        inner = []
        for record in batch:
            headers = ",".join(
                "%s=%s" % (hexadecimal(name.encode()), hexadecimal(value))
                for name, value in record.headers
            )
            inner.append(
                "R %d %d %s %s %s"
                % (record.offset, record.timestamp, hexadecimal(record.key), hexadecimal(record.value), headers or ".")
            )
        lines.append(
            "B %d %d %d %s %s %d %d %d %d %s %s"
            % (
                batch.base_offset,
                batch.last_offset,
                len(inner),
                CODECS[batch.compression_type],
                "L" if batch.timestamp_type == 1 else "C",
                batch.max_timestamp,
                batch.producer_id,
                batch.producer_epoch,
                batch.base_sequence,
                str(bool(batch.is_transactional)).lower(),
                str(bool(batch.is_control_batch)).lower(),
            )
        )
        lines.extend(inner)


def legacy_lines_of(data):
    """The lines of a message set of magic 0 or 1: records only."""
    lines = []
    records = MemoryRecords(data)
    while True:
        batch = records.next_batch()
        if batch is None:
            return lines
        for record in batch:
            timestamp = -1 if record.timestamp is None else record.timestamp
            lines.append(
                "R %d %d %s %s ." % (record.offset, timestamp, hexadecimal(record.key), hexadecimal(record.value))
            )


def builder(codec, producer=(-1, -1, -1), transactional=False):
    return DefaultRecordBatchBuilder(2, codec, transactional, producer[0], producer[1], producer[2], 1 << 24)


def scenarios(codec):
    """Name and batch of each kind."""
    plain = builder(codec)
    for index in range(100):
        value = b"value number %d" % index
        plain.append(index, START + index, b"key-%d" % (index % 7), value, [])
    yield "plain", plain.build()

    many = builder(codec)
    for index in range(20_000):
        many.append(index, START + index // 3, None, b'{"id":%d,"name":"burger"}' % index, [])
    yield "many", many.build()

    odd = builder(codec)
    odd.append(0, START, None, None, [])
    odd.append(1, START - 5_000, b"", b"", [])
    headers = [("a", b""), ("a", None), ("", b"v"), ("long", bytes(300)), ("\u00fc", b"\xff")]
    odd.append(2, START + 86_400_000 * 365, bytes(200), b"\x00\x01\xff", headers)
    odd.append(3, 0, b"k", None, [("h", b"\x07")])
    yield "odd", odd.build()

    dice = random.Random(42)
    noise = builder(codec)
    for index in range(40):
        noise.append(index, START + index, None, dice.randbytes(dice.randrange(40_000)), [])
    yield "random", noise.build()

    idempotent = builder(codec, (4711, 12, 2**31 - 3), True)
    for index in range(10):
        idempotent.append(index, START + index, b"k", b"v%d" % index, [])
    yield "producer", idempotent.build()


def write(directory):
    os.makedirs(directory, exist_ok=True)
    for number, codec in enumerate(CODECS):
        for name, batch in scenarios(number):
            save(directory, "%s-%s" % (codec, name), bytes(batch), lines_of)
    for magic in (0, 1):
        for number, codec in enumerate(CODECS[:4]):
            legacy = LegacyRecordBatchBuilder(magic, number, 1 << 20)
            for index in range(10):
                key = None if index == 3 else b"k%d" % index
                legacy.append(index, START + index if magic else None, key, b"value %d" % index)
            save(directory, "legacy%d-%s" % (magic, codec), bytes(legacy.build()), legacy_lines_of)


def save(directory, name, data, lines):
    with open(os.path.join(directory, name + ".batch"), "wb") as file:
        file.write(data)
    with open(os.path.join(directory, name + ".lines"), "w", encoding="ascii") as file:
        file.write("".join(line + "\n" for line in lines(data)))


def main(verb, arguments):
    if verb == "write":
        write(arguments[0])
        return
    assert verb == "records", verb
    for path in arguments:
        print("FILE", path)
        with open(path, "rb") as file:
            for line in lines_of(file.read()):
                print(line)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
