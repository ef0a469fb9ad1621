//! The oracle is shown each kind of broken promise before it judges anything: one that lets them
//! pass would let a lost record pass too.

use crate::oracle::compacted::Compacted;
use crate::oracle::payload::Stamp;
use crate::oracle::protocol::{Ack, Commit, Level, Report};
use crate::oracle::{Fault, Oracle, Read, Shown};
use crate::storm::exactly_once::done_of;
use crate::storm::{DONE, READERS, WORKERS};

const SEED: u64 = 11;

/// Panics with the violation that was not noticed.
pub(crate) fn all_are_noticed() {
    every_violation_is_noticed();
    every_violation_of_a_compacted_topic_is_noticed();
    every_violation_of_power_is_noticed();
    every_violation_of_groups_is_noticed();
}

fn every_violation_is_noticed() {
    assert_eq!(outcome(|_| {}, sound(), true), Ok(()));
    let lost = sound()[..3].to_vec();
    noticed("a lost record", &outcome(|_| {}, lost, true));
    let mut twice = sound();
    twice[3] = record(3, 2, None);
    noticed("a record twice", &outcome(|_| {}, twice, true));
    let mut swapped = sound();
    swapped[1] = record(1, 2, None);
    swapped[2] = record(2, 1, None);
    noticed("records out of order", &outcome(|_| {}, swapped, true));
    let mut changed = sound();
    let last = changed[2].1.len() - 12;
    changed[2].1[last] ^= 1;
    noticed("a changed record", &outcome(|_| {}, changed, true));
    let mut hole = sound();
    hole.remove(1);
    noticed("a hole", &outcome(|_| {}, hole, true));
    noticed("a created topic that is gone", &outcome(|_| {}, sound(), false));
    let delete = |oracle: &mut Oracle| note(oracle, Report::Deleted("t".to_owned(), 1));
    noticed("a deleted topic that is back", &outcome(delete, sound(), true));
    let mut torn = sound();
    torn.push(record(4, 4, Some((0, 0b11))));
    noticed("a torn append", &outcome(|_| {}, torn, true));
    assert_eq!(retired(), Ok(()));
    noticed("a vanished record", &vanished());
}

/// The same for the topic that is compacted.
fn every_violation_of_a_compacted_topic_is_noticed() {
    // The keys of the numbers 0 and 24 are the same.
    let compacted = |numbers: &[(i64, u32)]| {
        let records: Vec<_> =
            numbers.iter().map(|&(at, number)| record(at, number, None)).collect();
        let mut oracle = Compacted::default();
        let whole = shown(vec![record(0, 0, None), record(1, 1, None), record(2, 24, None)]);
        oracle.check(SEED, &whole, &[]).expect("all that was written");
        oracle.check(SEED, &Shown { end: 3, ..shown(records) }, &[])
    };
    assert_eq!(compacted(&[(1, 1), (2, 24)]), Ok(0));
    let twice = &[(0, 0), (0, 0), (1, 1), (2, 24)];
    for (what, numbers) in [
        ("the newest of a key that is gone", &[(0, 0), (2, 24)][..]),
        ("the newest of a key that is gone, with an older one", &[(0, 0), (1, 1)]),
        ("a record in another's place", &[(1, 1), (2, 0)]),
        ("a record twice", twice),
    ] {
        assert!(compacted(numbers).is_err(), "the oracle does not notice {what}");
    }
    let mut oracle = Compacted::default();
    let both = || vec![record(1, 1, None), record(2, 24, None)];
    oracle.check(SEED, &shown(both()), &[]).expect("it is compacted");
    let back = [vec![record(0, 0, None)], both()].concat();
    assert!(oracle.check(SEED, &shown(back), &[]).is_err(), "a record that is back");
}

/// A loss of power may take what was acked with `acks=1`, from the end; and what was told too late.
fn every_violation_of_power_is_noticed() {
    let two = || sound()[..2].to_vec();
    let after = |level: Level, read: Read, records: Vec<(i64, Vec<u8>)>| {
        let mut oracle = Oracle::new(SEED, Fault::Power);
        note(&mut oracle, Report::Creating("t".to_owned(), 1));
        note(&mut oracle, Report::Created("t".to_owned(), 1));
        oracle.note(ack(level), read).expect("the report is taken");
        oracle.check_topics(&["t".to_owned()])?;
        oracle.check_partition("t", 0, &shown(records))
    };
    assert_eq!(after(Level::Synced, Read::InTime, sound()), Ok(()));
    assert_eq!(after(Level::Written, Read::InTime, two()), Ok(()));
    assert_eq!(after(Level::Synced, Read::TooLate, two()), Ok(()));
    noticed("a synced record that is lost", &after(Level::Synced, Read::InTime, two()));
    let mut swapped = two();
    swapped[1] = record(1, 2, None);
    noticed("another record", &after(Level::Written, Read::InTime, swapped));
    let mut closed = Oracle::new(SEED, Fault::Power);
    note(&mut closed, Report::Creating("t".to_owned(), 1));
    note(&mut closed, ack(Level::Written));
    note(&mut closed, Report::Closed);
    noticed("a lost record of a close", &closed.check_partition("t", 0, &shown(two())));
}

/// Offsets and transactions.
fn every_violation_of_groups_is_noticed() {
    let commit = |offset| Commit { partition: 0, offset };
    let offsets = |found: &[(String, i32, i64)]| {
        let mut oracle = Oracle::new(SEED, Fault::Power);
        note(&mut oracle, Report::Committing(commit(0)));
        note(&mut oracle, Report::Committed(commit(0)));
        note(&mut oracle, Report::Committing(commit(7)));
        oracle.check_offsets(READERS, found)
    };
    let at = |offset| [("steady".to_owned(), 0, offset)];
    assert_eq!(offsets(&at(0)), Ok(()));
    noticed("an offset beyond the end", &offsets(&at(7)));
    noticed("an offset nobody committed", &offsets(&at(5)));
    noticed("an offset that is lost", &offsets(&[]));
    let done = |copies: [i64; 3], committed: i64, value: &dyn Fn(i64) -> String| {
        let mut oracle = Oracle::new(SEED, Fault::Power);
        note(&mut oracle, Report::Processed(2));
        for (number, copy) in (0..).zip(copies) {
            let records = (0..copy).map(|order| (order, value(order).into_bytes())).collect();
            oracle.check_partition(DONE, number, &shown(records))?;
        }
        oracle.check_offsets(WORKERS, &[("orders".to_owned(), 0, committed)])
    };
    assert_eq!(done([3, 3, 3], 3, &done_of), Ok(()));
    noticed("a torn transaction", &done([3, 2, 3], 3, &done_of));
    noticed("an offset without its records", &done([2, 2, 2], 3, &done_of));
    noticed("records without their offset", &done([3, 3, 3], 2, &done_of));
    noticed("a lost transaction", &done([1, 1, 1], 1, &done_of));
    noticed("an aborted record", &done([3, 3, 3], 3, &|_| "aborted".to_owned()));
    noticed("an order done twice", &done([3, 3, 3], 3, &|order| done_of(order / 2)));
}

/// What retention may do is no violation: the records between two looks are gone from the start on.
fn retired() -> Result<(), String> {
    let mut oracle = informed();
    oracle.check_partition("t", 0, &shown(sound()))?;
    let records = vec![record(9, 9, None), record(10, 10, None)];
    oracle.check_partition("t", 0, &Shown { start: 9, end: 11, from: 9, records })
}

fn noticed(what: &str, outcome: &Result<(), String>) {
    assert!(outcome.is_err(), "the oracle does not notice {what}");
}

/// Four records of one thread, all acked.
fn sound() -> Vec<(i64, Vec<u8>)> {
    (0..4).map(|number| record(i64::from(number), number, None)).collect()
}

fn record(offset: i64, number: u32, together: Option<(u32, u32)>) -> (i64, Vec<u8>) {
    let stamp = Stamp {
        topic: "t".to_owned(),
        incarnation: 1,
        partition: 0,
        cycle: 1,
        thread: 1,
        number,
        together,
    };
    (offset, stamp.payload(SEED))
}

fn note(oracle: &mut Oracle, report: Report) {
    oracle.note(report, Read::InTime).expect("the report is taken");
}

fn informed() -> Oracle {
    let mut oracle = Oracle::new(SEED, Fault::Kill);
    note(&mut oracle, Report::Creating("t".to_owned(), 1));
    note(&mut oracle, Report::Created("t".to_owned(), 1));
    note(&mut oracle, ack(Level::Synced));
    oracle
}

/// The ack of all four.
fn ack(level: Level) -> Report {
    Report::Acked(Ack {
        topic: "t".to_owned(),
        incarnation: 1,
        partition: 0,
        base_offset: 0,
        cycle: 1,
        thread: 1,
        number: 0,
        count: 4,
        level,
    })
}

fn outcome(
    before: impl Fn(&mut Oracle),
    records: Vec<(i64, Vec<u8>)>,
    exists: bool,
) -> Result<(), String> {
    let mut oracle = informed();
    before(&mut oracle);
    let topics = if exists { vec!["t".to_owned()] } else { Vec::new() };
    oracle.check_topics(&topics)?;
    oracle.check_partition("t", 0, &shown(records))?;
    oracle.check_complete()
}

/// A record that was never acked, was seen, and is gone at the next look.
fn vanished() -> Result<(), String> {
    let mut oracle = informed();
    let mut records = sound();
    records.push(record(4, 4, None));
    let first = oracle.check_partition("t", 0, &shown(records));
    assert_eq!(first, Ok(()), "a record that was not acked may be there");
    let incremental = Shown { start: 0, end: 4, from: 5, records: Vec::new() };
    noticed("an end that moved back", &oracle.check_partition("t", 0, &incremental));
    oracle.check_partition("t", 0, &shown(sound()))
}

fn shown(records: Vec<(i64, Vec<u8>)>) -> Shown {
    Shown { start: 0, end: records.last().map_or(0, |last| last.0 + 1), from: 0, records }
}
