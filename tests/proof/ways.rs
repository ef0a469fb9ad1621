//! The harnesses that planted bugs are shown to, and the bugs that each is known to see.

use crate::sightings::Way;

/// A test in an optimised build that holds the bugs.
macro_rules! planted {
    ($($word:literal),*) => {
        &[
            "cargo", "test", "--locked", "--profile", "proof", "--target-dir", "target/plant",
            $($word),*
        ]
    };
}

/// All of them.
#[rustfmt::skip]
pub const WAYS: &[Way] = &[
    Way {
        layer: "simulation",
        command: planted!("-p", "ottla-simulation", "--test", "simulation", "--", "--nocapture", "planted"),
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "groups",
        command: planted!("--features", "sim", "--test", "groups", "--", "--nocapture", "planted"),
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "compaction",
        command: planted!("--lib", "--", "--nocapture", "--test-threads=1", "compact::model::planted", "planted_bugs_of_tables", "stream::tests::model::planted"),
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "races",
        command: &[".ci/run", "races", "--nocapture", "planted"],
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "components",
        command: planted!("--features", "sim", "--lib", "--", "--skip", "planted", "--skip", "model", "--skip", "tables"),
        environment: &[],
        bugs: &[
            "absent_for_ever", "ack_before_sync", "acked_unwritten", "checkpoint_without_sync",
            "commit_not_fenced", "condition_asked_early", "control_before_swap_names",
            "control_name_not_secured", "cut_before_offsets", "cut_on_eio",
            "file_begun_without_sync", "frame_before_spill_sync", "groups_not_waited_for",
            "growth_unnoticed", "index_trusted", "journal_recycled_early",
            "last_empty_batch_dropped", "lock_not_taken", "mark_cleared_before_waiting",
            "marker_first", "no_directory_sync", "no_sync_at_roll", "nobody_called",
            "nonce_not_compared", "offset_before_its_data", "offsets_expire_early",
            "offsets_outlive_their_topic", "poison_forgotten", "producers_not_recovered",
            "published_before_applied", "quarantine_skipped", "record_before_folders",
            "refused_batches_dropped", "retried_sync",
        ],
    },
    Way {
        layer: "exhaustive",
        command: planted!("-p", "ottla-simulation", "--test", "exhaustive", "--", "--nocapture"),
        environment: &[("OTTLA_EXHAUSTIVE_LENGTH", "1"), ("OTTLA_SEED", "5")],
        bugs: &[
            "no_directory_sync", "no_sync_at_roll", "ack_before_sync", "stale_frame_accepted",
            "same_salt", "checkpoint_without_sync", "tail_kept_as_it_is",
            "right_looking_bytes_trusted", "record_before_folders", "producers_not_recovered",
            "offset_before_its_data", "marker_first", "removed_names_trusted",
            "control_name_not_secured", "newest_frame_not_secured", "index_trusted",
            "unlinked_before_log_start", "ids_lost_before_names", "cut_before_offsets",
            "offsets_in_a_frame_of_their_own", "frame_before_spill_sync", "spill_without_name",
            "spill_removed_early", "spills_removed_before_session", "sources_removed_early",
            "control_before_swap_names", "swap_names_not_synced", "swap_finished_unasked",
        ],
    },
    Way {
        layer: "exhaustive",
        command: planted!("-p", "ottla-simulation", "--test", "exhaustive", "--", "--nocapture"),
        environment: &[("OTTLA_EXHAUSTIVE_LENGTH", "2"), ("OTTLA_SEED", "5")],
        bugs: &[
            "quarantine_skipped", "tail_not_synced_before_frame", "offsets_outlive_their_topic",
            "spill_removed_before_control",
        ],
    },
    Way {
        layer: "errors",
        command: planted!("-p", "ottla-simulation", "--test", "errors", "--", "--nocapture"),
        environment: &[("OTTLA_ERROR_RUNS", "600"), ("OTTLA_SEED", "7")],
        bugs: &[
            "no_directory_sync", "no_sync_at_roll", "ack_before_sync", "retried_sync",
            "same_salt", "stale_frame_accepted", "tail_not_synced_before_frame",
            "journal_recycled_early", "checkpoint_without_sync", "marker_first",
            "tail_kept_as_it_is", "right_looking_bytes_trusted", "removed_names_trusted",
            "cut_on_eio", "quarantine_skipped", "record_before_folders",
            "unlinked_before_log_start", "segments_removed_at_once", "producers_not_recovered",
            "offset_before_its_data", "cut_before_offsets", "offsets_outlive_their_topic",
            "offset_shown_before_sync", "offsets_in_a_frame_of_their_own",
            "frame_before_spill_sync", "spill_without_name", "spill_removed_early",
            "acked_unwritten", "poison_forgotten", "shown_before_sync", "sources_removed_early",
            "swap_names_not_synced", "control_before_swap_names", "short_write_believed",
            "interrupted_not_resumed", "space_not_reserved", "descriptors_end_the_session",
            "memory_behind_the_commit", "retention_by_wall_clock",
        ],
    },
    Way {
        layer: "fuzz",
        command: planted!("-p", "ottla-fuzz-targets", "--test", "replay"),
        environment: &[("OTTLA_FUZZ_TARGET", "api_crashes"), ("OTTLA_FUZZ_RUNS", "1000"), ("OTTLA_SEED", "7")],
        bugs: &[
            "ack_before_sync", "acked_unwritten", "checkpoint_without_sync", "no_directory_sync",
            "no_sync_at_roll", "same_salt", "stale_frame_accepted",
            "tail_not_synced_before_frame", "journal_recycled_early", "marker_first",
            "tail_kept_as_it_is", "right_looking_bytes_trusted", "unlinked_before_log_start",
            "producers_not_recovered", "offset_before_its_data",
            "offsets_in_a_frame_of_their_own", "frame_before_spill_sync", "spill_removed_early",
            "offsets_outlive_their_topic", "quarantine_skipped", "cut_before_offsets",
        ],
    },
    Way {
        layer: "fuzz",
        command: planted!("-p", "ottla-fuzz-targets", "--test", "replay"),
        environment: &[("OTTLA_FUZZ_TARGET", "api_faults"), ("OTTLA_FUZZ_RUNS", "1000"), ("OTTLA_SEED", "7")],
        bugs: &["cut_on_eio"],
    },
    Way {
        layer: "fuzz",
        command: planted!("-p", "ottla-fuzz-targets", "--test", "replay"),
        environment: &[("OTTLA_FUZZ_TARGET", "compaction"), ("OTTLA_FUZZ_RUNS", "1000"), ("OTTLA_SEED", "7")],
        bugs: &["tombstones_go_at_once"],
    },
    Way {
        layer: "fuzz",
        command: planted!("-p", "ottla-fuzz-targets", "--test", "replay"),
        environment: &[("OTTLA_FUZZ_TARGET", "directory"), ("OTTLA_FUZZ_RUNS", "1000"), ("OTTLA_SEED", "7")],
        bugs: &["checksums_not_looked_at"],
    },
    Way {
        layer: "flips",
        command: planted!("-p", "ottla-flips", "--", "--nocapture"),
        environment: &[("OTTLA_FLIPS", "500"), ("OTTLA_SEED", "11")],
        bugs: &[
            "any_log_recognised", "checksums_not_looked_at", "end_of_a_cut_log_believed",
            "holes_believed", "index_trusted", "keys_of_any_log", "lengths_not_looked_at",
            "small_files_trusted", "times_of_any_batch", "verify_trusts_headers",
            "verify_trusts_indexes",
        ],
    },
    Way {
        layer: "stress",
        command: planted!("-p", "ottla-stress"),
        environment: &[("OTTLA_STRESS_SECONDS", "30")],
        bugs: &[
            "ends_one_by_one", "published_before_applied", "condition_asked_early",
            "position_noted_late", "appends_not_waited_for", "taken_from_its_owner",
            "released_before_listener", "freed_under_a_commit", "acked_when_queued",
            "cut_before_offsets", "stale_generation_committed", "leader_not_passed",
            "fenced_producer_commits", "ended_under_its_commit", "snapshot_end_by_end",
            "offsets_in_a_frame_of_their_own", "woken_before_the_end",
            "mark_cleared_before_waiting", "leadership_laid_down_late",
            "looked_before_registering", "looked_before_watching", "looked_before_saying_so",
            "nobody_called", "table_looks_before_registering", "panic_tells_nobody",
            "failed_group_not_told", "woken_before_the_call", "lock_given_up_early",
            "looked_before_the_lock", "version_without_staged", "spill_removed_early",
            "frame_before_spill_sync",
        ],
    },
    Way {
        layer: "stress",
        command: planted!("-p", "ottla-stress", "a_snapshot_is_read"),
        environment: &[("OTTLA_STRESS_SECONDS", "2400")],
        bugs: &["files_removed_under_readers"],
    },
    Way {
        layer: "stress",
        command: planted!("-p", "ottla-stress", "a_close_ends_compaction"),
        environment: &[("OTTLA_STRESS_SECONDS", "2400")],
        bugs: &["round_not_waited_for"],
    },
    Way {
        layer: "traces",
        command: &["tests/outside/run", "traces", "--runs", "60"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &[
            "ack_before_sync", "acked_unwritten", "checkpoint_without_sync",
            "record_before_folders", "no_directory_sync", "no_sync_at_roll",
            "tail_not_synced_before_frame", "marker_first", "same_salt", "tail_kept_as_it_is",
            "frame_before_spill_sync", "offset_before_its_data", "journal_recycled_early",
            "spill_removed_early", "spills_removed_before_session",
            "spill_removed_before_control", "offsets_in_a_frame_of_their_own",
            "stale_frame_accepted",
        ],
    },
    Way {
        layer: "power-ext4",
        command: &["tests/outside/run", "power-cut", "--file-system", "ext4", "--cycles", "300", "--renew", "25", "--life", "30000"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &[
            "ack_before_sync", "acked_unwritten", "tail_not_synced_before_frame",
            "journal_recycled_early", "same_salt", "offsets_in_a_frame_of_their_own",
            "frame_before_spill_sync", "no_sync_at_roll", "tail_kept_as_it_is",
            "producers_not_recovered", "checkpoint_without_sync", "spill_removed_early",
        ],
    },
    Way {
        layer: "kill",
        command: &["tests/outside/run", "kill", "--cycles", "1000", "--renew", "60", "--life", "15000"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &["acked_unwritten", "offsets_in_a_frame_of_their_own", "producers_not_recovered"],
    },
    Way {
        layer: "clock",
        command: &["tests/outside/run", "clock", "--lives", "60"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &["retention_by_wall_clock"],
    },
    Way {
        layer: "full-disk",
        command: &["tests/outside/run", "full-disk", "--rounds", "1"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &["space_not_reserved", "short_write_believed"],
    },
    Way {
        layer: "syscalls",
        command: &["tests/outside/run", "syscalls", "--runs", "400"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &["interrupted_not_resumed", "marker_first", "cut_on_eio"],
    },
    Way {
        layer: "two-processes",
        command: &["tests/outside/run", "two-processes"],
        environment: &[("OTTLA_OUTSIDE_TARGET", "target/plant"), ("OTTLA_SEED", "7")],
        bugs: &["lock_not_taken"],
    },
];
