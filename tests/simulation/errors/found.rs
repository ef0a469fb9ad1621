//! What the loops have found, each as small as it gets.

use ottla::env::sim::{Call, Effect, Fault, SimEnv};
use ottla::error::room::refusals;
use ottla::{
    Acks, Broker, ErrorKind, Message, OffsetReset, OffsetScope, Record, TopicConfig, TopicName,
    TopicPartition,
};
use ottla_simulation::run::options;

use crate::outcomes::{EIO, EMFILE};

fn broker_of(world: &SimEnv) -> Broker {
    let broker = options().open_in(world.env()).expect("it opens");
    broker.create_topic("apples", TopicConfig::new()).expect("it is made");
    broker
}

fn append(broker: &Broker, acks: Acks) -> ottla::Result<i64> {
    let handle = broker.partition("apples", 0)?;
    Ok(handle.append(&[Message::new("one apple")], acks)?.base_offset)
}

/// A checkpoint that could not open an index file was taken for a failed sync: nothing was written
/// any more.
#[test]
fn a_checkpoint_without_descriptors_may_be_made_later() {
    let world = SimEnv::new(1);
    let broker = broker_of(&world);
    for path in [".index", "ottla.control"] {
        append(&broker, Acks::Leader).expect("it appends");
        let fault = Fault::new(Effect::Errno(EMFILE)).on(Call::Open).at_path(path);
        world.disk.plan(fault.from_then_on());
        if path == "ottla.control" {
            let failed = broker.checkpoint().expect_err("there are no descriptors");
            assert_eq!(failed.kind(), ErrorKind::Io, "{failed}");
        } else {
            // There may be nothing to be added to the index.
            let _ = broker.checkpoint();
        }
        world.disk.heal();
        append(&broker, Acks::All).expect("it appends again");
        broker.checkpoint().expect("and makes a checkpoint");
    }
}

/// An offset was committed, and could not be applied, so that it was not shown. Deleting it found nothing to delete, and
/// answered `Ok`; the next open showed it.
#[test]
fn an_offset_that_may_be_there_is_not_deleted_by_doing_nothing() {
    let world = SimEnv::new(1);
    let broker = broker_of(&world);
    append(&broker, Acks::All).expect("it appends");
    append(&broker, Acks::All).expect("it appends");
    let apples = TopicName::new("apples").expect("a name");
    let first = OffsetScope::Partitions(vec![TopicPartition::new(apples.clone(), 0)]);
    broker.create_topic("pears", TopicConfig::new()).expect("it is made");
    let pears = OffsetScope::Topics(vec![TopicName::new("pears").expect("a name")]);
    broker.reset_offsets("kitchen", &pears, OffsetReset::Earliest, false).expect("committed");
    let fault = Fault::new(Effect::Errno(EIO)).on(Call::WriteAt).at_path("__consumer_offsets-");
    world.disk.plan(fault);
    // It is durable, and could not be applied.
    broker.reset_offsets("kitchen", &first, OffsetReset::Latest, false).expect("committed");
    world.disk.heal();
    let deleted = broker.delete_offsets("kitchen", &first);
    assert_eq!(deleted.expect_err("who knows").kind(), ErrorKind::Poisoned);
}

/// A spilled transaction was committed, and memory to copy it into the log was refused: the commit
/// was durable, but nothing was written any more.
#[test]
fn a_commit_needs_no_memory_behind_its_commit_point() {
    let world = SimEnv::new(1);
    let broker = broker_of(&world);
    for nth in 1.. {
        let mut transaction = broker.transaction().expect("it begins");
        for _ in 0..3 {
            let value = vec![b'a'; 3000];
            transaction.send(Record::new("apples", &value)).expect("it is staged");
        }
        refusals::plan(nth, false);
        let committed = transaction.commit();
        let met = refusals::met();
        refusals::heal();
        if let Err(error) = &committed {
            assert_eq!(error.kind(), ErrorKind::Limit, "request {nth}: {error}");
        }
        append(&broker, Acks::All).expect("it appends again");
        if met == 0 {
            break;
        }
    }
}
