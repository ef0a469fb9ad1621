//! The scripts: one around each public operation of the broker, and the fixed workloads.
//!
//! `before` runs while nothing fails, `deeds` are what fails. Not here: `adopt`, which is for
//! directories that Kafka wrote (`tests/fixtures`), and the command line (`tests/cli`).

use ottla::Acks;
use ottla_simulation::workload::{Ending, Operation, Staged, fixed};

use crate::deeds::{self, Deed, Outcome};
use ottla_simulation::run::Run;

use Operation::{
    AddPartition, Alter, Append, AppendIf, AppendToStream, Atomic, Checkpoint, Close, Commit,
    Compact, Create, CreateCompacted, Delete, DeleteOffset, DeleteRecords, Kill, Retention, Send,
    SendAgain, Truncate,
};

const ALL: Acks = Acks::All;
const ONE: Acks = Acks::Leader;
const NO: Acks = Acks::None;

/// A script.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) before: Vec<Deed>,
    pub(crate) deeds: Vec<Deed>,
}

fn append(topic: usize, partition: usize, records: usize, acks: Acks) -> Deed {
    Deed::Do(Append { topic, partition, records, bytes: 90, acks })
}

fn create(topic: usize, partitions: i32, segment_bytes: u32) -> Deed {
    Deed::Do(Create { topic, partitions, segment_bytes })
}

fn compacted(topic: usize, partitions: i32, segment_bytes: u32) -> Deed {
    Deed::Do(CreateCompacted { topic, partitions, segment_bytes, deletes: false })
}

fn call(name: &'static str, work: fn(&mut Run) -> Outcome) -> Deed {
    Deed::Call(name, work)
}

fn transact(bytes: usize, offsets: &[(usize, i64)], ending: Ending) -> Deed {
    let offsets = offsets.iter().map(|&(group, percent)| (group, 0, 0, percent)).collect();
    let staged = Staged { parts: vec![(0, 0, 2), (1, 0, 2), (0, 1, 1)], bytes, offsets };
    Deed::Do(Operation::Transaction { staged, ending })
}

fn commit(group: usize, percent: i64) -> Deed {
    Deed::Do(Commit { group, topic: 0, partition: 0, percent })
}

/// Two topics with a few records, some of them not synced.
fn two_topics() -> Vec<Deed> {
    vec![
        create(0, 2, 4000),
        create(1, 1, 4000),
        append(0, 0, 2, ALL),
        append(0, 0, 2, ONE),
        append(0, 1, 1, ALL),
        append(1, 0, 2, ONE),
    ]
}

/// One topic with many small segments.
fn many_segments() -> Vec<Deed> {
    let mut deeds = vec![create(0, 1, 500)];
    deeds.extend((0..7).map(|round| append(0, 0, 2, if round % 2 == 0 { ALL } else { ONE })));
    deeds
}

/// All scripts.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |name: &str, before: Vec<Deed>, deeds: Vec<Deed>| {
        all.push(Scenario { name: name.to_owned(), before, deeds });
    };
    topics(&mut add);
    appends(&mut add);
    commits(&mut add);
    clients(&mut add);
    reads(&mut add);
    logs(&mut add);
    sessions(&mut add);
    for workload in fixed() {
        let steady = |operation: &Operation| !matches!(operation, Operation::PowerLoss { .. });
        let deeds = workload.operations.into_iter().filter(steady).map(Deed::Do).collect();
        add(&format!("workload {}", workload.name), Vec::new(), deeds);
    }
    all
}

type Add<'a> = &'a mut dyn FnMut(&str, Vec<Deed>, Vec<Deed>);

fn topics(add: Add<'_>) {
    add("create the first topic", vec![], vec![create(0, 1, 4000), append(0, 0, 1, ALL)]);
    add("create a topic of three partitions", two_topics(), vec![create(2, 3, 4000)]);
    add("create a compacted topic", two_topics(), vec![compacted(2, 2, 600)]);
    add(
        "add partitions",
        two_topics(),
        vec![
            Deed::Do(AddPartition { topic: 0 }),
            append(0, 2, 1, ALL),
            Deed::Do(AddPartition { topic: 0 }),
        ],
    );
    add(
        "alter a topic",
        two_topics(),
        vec![
            Deed::Do(Alter { topic: 0, retention_bytes: 700 }),
            Deed::Do(Alter { topic: 0, retention_bytes: 70_000 }),
        ],
    );
    add("delete a topic", two_topics(), vec![Deed::Do(Delete { topic: 0 })]);
    add(
        "delete a topic and make it again",
        [two_topics(), vec![commit(0, 100)]].concat(),
        vec![Deed::Do(Delete { topic: 0 }), create(0, 1, 900), append(0, 0, 1, ALL)],
    );
    add("ensure a topic", two_topics(), vec![call("EnsureTopic", deeds::ensure_topic)]);
}

fn appends(add: Add<'_>) {
    for (name, acks) in [("all", ALL), ("1", ONE), ("0", NO)] {
        let deeds = vec![append(0, 0, 1, acks), append(0, 0, 3, acks), append(0, 1, 1, acks)];
        add(&format!("append with acks={name}"), two_topics(), deeds);
        let deeds = vec![append(0, 0, 2, acks), append(0, 0, 2, acks), append(0, 0, 2, acks)];
        add(&format!("roll with acks={name}"), many_segments(), deeds);
    }
    let large = |bytes| Deed::Do(Append { topic: 0, partition: 1, records: 1, bytes, acks: ALL });
    add(
        "fill the journal",
        two_topics(),
        vec![
            large(1700),
            large(1700),
            large(1700),
            large(900),
            large(3900),
            large(6000),
            large(100),
        ],
    );
    let parts = vec![(0, 0, 1), (0, 1, 2), (1, 0, 1)];
    add(
        "append atomically",
        two_topics(),
        vec![
            Deed::Do(Atomic { parts: parts.clone(), bytes: 60 }),
            append(1, 0, 1, ONE),
            Deed::Do(Atomic { parts: parts.clone(), bytes: 900 }),
            Deed::Do(Atomic { parts, bytes: 1000 }),
        ],
    );
    let append_if =
        |holds, acks| Deed::Do(AppendIf { topic: 0, partition: 0, records: 2, holds, acks });
    add(
        "append on condition",
        two_topics(),
        vec![
            append_if(true, ALL),
            append_if(false, ALL),
            append_if(true, ONE),
            append_if(true, ALL),
        ],
    );
    let send = |acks| Deed::Do(Send { topic: 0, partition: 0, records: 2, bytes: 90, acks });
    let again = |acks| Deed::Do(SendAgain { topic: 0, partition: 0, acks });
    add(
        "append as an idempotent producer",
        two_topics(),
        vec![send(ALL), again(ALL), send(ONE), again(ALL), send(ALL), again(ONE)],
    );
    let stream = |holds, acks| Deed::Do(AppendToStream { partition: 0, holds, acks });
    add(
        "append to streams",
        vec![compacted(2, 1, 500), append(2, 0, 4, ALL)],
        vec![
            stream(true, ALL),
            stream(false, ALL),
            stream(true, ONE),
            stream(true, ALL),
            call("ReadStreams", deeds::read_streams),
        ],
    );
    add("take producer ids", vec![], vec![call("ProducerIds", deeds::take_producer_ids)]);
}

fn commits(add: Add<'_>) {
    for (size, bytes) in [("small", 60), ("spilled", 2600)] {
        let name = |what: &str| format!("{what} a {size} transaction");
        let twice = vec![
            transact(bytes, &[(0, 100), (1, 50)], Ending::Commit),
            transact(bytes, &[(0, 100)], Ending::Commit),
            append(0, 0, 1, ALL),
        ];
        add(&name("commit"), two_topics(), twice);
        add(&name("abort"), two_topics(), vec![transact(bytes, &[(0, 100)], Ending::Abort)]);
        add(&name("drop"), two_topics(), vec![transact(bytes, &[], Ending::Drop)]);
        let conflict = vec![transact(bytes, &[(0, 100)], Ending::Conflict), append(0, 0, 1, ALL)];
        add(&name("refuse"), two_topics(), conflict);
    }
    let moved = vec![call("TransactionalProducer", deeds::produce_in_a_transaction); 2];
    add("commit as a transactional producer", two_topics(), moved);
    add(
        "commit offsets",
        two_topics(),
        vec![commit(0, 50), commit(0, 100), append(0, 0, 1, ONE), commit(1, 100), commit(0, 100)],
    );
    let delete = Deed::Do(DeleteOffset { group: 0, topic: 0, partition: 0 });
    let committed = || [two_topics(), vec![commit(0, 100), commit(1, 100)]].concat();
    add("delete offsets", committed(), vec![delete, commit(0, 20)]);
    add("delete a group", committed(), vec![call("DeleteGroup", deeds::delete_group)]);
    add("ask for a reset", committed(), vec![call("ResetDryRun", deeds::reset_to_times)]);
    let groups = || call("LookAtGroups", deeds::look_at_groups);
    add("look at groups", committed(), vec![groups()]);
    add(
        "look at groups in a new session",
        [committed(), vec![Deed::Do(Kill)]].concat(),
        vec![groups(), commit(1, 10)],
    );
}

fn clients(add: Add<'_>) {
    add("produce", two_topics(), vec![call("Produce", deeds::produce_durably); 3]);
    add("produce packed", two_topics(), vec![call("ProducePacked", deeds::produce_packed); 3]);
    add("consume", two_topics(), vec![call("Consume", deeds::consume)]);
    add(
        "consume in a group",
        two_topics(),
        vec![
            call("ConsumeInAGroup", deeds::consume_in_a_group),
            append(0, 0, 2, ONE),
            call("ConsumeInAGroup", deeds::consume_in_a_group),
        ],
    );
    add("tick", two_topics(), vec![call("Tick", deeds::tick)]);
}

fn reads(add: Add<'_>) {
    let reads = || {
        vec![
            call("Consume", deeds::consume),
            call("LookUp", deeds::look_things_up),
            call("Snapshot", deeds::read_a_snapshot),
            call("Table", deeds::make_a_table),
        ]
    };
    add("read", many_segments(), reads());
    let closed = || [many_segments(), vec![Deed::Do(Close)]].concat();
    add("read sealed segments", closed(), reads());
    let lost = [closed(), vec![call("LoseDerived", deeds::lose_derived_files)]].concat();
    let rebuilt = [vec![call("Open", deeds::open)], reads()].concat();
    add("rebuild indexes", lost, rebuilt);
    let streams = || {
        let mut deeds = vec![compacted(2, 1, 400)];
        deeds.extend((0..5).map(|_| append(2, 0, 3, ALL)));
        deeds
    };
    let read = || vec![call("ReadStreams", deeds::read_streams)];
    add("read streams", streams(), read());
    add("read streams in a new session", [streams(), vec![Deed::Do(Close)]].concat(), read());
    add("verify", closed(), vec![call("Verify", deeds::verify)]);
    add("verify after a kill", many_segments(), vec![call("Verify", deeds::verify)]);
}

fn logs(add: Add<'_>) {
    let checkpoint = || Deed::Do(Checkpoint);
    add("checkpoint", two_topics(), vec![checkpoint(), append(0, 0, 1, ONE), checkpoint()]);
    let retention = |bytes| Deed::Do(Alter { topic: 0, retention_bytes: bytes });
    let some = [many_segments(), vec![retention(700)]].concat();
    add("retention", some, vec![Deed::Do(Retention), append(0, 0, 1, ALL)]);
    let none = [many_segments(), vec![retention(0)]].concat();
    add("retention of everything", none, vec![Deed::Do(Retention), append(0, 0, 1, ALL)]);
    for percent in [40, 100] {
        let deed = Deed::Do(DeleteRecords { topic: 0, partition: 0, percent });
        let deeds = vec![deed, append(0, 0, 1, ALL)];
        add(&format!("delete {percent} % of the records"), many_segments(), deeds);
    }
    for batches in [1, 4, 7] {
        let cut = Deed::Do(Truncate { topic: 0, partition: 0, batches });
        let before = [many_segments(), vec![commit(0, 100)]].concat();
        add(&format!("truncate {batches} batches"), before, vec![cut, append(0, 0, 1, ALL)]);
    }
    let mut lived = vec![compacted(0, 1, 500)];
    lived.extend((0..6).map(|round| append(0, 0, 3, if round % 2 == 0 { ALL } else { ONE })));
    let compact = || Deed::Do(Compact { topic: 0 });
    add("compact", lived.clone(), vec![compact(), append(0, 0, 1, ALL)]);
    let again = [lived, vec![compact(), append(0, 0, 3, ALL), append(0, 0, 3, ALL)]].concat();
    add("compact again", again, vec![compact(), call("Table", deeds::make_a_table)]);
}

fn sessions(add: Add<'_>) {
    let open = || vec![call("Open", deeds::open), append(0, 0, 1, ALL)];
    let all = || {
        let mut deeds = two_topics();
        deeds.push(transact(2600, &[(0, 100)], Ending::Commit));
        deeds.extend([append(0, 1, 1, ONE), compacted(2, 1, 400), append(2, 0, 3, ONE)]);
        deeds
    };
    let after = |end: Deed| [all(), vec![end]].concat();
    let die = || call("Die", deeds::die);
    let close = || call("Close", deeds::close);
    let power = || {
        call("CutPower", |run| {
            run.cut_power(7);
            Ok(())
        })
    };
    add("open an empty directory", vec![die(), call("Empty", empty)], open());
    add("open after a close", after(close()), open());
    add("open after a kill", after(die()), open());
    add("open after a power loss", after(power()), open());
    let read_only = || vec![call("OpenReadOnly", deeds::open_read_only)];
    add("open read-only after a close", after(close()), read_only());
    add("open read-only after a kill", after(die()), read_only());
    add("close", all(), vec![close()]);
    add("close and open", all(), vec![Deed::Do(Close), append(0, 0, 1, ALL), Deed::Do(Close)]);
    let twice = [after(die()), vec![call("Open", deeds::open), die()]].concat();
    add("open after two kills", twice, open());
}

/// A new disk: nothing was ever there.
fn empty(run: &mut Run) -> Outcome {
    let world = ottla::env::sim::SimEnv::new(5);
    *run = Run::new(world, false);
    Ok(())
}
