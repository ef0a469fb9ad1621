//! Every call of the disk fails in turn, in every way, during a life of a partition. What was
//! acked stays readable; nothing half-written becomes visible; and whatever the failure left on
//! the disk, a crash after it recovers to what was promised.

use std::sync::Arc;

use super::super::Partition;
use super::super::hold::Hold;
use super::super::recover::Known;
use super::crashes::{Event, Model, SETTINGS, check_content};
use super::support::{FOLDER, Place, batch, id};
use crate::batch::entry::Entry;
use crate::env::sim::{Call, Choices, Effect, Fault, FaultMatrix, SimDisk, SimEnv, seed};
use crate::env::vfs::{OpenHow, Vfs};
use crate::error::{Error, Result};

/// A partition with something in it, before anything fails.
struct Prepared {
    place: Place,
    partition: Arc<Partition>,
    events: Vec<Event>,
}

fn prepare(world: &SimEnv) -> Prepared {
    world.disk.create_dir(FOLDER).unwrap();
    world.disk.sync_dir("").unwrap();
    let place = Place::over(world.env(), SETTINGS);
    let partition = place.create();
    let mut prepared = Prepared { place, partition, events: Vec::new() };
    for size in [300, 400, 500] {
        prepared.append(size).unwrap();
    }
    prepared.checkpoint().unwrap();
    prepared.append(100).unwrap();
    prepared
}

impl Prepared {
    fn append(&mut self, size: usize) -> Result<()> {
        let mut batch = batch(1, size, 5);
        self.partition.lock().append_written(&mut batch)?;
        self.events.push(Event::Written(batch));
        Ok(())
    }

    fn commit(&mut self, sizes: &[usize]) -> Result<()> {
        let mut batches: Vec<_> = sizes.iter().map(|&size| batch(2, size, 7)).collect();
        let partition = Arc::clone(&self.partition);
        let mut writer = partition.lock();
        writer.sync_tail()?;
        self.events.push(Event::Synced);
        let mut staged = Vec::new();
        let mut failure = None;
        for batch in &mut batches {
            match writer.stage(batch) {
                Ok(one) => staged.push(one),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(error) = failure {
            staged.into_iter().rev().for_each(|staged| writer.unstage(staged));
            return Err(error);
        }
        self.events.extend(batches.iter().cloned().map(Event::Committed));
        for (staged, batch) in staged.iter().zip(&batches) {
            writer.apply(staged, batch)?;
        }
        writer.publish();
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        let part = self.partition.checkpoint_begin()?;
        part.sync()?;
        self.events.push(Event::Synced);
        self.events.push(Event::Control(part.state().clone()));
        self.partition.checkpoint_end(part);
        Ok(())
    }

    fn retain(&mut self) -> Result<()> {
        if let Some(plan) = self.partition.retention_plan(0, &Hold::NONE)? {
            let log_start = plan.state.log_start_offset;
            self.events.push(Event::Control(plan.state));
            self.partition.delete_below(log_start)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let state = self.partition.close()?;
        self.events.push(Event::Synced);
        self.events.push(Event::Control(state));
        Ok(())
    }

    /// Goes on after every error, as a program might.
    fn live(&mut self) -> Vec<Error> {
        let steps: [fn(&mut Prepared) -> Result<()>; 12] = [
            |life| life.append(200),
            |life| life.commit(&[300, 100]),
            |life| life.append(600),
            Prepared::checkpoint,
            |life| life.append(900),
            |life| life.commit(&[500]),
            Prepared::retain,
            |life| life.append(50),
            Prepared::checkpoint,
            |life| life.commit(&[40, 40]),
            |life| life.append(30),
            Prepared::close,
        ];
        steps.iter().filter_map(|step| step(self).err()).collect()
    }
}

/// Recovers what a crash left, and compares.
fn check(disk: SimDisk, world: &SimEnv, events: &[Event], lost_power: bool, what: &str) {
    let model = Model::of(events.iter());
    let world = world.with_disk(disk);
    let place = Place::over(world.env(), SETTINGS);
    let known = Known::State(model.state());
    let mut recovery =
        Partition::start_recovery(&place.shared, id(), &place.config, known, 0).expect(what);
    for batch in &model.journal {
        let base_offset = Entry::decode(batch).unwrap().base_offset();
        recovery.apply(base_offset, batch).expect(what);
    }
    let (partition, _) = recovery.finish().expect(what);
    assert!(partition.damage().is_none(), "{what}: {:?}", partition.damage());
    let promised = model.promised_end(lost_power);
    assert!(partition.end_offset() >= promised, "{what}: {} {promised}", partition.end_offset());
    check_content(&partition, &model.batches).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(partition.verify().unwrap().errors.is_empty(), "{what}");
    // What recovery showed is durable: bytes may have been in the page cache only, and clean
    // there, because an earlier sync of them had failed.
    let state = partition.state();
    let world = world.with_disk(world.disk.after_losing_everything_unsynced());
    let place = Place::over(world.env(), SETTINGS);
    let known = Known::State(state);
    let recovery =
        Partition::start_recovery(&place.shared, id(), &place.config, known, 0).expect(what);
    let (again, _) = recovery.finish().expect(what);
    assert!(again.damage().is_none(), "{what}: {:?}", again.damage());
    assert_eq!(again.end_offset(), partition.end_offset(), "{what}");
    check_content(&again, &model.batches).unwrap_or_else(|error| panic!("{what}: {error}"));
}

#[test]
fn any_failing_call_leaves_what_was_promised() {
    let seed = seed();
    let hit = FaultMatrix::new(seed).run(prepare, |world, mut life, what| {
        let errors = life.live();
        // What readers see is what was acked, also while calls fail; later, when they do not.
        world.disk.heal();
        let model = Model::of(life.events.iter());
        let poisoned = life.place.shared.poison.check().is_err();
        // Where a failed sync took unsynced bytes out of the page cache again, they are gone as
        // after a loss of power; reading them is an error.
        let gone = poisoned && what.contains("Reverts");
        if !gone {
            check_content(&life.partition, &model.batches)
                .unwrap_or_else(|error| panic!("{what}: {error}; {errors:?}"));
        }
        if !poisoned {
            let acked = life.partition.end_offset();
            assert_eq!(acked, model.promised_end(false), "{what}: {errors:?}");
        }
        check(world.disk.after_kill(), world, &life.events, gone, what);
        let lost = world.disk.after_losing_everything_unsynced();
        check(lost, world, &life.events, true, what);
        for round in 0..3 {
            let mut choices = Choices::seeded(seed ^ round);
            let lost = world.disk.after_power_loss(&mut choices);
            check(lost, world, &life.events, true, what);
        }
    });
    assert!(hit > 500, "only {hit} runs met a fault");
}

#[test]
fn without_reservation_zeros_do() {
    let world = SimEnv::new(seed());
    let mut life = prepare(&world);
    let unsupported = Effect::Kind(std::io::ErrorKind::Unsupported);
    world.disk.plan(Fault::new(unsupported).on(Call::Reserve).from_then_on());
    let errors = life.live();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(world.disk.faults_met() > 0);
    check(world.disk.after_kill(), &world, &life.events, false, "no reservation");
}

#[test]
fn a_full_disk_does_not_keep_a_partition_closed() {
    let world = SimEnv::new(seed());
    let mut life = prepare(&world);
    life.commit(&[300, 100]).unwrap();
    let mut torn = batch(1, 400, 1);
    torn.truncate(200);
    let end = life.partition.segments.load().last().unwrap().published();
    let log = life.partition.segments.load().last().unwrap().log.name();
    let path = format!("{FOLDER}/{log}");
    let file = world.disk.open(&path, OpenHow::Write).unwrap();
    file.write_at(&torn, end).unwrap();
    // Neither indexes nor quarantine find any room.
    for part in ["index", "quarantine"] {
        let full = Fault::new(Effect::Errno(libc::ENOSPC)).on(Call::WriteAt);
        world.disk.plan(full.at_path(part).from_then_on());
    }
    let model = Model::of(life.events.iter());
    let place = Place::over(world.env(), SETTINGS);
    let known = Known::State(model.state());
    let recovery = Partition::start_recovery(&place.shared, id(), &place.config, known, 0).unwrap();
    let (partition, report) = recovery.finish().unwrap();
    assert!(report.lost_bytes > 0 && report.quarantined.is_empty(), "{report:?}");
    check_content(&partition, &model.batches).unwrap();
    assert_eq!(partition.end_offset(), model.promised_end(false));
    // With room again, everything finds its place.
    world.disk.heal();
    let state = partition.close().unwrap();
    let opened = Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
    check_content(&opened, &model.batches).unwrap();
    assert!(opened.segments.load().as_slice().iter().all(|segment| !segment.was_rebuilt()));
}

#[test]
fn recovery_never_takes_a_failing_call_for_the_end_of_a_log() {
    let mut matrix = FaultMatrix::new(seed());
    // A disk that keeps showing what it failed to sync; the other kind loses `acks=1` bytes.
    matrix.effects.retain(|effect| !matches!(effect, Effect::SyncFails(_)));
    let hit = matrix.run(
        |world| {
            let mut life = prepare(world);
            life.append(600).unwrap();
            life.commit(&[300, 200]).unwrap();
            life.append(80).unwrap();
            (Model::of(life.events.iter()), life.events.clone())
        },
        |world, (model, events), what| {
            let place = Place::over(world.env(), SETTINGS);
            let known = Known::State(model.state());
            let start = Partition::start_recovery(&place.shared, id(), &place.config, known, 0);
            let recovered = start.and_then(|mut recovery| {
                for batch in &model.journal {
                    let base_offset = Entry::decode(batch).unwrap().base_offset();
                    recovery.apply(base_offset, batch)?;
                }
                recovery.finish()
            });
            if let Ok((partition, _)) = recovered {
                assert!(partition.damage().is_none(), "{what}: {:?}", partition.damage());
                assert_eq!(partition.end_offset(), model.promised_end(false), "{what}");
            }
            world.disk.heal();
            check(world.disk.after_kill(), world, &events, false, what);
        },
    );
    assert!(hit > 200, "only {hit} runs met a fault");
}
