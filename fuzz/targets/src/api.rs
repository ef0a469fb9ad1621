//! Sequences of calls on the simulated disk, decoded from the input, against the model and the laws
//! of `ottla-simulation`: as they are, with a call that fails, and with crashes.
//!
//! What a run of random seeds does evenly, the fuzzer does where the code is not yet covered. Which
//! states a crash leaves is drawn from a seed in the input; it does not choose each sector.

use ottla::Acks;
use ottla::env::sim::{CacheAfterFailedSync, Call, Effect, Explorer, Fault};
use ottla_simulation::check::check;
use ottla_simulation::run::{run, run_with};
use ottla_simulation::workload::{Ending, GROUPS, NAMES, Operation, Staged, Workload};

use crate::bytes::Input;

/// A longer sequence finds less in the same time.
const OPERATIONS_MAX: usize = 40;

/// About so many positions of a recording are crashed.
const POSITIONS: usize = 4;

/// The operations that the rest of the input says. The first one makes a topic.
fn operations(input: &mut Input<'_>) -> Vec<Operation> {
    let mut operations = vec![create(input)];
    while !input.is_empty() && operations.len() < OPERATIONS_MAX {
        operations.push(operation(input));
    }
    operations
}

fn create(input: &mut Input<'_>) -> Operation {
    Operation::Create {
        topic: input.below(NAMES.len()),
        partitions: 1 + i32::from(input.u8() % 3),
        segment_bytes: input.choose(&[300, 600, 1500, 5000]),
    }
}

fn acks(input: &mut Input<'_>) -> Acks {
    input.choose(&[Acks::All, Acks::All, Acks::Leader, Acks::Leader, Acks::None])
}

fn operation(input: &mut Input<'_>) -> Operation {
    let kind = input.u8() % 32;
    let topic = input.below(NAMES.len());
    let partition = input.below(3);
    let records = 1 + input.below(3);
    let bytes = input.choose(&[10, 60, 250, 700, 1400]);
    match kind {
        0 => create(input),
        1 => Operation::Delete { topic },
        2 => Operation::AddPartition { topic },
        3 => Operation::Alter { topic, retention_bytes: input.choose(&[400, 1200, 4000]) },
        4..=9 => Operation::Append { topic, partition, records, bytes, acks: acks(input) },
        10..=11 => Operation::Send { topic, partition, records, bytes, acks: acks(input) },
        12 => Operation::SendAgain { topic, partition, acks: acks(input) },
        13..=14 => {
            let part = |input: &mut Input<'_>| (input.below(NAMES.len()), input.below(3), 1);
            let parts = (0..2 + input.below(3)).map(|_| part(input)).collect();
            Operation::Atomic { parts, bytes: bytes.min(700) }
        }
        15 => Operation::Checkpoint,
        16 => Operation::Retention,
        17 => Operation::DeleteRecords { topic, partition, percent: input.choose(&[30, 70, 100]) },
        18 => Operation::Truncate { topic, partition, batches: records },
        19..=20 => Operation::Commit {
            group: input.below(GROUPS.len()),
            topic,
            partition,
            percent: input.choose(&[100, 60, 0]),
        },
        21 => Operation::DeleteOffset { group: input.below(GROUPS.len()), topic, partition },
        22 => Operation::Close,
        23 => Operation::Kill,
        24 => Operation::PowerLoss { choice: u64::from(input.u32()) },
        25..=27 => transaction(input, bytes),
        28 => Operation::AppendIf {
            topic,
            partition,
            records,
            holds: input.below(4) > 0,
            acks: input.choose(&[Acks::All, Acks::Leader]),
        },
        29 => Operation::AppendToStream {
            partition,
            holds: input.below(4) > 0,
            acks: input.choose(&[Acks::All, Acks::Leader]),
        },
        30 => Operation::CreateCompacted {
            topic,
            partitions: 1 + i32::from(input.u8() & 1),
            segment_bytes: input.choose(&[300, 600, 1500]),
            deletes: input.bool(),
        },
        _ => Operation::Compact { topic },
    }
}

fn transaction(input: &mut Input<'_>, bytes: usize) -> Operation {
    let part =
        |input: &mut Input<'_>| (input.below(NAMES.len()), input.below(3), 1 + input.below(3));
    let parts = (0..input.below(4)).map(|_| part(input)).collect();
    let offset = |input: &mut Input<'_>| {
        let percent = input.choose(&[100, 60, 0]);
        (input.below(GROUPS.len()), input.below(NAMES.len()), input.below(3), percent)
    };
    let offsets = (0..input.below(3)).map(|_| offset(input)).collect();
    let endings = [Ending::Commit, Ending::Commit, Ending::Abort, Ending::Drop, Ending::Conflict];
    let ending = input.choose(&endings);
    Operation::Transaction { staged: Staged { parts, bytes: bytes * 2, offsets }, ending }
}

fn workload(input: &mut Input<'_>) -> Workload {
    let mut operations = operations(input);
    // What the last session did is held against the model, too.
    operations.push(Operation::Close);
    Workload { name: "from bytes".to_owned(), operations }
}

/// Every answer, and what is there after every open.
///
/// # Panics
/// With the law that broke.
pub fn api(data: &[u8]) {
    let mut input = Input::new(data);
    let workload = workload(&mut input);
    run(&workload, 1).unwrap_or_else(|broken| panic!("{broken}\n{:?}", workload.operations));
}

/// The same with one call that fails, once or from then on, and crashes afterwards.
///
/// # Panics
/// With the law that broke.
pub fn api_faults(data: &[u8]) {
    let mut input = Input::new(data);
    let fault = fault(&mut input);
    let seed = u64::from(input.u16());
    let mut workload = workload(&mut input);
    // A loss of power would take the disk away that fails.
    workload.operations.retain(|what| !matches!(what, Operation::PowerLoss { .. }));
    let eras = run_with(&workload, 1, std::slice::from_ref(&fault));
    let eras =
        eras.unwrap_or_else(|broken| panic!("{broken}\n{fault:?}\n{:?}", workload.operations));
    explore(&workload, eras, seed);
}

fn fault(input: &mut Input<'_>) -> Fault {
    let effect = match input.u8() % 10 {
        0..=4 => Effect::Errno(input.choose(&[5, 28, 122, 27, 4, 24, 13])),
        5 => Effect::Short,
        6 => Effect::Zero,
        _ => Effect::SyncFails(CacheAfterFailedSync::KeepsNew),
    };
    let mut fault = Fault::new(effect);
    let paths = ["", ".journal", ".log", "ottla.control", "__consumer_offsets", ".spill", "index"];
    fault = fault.at_path(input.choose(&paths));
    if input.bool() {
        fault = fault.on(input.choose(&Call::ALL));
    }
    let from_then_on = input.below(4) == 0;
    // Most calls are made early.
    let nth = 1 + u64::from(input.u8()) * u64::from(1 + (input.u8() & 3));
    if from_then_on { fault.nth(nth).from_then_on() } else { fault.nth(nth) }
}

/// The same, crashed at a few positions: loss of power, death of the process, and a crash while it
/// recovers.
///
/// # Panics
/// With the law that broke.
pub fn api_crashes(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = u64::from(input.u32());
    let workload = workload(&mut input);
    let eras = run(&workload, 1);
    let eras = eras.unwrap_or_else(|broken| panic!("{broken}\n{:?}", workload.operations));
    explore(&workload, eras, seed);
}

fn explore(workload: &Workload, eras: Vec<ottla_simulation::run::Era>, seed: u64) {
    for era in eras {
        let explorer = Explorer {
            power_losses: 1,
            kills: 1,
            nested: 1,
            depth_max: 2,
            positions_one_in: (era.recording.len() / POSITIONS).max(1),
            ..Explorer::new(seed)
        };
        let explored = explorer.run(&era.recording, |crash| check(crash, &era.model));
        explored
            .unwrap_or_else(|failure| panic!("{failure}\nseed {seed}, {:?}", workload.operations));
    }
}
