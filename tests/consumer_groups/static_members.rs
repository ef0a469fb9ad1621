//! Members with a `group.instance.id`.

use std::time::Duration;

use ottla::{Consumer, ErrorKind};

use crate::world::{NOW, Noting, World, drain, kind, owned, settle};

fn named(world: &World, name: &str) -> Consumer {
    world.builder().group_instance_id(name).subscribe(["t"]).build().unwrap()
}

#[test]
fn the_place_of_a_static_member_is_kept_for_a_while() {
    let world = World::new(2);
    let (mut a, mut b) = (named(&world, "a"), named(&world, "b"));
    settle(&mut [&mut a, &mut b]);
    let generation = a.group_metadata().unwrap().generation;
    let before = owned(&b);
    b.close().unwrap();
    world.pass(Duration::from_secs(44));
    drain(&mut a);
    assert_eq!(owned(&a).len(), 1, "nobody takes what is b's");
    let mut b = named(&world, "b");
    settle(&mut [&mut a, &mut b]);
    assert_eq!(owned(&b), before);
    let metadata = b.group_metadata().unwrap();
    assert_eq!((metadata.generation, metadata.group_instance_id), (generation, Some("b".into())));
    drop(b);
    world.pass(Duration::from_secs(46));
    drain(&mut a);
    assert_eq!(owned(&a).len(), 2);
    // Leaving is leaving.
    let mut b = named(&world, "b");
    settle(&mut [&mut a, &mut b]);
    b.unsubscribe().unwrap();
    drain(&mut a);
    assert_eq!(owned(&a).len(), 2);
}

#[test]
fn a_replaced_member_is_fenced_for_good() {
    let world = World::new(2);
    world.append(0, 0..5);
    let noting = Noting::default();
    let builder = world.builder().group_instance_id("a").subscribe(["t"]);
    let mut old = builder.listener(noting.clone()).build().unwrap();
    assert_eq!(drain(&mut old).len(), 5);
    let mut new = named(&world, "a");
    assert_eq!(drain(&mut new).len(), 5);
    assert_eq!(owned(&new), [0, 1]);
    assert_eq!(kind(old.commit()), ErrorKind::Fenced);
    noting.take();
    for _ in 0..3 {
        assert_eq!(kind(old.poll(NOW)), ErrorKind::Fenced);
        assert_eq!(kind(old.commit()), ErrorKind::Fenced);
        assert_eq!(kind(old.subscribe(["t"])), ErrorKind::Fenced);
    }
    assert_eq!(noting.take(), [('l', vec![0, 1])]);
    assert!(old.assignment().is_empty());
    drop(old);
    new.commit().unwrap();
    drain(&mut new);
    assert_eq!(owned(&new), [0, 1], "the old one took nothing with it");
}
