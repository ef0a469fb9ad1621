//! What a run does: operations, a few fixed sequences of them, and any number from a seed.

use fastrand::Rng;
use ottla::Acks;

use crate::exactly_once;

/// The names of the topics that runs use.
pub const NAMES: [&str; 3] = ["apples", "pears", "plums"];

/// The names of the groups that commit offsets.
pub const GROUPS: [&str; 2] = ["kitchen", "office"];

/// One call of the library. Topics are numbers of [`NAMES`]; what does not fit (a topic that is
/// not there) is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Create {
        topic: usize,
        partitions: i32,
        segment_bytes: u32,
    },
    Delete {
        topic: usize,
    },
    AddPartition {
        topic: usize,
    },
    Alter {
        topic: usize,
        retention_bytes: i64,
    },
    Append {
        topic: usize,
        partition: usize,
        records: usize,
        bytes: usize,
        acks: Acks,
    },
    /// An idempotent producer sends its next batch.
    Send {
        topic: usize,
        partition: usize,
        records: usize,
        bytes: usize,
        acks: Acks,
    },
    /// And its last one again.
    SendAgain {
        topic: usize,
        partition: usize,
        acks: Acks,
    },
    Atomic {
        parts: Vec<(usize, usize, usize)>,
        bytes: usize,
    },
    /// A topic that keeps the newest record of each key.
    CreateCompacted {
        topic: usize,
        partitions: i32,
        segment_bytes: u32,
        deletes: bool,
    },
    Compact {
        topic: usize,
    },
    Transaction {
        staged: Staged,
        ending: Ending,
    },
    /// An append to the stream of a key under a version that it has, or has not.
    AppendToStream {
        partition: usize,
        holds: bool,
        acks: Acks,
    },
    /// An append with a condition, which holds or not.
    AppendIf {
        topic: usize,
        partition: usize,
        records: usize,
        holds: bool,
        acks: Acks,
    },
    Checkpoint,
    Retention,
    /// Up to this many percent of what there is.
    DeleteRecords {
        topic: usize,
        partition: usize,
        percent: usize,
    },
    /// This many batches, the last ones.
    Truncate {
        topic: usize,
        partition: usize,
        batches: usize,
    },
    /// A group goes on behind this many percent of what there is.
    Commit {
        group: usize,
        topic: usize,
        partition: usize,
        percent: i64,
    },
    /// What a group committed is deleted.
    DeleteOffset {
        group: usize,
        topic: usize,
        partition: usize,
    },
    Close,
    /// The process dies; the next one opens the directory.
    Kill,
    /// Power is lost, in a way that the number decides.
    PowerLoss {
        choice: u64,
    },
}

/// What a transaction has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Topic, partition, records.
    pub parts: Vec<(usize, usize, usize)>,
    /// The bytes of each record.
    pub bytes: usize,
    /// Group, topic, partition, percent of what there is.
    pub offsets: Vec<(usize, usize, usize, i64)>,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Commit,
    Abort,
    Drop,
    /// It asks for an end that a partition does not have, and is refused.
    Conflict,
}

use Operation::{
    AddPartition, Alter, Append, Atomic, Checkpoint, Close, Commit, Create, Delete, DeleteOffset,
    DeleteRecords, Kill, PowerLoss, Retention, Send, SendAgain, Truncate,
};

/// A run: its name, and what it does.
#[derive(Clone, Debug)]
pub struct Workload {
    pub name: String,
    pub operations: Vec<Operation>,
}

fn append(topic: usize, partition: usize, records: usize, acks: Acks) -> Operation {
    Append { topic, partition, records, bytes: 90, acks }
}

fn create(topic: usize, partitions: i32, segment_bytes: u32) -> Operation {
    Create { topic, partitions, segment_bytes }
}

/// The small sequences, each around one part of the library.
pub fn fixed() -> Vec<Workload> {
    let all = Acks::All;
    let one = Acks::Leader;
    let fixed =
        |name: &str, operations: Vec<Operation>| Workload { name: name.to_owned(), operations };
    vec![
        fixed("first steps", vec![create(0, 1, 4000), append(0, 0, 1, all), append(0, 0, 2, all)]),
        fixed("levels", levels(all, one)),
        fixed("atomic appends", atomic_appends(all, one)),
        fixed("rolls", rolls(all, one)),
        fixed("laps of the journal", laps(all)),
        fixed("topics", topics(all, one)),
        fixed("retention", retention(all, one)),
        fixed("sessions", sessions(all, one)),
        fixed("truncations", truncations(all, one)),
        fixed("another session cuts", another_session_cuts(all, one)),
        fixed("retries", retries(all, one)),
        fixed("offsets", offsets(all, one)),
        fixed("offsets and cuts", offsets_and_cuts(all, one)),
    ]
    .into_iter()
    .chain(exactly_once::fixed())
    .collect()
}

fn levels(all: Acks, one: Acks) -> Vec<Operation> {
    let mut operations = vec![create(0, 2, 4000)];
    for (round, acks) in [all, one, one, all, Acks::None, all, one, one].into_iter().enumerate() {
        operations.push(append(0, round % 2, 1 + round % 3, acks));
        operations.push(append(0, 0, 1, acks));
    }
    operations.push(Checkpoint);
    operations.extend([append(0, 0, 2, one), append(0, 1, 1, one), append(0, 0, 1, all)]);
    operations
}

fn atomic_appends(all: Acks, one: Acks) -> Vec<Operation> {
    let both = |first, second, bytes| Atomic { parts: vec![(0, first, 2), (1, second, 1)], bytes };
    vec![
        create(0, 2, 1200),
        create(1, 1, 1200),
        both(0, 0, 40),
        append(1, 0, 2, one),
        both(1, 0, 300),
        Atomic { parts: vec![(0, 0, 1), (0, 1, 1), (1, 0, 1), (0, 0, 1)], bytes: 200 },
        append(0, 1, 1, one),
        Checkpoint,
        both(1, 0, 600),
        append(0, 0, 1, all),
        both(0, 0, 700),
    ]
}

fn rolls(all: Acks, one: Acks) -> Vec<Operation> {
    let mut operations = vec![create(0, 1, 600)];
    for round in 0..10 {
        operations.push(append(0, 0, 2, if round % 3 == 0 { all } else { one }));
        if round == 5 {
            operations.push(Checkpoint);
        }
    }
    operations
}

fn laps(all: Acks) -> Vec<Operation> {
    let mut operations = vec![create(0, 2, 8000)];
    for round in 0..22 {
        operations.push(Append {
            topic: 0,
            partition: round % 2,
            records: 1,
            bytes: 350 + 80 * (round % 4),
            acks: all,
        });
        if round % 7 == 6 {
            operations.push(Checkpoint);
        }
    }
    operations
}

fn topics(all: Acks, one: Acks) -> Vec<Operation> {
    vec![
        create(0, 1, 2000),
        append(0, 0, 2, all),
        Delete { topic: 0 },
        create(0, 2, 2000),
        append(0, 0, 1, all),
        append(0, 1, 1, one),
        AddPartition { topic: 0 },
        append(0, 2, 1, all),
        Alter { topic: 0, retention_bytes: 3000 },
        create(1, 1, 2000),
        append(1, 0, 1, one),
        Delete { topic: 1 },
        Delete { topic: 0 },
        create(1, 2, 2000),
        append(1, 1, 1, all),
    ]
}

fn retention(all: Acks, one: Acks) -> Vec<Operation> {
    let mut operations = vec![create(0, 1, 500), Alter { topic: 0, retention_bytes: 900 }];
    for round in 0..6 {
        operations.push(append(0, 0, 2, if round % 2 == 0 { all } else { one }));
    }
    operations.extend([Retention, append(0, 0, 2, all), append(0, 0, 2, one)]);
    operations.push(DeleteRecords { topic: 0, partition: 0, percent: 60 });
    operations.extend([append(0, 0, 1, all), append(0, 0, 1, one)]);
    operations.push(DeleteRecords { topic: 0, partition: 0, percent: 100 });
    operations.extend([append(0, 0, 1, one), append(0, 0, 2, all)]);
    operations
}

fn sessions(all: Acks, one: Acks) -> Vec<Operation> {
    vec![
        create(0, 2, 900),
        append(0, 0, 2, all),
        append(0, 1, 2, one),
        Close,
        append(0, 0, 1, all),
        append(0, 0, 1, one),
        Kill,
        append(0, 0, 1, all),
        append(0, 1, 1, one),
        PowerLoss { choice: 5 },
        append(0, 0, 2, all),
        append(0, 1, 1, all),
        Close,
        Close,
        append(0, 1, 1, all),
    ]
}

fn truncations(all: Acks, one: Acks) -> Vec<Operation> {
    let mut operations = vec![create(0, 1, 700)];
    for round in 0..5 {
        operations.push(append(0, 0, 2, if round % 2 == 0 { all } else { one }));
    }
    operations.push(Truncate { topic: 0, partition: 0, batches: 1 });
    operations.extend([append(0, 0, 1, all), append(0, 0, 2, one)]);
    operations.push(Truncate { topic: 0, partition: 0, batches: 4 });
    operations.extend([append(0, 0, 2, one), append(0, 0, 1, all), Kill, append(0, 0, 1, all)]);
    operations
}

/// What one session wrote, and the journal still holds, is cut off by the next.
fn another_session_cuts(all: Acks, one: Acks) -> Vec<Operation> {
    vec![
        create(0, 1, 4000),
        append(0, 0, 1, all),
        append(0, 0, 1, all),
        append(0, 0, 1, all),
        Kill,
        Truncate { topic: 0, partition: 0, batches: 2 },
        append(0, 0, 1, one),
        Kill,
        append(0, 0, 1, all),
    ]
}

fn retries(all: Acks, one: Acks) -> Vec<Operation> {
    let send =
        |partition, acks| Send { topic: 0, partition, records: 1 + partition, bytes: 90, acks };
    let again = |partition, acks| SendAgain { topic: 0, partition, acks };
    vec![
        create(0, 2, 900),
        send(0, all),
        again(0, one),
        send(0, one),
        again(0, all),
        send(1, one),
        append(0, 0, 1, one),
        send(0, all),
        send(1, all),
        Close,
        again(0, all),
        send(0, one),
        Checkpoint,
        send(1, one),
        send(0, one),
        Kill,
        again(0, all),
        again(1, one),
        send(0, all),
        send(1, all),
        PowerLoss { choice: 3 },
        again(1, all),
        send(0, one),
        send(1, all),
    ]
}

fn commit(group: usize, partition: usize, percent: i64) -> Operation {
    Commit { group, topic: 0, partition, percent }
}

fn offsets(all: Acks, one: Acks) -> Vec<Operation> {
    vec![
        create(0, 2, 900),
        append(0, 0, 2, all),
        commit(0, 0, 50),
        append(0, 0, 2, one),
        append(0, 1, 1, one),
        commit(0, 0, 100),
        commit(1, 1, 100),
        append(0, 0, 3, one),
        commit(1, 0, 60),
        commit(0, 0, 20),
        Checkpoint,
        append(0, 1, 2, one),
        commit(0, 1, 100),
        DeleteOffset { group: 0, topic: 0, partition: 1 },
        Close,
        commit(1, 1, 100),
        append(0, 0, 1, one),
        commit(1, 0, 100),
    ]
}

fn offsets_and_cuts(all: Acks, one: Acks) -> Vec<Operation> {
    vec![
        create(0, 1, 4000),
        append(0, 0, 1, all),
        append(0, 0, 2, one),
        commit(0, 0, 100),
        commit(1, 0, 40),
        Truncate { topic: 0, partition: 0, batches: 1 },
        append(0, 0, 2, one),
        commit(1, 0, 100),
        Delete { topic: 0 },
        create(0, 1, 4000),
        append(0, 0, 3, one),
        commit(1, 0, 100),
        Kill,
        DeleteRecords { topic: 0, partition: 0, percent: 60 },
        append(0, 0, 1, one),
        commit(1, 0, 100),
        Delete { topic: 0 },
    ]
}

/// A run from a seed.
pub fn random(seed: u64, length: usize) -> Workload {
    let mut rng = Rng::with_seed(seed);
    let mut operations = vec![any_create(&mut rng)];
    while operations.len() < length {
        operations.push(any(&mut rng));
    }
    Workload { name: format!("seed {seed}"), operations }
}

fn any_create(rng: &mut Rng) -> Operation {
    let segment_bytes = [300, 600, 1500, 5000][rng.usize(..4)];
    Create { topic: rng.usize(..NAMES.len()), partitions: rng.i32(1..=3), segment_bytes }
}

fn any(rng: &mut Rng) -> Operation {
    let topic = rng.usize(..NAMES.len());
    let partition = rng.usize(..3);
    let bytes = [10, 60, 250, 700, 1400][rng.usize(..5)];
    match rng.u32(..62) {
        45.. => exactly_once::any(rng),
        40..=43 => commit_somewhere(rng, topic, partition),
        44 => DeleteOffset { group: rng.usize(..GROUPS.len()), topic, partition },
        0..=2 => any_create(rng),
        3 => Delete { topic },
        4 => AddPartition { topic },
        5 => Alter { topic, retention_bytes: [400, 1200, 4000][rng.usize(..3)] },
        6..=24 => {
            let acks = [Acks::All, Acks::All, Acks::Leader, Acks::Leader, Acks::None];
            let acks = acks[rng.usize(..acks.len())];
            match rng.u32(..4) {
                0 => return Send { topic, partition, records: rng.usize(1..4), bytes, acks },
                1 if rng.bool() => return SendAgain { topic, partition, acks },
                _ => {}
            }
            Append { topic, partition, records: rng.usize(1..4), bytes, acks }
        }
        25..=28 => {
            let parts = 2 + rng.usize(..3);
            let part = |rng: &mut Rng| (rng.usize(..NAMES.len()), rng.usize(..3), rng.usize(1..3));
            Atomic { parts: (0..parts).map(|_| part(rng)).collect(), bytes: bytes.min(700) }
        }
        29..=30 => Checkpoint,
        31 => Retention,
        32..=33 => DeleteRecords { topic, partition, percent: [30, 70, 100][rng.usize(..3)] },
        34 => Truncate { topic, partition, batches: 1 + rng.usize(..3) },
        35..=36 => Close,
        37 => Kill,
        38 => PowerLoss { choice: rng.u64(..) },
        _ => append(topic, partition, 1, Acks::All),
    }
}

fn commit_somewhere(rng: &mut Rng, topic: usize, partition: usize) -> Operation {
    let percent = [100, 100, 100, 60, 0][rng.usize(..5)];
    Commit { group: rng.usize(..GROUPS.len()), topic, partition, percent }
}
