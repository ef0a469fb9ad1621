//! What a short workload is made of: contexts in which it begins, and one operation for each thing
//! that a program can ask for.
//!
//! Names and numbers stand for all like them: one topic and one group, two partitions, one size
//! that fits and one that makes a segment roll.

use ottla::Acks;
use ottla::env::sim::Choices;
use ottla_simulation::streams::INDEXED;
use ottla_simulation::workload::{Ending, Operation, Staged};

use Operation::{
    AddPartition, Alter, Append, AppendIf, AppendToStream, Atomic, Checkpoint, Close, Commit,
    Compact, Create, CreateCompacted, Delete, DeleteOffset, DeleteRecords, Kill, PowerLoss,
    Retention, Send, SendAgain, Transaction, Truncate,
};

/// Where short workloads begin. All is synced there, so that few states are possible.
pub(crate) struct Context {
    pub(crate) name: &'static str,
    pub(crate) operations: Vec<Operation>,
    /// The operations of which workloads are made there.
    pub(crate) alphabet: Vec<Operation>,
}

/// Three small appends to the newest segment of a context fit, and do not roll it: a roll syncs.
const SEGMENT_BYTES: u32 = 1_200;
/// A record that fits into no segment that has another one.
const ROLLS: usize = 1_100;
/// A record that a transaction does not keep in memory.
const SPILLS: usize = 2_300;
/// The topic that may be made in addition.
const SECOND: usize = 1;

/// All contexts.
pub(crate) fn contexts() -> Vec<Context> {
    let context = |name, operations, topic| Context { name, operations, alphabet: alphabet(topic) };
    vec![
        context("an empty directory", Vec::new(), 0),
        context("a topic with records", with_records(), 0),
        context("a compacted topic with streams", with_streams(), INDEXED),
    ]
}

fn append(topic: usize, records: usize, acks: Acks) -> Operation {
    Append { topic, partition: 0, records, bytes: 60, acks }
}

/// Three segments in one partition, an offset of a group, a producer's batch.
fn with_records() -> Vec<Operation> {
    vec![
        Create { topic: 0, partitions: 2, segment_bytes: SEGMENT_BYTES },
        Alter { topic: 0, retention_bytes: 900 },
        Append { topic: 0, partition: 0, records: 1, bytes: ROLLS, acks: Acks::All },
        Append { topic: 0, partition: 0, records: 1, bytes: ROLLS, acks: Acks::Leader },
        append(0, 2, Acks::All),
        Send { topic: 0, partition: 0, records: 1, bytes: 60, acks: Acks::All },
        Commit { group: 0, topic: 0, partition: 0, percent: 100 },
        Checkpoint,
    ]
}

/// Two full segments and one that is not, in which keys come again.
fn with_streams() -> Vec<Operation> {
    let large = Append { topic: INDEXED, partition: 0, records: 3, bytes: 350, acks: Acks::All };
    vec![
        CreateCompacted {
            topic: INDEXED,
            partitions: 2,
            segment_bytes: SEGMENT_BYTES,
            deletes: true,
        },
        large.clone(),
        large,
        append(INDEXED, 2, Acks::All),
        Checkpoint,
    ]
}

/// One operation for each thing that a program can ask for.
fn alphabet(topic: usize) -> Vec<Operation> {
    let (partition, bytes) = (0, 60);
    let rolls = |acks| Append { topic, partition, records: 1, bytes: ROLLS, acks };
    let send = |acks| Send { topic, partition, records: 1, bytes, acks };
    let if_end = |holds| AppendIf { topic, partition, records: 1, holds, acks: Acks::All };
    let mut operations = vec![
        append(topic, 1, Acks::None),
        append(topic, 2, Acks::Leader),
        append(topic, 2, Acks::All),
        rolls(Acks::Leader),
        rolls(Acks::All),
        Atomic { parts: vec![(topic, 0, 1), (topic, 1, 1), (SECOND, 0, 1)], bytes },
        transaction(topic, bytes, Ending::Commit),
        transaction(topic, bytes, Ending::Abort),
        transaction(topic, SPILLS, Ending::Commit),
        if_end(true),
        if_end(false),
        send(Acks::Leader),
        send(Acks::All),
        SendAgain { topic, partition, acks: Acks::All },
        Commit { group: 0, topic, partition, percent: 100 },
        DeleteOffset { group: 0, topic, partition },
        Checkpoint,
        Retention,
        DeleteRecords { topic, partition, percent: 60 },
        Truncate { topic, partition, batches: 1 },
        // More than a segment.
        Truncate { topic, partition, batches: 4 },
        Compact { topic },
        Create { topic: 0, partitions: 2, segment_bytes: SEGMENT_BYTES },
        CreateCompacted {
            topic: SECOND,
            partitions: 1,
            segment_bytes: SEGMENT_BYTES,
            deletes: true,
        },
        Alter { topic, retention_bytes: 300 },
        AddPartition { topic },
        Delete { topic },
        Close,
        Kill,
        PowerLoss { choice: choice_of_mood(0) },
        PowerLoss { choice: choice_of_mood(13) },
    ];
    if topic == INDEXED {
        operations.push(AppendToStream { partition, holds: true, acks: Acks::All });
    }
    operations
}

fn transaction(topic: usize, bytes: usize, ending: Ending) -> Operation {
    let parts = vec![(topic, 0, 1), (topic, 1, 1)];
    let staged = Staged { parts, bytes, offsets: vec![(0, topic, 0, 100)] };
    Transaction { staged, ending }
}

/// A choice that makes a loss of power lean this way: at 0 everything that was not synced is lost,
/// at 13 some sectors of it.
fn choice_of_mood(mood: u32) -> u64 {
    let leans = |choice: &u64| Choices::seeded(*choice).choose(16) == mood;
    (0..).find(leans).expect("there is one in about 16")
}
