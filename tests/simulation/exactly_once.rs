//! Runs around transactions, conditions and compaction: some fixed ones, and what a run from a
//! seed takes of them.

use fastrand::Rng;
use ottla::Acks;

use crate::workload::{Ending, GROUPS, NAMES, Operation, Staged, Workload};
use Operation::{
    Append, AppendIf, AppendToStream, Checkpoint, Close, Compact, Create, CreateCompacted, Delete,
    Kill, PowerLoss, Retention, Truncate,
};

const ALL: Acks = Acks::All;
const ONE: Acks = Acks::Leader;

/// The small sequences, each around one part of the library.
pub fn fixed() -> Vec<Workload> {
    let fixed =
        |name: &str, operations: Vec<Operation>| Workload { name: name.to_owned(), operations };
    vec![
        fixed("transactions", transactions()),
        fixed("spilled transactions", spilled()),
        fixed("spills and sessions", spills_and_sessions()),
        fixed("conditions", conditions()),
        fixed("compaction", compaction()),
        fixed("compacted transactions", compacted_transactions()),
        fixed("streams", streams()),
    ]
}

fn create(topic: usize, partitions: i32, segment_bytes: u32) -> Operation {
    Create { topic, partitions, segment_bytes }
}

fn append(topic: usize, partition: usize, records: usize, acks: Acks) -> Operation {
    Append { topic, partition, records, bytes: 90, acks }
}

/// A transaction over a partition of each of two topics.
fn transaction(bytes: usize, offsets: &[(usize, i64)], ending: Ending) -> Operation {
    let parts = vec![(0, 0, 2), (1, 0, 1), (0, 1, 1)];
    let offsets = offsets.iter().map(|&(group, percent)| (group, 0, 0, percent)).collect();
    Operation::Transaction { staged: Staged { parts, bytes, offsets }, ending }
}

fn transactions() -> Vec<Operation> {
    vec![
        create(0, 2, 1200),
        create(1, 1, 1200),
        append(0, 0, 3, ALL),
        transaction(60, &[(0, 100)], Ending::Commit),
        append(0, 0, 1, ONE),
        transaction(60, &[(0, 50), (1, 100)], Ending::Commit),
        transaction(200, &[(0, 0)], Ending::Abort),
        append(1, 0, 2, ONE),
        transaction(200, &[(1, 100)], Ending::Commit),
        Checkpoint,
        transaction(60, &[], Ending::Drop),
        transaction(60, &[(0, 100)], Ending::Conflict),
        transaction(60, &[(0, 100), (1, 30)], Ending::Commit),
        Operation::Commit { group: 0, topic: 0, partition: 0, percent: 80 },
        transaction(300, &[(0, 100)], Ending::Commit),
    ]
}

/// Each of these records takes more than memory may.
const LARGE: usize = 2_300;

fn spilled() -> Vec<Operation> {
    vec![
        create(0, 2, 9_000),
        create(1, 1, 9_000),
        append(0, 0, 1, ALL),
        transaction(LARGE, &[(0, 100)], Ending::Commit),
        append(0, 0, 1, ONE),
        transaction(LARGE, &[], Ending::Abort),
        transaction(LARGE, &[(0, 50)], Ending::Commit),
        Checkpoint,
        append(1, 0, 1, ALL),
        transaction(LARGE, &[(1, 100)], Ending::Commit),
        transaction(LARGE, &[], Ending::Drop),
        transaction(LARGE, &[(0, 100)], Ending::Conflict),
        append(0, 1, 1, ALL),
    ]
}

fn spills_and_sessions() -> Vec<Operation> {
    vec![
        create(0, 2, 20_000),
        create(1, 1, 20_000),
        transaction(LARGE, &[], Ending::Commit),
        Kill,
        transaction(LARGE, &[(0, 100)], Ending::Commit),
        Truncate { topic: 0, partition: 0, batches: 1 },
        append(0, 0, 1, ALL),
        PowerLoss { choice: 4 },
        transaction(LARGE, &[(0, 100)], Ending::Commit),
        Delete { topic: 1 },
        append(0, 0, 1, ALL),
        Kill,
        transaction(LARGE, &[(0, 70)], Ending::Commit),
        Close,
        append(0, 0, 1, ALL),
    ]
}

fn conditions() -> Vec<Operation> {
    let append_if =
        |partition, holds, acks| AppendIf { topic: 0, partition, records: 2, holds, acks };
    vec![
        create(0, 2, 700),
        append_if(0, true, ALL),
        append_if(0, true, ONE),
        append_if(0, false, ALL),
        append_if(0, true, ALL),
        append_if(1, true, ONE),
        append_if(1, false, ONE),
        append(0, 1, 1, ALL),
        append_if(1, true, ALL),
        Checkpoint,
        append_if(0, true, ONE),
        append_if(0, true, ALL),
        Kill,
        append_if(0, false, ALL),
        // It needs more room than the journal file has that was begun for the one before.
        Append { topic: 0, partition: 0, records: 1, bytes: 4_600, acks: ALL },
        append_if(0, true, ALL),
    ]
}

fn compaction() -> Vec<Operation> {
    let mut operations =
        vec![CreateCompacted { topic: 0, partitions: 1, segment_bytes: 500, deletes: false }];
    for round in 0..6 {
        operations.push(append(0, 0, 3, if round % 2 == 0 { ALL } else { ONE }));
    }
    operations.extend([Compact { topic: 0 }, append(0, 0, 2, ALL), append(0, 0, 2, ONE)]);
    operations.extend([Compact { topic: 0 }, Close, append(0, 0, 3, ALL), Compact { topic: 0 }]);
    operations.extend([append(0, 0, 1, ONE), Kill, append(0, 0, 2, ONE), Compact { topic: 0 }]);
    operations.push(append(0, 0, 1, ALL));
    operations
}

fn compacted_transactions() -> Vec<Operation> {
    vec![
        CreateCompacted { topic: 0, partitions: 2, segment_bytes: 600, deletes: false },
        CreateCompacted { topic: 1, partitions: 1, segment_bytes: 600, deletes: true },
        append(0, 0, 3, ALL),
        transaction(100, &[(0, 100)], Ending::Commit),
        transaction(LARGE, &[(0, 50)], Ending::Commit),
        Compact { topic: 0 },
        transaction(100, &[(1, 100)], Ending::Commit),
        append(1, 0, 2, ONE),
        Compact { topic: 1 },
        Operation::Alter { topic: 1, retention_bytes: 900 },
        transaction(300, &[(0, 100)], Ending::Commit),
        Compact { topic: 0 },
        Retention,
        append(0, 0, 2, ALL),
    ]
}

fn streams() -> Vec<Operation> {
    let to = |partition, holds, acks| AppendToStream { partition, holds, acks };
    let spilled = vec![(2, 0, 2), (2, 1, 1)];
    let spilled = Staged { parts: spilled, bytes: LARGE, offsets: Vec::new() };
    vec![
        CreateCompacted { topic: 2, partitions: 2, segment_bytes: 400, deletes: false },
        append(2, 0, 3, ALL),
        to(0, true, ONE),
        to(0, true, ALL),
        to(0, false, ALL),
        to(0, true, ONE),
        append(2, 1, 2, ONE),
        Operation::Transaction { staged: spilled, ending: Ending::Commit },
        to(1, true, ALL),
        Compact { topic: 2 },
        to(0, true, ALL),
        Close,
        to(0, true, ALL),
        to(1, false, ONE),
        to(0, true, ONE),
        Kill,
        to(0, true, ALL),
        Compact { topic: 2 },
        to(0, true, ONE),
    ]
}

/// One of them from a seed.
pub fn any(rng: &mut Rng) -> Operation {
    let topic = rng.usize(..NAMES.len());
    match rng.u32(..17) {
        15.. => AppendToStream {
            partition: rng.usize(..3),
            holds: rng.u32(..4) > 0,
            acks: if rng.bool() { ALL } else { ONE },
        },
        0..=5 => any_transaction(rng),
        6..=8 => AppendIf {
            topic,
            partition: rng.usize(..3),
            records: rng.usize(1..3),
            holds: rng.u32(..4) > 0,
            acks: if rng.bool() { ALL } else { ONE },
        },
        9..=10 => CreateCompacted {
            topic,
            partitions: rng.i32(1..=2),
            segment_bytes: [300, 600, 1500][rng.usize(..3)],
            deletes: rng.bool(),
        },
        _ => Compact { topic },
    }
}

fn any_transaction(rng: &mut Rng) -> Operation {
    let part = |rng: &mut Rng| (rng.usize(..NAMES.len()), rng.usize(..3), rng.usize(1..4));
    let parts = (0..rng.usize(..4)).map(|_| part(rng)).collect();
    let offset = |rng: &mut Rng| {
        let percent = [100, 100, 60, 0][rng.usize(..4)];
        (rng.usize(..GROUPS.len()), rng.usize(..NAMES.len()), rng.usize(..3), percent)
    };
    let offsets = (0..rng.usize(..3)).map(|_| offset(rng)).collect();
    let bytes = [40, 40, 250, 700, LARGE][rng.usize(..5)];
    let ending = match rng.u32(..9) {
        0 => Ending::Abort,
        1 => Ending::Drop,
        2 => Ending::Conflict,
        _ => Ending::Commit,
    };
    Operation::Transaction { staged: Staged { parts, bytes, offsets }, ending }
}
