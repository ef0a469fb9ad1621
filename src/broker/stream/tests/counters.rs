//! Many threads increment counters on condition: no update is lost, whatever acks they use.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{LEVELS, conflict_of, memory, text, with_accounts};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::config::acks::Acks;
use crate::error::conflict::ExpectedVersion;

const KEYS: usize = 3;

/// Increments a counter; what was looked up is what it was before `meeting`.
fn increment(
    broker: &Broker,
    key: &str,
    acks: Acks,
    conflicts: &AtomicUsize,
    meeting: impl FnOnce(),
) {
    let counter = broker.stream("accounts", key).unwrap();
    let newest = counter.read_backwards(..).next().transpose().unwrap();
    let mut count: u64 = newest.as_ref().map_or(0, |record| text(&record.value).parse().unwrap());
    let mut version = ExpectedVersion::from(newest.map(|record| record.offset));
    meeting();
    loop {
        let value = (count + 1).to_string();
        match counter.expect_version(version).append(&[Message::new(&value)], acks) {
            Ok(_) => return,
            Err(error) => {
                let conflict = conflict_of(&error);
                // What was missed is carried: nothing has to be read again.
                let last = conflict.records.last().expect("somebody was faster");
                assert_eq!(Some(last.offset), conflict.actual);
                count = text(&last.value).parse().unwrap();
                version = ExpectedVersion::At(last.offset);
                conflicts.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn no_update_is_lost() {
    const THREADS: usize = 16;
    const ROUNDS: usize = 40;
    let broker = with_accounts(&memory());
    let conflicts = AtomicUsize::new(0);
    // At first all of them look at the same counter before any increments it: of them one succeeds.
    let all_looked = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (broker, conflicts, all_looked) = (&broker, &conflicts, &all_looked);
            scope.spawn(move || {
                let first = || {
                    all_looked.wait();
                };
                increment(broker, "counter 0", LEVELS[thread % 3], conflicts, first);
                for round in 1..ROUNDS {
                    let key = format!("counter {}", (thread + round) % KEYS);
                    increment(broker, &key, LEVELS[(thread + round) % 3], conflicts, || ());
                }
            });
        }
        // A reader sees each counter count, without a gap.
        let broker = &broker;
        scope.spawn(move || {
            for round in 0..50 {
                let counter =
                    broker.stream("accounts", format!("counter {}", round % KEYS)).unwrap();
                let counts = counter.read(..).map(|record| text(&record.unwrap().value));
                for (expected, count) in (1..).zip(counts) {
                    assert_eq!(count, expected.to_string());
                }
            }
        });
    });
    let count = |key: usize| {
        let newest = broker.latest("accounts", format!("counter {key}")).unwrap().unwrap();
        text(&newest.value).parse::<usize>().unwrap()
    };
    assert_eq!((0..KEYS).map(count).sum::<usize>(), THREADS * ROUNDS);
    assert!(conflicts.load(Ordering::Relaxed) >= THREADS - 1, "all but one lost the first race");
}
