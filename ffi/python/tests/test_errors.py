"""The exceptions are those of the header, no fewer and no more."""

import copy
import errno
import pickle

import pytest

import ottla
from ottla import errors
from ottla._ottla import ffi, lib
from ottla.calls import call, error_of


def test_every_code_has_a_class() -> None:
    kinds = {name[len("OTTLA_E_") :] for name in dir(lib) if name.startswith("OTTLA_E_")}
    # Python has no handle that never was: this one is CLOSED.
    assert kinds - {"INVALID_HANDLE"} == set(errors.CLASS_OF_KIND)
    classes = list(errors.CLASS_OF_KIND.values())
    assert len(set(classes)) == len(classes)
    assert {kind.__name__ for kind in classes} == set(errors.__all__)
    for kind in classes:
        assert issubclass(kind, ottla.OttlaError)
        assert getattr(ottla, kind.__name__) is kind


@pytest.mark.parametrize("kind", sorted(errors.CLASS_OF_KIND))
def test_a_code_becomes_its_exception(kind: str) -> None:
    code = getattr(lib, f"OTTLA_E_{kind}")
    raised = error_of(code, ffi.NULL)
    assert type(raised) is errors.CLASS_OF_KIND[kind]
    assert (raised.code, raised.kind) == (code, kind)
    assert str(raised) == kind.replace("_", " ").lower()


def test_what_another_thread_closed() -> None:
    with ottla.open(":memory:") as broker:
        broker.create_topic("orders")
        freed = [broker.producer(), broker.consumer(assign=[("orders", 0)]), broker.table("orders")]
        nouns = ["producer", "consumer", "table"]
        pointers = [one._pointer for one in freed]
        for one in freed:
            one.close()
        snapshot = broker.snapshot()
        pointers.append(snapshot._pointer)
        nouns.append("snapshot")
        snapshot.close()
        # As if the thread had come between the look at the pointer and the call.
        calls = [
            lambda: call(lib.ottla_producer_flush, pointers[0]),
            lambda: call(lib.ottla_consumer_commit, pointers[1]),
            lambda: call(lib.ottla_table_length, pointers[2], ffi.new("size_t *")),
            lambda: call(lib.ottla_snapshot_end_offsets, pointers[3], ffi.new("ottla_offsets **")),
        ]
        for noun, use in zip(nouns, calls):
            with pytest.raises(ottla.Closed, match=f"^the {noun} was closed$") as raised:
                use()
            assert (type(raised.value), raised.value.kind) == (ottla.Closed, "CLOSED")
            assert raised.value.code == lib.OTTLA_E_CLOSED
    assert str(error_of(lib.OTTLA_E_INVALID_HANDLE, ffi.NULL)) == "the object was closed"


def test_what_python_has_already() -> None:
    assert issubclass(ottla.Timeout, TimeoutError)
    assert issubclass(ottla.InvalidInput, ValueError)
    assert issubclass(ottla.Io, OSError)
    assert ottla.Io("message").errno != errno.EIO
    assert str(ottla.Timeout("the time was up")) == "the time was up"


def test_what_an_error_knows() -> None:
    with ottla.open(":memory:") as broker:
        with pytest.raises(ottla.UnknownTopicOrPartition) as found:
            broker.describe_topic("orders")
    error = found.value
    assert (error.code, error.kind, error.kafka_code) == (-7, "UNKNOWN_TOPIC_OR_PARTITION", 3)
    assert not error.retriable
    assert (error.file, error.position) == (None, None)
    assert "orders" in str(error)


def test_errors_go_to_other_processes() -> None:
    with ottla.open(":memory:") as broker:
        broker.create_topic("orders")
        partition = broker.partition("orders", 0)
        partition.append(["one burger"])
        with pytest.raises(ottla.Conflict) as conflict:
            partition.append(["fries"], expected_end=0)
        with pytest.raises(ottla.OttlaError) as refused:
            broker.producer().send_many("orders", ["fries", (None, "salad", None, 7)])
    for error in (conflict.value, refused.value):
        gone = pickle.loads(pickle.dumps(error))
        assert type(gone) is type(error) and str(gone) == str(error)
        assert (gone.kind, gone.code, gone.taken) == (error.kind, error.code, error.taken)
    assert pickle.loads(pickle.dumps(conflict.value)).actual == 1
    assert conflict.value.records and refused.value.taken == 1
    assert refused.value.deliveries is not None
    told = copy.copy(ottla.Timeout("the time was up"))
    assert isinstance(told, TimeoutError) and str(told) == "the time was up"
