"""What happens at the edges of a process: its end, Ctrl-C, fork. Each in a program of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ottla

#: Begins each program. One that is started in the background may have Ctrl-C ignored.
BEGIN = """
import multiprocessing, os, signal, sys, threading, time
import ottla
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def program(text: str, where: Path, seconds: float = 60) -> str:
    """Runs it with warnings as errors: it must succeed, and say nothing of errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", BEGIN + text],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def count(where: Path, topic: str = "orders") -> int:
    """How many records a topic of a directory has."""
    with ottla.open(where / "data") as broker:
        return sum(one.end_offset for one in broker.describe_topic(topic).partitions)


EVERYTHING = """
broker = ottla.open("data")
broker.ensure_topic("orders", partitions=2)
broker.ensure_topic("by-key", ottla_key_index=True)
def told(consumer, partitions):
    consumer.commit()
producer = broker.producer(linger_ms=60_000, partitioner=lambda *_: 0)
delivery = producer.send("orders", b"acknowledged later")
consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest",
                           enable_auto_commit=True, on_assigned=told, on_revoked=told)
broker.producer().send_many("orders", [b"x"] * 10).result()
records = consumer.poll(10)
values = [record.value for record in records]
fds = (consumer.fileno(), producer.fileno())
transaction = broker.transaction()
transaction.send("orders", b"never committed")
others = [broker.stream("by-key", "k"), broker.table("orders"), broker.snapshot(),
          broker.partition("orders", 0), broker.transactional_producer("mover")]
"""


def test_the_end_of_a_program_with_everything_open(tmp_path: Path) -> None:
    program(EVERYTHING, tmp_path)
    assert count(tmp_path) == 11


def test_the_end_within_circles_and_threads(tmp_path: Path) -> None:
    program(
        EVERYTHING
        + """
class Circle:
    pass
circle = Circle()
circle.me, circle.of = circle, (broker, producer, consumer, records)
polled = broker.consumer(assign=[("orders", 1)])
def forever():
    while True:
        polled.poll(None)
def asking():
    while True:
        broker.topics()
def sending():
    while True:
        producer.send("orders", b"y", partition=1).wait(0)
for work in (forever, asking, sending):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
""",
        tmp_path,
    )
    assert count(tmp_path) >= 11


def test_an_exception_ends_the_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + EVERYTHING + "raise SystemExit(7)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (7, "")
    assert count(tmp_path) == 11


def test_os_exit_loses_only_what_nobody_was_told(tmp_path: Path) -> None:
    program(EVERYTHING + "os._exit(0)", tmp_path)
    assert count(tmp_path) >= 10


@pytest.mark.parametrize(
    "waiting",
    [
        "consumer.poll(None)",
        "consumer.poll(3600)",
        "next(iter(consumer))",
        "broker.table('orders').poll(3600)",
    ],
)
def test_ctrl_c_in_a_long_wait(tmp_path: Path, waiting: str) -> None:
    text = f"""
with ottla.open("data") as broker:
    broker.ensure_topic("orders")
    consumer = broker.consumer(assign=[("orders", 0)])
    print("waiting", flush=True)
    try:
        {waiting}
    except KeyboardInterrupt:
        print("interrupted")
    broker.producer().send("orders", b"after").result()
    assert len(consumer.poll(10)) == 1
"""
    child = subprocess.Popen(
        [sys.executable, "-c", BEGIN + text],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "waiting\n"
    time.sleep(0.3)
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (0, "interrupted\n", "")
    assert time.monotonic() - began < 10


def test_fork(tmp_path: Path) -> None:
    """The child gets errors, also where it only lets go; the parent goes on."""
    if not hasattr(os, "fork"):
        pytest.skip("has no fork")
    out = program(
        EVERYTHING
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    code = 1
    try:
        for use in (
            lambda: broker.topics(),
            lambda: producer.send("orders", b"of the child"),
            lambda: consumer.poll(1),
            lambda: consumer.commit(),
            lambda: transaction.commit(),
            lambda: producer.fileno(),
            lambda: broker.consumer("orders", group="kitchen"),
        ):
            try:
                use()
                os._exit(2)
            except ottla.Forked:
                pass
        # Leaving a block, or closing, is the parent's; calls stay refused.
        with transaction:
            pass
        with broker, producer:
            pass
        for one in (transaction, consumer, producer, broker):
            one.close()
            one.__exit__(None, None, None)
            assert not one.closed
        for use in (broker.topics, consumer.poll, producer.flush):
            try:
                use()
                os._exit(3)
            except ottla.Forked:
                pass
        # What was read stays readable.
        assert all(bytes(value) == b"x" for value in values)
        with ottla.open("data of the child") as own:
            own.create_topic("orders")
            own.producer().send("orders", b"x").result()
        code = 0
    finally:
        # As a child of multiprocessing: the interpreter ends with all its finalizers.
        if code:
            os._exit(code)
        sys.exit(0)
status = os.waitpid(pid, 0)[1]
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
producer.send("orders", b"of the parent").result()
assert consumer.poll(10)
consumer.commit()
broker.close()
print("parent done")
""",
        tmp_path,
    )
    assert out == "parent done\n"
    assert count(tmp_path) == 12
    assert list(tmp_path.glob("data of the child*"))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    """Workers use a directory of their own each, and end as workers do."""
    (tmp_path / "kitchen.py").write_text(
        f"""
import multiprocessing, sys, warnings
import ottla
warnings.simplefilter("ignore", DeprecationWarning)

def work(number):
    with ottla.open(f"worker {{number}}") as broker:
        broker.ensure_topic("orders")
        broker.producer().send_many("orders", [b"x"] * number).result()
        return len(list(broker.consumer(assign=[("orders", 0)],
                                        auto_offset_reset="earliest").records(until_end=True)))

if __name__ == "__main__":
    with ottla.open("data") as broker:
        broker.ensure_topic("orders")
        producer = broker.producer()
        producer.send("orders", b"x").result()
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            assert pool.map(work, [1, 2, 3]) == [1, 2, 3]
            pool.close()
            pool.join()
        producer.send("orders", b"x").result()
"""
    )
    done = subprocess.run(
        [sys.executable, "kitchen.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert count(tmp_path) == 2


def test_what_must_not_be_pickled(tmp_path: Path) -> None:
    import copy
    import pickle

    with ottla.open(tmp_path) as broker:
        broker.create_topic("orders")
        producer = broker.producer()
        for one in (broker, producer, producer.send("orders", b""), broker.snapshot()):
            with pytest.raises(TypeError):
                pickle.dumps(one)
            with pytest.raises(TypeError):
                copy.copy(one)
