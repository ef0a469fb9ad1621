"""What opening a directory found and did."""

from dataclasses import dataclass
from typing import Any, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import call, error_of, sized, text_of
from ottla.errors import OttlaError
from ottla.rows import row, rows, texts


@dataclass(frozen=True)
class RecoveredPartition:
    """A partition that had to be looked at."""

    topic: str
    partition: int
    #: Bytes of logs that were read and checked.
    scanned_bytes: int
    #: Batches behind the recovery point that were found sound and kept.
    kept_batches: int
    #: Batches of the journal that were written into the log.
    replayed_batches: int
    #: Batches of the journal that the log held already.
    skipped_batches: int
    #: Bytes that were cut off, zeros included.
    cut_bytes: int
    #: Bytes that were cut off and found no place in quarantine.
    lost_bytes: int
    #: Why the partition is not writable.
    damage: Optional[str]
    #: Files that are not known here; they were left alone.
    unknown: List[str]
    #: Leftovers that were removed.
    removed: List[str]
    #: The files that hold what was cut off.
    quarantined: List[str]
    #: Files that were made anew from the log.
    rebuilt: List[str]


@dataclass(frozen=True)
class FinishedTransaction:
    """A transaction of another program that was finished."""

    topic: str
    partition: int
    producer_id: int
    is_committed: bool


@dataclass(frozen=True)
class ClampedOffset:
    """A committed offset that lay beyond the end of its partition: it was set to the end."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int


@dataclass(frozen=True)
class RecoveryReport:
    """What opening found and did. ``str(report)`` is one line for logs."""

    #: The directory was closed cleanly, by Ottla: nothing had to be looked at.
    is_clean: bool
    #: Another program (a Kafka broker) wrote the directory last.
    is_foreign: bool
    #: The directory was made.
    is_created: bool
    #: Why the broker is read-only although it was not asked to be.
    read_only_because: Optional[str]
    #: Frames of the journal that were applied again.
    frames_replayed: int
    #: Batches of the journal that were written into segments.
    batches_replayed: int
    #: Batches of the journal that belonged to topics deleted since.
    batches_dropped: int
    #: Batches of the journal that damaged partitions could not take.
    batches_refused: int
    #: Committed offsets of topics that are not there any more, taken back.
    offsets_dropped: int
    #: Records in the topic of committed offsets that are none, or of an unknown kind.
    offset_records_skipped: int
    #: Bytes that were cut from the ends of segments.
    bytes_cut: int
    #: Bytes that were read and checked.
    bytes_scanned: int
    #: How long opening took, in microseconds.
    duration_us: int
    #: Partitions that had to be looked at.
    partitions: List[RecoveredPartition]
    #: Why partitions cannot be written: errors with topic and partition.
    damaged: List[OttlaError]
    #: Transactions of other programs that were finished.
    transactions: List[FinishedTransaction]
    #: Committed offsets that were set back.
    clamped: List[ClampedOffset]
    #: Folders and links that do not belong here, left alone.
    unknown: List[str]
    #: Spill files of transactions that were removed.
    removed: List[str]
    #: Files that were set aside.
    quarantined: List[str]
    text: str

    def __str__(self) -> str:
        return self.text


def report_of(report: Any) -> RecoveryReport:
    """What an ``ottla_report *`` says, which is freed."""
    try:
        return read(report)
    finally:
        lib.ottla_report_free(report)


def read(report: Any) -> RecoveryReport:
    """All of a report."""
    info = sized("ottla_report_info")
    call(lib.ottla_report_get, report, info)

    def files(kind: int, count: int) -> List[str]:
        return texts(count, lib.ottla_report_file, report, kind)

    return row(
        RecoveryReport,
        info,
        partitions=[partition(report, at) for at in range(info.partition_count)],
        damaged=[damage(report, at) for at in range(info.damaged_count)],
        transactions=rows(
            FinishedTransaction,
            "ottla_finished_transaction",
            info.transaction_count,
            lib.ottla_report_transaction,
            report,
        ),
        clamped=rows(
            ClampedOffset, "ottla_clamped_offset", info.clamped_count, lib.ottla_report_clamped, report
        ),
        unknown=files(lib.OTTLA_FILES_UNKNOWN, info.unknown_count),
        removed=files(lib.OTTLA_FILES_REMOVED, info.removed_count),
        quarantined=files(lib.OTTLA_FILES_QUARANTINED, info.quarantined_count),
        text=text_of(lib.ottla_report_text(report)),
    )


def partition(report: Any, index: int) -> RecoveredPartition:
    """One partition of a report."""
    info = sized("ottla_recovered_partition")
    call(lib.ottla_report_partition, report, index, info)

    def files(kind: int, count: int) -> List[str]:
        return texts(count, lib.ottla_report_partition_file, report, index, kind)

    return row(
        RecoveredPartition,
        info,
        unknown=files(lib.OTTLA_FILES_UNKNOWN, info.unknown_count),
        removed=files(lib.OTTLA_FILES_REMOVED, info.removed_count),
        quarantined=files(lib.OTTLA_FILES_QUARANTINED, info.quarantined_count),
        rebuilt=files(lib.OTTLA_FILES_REBUILT, info.rebuilt_count),
    )


def damage(report: Any, index: int) -> OttlaError:
    """Why one partition cannot be written."""
    topic = ffi.new("char **")
    number = ffi.new("int32_t *")
    found = ffi.new("ottla_error **")
    call(lib.ottla_report_damaged, report, index, topic, number, found)
    error = error_of(lib.ottla_error_status(found[0]), found[0])
    error.topic, error.partition = text_of(topic[0]), int(number[0])
    return error
