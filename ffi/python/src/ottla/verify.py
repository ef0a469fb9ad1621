"""Verifying: everything in a directory read and checked."""

from dataclasses import dataclass
from typing import Any, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import PathLike, call, error_of, path, sized
from ottla.errors import OttlaError
from ottla.progress import Progress, ProgressCallback
from ottla.report import RecoveryReport, report_of
from ottla.rows import row


@dataclass(frozen=True)
class VerifiedPartition:
    """A partition that was read."""

    topic: str
    partition: int
    segments: int
    batches: int
    records: int
    bytes: int
    #: What is wrong with it.
    errors: List[OttlaError]


@dataclass(frozen=True)
class Verification:
    """What is wrong with a directory, if anything is."""

    #: Whether nothing is wrong.
    is_sound: bool
    #: What opening the directory for writing would do.
    recovery: RecoveryReport
    #: The partitions that were read.
    partitions: List[VerifiedPartition]
    #: All that is wrong, with file and position: first what is outside of the partitions.
    errors: List[OttlaError]


def verify(directory: PathLike, progress: Optional[ProgressCallback] = None) -> Verification:
    """Reads and checks everything in a directory: every batch and record, sums, offsets, indexes,
    Kafka's small files. Writes nothing. ``Locked`` while somebody has it open for writing."""
    options = sized("ottla_verify_options")
    told = Progress(progress)
    told.put_into(options)
    place = ffi.new("ottla_verification **")
    call(lib.ottla_verify, path(directory, "the directory"), options, place)
    verification = ffi.gc(place[0], lib.ottla_verification_free)
    told.check()
    report = ffi.new("ottla_report **")
    call(lib.ottla_verification_recovery, verification, report)
    count = lib.ottla_verification_error_count(verification)
    errors = [error(verification, at) for at in range(count)]
    count = lib.ottla_verification_partition_count(verification)
    return Verification(
        is_sound=bool(lib.ottla_verification_is_sound(verification)),
        recovery=report_of(report[0]),
        partitions=[partition(verification, at, errors) for at in range(count)],
        errors=errors,
    )


def error(verification: Any, index: int) -> OttlaError:
    """One thing that is wrong."""
    found = ffi.new("ottla_error **")
    call(lib.ottla_verification_error, verification, index, found)
    return error_of(lib.ottla_error_status(found[0]), found[0])


def partition(verification: Any, index: int, errors: List[OttlaError]) -> VerifiedPartition:
    """One partition."""
    info = sized("ottla_verified_partition")
    call(lib.ottla_verification_partition, verification, index, info)
    own = errors[info.first_error : info.first_error + info.error_count]
    return row(VerifiedPartition, info, errors=own)
