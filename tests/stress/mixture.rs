//! Everything at once, on threads of the operating system: writers of all ways, transactions, a group
//! that processes exactly once, readers, snapshots, conditions, compaction, deletion, checkpoints, a loss
//! of power, and a close (or a failing sync) in the middle of it. [`Model`] knows what must hold.
//!
//! A round is short and has a directory of its own; rounds differ by what the seed draws.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::env::sim::{CacheAfterFailedSync, Call, Effect, Fault};
use ottla::{
    Acks, Broker, CleanupPolicy, Consumer, Error, ErrorKind, Message, Record, TopicConfig,
};

use crate::model::{Level, Model};
use crate::schedules::check_half;
use crate::threads::{draw, pause, scope};
use crate::world::{TOPIC, World, options};

pub(crate) const DONE: &str = "done";
pub(crate) const LATEST: &str = "latest";
pub(crate) const OLD: &str = "old";
pub(crate) const COUNTERS: &str = "counters";
pub(crate) const GROUP: &str = "kitchen";

/// How often each thread does what it does, if the broker is not closed before.
const STEPS: u64 = 12;

/// When something happens in the middle of it.
const MIDDLE: Duration = Duration::from_millis(20);

/// One directory, and what its threads know.
struct Round {
    broker: Broker,
    model: Model,
}

#[test]
fn everything_at_once() {
    check_half(everything);
}

pub(crate) fn everything() {
    let world = World::new();
    let broker = world.open(options().background(draw().is_multiple_of(2)).descriptors_max(24));
    let small = |config: TopicConfig| config.set("internal.segment.bytes", "300").unwrap();
    let compacted = TopicConfig::new().cleanup_policy(CleanupPolicy::COMPACT);
    broker.create_topic(TOPIC, small(TopicConfig::new().partitions(2))).unwrap();
    broker.create_topic(DONE, TopicConfig::new()).unwrap();
    broker.create_topic(LATEST, small(compacted)).unwrap();
    broker.create_topic(OLD, small(TopicConfig::new())).unwrap();
    broker.create_topic(COUNTERS, small(TopicConfig::new().key_index(true))).unwrap();
    let fails = draw().is_multiple_of(4);
    if fails {
        let effect = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
        let nth = 5 + draw() % 60;
        world.disk.plan(Fault::new(effect).on(Call::SyncData).at_path(".journal").nth(nth));
    }
    let round = Round { broker, model: Model::default() };
    let lost = scope(|scope| {
        let round = &round;
        for (writer, level) in [(0, Level::All), (1, Level::All), (2, Level::Leader)] {
            scope.spawn(move || round.write(writer, level));
        }
        scope.spawn(|| round.send());
        scope.spawn(|| round.write_both());
        for _ in 0..2 {
            scope.spawn(|| round.process());
            scope.spawn(|| round.count());
        }
        scope.spawn(|| round.look());
        scope.spawn(|| round.follow());
        scope.spawn(|| round.keep_the_latest());
        scope.spawn(|| round.write_and_delete());
        scope.spawn(|| round.read_what_is_left());
        scope.spawn(|| round.check_point());
        let plug = scope.spawn(|| {
            pause(MIDDLE);
            (round.model.until_now(), world.power_loss())
        });
        if draw().is_multiple_of(2) {
            pause(MIDDLE);
            let closed = round.broker.close();
            assert!(fails || closed.is_ok(), "{closed:?}");
        }
        plug.join().unwrap()
    });
    let (before, lost) = lost;
    before.survived_in(&lost.open(options()));
    let closed = round.broker.close();
    assert!(fails || closed.is_ok(), "{closed:?}");
    if !fails {
        let again = world.open(options());
        assert!(again.recovery_report().clean, "{:?}", again.recovery_report());
        return round.model.holds_in(&again);
    }
    round.broker.abandon();
    round.model.survived_in(&world.power_loss().open(options()));
    round.model.holds_in(&world.kill().open(options()));
}

/// What is done, or `None` if the broker is closed or poisoned by now.
fn unless_over<T>(outcome: Result<T, Error>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error) => {
            let over = [ErrorKind::Closed, ErrorKind::Poisoned];
            assert!(over.contains(&error.kind()), "{error}");
            None
        }
    }
}

fn acks(level: Level) -> Acks {
    if level == Level::All { Acks::All } else { Acks::Leader }
}

impl Round {
    /// Appends one record after the other, now and then at an end that it expects.
    fn write(&self, writer: u64, level: Level) -> Option<()> {
        for step in 0..STEPS {
            let number = (draw() % 2) as i32;
            let partition = unless_over(self.broker.partition(TOPIC, number))?;
            let text = format!("w{writer}.{step}");
            let began = self.model.now();
            let messages = [Message::new(&text)];
            let outcome = if draw().is_multiple_of(4) {
                partition.expect_end(partition.end_offset()).append(&messages, acks(level))
            } else {
                partition.append(&messages, acks(level))
            };
            if outcome.as_ref().is_err_and(|error| error.conflict().is_some()) {
                continue;
            }
            let appended = unless_over(outcome)?;
            self.model.acked(number, appended.base_offset, &text, level, began);
            assert!(partition.end_offset() > appended.base_offset, "acked and not shown");
        }
        Some(())
    }

    /// Sends by a producer that numbers its batches.
    fn send(&self) -> Option<()> {
        let producer = unless_over(self.broker.producer().enable_idempotence(true).build())?;
        for step in 0..STEPS {
            let number = (step % 2) as i32;
            let text = format!("s.{step}");
            let began = self.model.now();
            let record = Record::new(TOPIC, &*text).partition(number);
            let written = unless_over(producer.send(record).and_then(ottla::Delivery::wait))?;
            self.model.acked(number, written.offset, &text, Level::All, began);
        }
        unless_over(producer.close())
    }

    /// Writes to both partitions at once, by turns in a transaction and in an atomic append; some
    /// transactions are aborted.
    fn write_both(&self) -> Option<()> {
        for step in 0..STEPS {
            let text = format!("t.{step}");
            if step % 2 == 0 {
                let mut both = self.broker.atomic_append();
                for number in 0..2 {
                    unless_over(both.add(TOPIC, number, &[Message::new(&text)]))?;
                }
                unless_over(both.commit())?;
                continue;
            }
            let mut transaction = unless_over(self.broker.transaction())?;
            let aborts = draw().is_multiple_of(3);
            let text = if aborts { format!("aborted.{step}") } else { text };
            for number in 0..2 {
                unless_over(transaction.send(Record::new(TOPIC, &*text).partition(number)))?;
            }
            if aborts {
                unless_over(transaction.abort())?;
            } else {
                unless_over(transaction.commit())?;
            }
        }
        Some(())
    }

    /// A member of a group that passes every record on, in transactions with the offsets.
    fn process(&self) -> Option<()> {
        let builder = self.broker.consumer().group(GROUP).subscribe([TOPIC]);
        let mut consumer = unless_over(builder.max_poll_records(5).build())?;
        for _ in 0..STEPS {
            let records = unless_over(consumer.poll(Duration::from_millis(1)))?;
            let mut transaction = unless_over(self.broker.transaction())?;
            for record in &records {
                unless_over(transaction.send(Record::new(DONE, record.value().unwrap())))?;
            }
            let staged = transaction.commit_offsets(&consumer);
            if let Err(error) = staged.and_then(|()| transaction.commit().map(drop)) {
                if error.kind() != ErrorKind::Fenced {
                    return unless_over(Err(error));
                }
                back_to_the_group(&mut consumer)?;
            }
        }
        unless_over(consumer.close())
    }

    /// Adds to a counter on condition.
    fn count(&self) -> Option<()> {
        for _ in 0..STEPS / 2 {
            let counter = unless_over(self.broker.stream(COUNTERS, "one"))?;
            loop {
                let newest = unless_over(counter.read_backwards(..).next().transpose())?;
                let count = newest.as_ref().map_or(0, |record| number(record.value.as_deref()));
                let version = newest.map(|record| record.offset);
                let value = (count + 1).to_string();
                let message = [Message::new(&value)];
                let appended = counter.expect_version(version).append(&message, Acks::All);
                if appended.as_ref().is_err_and(|error| error.conflict().is_some()) {
                    continue;
                }
                unless_over(appended)?;
                self.model.counted();
                break;
            }
        }
        Some(())
    }

    /// Takes snapshots: what was written to both partitions is in both or in none.
    fn look(&self) -> Option<()> {
        for _ in 0..STEPS {
            let snapshot = unless_over(self.broker.snapshot())?;
            let mut both = [Vec::new(), Vec::new()];
            for (number, seen) in both.iter_mut().enumerate() {
                for record in unless_over(snapshot.read(TOPIC, number as i32, 0))? {
                    seen.extend(unless_over(record)?.value.filter(|value| value.starts_with(b"t")));
                }
            }
            assert_eq!(both[0], both[1], "half of a commit is in a snapshot");
        }
        Some(())
    }

    /// A reader that follows the ends.
    fn follow(&self) -> Option<()> {
        let assignment = [(TOPIC, 0), (TOPIC, 1)];
        let mut consumer = unless_over(self.broker.consumer().assign(assignment).build())?;
        let mut next = [0, 0];
        for _ in 0..STEPS * 2 {
            for record in &unless_over(consumer.poll(Duration::from_millis(2)))? {
                let next = &mut next[record.partition() as usize];
                assert_eq!(record.offset(), *next, "a hole, or a record twice");
                *next += 1;
                self.model.seen(record.partition(), record.offset(), record.value().unwrap());
            }
        }
        Some(())
    }

    /// Writes two keys again and again, and has them compacted.
    fn keep_the_latest(&self) -> Option<()> {
        let partition = unless_over(self.broker.partition(LATEST, 0))?;
        for step in 0..STEPS * 2 {
            let (key, value) = ((step % 2).to_string(), step.to_string());
            unless_over(partition.append(&[Message::new(&value).key(&key)], Acks::All))?;
            self.model.latest(step % 2, step);
            if step % 8 == 7 {
                unless_over(self.broker.compact_now(LATEST))?;
            }
        }
        Some(())
    }

    /// Writes the offsets themselves, and deletes the older half now and then.
    fn write_and_delete(&self) -> Option<()> {
        let partition = unless_over(self.broker.partition(OLD, 0))?;
        for step in 0..STEPS * 2 {
            let level = if step % 2 == 0 { Acks::All } else { Acks::Leader };
            unless_over(partition.append(&[Message::new(&step.to_string())], level))?;
            if step % 6 == 5 {
                let half = (partition.log_start_offset() + partition.end_offset()) / 2;
                unless_over(partition.delete_records(half))?;
            }
        }
        Some(())
    }

    fn read_what_is_left(&self) -> Option<()> {
        let mut consumer = unless_over(self.broker.consumer().assign([(OLD, 0)]).build())?;
        let mut before = -1;
        for _ in 0..STEPS * 2 {
            for record in &unless_over(consumer.poll(Duration::from_millis(1)))? {
                assert!(record.offset() > before, "a record came back");
                before = record.offset();
                assert_eq!(record.value().unwrap(), before.to_string().as_bytes());
            }
        }
        Some(())
    }

    fn check_point(&self) -> Option<()> {
        for _ in 0..STEPS / 2 {
            unless_over(self.broker.checkpoint())?;
            pause(MIDDLE / 8);
        }
        Some(())
    }
}

pub(crate) fn number(value: Option<&[u8]>) -> u64 {
    std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap()
}

/// After a transaction that came to nothing.
fn back_to_the_group(consumer: &mut Consumer) -> Option<()> {
    let places: BTreeMap<_, _> = consumer
        .assignment()
        .into_iter()
        .map(|at| {
            let committed = consumer.committed(at.topic.as_str(), at.partition);
            (at, committed)
        })
        .collect();
    for (at, committed) in places {
        let offset = unless_over(committed)?.map_or(0, |committed| committed.offset);
        unless_over(consumer.seek(at.topic.as_str(), at.partition, offset))?;
    }
    Some(())
}
