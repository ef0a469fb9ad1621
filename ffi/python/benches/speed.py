"""How fast Ottla is from Python: beside kafka-python, which merely builds the same records in
memory, and beside sqlite3, which inserts them.

    python speed.py                  all, in turns, with the ratios
    python speed.py produce          the rows whose names contain that

A turn is 100 calls of 1,000 records of 100 bytes. It needs a release build of Ottla, and
kafka-python for its side, with crc32c to have it at its best.
``cargo bench -p ottla-ffi --bench speed`` runs the same sides beside Rust's, with ``OTTLA_PYTHON``
set to an interpreter that has all of that: ``--serve`` is for it.
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, Tuple

import ottla

CALLS = 100
COUNT = 1000
SIZE = 100
TURNS = 11

#: What both sides write: so many values, each an object of its own.
VALUES = [b"%0100d" % number for number in range(COUNT)]

Turn = Callable[[], Any]


def broker(where: str) -> ottla.Broker:
    """With the topic of the rows."""
    opened = ottla.open(where)
    opened.create_topic("speed", partitions=2)
    return opened


def produce(where: str) -> Turn:
    """As C's and Rust's: nobody asks for single records, all are written in the end."""
    producer = broker(where).producer(acks=1)

    def turn() -> None:
        for _ in range(CALLS):
            producer.send_many("speed", VALUES)
        producer.flush()

    return turn


def append(where: str, acks: int = 1) -> Turn:
    """A call is a batch, written when it returns."""
    partition = broker(where).partition("speed", 0)

    def turn() -> None:
        for _ in range(CALLS):
            partition.append(VALUES, acks=acks)

    return turn


def append_synced(where: str) -> Turn:
    """Each call survives a loss of power."""
    return append(where, -1)


def consume(where: str) -> Turn:
    """Takes the value and the offset of each record."""
    opened = broker(where)
    producer = opened.producer(acks=1)
    for _ in range(CALLS):
        producer.send_many("speed", VALUES)
    producer.flush()
    both = [("speed", 0), ("speed", 1)]
    consumer = opened.consumer(assign=both, max_poll_records=COUNT)

    def turn() -> None:
        consumer.seek_to_beginning()
        seen = length = offsets = 0
        while seen < CALLS * COUNT:
            records = consumer.poll(None)
            for record in records:
                length += len(record.value_bytes())
                offsets += record.offset
            seen += len(records)
        assert length == seen * SIZE and offsets > 0

    return turn


def kafka_python(_where: str) -> Turn:
    """Builds record batches in memory and drops them."""
    from kafka.record.default_records import DefaultRecordBatchBuilder

    def turn() -> None:
        for _ in range(CALLS):
            builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 24)
            for offset, value in enumerate(VALUES):
                builder.append(offset, 1_700_000_000_000, None, value, [])
            assert len(builder.build()) > COUNT * SIZE

    return turn


def sqlite(where: str, synchronous: str = "OFF") -> Turn:
    """A transaction for each call."""
    database = sqlite3.connect(f"{where}/speed.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("CREATE TABLE speed (offset INTEGER PRIMARY KEY, value BLOB)")
    rows = [(value,) for value in VALUES]

    def turn() -> None:
        for _ in range(CALLS):
            database.execute("BEGIN")
            database.executemany("INSERT INTO speed (value) VALUES (?)", rows)
            database.execute("COMMIT")

    return turn


def sqlite_synced(where: str) -> Turn:
    """Each transaction survives a loss of power."""
    return sqlite(where, "FULL")


def sqlite_read(where: str) -> Turn:
    """Selects what was inserted."""
    sqlite(where)()
    database = sqlite3.connect(f"{where}/speed.sqlite")

    def turn() -> None:
        seen = length = offsets = 0
        for offset, value in database.execute("SELECT offset, value FROM speed"):
            length += len(value)
            offsets += offset
            seen += 1
        assert seen == CALLS * COUNT and length == seen * SIZE

    return turn


#: Row by row; Ottla is the first side.
ROWS: Dict[str, Dict[str, Callable[[str], Turn]]] = {
    "produce": {"ottla": produce, "kafka-python": kafka_python, "sqlite3": sqlite},
    "append": {"ottla": append, "kafka-python": kafka_python, "sqlite3": sqlite},
    "append, synced": {"ottla": append_synced, "sqlite3": sqlite_synced},
    "consume": {"ottla": consume, "sqlite3": sqlite_read},
}


def measure(name: str) -> None:
    """Has the sides of a row take turns, and prints their rates."""
    turns: List[Tuple[str, Turn, List[float]]] = []
    for side, begin in ROWS[name].items():
        turns.append((side, begin(tempfile.mkdtemp(dir=FOLDER.name)), []))
    for _, turn, _ in turns:
        turn()
    for number in range(TURNS):
        for at in range(len(turns)):
            # Whoever is first in one turn is not in the next one.
            _, turn, rates = turns[(number + at) % len(turns)]
            begun = time.perf_counter()
            turn()
            rates.append(CALLS * COUNT / (time.perf_counter() - begun))
    own = turns[0][2]
    for side, _, rates in turns:
        ratio = statistics.median(mine / rate for mine, rate in zip(own, rates))
        rate = statistics.median(rates) / 1e6
        compared = f"ottla is {ratio:6.2f} times as fast"
        print(f"{name:16} {side:14} {rate:8.3f} M records/s   {compared}", flush=True)


def serve(row: str, side: str) -> None:
    """One turn for each line that comes in."""
    turn = ROWS[row][side](tempfile.mkdtemp(dir=FOLDER.name))
    for _ in sys.stdin:
        turn()
        print("done", flush=True)


#: On the disk of the checkout's user, not in memory, as far as TMPDIR says so.
FOLDER = tempfile.TemporaryDirectory(prefix="ottla-speed-")

if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3])
    else:
        for row in ROWS:
            if (sys.argv[1:] or [""])[0] in row:
                measure(row)
