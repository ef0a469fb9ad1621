//! What listeners may do, and what becomes of those that misbehave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use ottla::{Broker, Consumer, ErrorKind, TopicPartition};

use crate::world::{Doing, NOW, Noting, World, drain, kind, nothing, owned, settle};

#[test]
fn a_listener_commits_before_its_partitions_go() {
    let world = World::new(2);
    world.append(0, 0..3);
    world.append(1, 10..13);
    let listener = Doing {
        revoked: |consumer: &mut Consumer, partitions: &[TopicPartition]| {
            // It still owns them, and may look at them.
            let positions: Vec<_> = partitions
                .iter()
                .map(|p| (p.clone(), consumer.position(p.topic.as_str(), p.partition).unwrap()))
                .collect();
            consumer.commit_offsets(positions).unwrap();
        },
        assigned: nothing,
    };
    let mut first = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
    assert_eq!(drain(&mut first).len(), 6);
    let mut second = world.member();
    settle(&mut [&mut first, &mut second]);
    assert_eq!(owned(&second).len(), 1);
    assert!(drain(&mut second).is_empty());
    first.close().unwrap();
    assert!(drain(&mut second).is_empty(), "a close revokes, too");
}

#[test]
fn revoked_records_are_not_returned_any_more() {
    let world = World::new(2);
    world.append(0, 0..10);
    world.append(1, 10..20);
    let noting = Noting::default();
    let builder = world.builder().subscribe(["t"]).listener(noting.clone()).max_poll_records(2);
    let mut first = builder.build().unwrap();
    let mut seen: Vec<i32> = Vec::new();
    for _ in 0..2 {
        seen.extend(first.poll(NOW).unwrap().iter().map(|record| record.partition()));
    }
    assert_eq!(seen.len(), 4, "both partitions were fetched");
    let mut second = world.member();
    second.poll(NOW).unwrap();
    let rest = drain(&mut first);
    let kept = owned(&first);
    assert_eq!(kept.len(), 1);
    let of = |partition: i32| partition as usize * 10..partition as usize * 10 + 10;
    assert!(rest.iter().all(|value| of(kept[0]).contains(value)), "{rest:?}");
    assert_eq!(noting.take(), [('a', vec![0, 1]), ('r', vec![1 - kept[0]])]);
    assert_eq!(drain(&mut second).len(), 10, "nothing was committed");
}

#[test]
fn a_listener_may_seek_what_it_was_assigned() {
    let world = World::new(2);
    world.append(0, 0..10);
    world.append(1, 10..20);
    let listener = Doing {
        revoked: nothing,
        assigned: |consumer: &mut Consumer, partitions: &[TopicPartition]| {
            assert_eq!(consumer.assignment(), partitions);
            consumer.seek("t", 0, 9).unwrap();
            consumer.pause([("t", 1)]).unwrap();
        },
    };
    let mut consumer = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
    assert_eq!(drain(&mut consumer), [9]);
}

#[test]
fn calls_that_make_no_sense_within_a_listener_are_errors() {
    let world = World::new(1);
    let kinds: Arc<Mutex<Vec<ErrorKind>>> = Arc::default();
    let note = kinds.clone();
    let listener = Doing {
        revoked: nothing,
        assigned: move |consumer: &mut Consumer, _: &[TopicPartition]| {
            let mut kinds = note.lock().unwrap();
            kinds.push(kind(consumer.poll(NOW)));
            kinds.push(kind(consumer.subscribe(["t"])));
            kinds.push(kind(consumer.subscribe_pattern("t")));
            kinds.push(kind(consumer.unsubscribe()));
            kinds.push(kind(consumer.assign([("t", 0)])));
            kinds.push(kind(consumer.records().next().unwrap()));
        },
    };
    let mut consumer = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
    assert!(drain(&mut consumer).is_empty());
    assert_eq!(*kinds.lock().unwrap(), [ErrorKind::InvalidInput; 6]);
    assert_eq!(owned(&consumer), [0]);
}

#[test]
fn a_panic_of_a_listener_passes_on_and_nobody_waits_for_it() {
    let world = World::new(2);
    let listener = Doing {
        revoked: |_: &mut Consumer, _: &[TopicPartition]| panic!("revoked"),
        assigned: nothing,
    };
    let mut first = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
    settle(&mut [&mut first]);
    let mut second = world.member();
    second.poll(NOW).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| first.poll(NOW))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"revoked"));
    drain(&mut second);
    assert_eq!((owned(&first).len(), owned(&second).len()), (1, 1));
    // The consumer goes on, and a panic while leaving leaves.
    first.poll(NOW).unwrap();
    catch_unwind(AssertUnwindSafe(|| first.unsubscribe())).unwrap_err();
    assert!(first.subscription().is_empty());
    drain(&mut second);
    assert_eq!(owned(&second), [0, 1]);
    second.unsubscribe().unwrap();

    let listener = Doing {
        revoked: nothing,
        assigned: |_: &mut Consumer, _: &[TopicPartition]| panic!("assigned"),
    };
    let mut third = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
    catch_unwind(AssertUnwindSafe(|| third.poll(NOW))).unwrap_err();
    assert_eq!(owned(&third), [0, 1], "they are its own all the same");
    world.append(0, 0..1);
    assert_eq!(drain(&mut third), [0]);
}

#[test]
fn a_panicking_thread_leaves_without_a_commit() {
    let world = World::new(1);
    world.append(0, 0..3);
    let noting = Noting::default();
    let every = Some(std::time::Duration::ZERO);
    let builder = world.builder().subscribe(["t"]).listener(noting.clone()).auto_commit(every);
    let mut consumer = builder.build().unwrap();
    assert_eq!(drain(&mut consumer).len(), 3);
    world.append(0, 3..5);
    assert_eq!(consumer.poll(NOW).unwrap().len(), 2);
    let worker = catch_unwind(AssertUnwindSafe(move || {
        let _consumer = consumer;
        panic!("the work on these records failed");
    }));
    worker.unwrap_err();
    assert_eq!(noting.take(), [('a', vec![0])], "nothing more");
    assert_eq!(drain(&mut world.member()), [3, 4]);
}

/// A consumer that is put elsewhere, or dropped, while its listener is called.
#[test]
fn a_consumer_may_be_replaced_within_its_listener() {
    for keeps in [false, true] {
        let world = World::new(2);
        let broker = world.broker.clone();
        let kept: Arc<Mutex<Option<Consumer>>> = Arc::default();
        let keep = kept.clone();
        let replace = move |consumer: &mut Consumer, _: &[TopicPartition]| {
            let old = std::mem::replace(consumer, bystander(&broker));
            if keeps {
                *keep.lock().unwrap() = Some(old);
            }
        };
        let listener = Doing { revoked: replace, assigned: nothing };
        let mut first = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
        settle(&mut [&mut first]);
        let mut second = world.member();
        second.poll(NOW).unwrap();
        assert_eq!(kind(first.poll(NOW)), ErrorKind::InvalidInput);
        assert!(first.subscription().is_empty(), "the other one");
        first.poll(NOW).unwrap();
        drain(&mut second);
        assert_eq!(owned(&second).len(), if keeps { 0 } else { 2 });
        let old = kept.lock().unwrap().take();
        if let Some(old) = old {
            // Its listener puts it elsewhere once more; then it is gone.
            drop(old);
            let old = kept.lock().unwrap().take();
            drop(old);
            drain(&mut second);
            assert_eq!(owned(&second).len(), 2);
        }
    }
}

fn bystander(broker: &Broker) -> Consumer {
    broker.consumer().group("bystanders").assign([("t", 0)]).build().unwrap()
}

#[test]
fn a_consumer_may_be_closed_within_its_own_listener() {
    let world = World::new(2);
    let broker = world.broker.clone();
    let close = move |consumer: &mut Consumer, _: &[TopicPartition]| {
        std::mem::replace(consumer, bystander(&broker)).close().unwrap();
    };
    let listener = Doing { revoked: nothing, assigned: close };
    let mut first = world.builder().subscribe(["t"]).listener(listener).build().unwrap();
    assert_eq!(kind(first.poll(NOW)), ErrorKind::InvalidInput);
    let mut second = world.member();
    drain(&mut second);
    assert_eq!(owned(&second), [0, 1]);
}

#[test]
fn a_callback_of_a_commit_may_drop_consumers_and_the_broker() {
    let world = World::new(1);
    world.append(0, 0..3);
    let mut consumer = world.member();
    assert_eq!(drain(&mut consumer).len(), 3);
    let other = world.broker.consumer().group("h").subscribe(["t"]).build().unwrap();
    let broker = world.broker.clone();
    let told = Arc::new(Mutex::new(false));
    let tell = told.clone();
    consumer
        .commit_async(move |_, result| {
            result.unwrap();
            drop(other);
            broker.close().unwrap();
            *tell.lock().unwrap() = true;
        })
        .unwrap();
    world.broker.tick().unwrap();
    assert_eq!(kind(consumer.poll(NOW)), ErrorKind::Closed);
    assert!(*told.lock().unwrap());
    drop(consumer);
}
