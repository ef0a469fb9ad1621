"""What programs do wrong: exceptions, never a crash, and never a deadlock."""

import gc
import threading
from pathlib import Path
from typing import Any, Callable, List

import pytest

import ottla


def everything(broker: ottla.Broker) -> List[Any]:
    """One of each that can be made of a broker."""
    return [
        broker.producer(),
        broker.consumer("orders", group="kitchen"),
        broker.consumer(assign=[("orders", 0)]),
        broker.partition("orders", 0),
        broker.transaction(),
        broker.transactional_producer("mover"),
        broker.atomic_append(),
        broker.stream("by-key", "john"),
        broker.table("orders"),
        broker.snapshot(),
    ]


@pytest.fixture
def full(broker: ottla.Broker) -> ottla.Broker:
    """A broker with something to read."""
    broker.create_topic("by-key", ottla_key_index=True)
    broker.producer().send_many("orders", [(b"k", b"%d" % n) for n in range(20)]).result()
    return broker


def test_everything_after_close(full: ottla.Broker) -> None:
    uses: List[Callable[[], Any]] = []
    producer, member, reader, partition, transaction, mover, append, stream, table, snapshot = (
        everything(full)
    )
    uses += [
        lambda: producer.send("orders", b""),
        lambda: producer.send_many("orders", []),
        producer.flush,
        producer.fileno,
        producer.metrics,
        member.poll,
        member.commit,
        member.unsubscribe,
        member.wakeup,
        member.fileno,
        lambda: next(iter(member)),
        lambda: reader.seek("orders", 0, 0),
        lambda: reader.position("orders", 0),
        lambda: reader.assign([]),
        reader.assignment,
        lambda: partition.append([b""]),
        transaction.commit,
        lambda: transaction.send("orders", b""),
        mover.begin_transaction,
        append.commit,
        lambda: list(stream),
        lambda: table["k"],
        lambda: snapshot.end_offset("orders", 0),
    ]
    children = [producer, member, reader, partition, transaction, mover, append, stream, table]
    for child in [*children, snapshot]:
        child.close()
        child.close()
        assert child.closed
        with pytest.raises(ottla.Closed):
            child.__enter__()
    for use in uses:
        with pytest.raises(ottla.Closed, match="closed"):
            use()
    full.close()
    full.close()
    for name in ("orders", "nowhere"):
        with pytest.raises(ottla.Closed, match="the broker was closed"):
            full.describe_topic(name)
    with pytest.raises(ottla.Closed):
        everything(full)


NOT_TEXT: List[Any] = [None, 1, 1.5, b"orders", [], {}, object(), ("orders",)]


@pytest.mark.parametrize("wrong", NOT_TEXT)
def test_what_is_no_text(full: ottla.Broker, wrong: Any) -> None:
    producer = full.producer()
    for use in (
        lambda: full.create_topic(wrong),
        lambda: full.describe_topic(wrong),
        lambda: producer.send(wrong, b""),
        lambda: full.consumer([wrong], group="kitchen"),
        lambda: full.consumer(assign=[(wrong, 0)]),
        lambda: full.table(wrong),
        lambda: full.snapshot([wrong]),
        lambda: full.partition(wrong, 0),
    ):
        with pytest.raises(TypeError):
            use()


@pytest.mark.parametrize("wrong", ["\ud800", "a\udfffb", "\udc80"])
def test_surrogates_without_a_partner(full: ottla.Broker, wrong: str) -> None:
    producer = full.producer()
    for use in (
        lambda: full.create_topic(wrong),
        lambda: producer.send(wrong, b""),
        lambda: producer.send("orders", wrong),
        lambda: producer.send("orders", b"", key=wrong),
        lambda: producer.send("orders", b"", headers={wrong: b""}),
        lambda: full.consumer(wrong, group="kitchen"),
        lambda: full.consumer("orders", group=wrong),
        lambda: full.stream("by-key", wrong),
        lambda: full.producer({wrong: "1"}),
        lambda: full.producer({"acks": wrong}),
    ):
        with pytest.raises((UnicodeEncodeError, ottla.InvalidInput)):
            use()
    # Nothing of it was sent.
    assert sum(one.end_offset for one in full.describe_topic("orders").partitions) == 20


def test_zero_bytes_in_names(full: ottla.Broker) -> None:
    for use in (
        lambda: full.create_topic("a\0b"),
        lambda: full.consumer("orders", group="a\0b"),
        lambda: full.producer(acks="all\0"),
        lambda: ottla.open("a\0b"),
        lambda: ottla.open(b"a\0b"),
    ):
        with pytest.raises(ottla.InvalidInput, match="zero byte"):
            use()


WRONG_NUMBERS: List[Any] = [1 << 31, 1 << 63, 1 << 64, 1 << 200, -(1 << 200), "0", None, 1.5, []]


@pytest.mark.parametrize("wrong", WRONG_NUMBERS)
def test_numbers_that_are_none(full: ottla.Broker, wrong: Any) -> None:
    consumer = full.consumer(assign=[("orders", 0)])
    refused = (TypeError, OverflowError, ottla.OttlaError)
    for use in (
        lambda: full.create_topic("new", partitions=wrong),
        lambda: full.add_partitions("orders", wrong),
        lambda: full.partition("orders", wrong),
        lambda: full.consumer(assign=[("orders", wrong)]),
        lambda: consumer.position("orders", wrong),
        lambda: consumer.seek("orders", wrong, 0),
        lambda: full.snapshot().end_offset("orders", wrong),
    ):
        with pytest.raises(refused):
            use()
    for use in (
        lambda: consumer.seek("orders", 0, wrong),
        lambda: consumer.commit({("orders", 0): wrong}),
        lambda: full.transaction().expect_end("orders", 0, wrong),
        lambda: consumer.offsets_for_times({("orders", 0): wrong}),
    ):
        # An offset may be large.
        if wrong != 1 << 31:
            with pytest.raises((*refused, AttributeError)):
                use()
    assert [one.partition for one in full.describe_topic("orders").partitions] == [0, 1, 2]


@pytest.mark.parametrize("wrong", [1, 1.5, [], {}, object(), ("k",), ("k", 1), (1, "v"), [b"v"]])
def test_what_is_no_record(full: ottla.Broker, wrong: Any) -> None:
    producer, transaction = full.producer(), full.transaction()
    for use in (
        lambda: producer.send_many("orders", [b"good", wrong]),
        lambda: transaction.send_many("orders", [wrong]),
        lambda: full.partition("orders", 0).append([wrong]),
    ):
        with pytest.raises((TypeError, ValueError)):
            use()
    producer.flush()
    assert sum(one.end_offset for one in full.describe_topic("orders").partitions) == 20


@pytest.mark.parametrize("wrong", [1, object(), [1], [b"x"], {"a": 1}, [("a", "b", "c")]])
def test_what_are_no_headers(full: ottla.Broker, wrong: Any) -> None:
    producer = full.producer()
    with pytest.raises((TypeError, ValueError)):
        producer.send("orders", b"", headers=wrong)


@pytest.mark.parametrize("wrong", [5, "acks=1", [("acks",)], {"acks": None}, {1: "1"}])
def test_settings_of_wrong_types(full: ottla.Broker, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        full.producer(wrong)


def test_iterators_that_raise_or_meddle(full: ottla.Broker) -> None:
    producer = full.producer()

    def failing() -> Any:
        yield b"one"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        producer.send_many("orders", failing())

    def closing() -> Any:
        yield b"one"
        producer.close()

    with pytest.raises(ottla.Closed):
        producer.send_many("orders", closing())

    records: List[Any] = [bytearray(b"x")]

    class Growing:
        """Changes the list while it is looked at."""

        def __iter__(self) -> Any:
            for record in records:
                if len(records) < 100:
                    records.append(bytearray(b"y"))
                yield record

    with full.producer() as other:
        assert len(other.send_many("orders", Growing()).result()) == 100


def test_bytes_that_change_and_die(full: ottla.Broker) -> None:
    value = bytearray(b"before")
    with full.producer(linger_ms=60_000) as producer:
        delivery = producer.send("orders", memoryview(value), partition=0)
        value[:] = b"after!"
        value.clear()
        del value
        gc.collect()
        offset = delivery.result().offset
    consumer = full.consumer(assign=[("orders", 0)])
    consumer.seek("orders", 0, offset)
    assert consumer.poll(10)[0].value_bytes() == b"before"
    with pytest.raises((TypeError, BufferError, ValueError)):
        released = memoryview(b"x")
        released.release()
        full.producer().send("orders", released)


def test_records_outlive_everything(full: ottla.Broker) -> None:
    consumer = full.consumer("orders", group="kitchen", auto_offset_reset="earliest")
    records = consumer.poll(10)
    assert len(records) > 0
    values = [record.value for record in records]
    copies = [bytes(record) for record in records]
    first = records[0]
    consumer.close()
    full.close()
    del consumer, records
    gc.collect()
    assert [bytes(value or b"") for value in values] == copies
    assert (first.topic, first.key_bytes(), first.headers) == ("orders", b"k", [])


def test_garbage_in_any_order(tmp_path: Path) -> None:
    held = [list(range(10)), list(range(9, -1, -1)), [5, 0, 9, 2, 7, 4, 1, 8, 3, 6]]
    for order in held:
        broker = ottla.open(tmp_path)
        broker.ensure_topic("orders")
        broker.ensure_topic("by-key", ottla_key_index=True)
        children = everything(broker)
        delivery = children[0].send("orders", b"x")
        # The broker first: what was made of it keeps it.
        del broker
        gc.collect()
        delivery.result(10)
        for at in order:
            children[at] = None
            gc.collect()
    with ottla.open(tmp_path) as broker:
        assert broker.describe_topic("orders").partitions[0].end_offset == len(held)


def test_circles(tmp_path: Path) -> None:
    class Program:
        """Knows what knows it."""

        def __init__(self, broker: ottla.Broker) -> None:
            self.broker = broker
            self.children: List[Any] = everything(broker)
            self.consumer = broker.consumer(
                "orders", group="other", on_assigned=self.rebalanced, on_revoked=self.rebalanced
            )
            self.producer = broker.producer(partitioner=self.choose)
            self.producer.send("orders", b"x").result()
            self.consumer.poll(0.01)
            self.me = self

        def choose(self, *_record: Any) -> int:
            return 0

        def rebalanced(self, consumer: ottla.Consumer, _partitions: Any) -> None:
            self.last = consumer

    for _ in range(5):
        broker = ottla.open(tmp_path)
        broker.ensure_topic("orders")
        broker.ensure_topic("by-key", ottla_key_index=True)
        program = Program(broker)
        del broker, program
        gc.collect()
        # It was closed, not only forgotten: else it would be locked.
        with ottla.open(tmp_path) as again:
            assert again.topics()


def test_threads_that_use_one_consumer(full: ottla.Broker) -> None:
    consumer = full.consumer("orders", group="kitchen", auto_offset_reset="earliest")
    seen: List[bytes] = []
    raised: List[BaseException] = []

    def use() -> None:
        for _ in range(200):
            try:
                seen.extend(bytes(record) for record in consumer.poll(0.001))
                consumer.commit()
            except ottla.ConcurrentUse:
                pass
            except BaseException as error:
                raised.append(error)
                return

    run(*[use] * 4)
    assert raised == []
    assert sorted(seen) == sorted(b"%d" % n for n in range(20))


def run(*works: Callable[[], Any], seconds: float = 60) -> None:
    """All at the same time; a deadlock is a failure."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), "deadlock"


def test_callbacks_raise_and_use_the_consumer(full: ottla.Broker) -> None:
    told: List[str] = []

    def assigned(consumer: ottla.Consumer, partitions: List[ottla.TopicPartition]) -> None:
        told.append("assigned")
        assert consumer.assignment() == partitions
        for partition in partitions:
            consumer.seek(*partition, consumer.position(*partition))
            consumer.lag(*partition)
        consumer.pause(partitions)
        consumer.resume(partitions)
        consumer.commit()
        for refused in (consumer.poll, consumer.unsubscribe, lambda: consumer.subscribe("orders")):
            with pytest.raises(ottla.OttlaError):
                refused()
        raise LookupError("mine")

    def revoked(consumer: ottla.Consumer, _partitions: List[ottla.TopicPartition]) -> None:
        told.append("revoked")
        consumer.commit()
        raise SystemExit("from a callback")

    consumer = full.consumer(
        "orders",
        group="kitchen",
        auto_offset_reset="earliest",
        on_assigned=assigned,
        on_revoked=revoked,
    )
    with pytest.raises(LookupError, match="mine"):
        consumer.poll(10)
    assert len(list(consumer.records(idle=0.1))) == 20
    with pytest.raises(SystemExit):
        consumer.close()
    assert consumer.closed and told == ["assigned", "revoked"]


def test_the_interpreters_lock_and_the_librarys(full: ottla.Broker) -> None:
    """Producers, consumers that come and go, and callbacks, from many threads."""
    stop = threading.Event()
    raised: List[BaseException] = []

    def guarded(work: Callable[[], Any]) -> Callable[[], None]:
        def loop() -> None:
            while not stop.is_set():
                try:
                    work()
                except ottla.Closed:
                    return
                except BaseException as error:
                    raised.append(error)
                    return

        return loop

    def produce() -> None:
        with full.producer(linger_ms=1) as producer:
            for _ in range(20):
                producer.send_many("orders", [b"x"] * 10)
            producer.send("orders", b"y").result()

    def consume() -> None:
        def moved(consumer: ottla.Consumer, _partitions: Any) -> None:
            consumer.commit()
            gc.collect()

        with full.consumer(
            "orders",
            group="kitchen",
            auto_offset_reset="earliest",
            on_assigned=moved,
            on_revoked=moved,
        ) as consumer:
            for _ in range(5):
                for record in consumer.poll(0.01):
                    bytes(record)
                consumer.commit()

    def transact() -> None:
        with full.transaction() as transaction:
            transaction.send_many("orders", [b"z"] * 3)

    works = [guarded(work) for work in (produce, produce, consume, consume, consume, transact)]
    timer = threading.Timer(2.0, stop.set)
    timer.start()
    run(*works)
    assert raised == []


def test_closing_under_threads() -> None:
    for _ in range(10):
        broker = ottla.open(":memory:")
        broker.create_topic("orders", partitions=3)
        producer = broker.producer()
        consumer = broker.consumer("orders", group="kitchen")
        raised: List[BaseException] = []

        def until_closed(work: Callable[[], Any]) -> Callable[[], None]:
            def loop() -> None:
                try:
                    while True:
                        work()
                except ottla.Closed:
                    pass
                except BaseException as error:
                    raised.append(error)

            return loop

        threads = [
            threading.Thread(target=until_closed(work), daemon=True)
            for work in (
                lambda: producer.send("orders", b"x").result(),
                lambda: consumer.poll(None),
                lambda: broker.topics(),
                lambda: list(broker.snapshot().read("orders", 0)),
            )
        ]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.02)
        broker.close()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert raised == []


def test_a_thousand_opens_leave_nothing() -> None:
    def left() -> "tuple[int, int, int]":
        gc.collect()
        status = Path("/proc/self/status").read_text()
        threads = int(status.split("Threads:")[1].split()[0])
        resident = int(status.split("VmRSS:")[1].split()[0])
        return threads, len(list(Path("/proc/self/fd").iterdir())), resident

    def once() -> None:
        with ottla.open(":memory:") as broker:
            broker.create_topic("orders")
            producer = broker.producer()
            producer.send("orders", b"x" * 1000).result()
            producer.fileno()
            consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
            consumer.fileno()
            assert len(consumer.poll(10)) == 1
            consumer.commit()

    if not Path("/proc/self/status").exists():
        pytest.skip("counts in /proc")
    for _ in range(100):
        once()
    before = left()
    for _ in range(1000):
        once()
    after = left()
    assert after[:2] == before[:2]
    # A megabyte in a thousand is no leak of an object each: those have kilobytes.
    assert after[2] - before[2] < 4096, (before, after)
