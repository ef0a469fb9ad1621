//! Readers beside a writer: they see every batch once and in order, while segments are rolled,
//! descriptors closed and old segments deleted; and they are woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::Partition;
use super::super::hold::Hold;
use super::super::read::{ReadPosition, ReadRequest};
use super::super::waiters::Wake;
use super::support::{FOLDER, Place, append, batch, offsets, read_batches};
use crate::env::sim::SimEnv;
use crate::env::vfs::Vfs;
use crate::error::ErrorKind;

const BATCHES: usize = 3_000;

/// Follows the end of the partition until `BATCHES` were written; returns the offsets seen.
fn follow(partition: &Partition, bytes_max: usize, done: &AtomicBool) -> Vec<i64> {
    let wake = Wake::new();
    partition.waiters().register(&wake);
    let (mut position, mut buffer, mut seen) = (ReadPosition::default(), Vec::new(), Vec::new());
    let mut from = 0;
    loop {
        let finished = done.load(Ordering::Acquire);
        let end = partition.end_offset();
        let request = ReadRequest { from, end, bytes_max, check: true };
        match partition.read(&request, &mut position, &mut buffer) {
            Ok(outcome) if outcome.bytes > 0 => {
                let bytes = &buffer[outcome.start..outcome.start + outcome.bytes];
                let mut rest = bytes;
                while !rest.is_empty() {
                    let size = crate::batch::entry::Entry::size_of(rest).unwrap();
                    seen.extend(offsets(&[rest[..size].to_vec()]));
                    rest = &rest[size..];
                }
                from = outcome.next_offset;
            }
            Ok(_) if finished && from >= partition.end_offset() => break,
            Ok(_) => {
                wake.wait(Duration::from_millis(50));
            }
            // Retention was faster: go on where the log starts now.
            Err(error) if error.kind() == ErrorKind::OffsetOutOfRange => {
                from = partition.log_start_offset();
            }
            Err(error) => panic!("{error}"),
        }
    }
    partition.waiters().deregister(&wake);
    seen
}

fn run(settings: &[(&str, &str)], retain: bool) -> Vec<Vec<i64>> {
    let place = Place::new(settings);
    let partition: Arc<Partition> = place.create();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = [1, 700, 1 << 20].map(|bytes_max| {
            let (partition, done) = (Arc::clone(&partition), &done);
            scope.spawn(move || follow(&partition, bytes_max, done))
        });
        for index in 0..BATCHES {
            append(&partition, batch(1, 20 + index % 200, index as i64)).unwrap();
            if index % 50 == 0 {
                let part = partition.checkpoint_begin().unwrap();
                part.sync().unwrap();
                partition.checkpoint_end(part);
                if retain && let Some(plan) = partition.retention_plan(0, &Hold::NONE).unwrap() {
                    partition.delete_below(plan.state.log_start_offset).unwrap();
                }
            }
        }
        done.store(true, Ordering::Release);
        readers.map(|reader| reader.join().unwrap()).into()
    })
}

#[test]
fn readers_see_every_record_once_and_in_order() {
    let all: Vec<_> = (0..BATCHES as i64).collect();
    let settings = [("internal.segment.bytes", "5000"), ("index.interval.bytes", "500")];
    for seen in run(&settings, false) {
        assert!(seen == all);
    }
}

#[test]
fn retention_under_readers_only_skips() {
    let settings = [("internal.segment.bytes", "3000"), ("retention.bytes", "6000")];
    for seen in run(&settings, true) {
        assert!(seen.is_sorted_by(|a, b| a < b), "never back, never twice");
        assert_eq!(seen.last(), Some(&(BATCHES as i64 - 1)));
    }
}

#[test]
fn descriptors_are_few_and_those_with_unsynced_bytes_stay() {
    let world = SimEnv::new(1);
    world.disk.create_dir(FOLDER).unwrap();
    let place = Place::over(world.env(), &[("internal.segment.bytes", "300")]);
    let partition = place.create();
    for index in 0..60 {
        append(&partition, batch(1, 100, index)).unwrap();
    }
    assert!(partition.segments.load().as_slice().len() > 20);
    for _ in 0..3 {
        assert_eq!(read_batches(&partition, 1).unwrap().len(), 60);
        // Two that the cache keeps, and the one that was written through.
        assert!(world.disk.open_handles() <= 3, "{}", world.disk.open_handles());
    }
    let active = Arc::clone(partition.segments.load().last().unwrap());
    assert!(active.log.dirty().is_some(), "what was written is not synced yet");
    partition.close().unwrap();
    assert!(active.log.dirty().is_none());
    drop(partition);
    drop(active);
    assert_eq!(world.disk.open_handles(), 0);
}
