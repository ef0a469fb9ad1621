//! Readers beside writers: no wake-up is lost, and nothing is read that is not there.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use ottla::{Acks, Broker, ErrorKind, PartitionHandle, TopicConfig};

use crate::schedules::check;
use crate::threads::atomic::{AtomicBool, Ordering};
use crate::threads::{Condvar, Mutex, block_on, scope};
use crate::world::{Acked, FOREVER, TOPIC, World, log_of, options};

#[test]
fn a_tailing_consumer_misses_no_wake_up() {
    check(tailing);
}

/// A consumer polls two partitions for ever while each gets records at another level.
pub(crate) fn tailing() {
    let world = World::new();
    let broker = world.broker();
    let acked = Acked::default();
    scope(|scope| {
        for (number, acks) in [(0, Acks::All), (1, Acks::Leader)] {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, number).unwrap();
                for round in 0..3 {
                    acked.append(&partition, &round.to_string(), acks);
                }
            });
        }
        scope.spawn(|| {
            let assignment = [(TOPIC, 0), (TOPIC, 1)];
            let mut consumer = broker.consumer().assign(assignment).build().unwrap();
            let mut seen = [0, 0];
            while seen != [3, 3] {
                // A wake-up that was missed would be a deadlock here.
                let records = consumer.poll(FOREVER).unwrap();
                assert!(!records.is_empty(), "it returned without records before its time");
                for record in &records {
                    let next = &mut seen[record.partition() as usize];
                    assert_eq!(record.offset(), *next);
                    assert_eq!(record.value().unwrap(), next.to_string().as_bytes());
                    *next += 1;
                }
            }
        });
    });
    acked.is_all_of(&broker);
}

#[test]
fn a_task_that_awaits_records_misses_no_wake_up() {
    check(awaiting);
}

/// A task awaits the records of two partitions, each of which has a writer.
pub(crate) fn awaiting() {
    let world = World::new();
    let broker = world.broker();
    let acked = Acked::default();
    scope(|scope| {
        for number in 0..2 {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, number).unwrap();
                for round in 0..2 {
                    acked.append(&partition, &round.to_string(), Acks::Leader);
                }
            });
        }
        scope.spawn(|| {
            let assignment = [(TOPIC, 0), (TOPIC, 1)];
            let mut consumer = broker.consumer().assign(assignment).build().unwrap();
            let mut seen = 0;
            while seen < 4 {
                seen += block_on(consumer.poll_async()).unwrap().len();
            }
        });
    });
}

/// A partition whose segments hold few records, so that there is something to delete.
fn in_small_segments(broker: &Broker) -> PartitionHandle {
    let config = TopicConfig::new().partitions(1).set("internal.segment.bytes", "100").unwrap();
    broker.create_topic(TOPIC, config).unwrap();
    broker.partition(TOPIC, 0).unwrap()
}

#[test]
fn segments_are_deleted_under_a_reader() {
    check(deleted_under_a_reader);
}

/// Small segments, a writer, somebody who deletes what is old, and a reader who goes on.
pub(crate) fn deleted_under_a_reader() {
    const RECORDS: i64 = 6;
    let world = World::new();
    let broker = world.open(options());
    let partition = in_small_segments(&broker);
    scope(|scope| {
        scope.spawn(|| {
            for round in 0..RECORDS {
                let acks = if round % 2 == 0 { Acks::All } else { Acks::Leader };
                Acked::default().append(&partition, &round.to_string(), acks);
            }
        });
        scope.spawn(|| {
            for _ in 0..2 {
                let some = (partition.log_start_offset() + partition.end_offset()) / 2;
                partition.delete_records(some).unwrap();
            }
        });
        scope.spawn(|| {
            let mut consumer = broker.consumer().assign([(TOPIC, 0)]).build().unwrap();
            let mut next = 0;
            while next < RECORDS {
                for record in &consumer.poll(FOREVER).unwrap() {
                    assert!(record.offset() >= next, "a record came back");
                    assert_eq!(record.value().unwrap(), record.offset().to_string().as_bytes());
                    next = record.offset() + 1;
                }
            }
        });
    });
    assert_eq!(partition.end_offset(), RECORDS);
    drop(partition);
    broker.close().unwrap();
    let again = world.open(options());
    let start = again.partition(TOPIC, 0).unwrap().log_start_offset();
    let left: Vec<_> = (start..RECORDS).map(|offset| offset.to_string()).collect();
    assert_eq!(log_of(&again, 0), left);
}

#[test]
fn a_snapshot_is_read_beside_a_deletion() {
    check(snapshot_beside_a_deletion);
}

/// A directory that was just opened, so that no descriptor is there: somebody reads a snapshot and
/// somebody polls while the segments are deleted. Each gets what it asked for, or hears that it is gone.
pub(crate) fn snapshot_beside_a_deletion() {
    const RECORDS: i64 = 6;
    let world = World::new();
    let broker = world.open(options());
    let partition = in_small_segments(&broker);
    for round in 0..RECORDS {
        Acked::default().append(&partition, &round.to_string(), Acks::Leader);
    }
    drop(partition);
    broker.close().unwrap();
    let broker = world.open(options());
    let snapshot = broker.snapshot().unwrap();
    scope(|scope| {
        scope.spawn(|| {
            let records = snapshot.read(TOPIC, 0, 0);
            let mut next = 0;
            for record in records.into_iter().flatten() {
                match record {
                    Ok(record) => {
                        assert_eq!(record.offset, next);
                        assert_eq!(record.value.unwrap(), next.to_string().as_bytes());
                        next += 1;
                    }
                    Err(error) => {
                        return assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange, "{error}");
                    }
                }
            }
        });
        scope.spawn(|| {
            let mut consumer = broker.consumer().assign([(TOPIC, 0)]).build().unwrap();
            let mut next = 0;
            while next < RECORDS {
                let records = consumer.poll(Duration::ZERO).unwrap();
                for record in &records {
                    assert!(record.offset() >= next, "a record came back");
                    next = record.offset() + 1;
                }
                if records.is_empty()
                    && broker.partition(TOPIC, 0).unwrap().log_start_offset() > next
                {
                    next = broker.partition(TOPIC, 0).unwrap().log_start_offset();
                }
            }
        });
        scope.spawn(|| {
            let partition = broker.partition(TOPIC, 0).unwrap();
            for below in [3, RECORDS - 1] {
                partition.delete_records(below).unwrap();
            }
        });
    });
}

#[test]
fn a_poll_that_waits_is_called_back() {
    check(called_back);
}

/// Two polls that wait for ever for an empty topic, and somebody who ends them.
pub(crate) fn called_back() {
    let world = World::new();
    let broker = world.broker();
    scope(|scope| {
        for partition in 0..2 {
            let mut consumer = broker.consumer().assign([(TOPIC, partition)]).build().unwrap();
            let wakeup = consumer.wakeup();
            scope.spawn(move || {
                // A call that was missed would be a deadlock here.
                assert!(consumer.poll(FOREVER).unwrap().is_empty());
            });
            scope.spawn(move || wakeup.wakeup());
        }
    });
}

#[test]
fn descriptors_are_taken_away_under_writers_and_readers() {
    check(few_descriptors);
}

/// More logs than descriptors: readers make room for their own while others write and sync. What
/// was written before a checkpoint survives the loss of power.
pub(crate) fn few_descriptors() {
    const PARTITIONS: i32 = 18;
    let world = World::new();
    let broker = world.open(options().descriptors_max(16));
    broker.create_topic(TOPIC, TopicConfig::new().partitions(PARTITIONS)).unwrap();
    let acked = Acked::default();
    for number in 0..PARTITIONS {
        acked.append(&broker.partition(TOPIC, number).unwrap(), "before", Acks::Leader);
    }
    broker.checkpoint().unwrap();
    scope(|scope| {
        for number in [0, 1] {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, number).unwrap();
                acked.append(&partition, "meanwhile", Acks::Leader);
                acked.append(&partition, "meanwhile", Acks::All);
            });
        }
        scope.spawn(|| {
            let all = (0..PARTITIONS).map(|number| (TOPIC, number));
            let mut consumer = broker.consumer().assign(all).build().unwrap();
            let mut seen = 0;
            while seen < PARTITIONS as usize {
                seen += consumer.poll(FOREVER).unwrap().len();
            }
        });
        scope.spawn(|| broker.checkpoint().unwrap());
    });
    broker.checkpoint().unwrap();
    acked.is_in(&broker);
    acked.is_in(&world.power_loss().open(options()));
}

#[test]
fn a_loop_around_a_consumer_misses_no_ring() {
    check(watching);
}

/// A loop waits for a bell, and polls a consumer of two partitions, each of which has a writer.
pub(crate) fn watching() {
    let world = World::new();
    let broker = world.broker();
    let bell = Arc::new(Bell::default());
    scope(|scope| {
        for number in 0..2 {
            let broker = &broker;
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, number).unwrap();
                for round in 0..2 {
                    Acked::default().append(&partition, &round.to_string(), Acks::Leader);
                }
            });
        }
        scope.spawn(|| {
            let assignment = [(TOPIC, 0), (TOPIC, 1)];
            let mut consumer = broker.consumer().assign(assignment).build().unwrap();
            let (waker, mut seen) = (Waker::from(Arc::clone(&bell)), 0);
            while seen < 4 {
                if consumer.wake_when_ready(&waker) {
                    seen += consumer.poll(Duration::ZERO).unwrap().len();
                } else {
                    // A ring that was missed would be a deadlock here.
                    bell.wait();
                }
            }
        });
    });
}

#[test]
fn a_loop_around_a_member_ends_when_it_is_called() {
    check(called);
}

/// A loop that waits for a bell polls a member of a group while a writer appends, another member
/// comes and goes, and somebody calls at the end.
pub(crate) fn called() {
    let world = World::new();
    let broker = world.broker();
    let member = || broker.consumer().group("kitchen").subscribe([TOPIC]).build().unwrap();
    let mut consumer = member();
    let wakeup = consumer.wakeup();
    let bell = Arc::new(Bell::default());
    scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..2 {
                let partition = broker.partition(TOPIC, number).unwrap();
                Acked::default().append(&partition, "x", Acks::Leader);
            }
        });
        let guest = scope.spawn(|| {
            let mut guest = member();
            let seen = guest.poll(Duration::ZERO).unwrap().len();
            guest.commit().unwrap();
            guest.close().unwrap();
            seen
        });
        let looper = scope.spawn(|| {
            let (waker, mut seen) = (Waker::from(Arc::clone(&bell)), 0);
            loop {
                // Asked first: what happened before the end is seen after it.
                let is_over = bell.is_over();
                if consumer.wake_when_ready(&waker) {
                    seen += consumer.poll(Duration::ZERO).unwrap().len();
                    consumer.commit().unwrap();
                } else if is_over {
                    return seen;
                } else {
                    // Nor is the call missed.
                    bell.wait();
                }
            }
        });
        writer.join().unwrap();
        let taken = guest.join().unwrap();
        bell.end();
        wakeup.wakeup();
        assert_eq!(looper.join().unwrap() + taken, 2);
    });
}

/// What a loop waits for. A ring before the wait is not lost.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
    over: AtomicBool,
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.ring.wait(rung).unwrap();
        }
        *rung = false;
    }

    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.ring.notify_all();
    }
}
