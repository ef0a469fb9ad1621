"""Reports, compaction, retention, verifying, settings."""

import dataclasses
from pathlib import Path
from typing import Any, List, Tuple

import pytest

import ottla
from ottla._ottla import ffi

#: Which dataclass shows which struct, and what it shows otherwise.
SHOWN: List[Tuple[Any, str, List[str]]] = [
    (ottla.PartitionDescription, "ottla_partition_info", []),
    (ottla.RecoveryReport, "ottla_report_info", ["text", "partitions", "damaged", "transactions"]),
    (ottla.RecoveredPartition, "ottla_recovered_partition", ["rebuilt"]),
    (ottla.FinishedTransaction, "ottla_finished_transaction", []),
    (ottla.ClampedOffset, "ottla_clamped_offset", []),
    (ottla.CompactionOutcome, "ottla_compaction_outcome", []),
    (ottla.RetentionOutcome, "ottla_retention_outcome", []),
    (ottla.RetentionHold, "ottla_retention_hold", []),
    (ottla.ProducerState, "ottla_producer_state", []),
    (ottla.GroupListing, "ottla_group_listing", ["member_count"]),
    (
        ottla.GroupDescription,
        "ottla_group_info",
        ["members", "partitions", "rebalance_count", "stall_count", "eviction_count"],
    ),
    (ottla.GroupPartition, "ottla_group_partition_info", []),
    (ottla.MemberDescription, "ottla_group_member_info", []),
    (ottla.OffsetChange, "ottla_offset_change", []),
    (ottla.SettingDescription, "ottla_setting_info", []),
]


@pytest.mark.parametrize(("shown", "struct", "otherwise"), SHOWN)
def test_rows_show_what_the_header_has(shown: Any, struct: str, otherwise: List[str]) -> None:
    in_header = {name for name, _ in ffi.typeof(struct).fields}
    in_header -= {"struct_size", "reserved"}
    in_header = {name for name in in_header if not name.endswith("_count")}
    lists = {"unknown", "removed", "quarantined", "clamped", *otherwise}
    in_python = {field.name for field in dataclasses.fields(shown)}
    assert in_python - lists == in_header


def of_orders(partitions: Any) -> Any:
    """That of the topic: there is one of the catalog, too."""
    (found,) = [partition for partition in partitions if partition.topic == "orders"]
    return found


def test_a_report_of_a_crash(tmp_path: Path) -> None:
    broker = ottla.open(tmp_path)
    assert broker.recovery_report().is_created
    broker.create_topic("orders")
    with broker.partition("orders", 0) as partition:
        partition.append([b"one", b"two"])
    broker.abandon()
    with ottla.open(tmp_path) as broker:
        report = broker.recovery_report()
        assert not report.is_clean and not report.is_created and not report.is_foreign
        assert report.frames_replayed > 0
        assert (report.damaged, report.unknown, report.read_only_because) == ([], [], None)
        assert str(report).startswith("recovered in")
        recovered = of_orders(report.partitions)
        assert (recovered.topic, recovered.partition, recovered.damage) == ("orders", 0, None)


def test_a_sound_and_a_damaged_directory(tmp_path: Path) -> None:
    with ottla.open(tmp_path) as broker:
        broker.create_topic("orders")
        with broker.partition("orders", 0) as partition:
            for _ in range(10):
                partition.append([b"value" * 100])
    told: List[Tuple[int, int]] = []
    found = ottla.verify(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert found.is_sound and found.recovery.is_clean and told
    partition_found = of_orders(found.partitions)
    assert (partition_found.topic, partition_found.batches, partition_found.records) == ("orders", 10, 10)
    log = tmp_path / "orders-0" / "00000000000000000000.log"
    content = bytearray(log.read_bytes())
    content[1000] ^= 1
    log.write_bytes(content)
    found = ottla.verify(tmp_path)
    assert not found.is_sound
    partition_found = of_orders(found.partitions)
    assert partition_found.errors
    error = partition_found.errors[0]
    assert isinstance(error, ottla.Corrupt)
    assert error.topic == "orders" and error.file is not None and error.position is not None
    with pytest.raises(KeyError):
        ottla.verify(tmp_path, progress=lambda done, total: {}["on purpose"])


def test_compaction() -> None:
    with ottla.open(":memory:") as broker:
        broker.create_topic("prices", cleanup_policy="compact")
        with broker.producer() as producer:
            producer.send_many("prices", [(f"k{n % 10}", f"{n}") for n in range(1000)]).result()
        told: List[Tuple[int, int]] = []
        (outcome,) = broker.compact("prices", progress=lambda *bytes: told.append(bytes))
        assert (outcome.topic, outcome.partition, outcome.keys) == ("prices", 0, 10)
        assert (outcome.records_before, outcome.records_after) == (1000, 10)
        assert told
        with broker.partition("prices", 0) as partition:
            assert {bytes(record) for record in partition.read()} == {b"%d" % n for n in range(990, 1000)}


def test_retention() -> None:
    with ottla.open(":memory:") as broker:
        settings = {"retention.bytes": 1 << 20, "segment.bytes": 1 << 20}
        broker.create_topic("orders", config=settings, ottla_retention_groups=["kitchen"])
        with broker.producer() as producer:
            for _ in range(50):
                producer.send_many("orders", [b"x" * 1000] * 100).result()
        (hold,) = broker.retention_holds()
        assert (hold.group, hold.topic, hold.committed) == ("kitchen", "orders", -1)
        assert hold.held_bytes > 0 and not hold.is_over_cap
        assert broker.apply_retention() == []
        broker.consumer(group="kitchen", assign=[("orders", 0)]).commit({("orders", 0): 5000})
        (outcome,) = broker.apply_retention()
        assert outcome.topic == "orders" and outcome.segments > 0 and outcome.log_start_offset > 0


def test_settings_are_told(broker: ottla.Broker) -> None:
    assert not broker.is_read_only
    broker.checkpoint()
    broker.alter_topic("orders", retention_ms=5)
    retention = broker.settings("orders")["retention.ms"]
    assert (retention.value, retention.is_set) == ("5", True)
    assert broker.settings()["num.partitions"].value == "1"
    assert ottla.default_settings("producer")["linger.ms"].name == "linger.ms"
    with pytest.raises(ottla.InvalidInput):
        ottla.default_settings("nothing")


def test_ticking() -> None:
    with ottla.open(":memory:", ottla_background=False) as broker:
        assert 0 <= broker.tick() < 3600
