//! A disk that errs: a write lands elsewhere or nowhere though syncs succeed, a read flips a bit.
//!
//! What is lost so is lost: the promise is that no wrong record is ever shown. After a loss of power
//! a directory opens or says what is damaged, and whatever it shows was appended at its offset. A
//! suffix may be gone only without a word where nothing on the disk can tell (a write that never
//! landed, behind the last recovery point); this harness does not hold that against it.

use ottla::env::sim::{Call, Effect, Fault};
use ottla::{Acks, Broker};
use ottla_proof::Evidence;
use ottla_simulation::run::{Run, options};
use ottla_simulation::workload::NAMES;

use crate::deeds::is_known;
use crate::scenarios::scenarios;
use crate::script::{perform, prepare};
use crate::short::{all, must};

/// Whatever can be read is what was appended there; an error ends a partition.
fn shows_nothing_wrong(run: &Run, broker: &Broker) -> Result<(), String> {
    for topic in NAMES {
        let Ok(described) = broker.describe_topic(topic) else { continue };
        for partition in described.partitions {
            let number = partition.partition;
            let Ok(mut consumer) = broker.consumer().assign([(topic, number)]).build() else {
                continue;
            };
            if consumer.seek_to_beginning(topic, number).is_err() {
                continue;
            }
            while let Ok(records) = consumer.poll(std::time::Duration::ZERO) {
                if records.is_empty() {
                    break;
                }
                for record in records.iter() {
                    let value = (record.offset(), record.value().unwrap_or_default());
                    is_known(run, topic, number, value)?;
                }
            }
        }
    }
    Ok(())
}

/// One call errs; then the power goes.
fn err(
    scenario: &crate::scenarios::Scenario,
    effect: Effect,
    call: Call,
    nth: u64,
) -> Result<bool, String> {
    let mut run = prepare(scenario)?;
    run.faulty = true;
    run.world.disk.plan(Fault::new(effect).on(call).nth(nth));
    for deed in &scenario.deeds {
        // What a workload finds in a directory that was damaged is looked at below.
        if perform(&mut run, std::slice::from_ref(deed)).is_err() {
            break;
        }
    }
    if run.world.disk.faults_met() == 0 {
        return Ok(false);
    }
    run.world.disk.heal();
    if let Some(broker) = run.broker.clone() {
        shows_nothing_wrong(&run, &broker).map_err(|broken| format!("F11: {broken}, live"))?;
    }
    let lost = run.world.with_disk(run.world.disk.after_losing_everything_unsynced());
    run.die();
    for (world, when) in [(lost, "after a power loss"), (run.world.clone(), "after a kill")] {
        // Damage that has a name is an answer.
        let Ok(broker) = options().open_in(world.env()) else { continue };
        shows_nothing_wrong(&run, &broker).map_err(|broken| format!("F11: {broken}, {when}"))?;
        if let Ok(partition) = broker.partition(NAMES[0], 0) {
            let _ = partition.append(&[ottla::Message::new("00000000|after").key("k")], Acks::All);
        }
        broker.abandon();
    }
    Ok(true)
}

#[test]
fn a_disk_that_errs_shows_no_wrong_record() {
    let evidence = Evidence::of("errors", "writes that land elsewhere or nowhere, flipped bits");
    let stride = if all() { 1 } else { 41 };
    let mut tried = 0;
    let effects = [
        (Effect::Misdirected(0), Call::WriteAt),
        (Effect::Misdirected(512), Call::WriteAt),
        (Effect::LostWrite, Call::WriteAt),
        (Effect::FlippedBit, Call::ReadAt),
    ];
    for (number, scenario) in scenarios().iter().enumerate() {
        if !all() && number % 3 != 1 {
            continue;
        }
        for (effect, call) in effects {
            for nth in (1 + number as u64 * 5 % stride..).step_by(stride as usize) {
                let outcome = err(scenario, effect, call, nth).map_err(|broken| {
                    format!("{broken}\nin \"{}\": {effect:?} at {call:?} {nth}", scenario.name)
                });
                if !must(outcome) {
                    break;
                }
                tried += 1;
            }
        }
    }
    evidence.count("runs", tried).fault("F11", tried, 0).tell();
    assert!(tried > 0, "the disk never erred");
}
