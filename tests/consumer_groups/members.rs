//! Who reads what, as members come and go and topics change.

use std::time::Duration;

use ottla::Consumer;

use crate::world::{NOW, Noting, World, drain, numbers, owned, settle};

#[test]
fn members_share_partitions_and_go_on_where_the_group_was() {
    let world = World::new(4);
    for partition in 0..4 {
        world.append(partition, partition as usize * 10..partition as usize * 10 + 10);
    }
    let mut first = world.member();
    assert!(owned(&first).is_empty(), "partitions come with a poll");
    let mut seen = drain(&mut first);
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    first.commit().unwrap();

    let mut second = world.member();
    settle(&mut [&mut second, &mut first]);
    let (mut kept, mut given) = (owned(&first), owned(&second));
    assert_eq!((kept.len(), given.len()), (2, 2));
    assert_eq!(second.position("t", given[0]).unwrap(), 10);
    world.append(given[1], 40..42);
    assert!(drain(&mut first).is_empty());
    assert_eq!(drain(&mut second), [40, 41]);
    kept.append(&mut given);
    kept.sort_unstable();
    assert_eq!(kept, [0, 1, 2, 3]);
    // Not committed: whoever comes next reads it again.
    second.close().unwrap();
    assert_eq!(drain(&mut first), [40, 41]);
    assert_eq!(owned(&first), [0, 1, 2, 3]);
}

#[test]
fn two_groups_know_nothing_of_each_other() {
    let world = World::new(2);
    world.append(0, 0..5);
    let mut first = world.member();
    let mut second = world.broker.consumer().group("h").subscribe(["t"]).build().unwrap();
    for consumer in [&mut first, &mut second] {
        assert_eq!(drain(consumer), (0..5).collect::<Vec<_>>());
        assert_eq!(owned(consumer), [0, 1]);
        consumer.commit().unwrap();
    }
    assert_ne!(first.group_metadata().unwrap().member_id, "");
    assert_eq!(first.group_metadata().unwrap().group_id, "g");
}

#[test]
fn more_members_than_partitions_stand_by() {
    let world = World::new(1);
    let mut members: Vec<Consumer> = (0..3).map(|_| world.member()).collect();
    let [a, b, c] = &mut members[..] else { unreachable!() };
    settle(&mut [a, b, c]);
    let owners = |members: &[Consumer]| -> Vec<usize> {
        members.iter().map(|member| owned(member).len()).collect()
    };
    assert_eq!(owners(&members).iter().sum::<usize>(), 1);
    let owner = owners(&members).iter().position(|count| *count == 1).unwrap();
    drop(members.remove(owner));
    let [a, b] = &mut members[..] else { unreachable!() };
    settle(&mut [a, b]);
    assert_eq!(owners(&members).iter().sum::<usize>(), 1);
}

#[test]
fn partitions_and_topics_that_come_are_shared_and_those_that_go_are_lost() {
    let world = World::new(1);
    let noting = Noting::default();
    let builder = world.builder().subscribe_pattern("t|other.*").listener(noting.clone());
    let mut consumer = builder.build().unwrap();
    assert!(drain(&mut consumer).is_empty());
    assert_eq!(noting.take(), [('a', vec![0])]);
    world.broker.add_partitions("t", 3).unwrap();
    world.create("other-1", 1);
    world.create("another", 1);
    world.append(2, 0..3);
    assert_eq!(drain(&mut consumer), [0, 1, 2]);
    assert_eq!(consumer.assignment().len(), 4);
    let topics = consumer.subscription();
    assert_eq!(topics.iter().map(|t| t.as_str()).collect::<Vec<_>>(), ["other-1", "t"]);
    noting.take();

    // It has records fetched that it did not return.
    world.append(0, 0..2000);
    assert_eq!(consumer.poll(NOW).unwrap().len(), 500);
    world.broker.delete_topic("t").unwrap();
    assert!(drain(&mut consumer).is_empty());
    assert_eq!(consumer.assignment().len(), 1);
    assert_eq!(noting.take(), [('l', vec![0, 1, 2])]);
    // Another topic of that name begins anew, even if it comes at once.
    world.create("t", 1);
    world.append(0, 0..3);
    assert_eq!(drain(&mut consumer), [0, 1, 2]);
    consumer.commit().unwrap();
    world.broker.delete_topic("t").unwrap();
    world.create("t", 1);
    world.append(0, 7..9);
    assert_eq!(drain(&mut consumer), [7, 8]);
    assert_eq!(noting.take(), [('a', vec![0]), ('l', vec![0]), ('a', vec![0])]);
}

#[test]
fn subscribing_again_keeps_what_stays() {
    let world = World::new(2);
    world.create("u", 1);
    world.append(0, 0..3);
    let noting = Noting::default();
    let builder = world.builder().subscribe(["t"]).listener(noting.clone()).max_poll_records(1);
    let mut consumer = builder.build().unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0]);
    consumer.subscribe(["t", "u"]).unwrap();
    assert_eq!(drain(&mut consumer), [1, 2], "the position stays");
    consumer.subscribe(["u"]).unwrap();
    assert!(drain(&mut consumer).is_empty());
    assert_eq!(owned(&consumer), [0]);
    let expected = [('a', vec![0, 1]), ('a', vec![0]), ('r', vec![0, 1])];
    assert_eq!(noting.take(), expected);
    consumer.unsubscribe().unwrap();
    assert!(consumer.subscription().is_empty() && consumer.assignment().is_empty());
    assert_eq!(noting.take(), [('r', vec![0])]);
    consumer.assign([("t", 1)]).unwrap();
    assert!(drain(&mut consumer).is_empty());
    consumer.assign(Vec::<(&str, i32)>::new()).unwrap();
    consumer.subscribe(["u"]).unwrap();
    drain(&mut consumer);
    assert_eq!(owned(&consumer), [0]);
}

#[test]
fn a_stuck_member_keeps_only_its_own_and_is_reported() {
    let world = World::new(2);
    let stalls = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = stalls.clone();
    let builder = world.builder().subscribe(["t"]).max_poll_interval(Duration::from_secs(60));
    let builder = builder.on_stall(move |stalled| {
        seen.lock().unwrap().push((stalled.partitions.len(), stalled.evicted));
    });
    let mut stuck = builder.build().unwrap();
    settle(&mut [&mut stuck]);
    let mut other = world.member();
    world.pass(Duration::from_secs(61));
    world.pass(Duration::from_secs(61));
    assert_eq!(*stalls.lock().unwrap(), [(2, false)], "once");
    assert!(drain(&mut other).is_empty());
    assert!(owned(&other).is_empty(), "it has not let go yet");
    settle(&mut [&mut stuck, &mut other]);
    assert_eq!((owned(&stuck).len(), owned(&other).len()), (1, 1));
}

#[test]
fn an_evicted_member_loses_its_partitions_and_joins_anew() {
    let world = World::new(2);
    let noting = Noting::default();
    let builder = world.builder().subscribe(["t"]).listener(noting.clone());
    let builder = builder.max_poll_interval(Duration::from_secs(60));
    let mut stuck = builder.set("ottla.max.poll.interval.evict", "true").build().unwrap();
    settle(&mut [&mut stuck]);
    let before = stuck.group_metadata().unwrap().member_id;
    world.append(0, 0..1);
    let mut other = world.member();
    world.pass(Duration::from_secs(61));
    assert_eq!(drain(&mut other), [0]);
    assert_eq!(owned(&other), [0, 1]);
    let error = stuck.commit().unwrap_err();
    assert_eq!(error.kind(), ottla::ErrorKind::Fenced, "{error}");
    assert_eq!(noting.take(), [('a', vec![0, 1])]);
    settle(&mut [&mut stuck, &mut other]);
    assert_eq!(noting.take()[..2], [('l', vec![0, 1]), ('a', owned(&stuck))]);
    assert_ne!(stuck.group_metadata().unwrap().member_id, before);
    assert_eq!((owned(&stuck).len(), owned(&other).len()), (1, 1));
    stuck.commit().unwrap();
}

#[test]
fn a_member_can_be_iterated_over() {
    let world = World::new(1);
    world.append(0, 0..3);
    let mut consumer = world.member();
    let mut records = consumer.records();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(records.next().unwrap().unwrap().offset);
        records.consumer().commit().unwrap();
        let committed = records.consumer().committed("t", 0).unwrap().unwrap().offset;
        assert_eq!(committed, seen.len() as i64);
    }
    assert_eq!(seen, [0, 1, 2]);
    assert!(consumer.poll(NOW).unwrap().is_empty());
}
