//! Recovery of our own partitions: what a crash leaves above the recovery point, the entries of
//! the journal, and what must be called damage.

use std::sync::Arc;

use super::super::Partition;
use super::super::recover::{Applied, Known, Recovery};
use super::super::report::PartitionReport;
use super::support::{FOLDER, Place, append, batch, id, offsets, read_batches};
use crate::env::vfs::OpenHow;
use crate::error::ErrorKind;
use crate::format::batch_header::stamp;
use crate::format::control_file::PartitionState;

const SMALL: &[(&str, &str)] =
    &[("internal.segment.bytes", "2000"), ("index.interval.bytes", "300")];
const LOG: &str = "00000000000000000000.log";

fn start(place: &Place, state: &PartitionState) -> Recovery {
    let known = Known::State(state.clone());
    Partition::start_recovery(&place.shared, id(), &place.config, known, 0).unwrap()
}

fn recover(place: &Place, state: &PartitionState) -> (Arc<Partition>, PartitionReport) {
    start(place, state).finish().unwrap()
}

/// The state of a partition that never saw a checkpoint.
fn fresh() -> PartitionState {
    PartitionState {
        topic_id: id().topic_id(),
        partition: 0,
        log_start_offset: 0,
        recovery_point: 0,
        cleaned_to: 0,
        has_producers: false,
        segments: Vec::new(),
    }
}

fn checkpoint(partition: &Arc<Partition>) -> PartitionState {
    let part = partition.checkpoint_begin().unwrap();
    part.sync().unwrap();
    let state = part.state().clone();
    partition.checkpoint_end(part);
    assert_eq!(partition.state(), state);
    state
}

fn check_whole(partition: &Partition, end: i64) {
    assert!(partition.damage().is_none(), "{:?}", partition.damage());
    assert_eq!(partition.end_offset(), end);
    let found = offsets(&read_batches(partition, 700).unwrap());
    assert_eq!(found, (0..end).collect::<Vec<_>>());
    // Index files are mended when the partition is closed; until then they are named.
    let mut errors = partition.verify().unwrap().errors;
    errors.retain(|error| !error.to_string().contains("made anew from the log"));
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_crash_of_the_process_loses_nothing() {
    let place = Place::new(SMALL);
    let partition = place.create();
    let mut states = vec![fresh()];
    for index in 0..50 {
        append(&partition, batch(1, 100, index)).unwrap();
        if index % 13 == 0 {
            states.push(checkpoint(&partition));
        }
    }
    states.push(partition.state());
    drop(partition);
    for state in states {
        let place = place.again();
        let (partition, report) = recover(&place, &state);
        check_whole(&partition, 50);
        assert_eq!(report.cut_bytes, 0);
        // And again, with what the first recovery says.
        let (partition, report) = recover(&place, &partition.state());
        check_whole(&partition, 50);
        assert_eq!(report.scanned_bytes, 0);
        let closed = partition.close().unwrap();
        let opened = Partition::open_clean(&place.shared, id(), &place.config, closed).unwrap();
        check_whole(&opened, 50);
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_kept_aside() {
    let place = Place::new(&[]);
    let partition = place.create();
    for index in 0..3 {
        append(&partition, batch(1, 30, index)).unwrap();
    }
    let state = checkpoint(&partition);
    let synced = state.segments[0].log_bytes as usize;
    append(&partition, batch(1, 30, 9)).unwrap();
    append(&partition, batch(1, 30, 9)).unwrap();
    drop(partition);
    let whole = place.file(LOG);
    let one = (whole.len() - synced) / 2;
    for cut in synced..whole.len() {
        let place = Place::new(&[]);
        place.put(LOG, &whole[..cut]);
        let (partition, report) = recover(&place, &state);
        let kept = (cut - synced) / one;
        check_whole(&partition, 3 + kept as i64);
        assert_eq!(report.cut_bytes as usize, (cut - synced) % one, "{cut}");
        let cut_bytes = &whole[synced + kept * one..cut];
        let worth_keeping = cut_bytes.iter().any(|&byte| byte != 0);
        assert_eq!(report.quarantined.len(), usize::from(worth_keeping), "{cut}");
        assert_eq!(place.file(LOG).len(), synced + kept * one);
        assert_eq!(append(&partition, batch(1, 1, 0)).unwrap(), 3 + kept as i64);
    }
    for cut in 0..synced {
        let place = Place::new(&[]);
        place.put(LOG, &whole[..cut]);
        let (partition, _) = recover(&place, &state);
        let damage = partition.damage().expect("shorter than what was synced");
        assert_eq!(damage.kind(), ErrorKind::Corrupt);
        assert_eq!(append(&partition, batch(1, 1, 0)).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(place.file(LOG).len(), cut, "nothing is cut");
    }
}

#[test]
fn reserved_zeros_are_cut_without_a_copy() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(1, 30, 0)).unwrap();
    drop(partition);
    let mut bytes = place.file(LOG);
    let length = bytes.len();
    bytes.resize(length + 70_000, 0);
    place.put(LOG, &bytes);
    let (partition, report) = recover(&place, &fresh());
    check_whole(&partition, 1);
    assert_eq!((report.cut_bytes, report.quarantined.len()), (70_000, 0));
    assert_eq!(place.file(LOG).len(), length);
}

#[test]
fn the_journal_fills_what_the_log_lost() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(2, 30, 0)).unwrap();
    let state = checkpoint(&partition);
    let synced = place.file(LOG);
    let mut journal = Vec::new();
    for index in 0..4 {
        let mut batch = batch(1, 200, index);
        let mut writer = partition.lock();
        let staged = writer.stage(&mut batch).unwrap();
        writer.apply(&staged, &batch).unwrap();
        writer.publish();
        journal.push((staged.appended().base_offset, batch));
    }
    append(&partition, batch(1, 50, 7)).unwrap();
    let end = partition.size_bytes() as usize;
    drop(partition);
    let whole = place.file(LOG);
    let one = journal[0].1.len();
    // Lose any one, any prefix or all of the journalled batches from the log.
    for lost in 1..16u32 {
        let mut bytes = whole.clone();
        for index in 0..4 {
            if lost & 1 << index != 0 {
                let from = synced.len() + index * one;
                bytes[from..from + one].fill(0);
            }
        }
        let place = Place::new(&[]);
        place.put(LOG, &bytes);
        let mut recovery = start(&place, &state);
        for (base_offset, batch) in &journal {
            let applied = recovery.apply(*base_offset, batch).unwrap();
            assert_eq!(applied, Applied::Written, "{lost:04b}");
        }
        let (partition, report) = recovery.finish().unwrap();
        check_whole(&partition, 7);
        assert!(report.quarantined.is_empty(), "{lost:04b}: {report:?}");
        assert!(place.file(LOG) == whole[..end], "{lost:04b}");
    }
    // And if the log has nothing of it, the acked tail behind is gone, but no more.
    let place = Place::new(&[]);
    place.put(LOG, &synced);
    let mut recovery = start(&place, &state);
    for (base_offset, batch) in &journal {
        recovery.apply(*base_offset, batch).unwrap();
    }
    check_whole(&recovery.finish().unwrap().0, 6);
}

#[test]
fn entries_below_the_recovery_point_are_skipped_and_holes_are_damage() {
    let place = Place::new(&[]);
    let partition = place.create();
    for _ in 0..3 {
        append(&partition, batch(1, 30, 0)).unwrap();
    }
    let state = checkpoint(&partition);
    drop(partition);
    let at = |offset: i64, value: usize| {
        let mut batch = batch(1, value, 0);
        stamp(&mut batch, offset, 0);
        batch
    };
    let mut recovery = start(&place, &state);
    assert_eq!(recovery.apply(2, &at(2, 31)).unwrap(), Applied::Skipped);
    assert_eq!(recovery.apply(4, &at(4, 30)).unwrap(), Applied::Refused);
    assert_eq!(recovery.apply(3, &at(3, 30)).unwrap(), Applied::Refused);
    let before = place.file(LOG);
    let (partition, report) = recovery.finish().unwrap();
    assert_eq!(partition.damage().unwrap().kind(), ErrorKind::Corrupt);
    assert!(report.damage.is_some());
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), [0, 1, 2]);
    assert_eq!(place.file(LOG), before);
}

#[test]
fn a_sound_batch_of_somebody_else_is_refused() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(1, 30, 0)).unwrap();
    let state = checkpoint(&partition);
    append(&partition, batch(1, 40, 0)).unwrap();
    drop(partition);
    let mut other = batch(1, 41, 0);
    stamp(&mut other, 1, 0);
    let mut recovery = start(&place, &state);
    assert_eq!(recovery.apply(1, &other).unwrap(), Applied::Refused);
    let message = recovery.damage().unwrap().to_string();
    assert!(message.contains("another program wrote here"), "{message}");
}

#[test]
fn garbage_in_the_way_of_the_journal_goes_to_quarantine() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(1, 30, 0)).unwrap();
    let state = checkpoint(&partition);
    drop(partition);
    let mut bytes = place.file(LOG);
    bytes.extend_from_slice(&[0xa5; 40]);
    place.put(LOG, &bytes);
    let mut committed = batch(1, 30, 0);
    stamp(&mut committed, 1, 0);
    let mut recovery = start(&place, &state);
    assert_eq!(recovery.apply(1, &committed).unwrap(), Applied::Written);
    let (partition, report) = recovery.finish().unwrap();
    check_whole(&partition, 2);
    assert_eq!(report.quarantined.len(), 1);
    let kept = place.vfs().open(&report.quarantined[0], OpenHow::Read).unwrap();
    assert_eq!(kept.len().unwrap(), 40);
}

#[test]
fn a_torn_log_with_a_successor_is_damage() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..40 {
        append(&partition, batch(1, 100, index)).unwrap();
    }
    drop(partition);
    let bytes = place.file(LOG);
    place.put(LOG, &bytes[..bytes.len() - 1]);
    let (partition, _) = recover(&place, &fresh());
    let damage = partition.damage().expect("it was complete before the next one was made");
    assert!(damage.file().unwrap().ends_with(LOG));
    assert_eq!(partition.end_offset(), 40);
    assert_eq!(place.file(LOG).len(), bytes.len() - 1);
    // The rest stays readable.
    let mut missing = 0;
    for from in 0..40 {
        let request = super::super::read::ReadRequest { from, end: 40, bytes_max: 1, check: true };
        let read = partition.read(&request, &mut Default::default(), &mut Vec::new());
        missing += usize::from(read.is_err());
    }
    assert_eq!(missing, 1);
}

#[test]
fn an_empty_segment_of_a_failed_roll_is_a_leftover() {
    let place = Place::new(&[]);
    let partition = place.create();
    for _ in 0..3 {
        append(&partition, batch(1, 30, 0)).unwrap();
    }
    drop(partition);
    place.put("00000000000000000002.log", &[]);
    let (partition, _) = recover(&place, &fresh());
    check_whole(&partition, 3);
    assert!(!place.names().contains(&"00000000000000000002.log".to_owned()));
    // One at the end is the next segment.
    place.put("00000000000000000003.log", &[]);
    let (partition, _) = recover(&place, &fresh());
    check_whole(&partition, 3);
    assert_eq!(append(&partition, batch(1, 30, 0)).unwrap(), 3);
    assert!(!place.file("00000000000000000003.log").is_empty());
}

#[test]
fn lost_and_wrong_indexes_are_made_anew() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..60 {
        append(&partition, batch(1, 100, index)).unwrap();
    }
    let state = partition.close().unwrap();
    drop(partition);
    let indexes: Vec<_> =
        place.names().into_iter().filter(|name| name.ends_with("index")).collect();
    let right: Vec<_> = indexes.iter().map(|name| place.file(name)).collect();
    for how in 0..3 {
        for (name, bytes) in indexes.iter().zip(&right) {
            match how {
                0 => place.vfs().remove_file(&format!("{FOLDER}/{name}")).unwrap(),
                1 => place.put(name, &vec![7; bytes.len()]),
                _ => place.put(name, &bytes[..bytes.len() / 2]),
            }
        }
        let place = place.again();
        let partition =
            Partition::open_clean(&place.shared, id(), &place.config, state.clone()).unwrap();
        check_whole(&partition, 60);
        for from in 0..60 {
            let found = partition.offset_for_timestamp(from, 60).unwrap();
            assert_eq!(found, Some((from, from)));
        }
        append(&partition, batch(1, 1, 60)).unwrap();
        partition.truncate_to(60).unwrap();
        partition.close().unwrap();
        for (name, bytes) in indexes.iter().zip(&right) {
            assert_eq!(&place.file(name), bytes, "{how} {name}");
        }
    }
}

#[test]
fn segments_below_the_log_start_go_and_unknown_files_stay() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..40 {
        append(&partition, batch(1, 100, index)).unwrap();
    }
    checkpoint(&partition);
    let mut state = partition.state();
    let second = state.segments[1].base_offset;
    state.log_start_offset = second + 1;
    drop(partition);
    place.put("notes.txt", b"mine");
    place.put("leader-epoch-checkpoint.tmp", b"torn");
    let (partition, report) = recover(&place, &state);
    assert!(partition.damage().is_none(), "{:?}", partition.damage());
    assert_eq!(partition.log_start_offset(), second + 1);
    assert!(!place.names().contains(&LOG.to_owned()));
    assert!(!place.names().contains(&"leader-epoch-checkpoint.tmp".to_owned()));
    assert!(place.names().contains(&"notes.txt".to_owned()));
    assert_eq!(report.unknown.len(), 1);
}
