//! What only time brings about, on a clock that stands still until it is told otherwise.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::group::coordinator::stalls::StalledMember;

const SECOND: Duration = Duration::from_secs(1);

fn kitchen() -> (Broker, Arc<SimClock>) {
    let clock = Arc::new(SimClock::default());
    let env = Env { clock: Arc::clone(&clock) as _, ..memory() };
    (broker_with_orders(env, 2), clock)
}

/// A member that may be out of a poll for ten seconds, and the stalls of it.
fn watched(broker: &Broker, evict: bool) -> (GroupMember, Receiver<StalledMember>) {
    let (told, stalls) = channel();
    let asked = broker.clone();
    let on_stall = move |stalled: &StalledMember| {
        // Under no lock: the group can be asked.
        asked.describe_group(&stalled.group).unwrap();
        told.send(stalled.clone()).unwrap();
    };
    let wants = Join {
        max_poll_interval: 10 * SECOND,
        evict,
        on_stall: Some(Arc::new(on_stall)),
        ..wants("kitchen", "orders")
    };
    (join(broker, wants), stalls)
}

#[test]
fn a_stall_is_reported_once_and_keeps_only_its_own_partitions() {
    let (broker, clock) = kitchen();
    let now = || broker.engine.env.clock.monotonic();
    let (stuck, stalls) = watched(&broker, false);
    poll(&stuck, now()).unwrap();
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    broker.tick().unwrap();
    assert!(stalls.try_recv().is_err());
    clock.advance(SECOND);
    broker.tick().unwrap();
    broker.tick().unwrap();
    let stalled = stalls.try_recv().unwrap();
    assert_eq!((stalled.member_id.as_str(), stalled.evicted), (stuck.member_id(), false));
    assert_eq!(stalled.partitions, orders(0..2));
    assert!(stalled.since_poll >= 10 * SECOND);
    assert!(stalls.try_recv().is_err(), "once per stall");
    assert_eq!(stuck.standing(), Standing::Member);
    // It comes back, and stalls again; within a poll it never does.
    poll(&stuck, now()).unwrap();
    clock.advance(10 * SECOND);
    broker.tick().unwrap();
    assert!(stalls.try_recv().is_ok());
    stuck.begin_poll();
    clock.advance(100 * SECOND);
    broker.tick().unwrap();
    assert!(stalls.try_recv().is_err());
    let counters = broker.describe_group("kitchen").unwrap().counters;
    assert_eq!((counters.stalls, counters.evictions), (2, 0));
}

#[test]
fn an_evicted_member_is_fenced_and_others_read_on() {
    let (broker, clock) = kitchen();
    let (stuck, stalls) = watched(&broker, true);
    poll(&stuck, NOW).unwrap();
    let other = join(&broker, wants("kitchen", "orders"));
    poll(&other, NOW).unwrap();
    assert_eq!(other.owned(), orders([]), "nobody takes what the stuck one did not release");
    assert!(other.begin_wait());
    clock.advance(10 * SECOND);
    broker.tick().unwrap();
    assert!(stalls.try_recv().unwrap().evicted);
    assert!(!other.begin_wait(), "there is something to take");
    assert_eq!(poll(&other, NOW).unwrap(), orders(0..2));
    assert_eq!(stuck.standing(), Standing::Evicted);
    assert!(stuck.begin_poll(), "it finds out at its next poll");
    assert_eq!(kind(stuck.revocations()), ErrorKind::Fenced);
    assert_eq!(kind(stuck.commit(&[at(0, 0)])), ErrorKind::Fenced);
    other.commit(&[at(0, 0)]).unwrap();
    drop(stuck);
    let described = broker.describe_group("kitchen").unwrap();
    assert_eq!((described.members.len(), described.counters.evictions), (1, 1));
}

#[test]
fn what_was_under_way_at_the_eviction_comes_before_the_new_owner() {
    let (broker, clock) = kitchen();
    let (stuck, _stalls) = watched(&broker, true);
    poll(&stuck, NOW).unwrap();
    let (told, outcome) = channel();
    // Queued, and nobody commits it yet.
    stuck.commit_async(&[at(0, 0)], Box::new(move |outcome| told.send(outcome).unwrap()));
    let other = join(&broker, wants("kitchen", "orders"));
    clock.advance(10 * SECOND);
    let (ticked, _) = broker.engine.groups.tick(clock_now(&broker));
    ticked.unwrap();
    assert_eq!(poll(&other, NOW).unwrap(), orders(1..2), "partition 0 waits for the commit");
    broker.engine.committer.settle();
    outcome.try_recv().unwrap().unwrap();
    assert_eq!(poll(&other, NOW).unwrap(), orders(0..1));
}

fn clock_now(broker: &Broker) -> Duration {
    broker.engine.env.clock.monotonic()
}

#[test]
fn a_callback_that_panics_stops_no_tick() {
    let (broker, clock) = kitchen();
    let panics = Join {
        max_poll_interval: SECOND,
        on_stall: Some(Arc::new(|_: &StalledMember| panic!("in the callback"))),
        ..wants("kitchen", "orders")
    };
    let _panicking = join(&broker, panics);
    let (_stuck, stalls) = watched(&broker, false);
    clock.advance(10 * SECOND);
    let error = broker.tick().unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    assert!(stalls.try_recv().is_ok(), "the others are told nevertheless");
    broker.tick().unwrap();
}

#[test]
fn a_member_may_be_dropped_within_a_callback_and_with_one() {
    let (broker, clock) = kitchen();
    let other = join(&broker, wants("kitchen", "orders"));
    let kept = std::sync::Mutex::new(Some(join(&broker, wants("kitchen", "orders"))));
    let drops = move |_: &StalledMember| {
        // The callback owns one more member of the same group, which goes when the callback does.
        let _ = &other;
        drop(kept.lock().unwrap().take());
    };
    let stuck = join(
        &broker,
        Join {
            max_poll_interval: SECOND,
            evict: true,
            on_stall: Some(Arc::new(drops)),
            ..wants("kitchen", "orders")
        },
    );
    clock.advance(SECOND);
    broker.tick().unwrap();
    assert_eq!(kind(broker.describe_group("kitchen")), ErrorKind::UnknownGroup, "all are gone");
    drop(stuck);
}

#[test]
fn a_static_members_place_is_kept_for_its_session() {
    let (broker, clock) = kitchen();
    let away = join(&broker, static_one("left-hand"));
    let other = join(&broker, wants("kitchen", "orders"));
    poll(&away, NOW).unwrap();
    assert_eq!(poll(&other, NOW).unwrap(), orders(1..2));
    drop(away);
    clock.advance(44 * SECOND);
    broker.tick().unwrap();
    assert_eq!(poll(&other, NOW).unwrap(), []);
    let described = broker.describe_group("kitchen").unwrap();
    assert!(described.members[0].is_away && described.partitions[0].member_id.is_none());
    let back = join(&broker, static_one("left-hand"));
    assert_eq!(poll(&back, NOW).unwrap(), orders(0..1));
    assert_eq!(back.generation(), 1);
    drop(back);
    clock.advance(45 * SECOND);
    broker.tick().unwrap();
    assert_eq!(poll(&other, NOW).unwrap(), orders(0..1));
    let leaving = join(&broker, static_one("left-hand"));
    poll(&leaving, NOW).unwrap();
    leaving.leave();
    assert_eq!(broker.describe_group("kitchen").unwrap().members.len(), 1, "it left at once");
}
