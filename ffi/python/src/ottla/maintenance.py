"""What keeps a directory in shape: compaction, retention, checkpoints, and what is known of it."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import call, sized, text
from ottla.handle import Handle
from ottla.progress import Progress, ProgressCallback
from ottla.report import RecoveryReport, report_of
from ottla.rows import rows


@dataclass(frozen=True)
class CompactionOutcome:
    """What one round of compaction did to a partition."""

    topic: str
    partition: int
    #: The offset that the round began to collect keys at: all below was cleaned before.
    first_dirty: int
    #: All records below this offset are cleaned now.
    cleaned_to: int
    #: How many different keys there were in between.
    keys: int
    segments_before: int
    segments_after: int
    bytes_before: int
    bytes_after: int
    #: Records that were looked at, markers of transactions not counted.
    records_before: int
    #: Records that stayed.
    records_after: int
    #: Records that went because they have no key.
    keyless_removed: int
    #: Tombstones that went because their time was over.
    tombstones_removed: int


@dataclass(frozen=True)
class RetentionOutcome:
    """What retention deleted in a partition."""

    topic: str
    partition: int
    #: Where the log begins now.
    log_start_offset: int
    segments: int
    bytes: int
    #: Whether some of it went although a group of ``ottla.retention.groups`` had not committed it.
    is_over_cap: bool


@dataclass(frozen=True)
class RetentionHold:
    """What retention keeps of a partition for a group."""

    group: str
    topic: str
    partition: int
    #: What it committed; -1 if nothing: then it needs everything.
    committed: int
    log_start_offset: int
    end_offset: int
    #: The bytes of segments that retention would delete now, but for this group.
    held_bytes: int
    #: The offsets in those segments.
    held_records: int
    #: Whether records went, or will, that this group had not committed.
    is_over_cap: bool


@dataclass(frozen=True)
class SettingDescription:
    """A setting that holds."""

    name: str
    value: str
    #: What it is if it is not set; None for one that this version does not know.
    default_value: Optional[str]
    #: Whether it was set for this topic, or is not the default of an open broker.
    is_set: bool


class Maintenance(Handle):
    """The part of a broker that keeps its directory in shape."""

    __slots__ = ()

    @property
    def is_read_only(self) -> bool:
        """Whether the broker refuses to write."""
        return bool(lib.ottla_broker_is_read_only(self._open()))

    def recovery_report(self) -> RecoveryReport:
        """What opening the directory found and did."""
        place = ffi.new("ottla_report **")
        call(lib.ottla_report_of_broker, self._open(), place)
        return report_of(place[0])

    def checkpoint(self) -> None:
        """Syncs the segments, so that a later crash has less to recover."""
        call(lib.ottla_broker_checkpoint, self._open())

    def tick(self) -> float:
        """Does what is due, if the broker was opened with ``ottla.background=false``. Says in how
        many seconds it wants to be called again."""
        next_ms = ffi.new("int64_t *")
        call(lib.ottla_broker_tick, self._open(), next_ms)
        return float(next_ms[0]) / 1000

    def compact(
        self, topic: str, progress: Optional[ProgressCallback] = None
    ) -> List[CompactionOutcome]:
        """Compacts a topic now: of each key only the newest record stays, in what was written before
        the call. ``progress`` is told bytes done, and about how many there will be."""
        options = sized("ottla_compaction_options")
        told = Progress(progress)
        told.put_into(options)
        place = ffi.new("ottla_compaction **")
        call(lib.ottla_compaction_run, self._open(), text(topic, "the topic"), options, place)
        done = ffi.gc(place[0], lib.ottla_compaction_free)
        told.check()
        count = lib.ottla_compaction_count(done)
        get = lib.ottla_compaction_get
        return rows(CompactionOutcome, "ottla_compaction_outcome", count, get, done)

    def apply_retention(self) -> List[RetentionOutcome]:
        """Deletes what ``retention.ms`` and ``retention.bytes`` of the topics give up, now."""
        place = ffi.new("ottla_retention **")
        call(lib.ottla_retention_run, self._open(), place)
        done = ffi.gc(place[0], lib.ottla_retention_free)
        count = lib.ottla_retention_count(done)
        get = lib.ottla_retention_get
        return rows(RetentionOutcome, "ottla_retention_outcome", count, get, done)

    def retention_holds(self) -> List[RetentionHold]:
        """What retention keeps now for the groups that it waits for."""
        place = ffi.new("ottla_retention_holds **")
        call(lib.ottla_retention_holds_list, self._open(), place)
        holds = ffi.gc(place[0], lib.ottla_retention_holds_free)
        count = lib.ottla_retention_holds_count(holds)
        get = lib.ottla_retention_holds_get
        return rows(RetentionHold, "ottla_retention_hold", count, get, holds)

    def settings(self, topic: Optional[str] = None) -> Dict[str, SettingDescription]:
        """The settings that hold for the broker, or for a topic, by name: those that were made, and
        the defaults of all others."""
        place = ffi.new("ottla_settings **")
        if topic is None:
            call(lib.ottla_settings_of_broker, self._open(), place)
        else:
            call(lib.ottla_settings_of_topic, self._open(), text(topic, "the topic"), place)
        return settings_of(place[0])


def default_settings(noun: str) -> Dict[str, SettingDescription]:
    """The settings that there are: of a "broker", "topic", "producer" or "consumer"."""
    place = ffi.new("ottla_settings **")
    call(lib.ottla_settings_defaults, text(noun, "the noun"), place)
    return settings_of(place[0])


def settings_of(settings: Any) -> Dict[str, SettingDescription]:
    """What an ``ottla_settings *`` lists, which is freed."""
    listed = ffi.gc(settings, lib.ottla_settings_free)
    count = lib.ottla_settings_count(listed)
    get = lib.ottla_settings_get
    found = rows(SettingDescription, "ottla_setting_info", count, get, listed)
    return {setting.name: setting for setting in found}
