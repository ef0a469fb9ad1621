//! Threads that join, leave, commit and wait, all at once: nobody hangs, and whoever owns a
//! partition is alone.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex};
use std::thread;

use super::*;
use crate::env::sim::seed;
use crate::env::threads::spawn;
use crate::group::assign::by_name;

/// Far more than any step takes; whoever is not done by then hangs.
const WATCHDOG: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 12;

/// Runs `work` on a thread of its own, and fails if it does not come back.
fn watch(work: impl FnOnce() + Send + 'static) {
    let (done, finished): (_, Receiver<()>) = channel();
    let worker = spawn("ottla-test", move || {
        work();
        drop(done);
    })
    .unwrap();
    let hangs = finished.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout);
    assert!(!hangs, "a deadlock: the threads did not finish in {WATCHDOG:?}");
    worker.join().unwrap();
}

/// Who reads what, by the threads' own word.
type Books = Arc<Mutex<HashMap<TopicPartition, String>>>;

struct Worker {
    broker: Broker,
    books: Books,
    random: fastrand::Rng,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(&mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            let wake = Wake::new();
            let instance_id =
                (self.random.u8(..4) == 0).then(|| format!("i{}", self.random.u8(..2)));
            let assignor: Arc<dyn Assignor> =
                if self.random.bool() { Arc::new(StickyAssignor) } else { Arc::new(RangeAssignor) };
            let wants = Join {
                instance_id,
                wake: Arc::clone(&wake),
                assignors: vec![assignor, Arc::new(CooperativeStickyAssignor)],
                session_timeout: Duration::from_millis(5),
                ..wants("kitchen", "orders")
            };
            let Ok(member) = self.broker.engine.groups.join(self.broker.engine.clone(), wants)
            else {
                return;
            };
            for _ in 0..self.random.usize(1..20) {
                if self.step(&member, &wake).is_err() {
                    break;
                }
            }
            self.forget(&member, &member.owned());
            if self.random.bool() {
                member.leave();
            }
        }
    }

    fn step(&mut self, member: &GroupMember, wake: &Wake) -> Result<()> {
        if member.begin_poll() {
            let revocations = member.revocations()?;
            self.forget(member, &revocations.revoked);
            member.release(&revocations.revoked);
            let taken = member.take()?;
            self.note(member, &taken);
        }
        match self.random.u8(..4) {
            0 => {
                let offsets: Vec<_> =
                    member.owned().into_iter().map(|of| (of, OffsetAndMetadata::new(0))).collect();
                if self.random.bool() {
                    member.commit(&offsets)?;
                } else {
                    member.commit_async(&offsets, Box::new(drop));
                }
            }
            1 => {
                if member.begin_wait() {
                    wake.wait(Duration::from_millis(1));
                    member.end_wait();
                }
            }
            2 => drop(self.broker.describe_group("kitchen")),
            _ => thread::yield_now(),
        }
        member.end_poll(self.broker.engine.env.clock.monotonic());
        Ok(())
    }

    fn note(&self, member: &GroupMember, taken: &[TopicPartition]) {
        let mut books = self.books.lock().unwrap();
        for partition in taken {
            let before = books.insert(partition.clone(), member.member_id().to_owned());
            // A static member that was replaced finds out later than whoever comes after it.
            let is_alone = before.as_ref().is_none_or(|id| id.starts_with('i'));
            // So does one that was replaced since it took, and speaks of it only now.
            let is_replaced =
                || member.member_id().starts_with('i') && member.revocations().is_err();
            assert!(is_alone || is_replaced(), "{partition} is read by {before:?}, too");
        }
    }

    fn forget(&self, member: &GroupMember, revoked: &[TopicPartition]) {
        let mut books = self.books.lock().unwrap();
        for partition in revoked {
            if books.get(partition).is_some_and(|id| id == member.member_id()) {
                books.remove(partition);
            }
        }
    }
}

#[test]
fn threads_that_come_and_go_never_hang_and_never_share_a_partition() {
    let seed = seed();
    watch(move || {
        let broker = options().background(true).open_in(memory()).unwrap();
        broker.create_topic("orders", TopicConfig::new().partitions(PARTITIONS)).unwrap();
        let (books, stop) = (Books::default(), Arc::new(AtomicBool::new(false)));
        let workers: Vec<_> = (0..6)
            .map(|number| {
                let mut worker = Worker {
                    broker: broker.clone(),
                    books: Arc::clone(&books),
                    random: fastrand::Rng::with_seed(seed + number),
                    stop: Arc::clone(&stop),
                };
                spawn("ottla-test", move || worker.run()).unwrap()
            })
            .collect();
        for round in 0..20 {
            Wake::new().wait(Duration::from_millis(20));
            broker.tick().unwrap();
            if round % 5 == 4 {
                let more = PARTITIONS + round;
                broker.add_partitions("orders", more).unwrap();
            }
        }
        // Half of the time they go by themselves, the other half the broker goes first.
        if seed.is_multiple_of(2) {
            broker.close().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        for worker in workers {
            worker.join().unwrap();
        }
        broker.close().unwrap();
    });
}

/// A member that waits as a consumer does, and says what it came to own.
fn sleeper(broker: &Broker, group: &str) -> (thread::JoinHandle<()>, Receiver<usize>) {
    let (told, owned) = channel();
    let wake = Wake::new();
    let member = join(broker, Join { wake: Arc::clone(&wake), ..wants(group, "orders") });
    let sleeper = spawn("ottla-test", move || {
        let mut count = 0;
        loop {
            if member.begin_poll() {
                let Ok(revocations) = member.revocations() else { return };
                member.release(&revocations.revoked);
                let Ok(_) = member.take() else { return };
            }
            if count != member.owned().len() {
                count = member.owned().len();
                if told.send(count).is_err() {
                    return;
                }
            }
            if member.begin_wait() {
                wake.wait(WATCHDOG);
                member.end_wait();
            }
        }
    })
    .unwrap();
    (sleeper, owned)
}

/// Passes over the steps between.
fn come_to(owned: [&Receiver<usize>; 2], count: usize) {
    for owned in owned {
        while owned.recv().unwrap() != count {}
    }
}

#[test]
fn those_who_wait_are_woken_for_whatever_there_is_to_do() {
    watch(|| {
        let broker = broker_with_orders(memory(), 4);
        let (first, first_owns) = sleeper(&broker, "kitchen");
        assert_eq!(first_owns.recv().unwrap(), 4);
        // The second decides at its first poll; the first is woken to let go, the second to take.
        let (second, second_owns) = sleeper(&broker, "kitchen");
        come_to([&first_owns, &second_owns], 2);
        // Nobody polls now; one of the two is called to decide.
        broker.add_partitions("orders", 6).unwrap();
        come_to([&first_owns, &second_owns], 3);
        let third = join(&broker, wants("kitchen", "orders"));
        poll(&third, NOW).unwrap();
        come_to([&first_owns, &second_owns], 2);
        poll(&third, NOW).unwrap();
        third.leave();
        come_to([&first_owns, &second_owns], 3);
        broker.delete_topic("orders").unwrap();
        come_to([&first_owns, &second_owns], 0);
        broker.close().unwrap();
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn a_hundred_members_share_a_thousand_partitions() {
    let broker = broker_with_orders(memory(), 1000);
    for name in ["range", "roundrobin", "sticky", "cooperative-sticky"] {
        let wants = || Join { assignors: vec![by_name(name).unwrap()], ..wants(name, "orders") };
        let mut last = broker.engine.env.clock.monotonic();
        let mut lap = || {
            let now = broker.engine.env.clock.monotonic();
            now - std::mem::replace(&mut last, now)
        };
        let mut members: Vec<_> = (0..50).map(|_| join(&broker, wants())).collect();
        reconcile_all(&members);
        let half = lap();
        assert_eq!(members[0].generation(), 1, "decided once");
        members.extend((0..50).map(|_| join(&broker, wants())));
        reconcile_all(&members);
        let doubled = lap();
        assert!(members.iter().all(|member| member.owned().len() == 10));
        drop(members);
        let gone = lap();
        let members: Vec<_> = (0..100).map(|_| join(&broker, wants())).collect();
        reconcile_all(&members);
        let all = lap();
        println!("{name}: 50 in {half:?}, 50 more {doubled:?}, all gone {gone:?}, 100 {all:?}");
    }
}

fn reconcile_all(members: &[GroupMember]) {
    while members.iter().any(GroupMember::is_pending) {
        for member in members {
            poll(member, NOW).unwrap();
        }
    }
}

/// A signal between threads.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.lock().unwrap();
        drop(self.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// Says that it was asked, and answers when it may.
struct Slow {
    asked: Gate,
    answer: Gate,
}

impl Assignor for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn assign(
        &self,
        topics: &PartitionCounts,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        self.asked.open();
        self.answer.pass();
        RangeAssignor.assign(topics, members)
    }
}

#[test]
fn a_slow_assignor_keeps_nobody_waiting() {
    watch(|| {
        let broker = broker_with_orders(memory(), 2);
        let slow = Arc::new(Slow { asked: Gate::default(), answer: Gate::default() });
        let wants = || {
            let assignors: Vec<Arc<dyn Assignor>> = vec![Arc::clone(&slow) as _];
            Join { assignors, ..wants("kitchen", "orders") }
        };
        let first = Arc::new(join(&broker, wants()));
        let decider = Arc::clone(&first);
        let deciding = spawn("ottla-test", move || {
            poll(&decider, NOW).unwrap();
        })
        .unwrap();
        slow.asked.pass();
        // Others poll, join, describe and leave while it computes.
        let second = join(&broker, wants());
        let third = join(&broker, wants());
        assert_eq!(broker.describe_group("kitchen").unwrap().state, GroupState::Assigning);
        assert_eq!(poll(&second, NOW).unwrap(), []);
        third.leave();
        slow.answer.open();
        deciding.join().unwrap();
        poll(&second, NOW).unwrap();
        poll(&first, NOW).unwrap();
        assert_eq!((first.owned().len(), second.owned().len()), (1, 1));
    });
}
