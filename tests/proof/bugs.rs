//! The bugs that are planted in a build with `--cfg plant`, to see harnesses go red. Each place in
//! the sources that says `planted!("name")` stands here; a test compares.

/// A planted bug.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// As `planted!` and `OTTLA_PLANTED` name it.
    pub name: &'static str,
    /// The fault against which it breaks the promise.
    pub fault: &'static str,
    /// What it does.
    pub does: &'static str,
}

const fn bug(name: &'static str, fault: &'static str, does: &'static str) -> Bug {
    Bug { name, fault, does }
}

/// All of them, by name.
#[rustfmt::skip]
pub const BUGS: &[Bug] = &[
    bug("aborted_of_the_map_only", "F0", "aborted transactions are looked up only as far as the map knows keys"),
    bug("absent_for_ever", "F25", "the place of a static member is never given up"),
    bug("ack_before_sync", "F2", "acks=all is given before the journal is synced"),
    bug("acked_unwritten", "F1", "an `acks=1` append is acked and not written"),
    bug("acked_when_queued", "F28", "a commit of offsets is told when it is queued"),
    bug("any_log_recognised", "F11", "a log is read without a look whether it is the one that was there"),
    bug("appends_not_waited_for", "F25", "letting go of a directory does not wait for an append under way"),
    bug("checkpoint_without_sync", "F2", "the control file says synced, and nothing was"),
    bug("checksums_not_looked_at", "F9", "batches are returned without a look at their checksums"),
    bug("commit_not_fenced", "F28", "a member commits what it does not own"),
    bug("committed_before_returned", "F28", "an automatic commit contains what the same poll returns"),
    bug("condition_asked_early", "F25", "a condition is asked before the locks of the partitions are taken"),
    bug("control_before_swap_names", "F3", "the control file lists new segments whose names are not there yet"),
    bug("control_name_not_secured", "F3", "recovery goes by a control file whose name may not be durable"),
    bug("cut_before_offsets", "F28", "a log is cut, and offsets stay behind the cut"),
    bug("cut_on_eio", "F7", "a read error is taken for the end of a log"),
    bug("descriptors_end_the_session", "F18", "a checkpoint that cannot open a file ends the session"),
    bug("end_of_a_cut_log_believed", "F12", "what is missing of a log that was cut is passed over"),
    bug("ended_under_its_commit", "F27", "an abort or a time-out ends a transaction that is being committed"),
    bug("ends_one_by_one", "F27", "the ends of a commit are stored without the section around them"),
    bug("failed_frame_not_erased", "F6", "a frame whose write failed is left where it is"),
    bug("failed_group_not_told", "F5", "the group of a failed sync is not told"),
    bug("fenced_producer_commits", "F26", "a commit is not asked whether its producer is fenced"),
    bug("file_begun_without_sync", "F2", "a commit that came to nothing leaves a journal file whose header is not synced"),
    bug("files_removed_under_readers", "F25", "the files of deleted segments go at once"),
    bug("frame_before_spill_sync", "F2", "a frame names a spill that is not synced"),
    bug("freed_under_a_commit", "F28", "a partition is free while its last owner's commit is under way"),
    bug("full_map_goes_on", "F0", "a key for which there was no room is taken for known"),
    bug("groups_not_waited_for", "F0", "retention deletes what a named group has not committed"),
    bug("growth_unnoticed", "F25", "new partitions do not make a group think again"),
    bug("holes_believed", "F9", "where offsets have holes any base offset is believed"),
    bug("idle_markers_go_at_once", "F0", "a marker goes with the last of its data"),
    bug("ids_lost_before_names", "F3", "folders of deleted topics lose their files before their new names are durable"),
    bug("index_trusted", "F10", "the sums of index files are not looked at"),
    bug("interrupted_not_resumed", "F8", "an interrupted read or write is an error"),
    bug("journal_recycled_early", "F2", "journal files are overwritten before a checkpoint"),
    bug("keys_not_taken_back", "F6", "a failed append stays in the index"),
    bug("keys_of_any_log", "F9", "a key index is made of a log that is not as it was written"),
    bug("last_empty_batch_dropped", "F0", "the last batch of a new segment is not kept"),
    bug("last_word_dropped", "F26", "the last batch of a producer is not kept"),
    bug("leader_not_passed", "F26", "a newer transactional producer does not wait for the commit that was asked before"),
    bug("leadership_laid_down_late", "F25", "a leader lays the leadership down some time after it found the queue empty"),
    bug("lengths_not_looked_at", "F12", "the lengths of logs are not held against the control file"),
    bug("lock_given_up_early", "F25", "a close gives the directory's lock up before it is done"),
    bug("lock_not_taken", "F15", "the lock of the directory is not asked for"),
    bug("looked_before_registering", "F25", "a consumer looks for news before it registers"),
    bug("looked_before_saying_so", "F25", "a member looks whether there is something to do before it says that it waits"),
    bug("looked_before_the_lock", "F25", "whether a batch is decided is asked before the lock that the answer needs"),
    bug("looked_before_watching", "F25", "a consumer that a loop waits for looks for news before it registers"),
    bug("loop_wake_forgotten", "F25", "the maintenance thread forgets a wake-up that came before it waited"),
    bug("mark_cleared_before_waiting", "F25", "a wake-up between the look and the wait is forgotten"),
    bug("marker_first", "F2", "the clean marker is written before the segments are closed"),
    bug("markers_are_records", "F0", "markers are taken for keyed records, and the newest of a kind stays"),
    bug("memory_behind_the_commit", "F19", "a commit fails for want of memory behind its commit point"),
    bug("newest_frame_not_secured", "F2", "recovery applies a frame that may not be durable"),
    bug("no_directory_sync", "F3", "a new segment is written before its folder is synced"),
    bug("no_sync_at_roll", "F2", "a full segment is not synced when the next one is made"),
    bug("nobody_called", "F25", "a stale assignment wakes none of the members that wait"),
    bug("nonce_not_compared", "F10", "what another program closed is taken for our own close"),
    bug("offset_before_its_data", "F28", "an offset is committed before the data below it is synced"),
    bug("offset_shown_before_sync", "F28", "the table takes an offset before the frame is synced"),
    bug("offsets_expire_early", "F28", "offsets expire after half of their time"),
    bug("offsets_in_a_frame_of_their_own", "F27", "the offsets of a transaction follow its records in another frame"),
    bug("offsets_outlive_their_topic", "F28", "a topic is deleted without its offsets"),
    bug("panic_tells_nobody", "F22", "a leader that panics tells nobody"),
    bug("poison_forgotten", "F5", "writers go on after a failed sync of the journal"),
    bug("position_noted_late", "F2", "a checkpoint notes the place in the journal after it has synced"),
    bug("producers_not_recovered", "F26", "recovery does not note whose batches it finds"),
    bug("published_before_applied", "F25", "ends are stored before the batches are in the segments"),
    bug("quarantine_skipped", "F4", "bytes are cut without a copy"),
    bug("record_before_folders", "F3", "a topic is committed before its folders are synced"),
    bug("refused_batches_dropped", "F13", "batches that a damaged partition cannot take are forgotten"),
    bug("released_before_listener", "F25", "a partition is released before the listener is told"),
    bug("removed_names_trusted", "F3", "recovery does not sync the folders"),
    bug("retention_by_wall_clock", "F14", "retention trusts a clock that jumped"),
    bug("retried_sync", "F5", "a failed sync of the journal is tried again, and believed"),
    bug("right_looking_bytes_trusted", "F2", "recovery syncs what looks right, and does not write it again"),
    bug("round_not_waited_for", "F25", "a close does not wait for a round of compaction"),
    bug("same_salt", "F2", "every session has the same salt"),
    bug("segments_removed_at_once", "F4", "segments that are cut off are removed without a sync in between"),
    bug("short_write_believed", "F8", "a write that was cut short is taken for a whole one"),
    bug("shown_before_sync", "F2", "readers see the ends of a commit before its frame is synced"),
    bug("small_files_trusted", "F10", "small files are not held against the sums of the last close"),
    bug("snapshot_end_by_end", "F27", "a snapshot takes its ends without the section"),
    bug("sources_removed_early", "F4", "the old segments go before the control file lists the new ones"),
    bug("space_not_reserved", "F6", "space in a log is not reserved before the commit point"),
    bug("spill_removed_before_control", "F4", "a spill goes before the control file says that it is not needed"),
    bug("spill_removed_early", "F4", "a spill goes when its transaction is committed"),
    bug("spill_without_name", "F3", "a spill is synced, its name is not"),
    bug("spills_removed_before_session", "F4", "recovery removes spills before the session has a salt of its own"),
    bug("stale_frame_accepted", "F2", "neither LSN nor chained sum of a frame are looked at"),
    bug("stale_generation_committed", "F27", "a transaction commits offsets of a partition that its member has lost since"),
    bug("stale_key_index_trusted", "F10", "a file of the index is believed whatever log it names"),
    bug("swap_finished_unasked", "F4", "recovery finishes a swap although the control file lists the old segments"),
    bug("swap_names_not_synced", "F3", "it lists new segments whose names may go with the power"),
    bug("table_ahead_of_compaction", "F0", "a table goes on behind a compaction that removed what it had not read"),
    bug("table_behind_a_cut", "F0", "a table keeps what was cut off"),
    bug("table_looks_before_registering", "F25", "a table looks for news before it registers"),
    bug("tail_kept_as_it_is", "F2", "recovery keeps the tail without writing and syncing it"),
    bug("tail_not_synced_before_frame", "F2", "a frame follows acks=1 bytes that are not synced"),
    bug("taken_from_its_owner", "F25", "a member takes what another one has not released"),
    bug("times_of_any_batch", "F9", "a search by time believes any base offset"),
    bug("tombstones_go_at_once", "F0", "a tombstone goes before its time is over"),
    bug("unknown_keys_cleaned", "F0", "records behind the last key that the map knows are cleaned, too"),
    bug("unlinked_before_log_start", "F4", "segments go before the log start is durable"),
    bug("verify_trusts_headers", "F9", "verify does not sum what the checksums of batches leave out"),
    bug("verify_trusts_indexes", "F10", "verify does not look at index files"),
    bug("version_without_staged", "F27", "a condition does not see what its own group has staged"),
    bug("window_not_restored_on_undo", "F26", "a batch whose commit failed is taken for one that is there"),
    bug("woken_before_the_call", "F25", "a poll is woken before it is told why"),
    bug("woken_before_the_end", "F25", "waiters are woken before the new end is stored"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::faults::fault_of;

    #[expect(clippy::disallowed_methods, reason = "looks at the sources")]
    fn planted_below(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                planted_below(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                for rest in text.split("planted!(\"").skip(1) {
                    names.insert(rest.split('"').next().unwrap_or_default().to_owned());
                }
            }
        }
    }

    #[test]
    fn the_list_has_what_is_planted_and_nothing_else() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut planted = BTreeSet::new();
        planted_below(&root.join("src"), &mut planted);
        planted_below(&root.join("ffi/src"), &mut planted);
        let listed: Vec<_> = BUGS.iter().map(|bug| bug.name.to_owned()).collect();
        assert_eq!(listed, planted.into_iter().collect::<Vec<_>>(), "sorted by name");
        for bug in BUGS {
            assert!(fault_of(bug.fault).is_some(), "{}: {}", bug.name, bug.fault);
            assert!(!bug.does.is_empty(), "{}: what does it do?", bug.name);
        }
    }
}
