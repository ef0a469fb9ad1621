//! The two places whose atomics are weaker than locks, with the memory model of the language: loom
//! tries every order of threads and every value that a relaxed load may see. They are included as
//! they are, over loom's atomics ([`crate::env`]).

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicI64, Ordering};

#[allow(dead_code, reason = "not all of the file is tried here")]
#[path = "../../src/commit/ends.rs"]
mod ends;
#[allow(dead_code, unexpected_cfgs, reason = "not all of the file is tried here")]
#[path = "../../src/partition/waiters.rs"]
mod waiters;

use ends::Ends;
use waiters::{Waiters, Wake};

#[test]
fn ends_that_are_published_together_are_seen_together() {
    loom::model(|| {
        let state = Arc::new((Ends::default(), AtomicI64::new(0), AtomicI64::new(0)));
        let shared = Arc::clone(&state);
        let publisher = loom::thread::spawn(move || {
            let (ends, left, right) = &*shared;
            for round in 1..=2 {
                ends.publish(|| {
                    // Weaker than what is published in truth: the section alone must do.
                    left.store(round, Ordering::Relaxed);
                    right.store(round, Ordering::Relaxed);
                });
            }
        });
        let (ends, left, right) = &*state;
        let mut seen = (0, 0);
        ends.read(&mut || {
            seen = (left.load(Ordering::Relaxed), right.load(Ordering::Relaxed));
        });
        assert_eq!(seen.0, seen.1);
        publisher.join().unwrap();
    });
}

#[test]
fn who_registers_before_looking_misses_no_publish() {
    loom::model(|| {
        let state = Arc::new((Waiters::default(), AtomicI64::new(0)));
        let shared = Arc::clone(&state);
        let publisher = loom::thread::spawn(move || {
            let (waiters, end) = &*shared;
            end.store(1, Ordering::Release);
            waiters.wake_all();
        });
        let (waiters, end) = &*state;
        let wake = Wake::new();
        waiters.register(&wake);
        if end.load(Ordering::Acquire) == 0 {
            wake.wait(Duration::from_secs(3600));
        }
        waiters.deregister(&wake);
        assert_eq!(end.load(Ordering::Acquire), 1);
        publisher.join().unwrap();
    });
}

#[test]
fn a_registration_that_was_used_up_can_be_renewed() {
    loom::model(|| {
        let state = Arc::new((Waiters::default(), AtomicI64::new(0)));
        let shared = Arc::clone(&state);
        let publisher = loom::thread::spawn(move || {
            let (waiters, end) = &*shared;
            for round in 1..=2 {
                end.store(round, Ordering::Release);
                waiters.wake_all();
            }
        });
        let (waiters, end) = &*state;
        let wake = Wake::new();
        while end.load(Ordering::Acquire) < 2 {
            waiters.register(&wake);
            if end.load(Ordering::Acquire) < 2 {
                wake.wait(Duration::from_secs(3600));
            }
            waiters.deregister(&wake);
        }
        publisher.join().unwrap();
    });
}
