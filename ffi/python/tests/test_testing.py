"""The plugin of pytest, as a project finds it that has the wheel installed."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import ottla
from ottla.testing import (
    Directory,
    produce,
    read_all,
    values,
    wait_until_caught_up,
)

PROJECT = '''
import ottla
from ottla.testing import produce, values


def test_a_broker_in_memory(ottla_broker):
    produce(ottla_broker, "orders", ["one burger", ("ann", b"two salads")])
    assert values(ottla_broker, "orders") == [b"one burger", b"two salads"]
    ottla_broker.consumer("orders", group="left open")


def test_it_is_another_one_for_each_test(ottla_broker):
    assert ottla_broker.topics() == []


def test_what_survives(ottla_directory):
    produce(ottla_directory.open(), "orders", ["kept"])
    ottla_directory.crash()
    assert values(ottla_directory.open(), "orders") == [b"kept"]
'''


def test_a_project_that_has_it_installed(tmp_path: Path) -> None:
    (tmp_path / "test_kitchen.py").write_text(PROJECT)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr
    named = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "ottla_broker" in named.stdout and "ottla_directory" in named.stdout


def test_reading_all(ottla_broker: ottla.Broker) -> None:
    records = [ottla.ProducerRecord(b"%d" % n, partition=n % 3) for n in range(1200)]
    produce(ottla_broker, "orders", records, partitions=3)
    with ottla_broker.transaction() as transaction:
        transaction.send("orders", b"committed", partition=0)
    found = read_all(ottla_broker, "orders")
    assert len(found) == 1201 and values(ottla_broker, "orders").count(b"committed") == 1
    assert [record.offset for record in found if record.partition == 1] == list(range(400))


def test_waiting_for_a_group(ottla_broker: ottla.Broker) -> None:
    produce(ottla_broker, "orders", [b"x"] * 10, partitions=3)

    def read() -> None:
        with ottla_broker.consumer(
            "orders", group="kitchen", auto_offset_reset="earliest"
        ) as consumer:
            for _ in consumer.records(idle=0.2):
                pass
            consumer.commit()

    with pytest.raises(TimeoutError, match="missing"):
        wait_until_caught_up(ottla_broker, "kitchen", "orders", timeout=0.05)
    thread = threading.Thread(target=read)
    thread.start()
    wait_until_caught_up(ottla_broker, "kitchen", "orders")
    thread.join()


def test_a_directory_that_is_opened_again(ottla_directory: Directory) -> None:
    produce(ottla_directory.open(), "orders", [b"a"])
    # Closes it first.
    broker = ottla_directory.open(ottla_background=False)
    produce(broker, "orders", [b"b"])
    ottla_directory.crash()
    assert values(ottla_directory.open(), "orders") == [b"a", b"b"]
    assert ottla_directory.path.is_dir()
