//! The places whose atomics order something without a lock, with the memory model of the language:
//! loom tries every order of threads and every value that a relaxed load may see. They are included
//! as they are, over loom's atomics ([`crate::env`]). Not here: `presence.rs`, whose two sides rely on
//! `SeqCst` accesses, which loom takes for `AcqRel`; shuttle has it.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicI64, Ordering};
use ottla_proof::Evidence;

#[allow(dead_code, reason = "not all of the file is tried here")]
#[path = "../../src/commit/ends.rs"]
mod ends;
#[allow(dead_code, reason = "not all of the file is tried here")]
#[path = "../../src/segment/growing.rs"]
mod growing;
#[allow(dead_code, unexpected_cfgs, reason = "not all of the file is tried here")]
#[path = "../../src/partition/waiters.rs"]
pub(crate) mod waiters;
#[allow(dead_code, reason = "not all of the file is tried here")]
#[path = "../../src/partition/watermarks.rs"]
mod watermarks;

use ends::Ends;
use growing::GrowingWords;
use waiters::{Waiters, Wake};
use watermarks::Watermarks;

/// Tries everything, and tells.
fn model(what: &str, run: impl Fn() + Sync + Send + 'static) {
    let tried = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let evidence = Evidence::of("orders", what);
    let counted = Arc::clone(&tried);
    loom::model(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        run();
    });
    let tried = tried.load(std::sync::atomic::Ordering::Relaxed);
    evidence.count("orders", tried).fault("F25", tried, 0).tell();
}

#[test]
fn ends_that_are_published_together_are_seen_together() {
    model("ends", || {
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
    model("waiters: once", || {
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
    model("waiters: twice", || {
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

#[test]
fn words_below_the_length_are_there() {
    model("growing", || {
        let words = Arc::new(GrowingWords::new());
        let shared = Arc::clone(&words);
        let writer = loom::thread::spawn(move || {
            assert!(shared.push(7) && shared.push(8));
        });
        let len = words.len();
        for index in 0..len {
            assert_eq!(words.get(index), Some(7 + index as u64));
        }
        writer.join().unwrap();
    });
}

#[test]
fn what_lies_below_an_end_is_seen_with_it() {
    model("watermarks", || {
        let state = Arc::new((Watermarks::new(0, 0), AtomicI64::new(0)));
        let shared = Arc::clone(&state);
        let writer = loom::thread::spawn(move || {
            let (watermarks, length) = &*shared;
            // Weaker than the length of a log in truth: the end alone must do.
            length.store(100, Ordering::Relaxed);
            watermarks.set_end(1);
            watermarks.set_log_start(1);
        });
        let (watermarks, length) = &*state;
        if watermarks.log_start() == 1 {
            assert_eq!(watermarks.end(), 1);
        }
        if watermarks.end() == 1 {
            assert_eq!(length.load(Ordering::Relaxed), 100);
        }
        writer.join().unwrap();
    });
}
