//! What Kafka's loader makes of damaged directories, and what we make of them: the same, except
//! where we promise more (the test says where and what).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use super::super::Partition;
use super::super::read::{ReadPosition, ReadRequest};
use super::super::recover::Known;
use super::super::report::PartitionReport;
use super::support::{FOLDER, Place, env_of_the_fixtures, id, read_batches};
use crate::env::Env;
use crate::env::sim::{Acked, Explorer, SimEnv, seed};
use crate::env::vfs::{OpenHow, Vfs, read_exact_at, write_all_at};
use crate::error::ErrorKind;

#[derive(Deserialize)]
struct Scenario {
    name: String,
    had_clean_shutdown: bool,
    log_start_checkpoint: i64,
    recovery_point: i64,
    config: BTreeMap<String, serde_json::Value>,
    now: i64,
    before: BTreeMap<String, File>,
    after_close: BTreeMap<String, File>,
    result: Outcome,
}

#[derive(Deserialize)]
struct File {
    hex: String,
    trailing_zeros: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    log_start_offset: i64,
    next_offset: i64,
    segments: Vec<i64>,
    first_unstable_offset: Option<i64>,
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        let digits = self.hex.as_bytes().chunks(2);
        let mut bytes: Vec<u8> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        bytes.resize(bytes.len() + self.trailing_zeros.unwrap_or(0), 0);
        bytes
    }
}

fn scenarios() -> Vec<Scenario> {
    serde_json::from_str(include_str!("../../../tests/vectors/recovery.json")).unwrap()
}

struct Recovered {
    place: Place,
    partition: std::sync::Arc<Partition>,
    report: PartitionReport,
}

fn place_over(env: Env, scenario: &Scenario) -> Place {
    let settings: Vec<_> =
        scenario.config.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Place::over(env, &settings)
}

fn recover(scenario: &Scenario) -> Recovered {
    let env = env_of_the_fixtures();
    env.vfs.create_dir(FOLDER).unwrap();
    let place = place_over(env, scenario);
    for (name, file) in &scenario.before {
        place.put(name, &file.bytes());
    }
    recover_in(place, scenario)
}

fn recover_in(place: Place, scenario: &Scenario) -> Recovered {
    let known = Known::Foreign {
        log_start_offset: scenario.log_start_checkpoint,
        recovery_point: scenario.recovery_point,
        cleaned_to: 0,
        clean: scenario.had_clean_shutdown,
    };
    let (partition, report) =
        Partition::start_recovery(&place.shared, id(), &place.config, known, scenario.now)
            .unwrap()
            .finish()
            .unwrap();
    Recovered { place, partition, report }
}

/// The files as Kafka left them, snapshots decoded because their order is that of a hash map.
fn check_files(recovered: &Recovered, expected: &BTreeMap<String, Vec<u8>>, name: &str) {
    let names: Vec<_> = expected.keys().cloned().collect();
    assert_eq!(recovered.place.names(), names, "{name}");
    for (file, bytes) in expected {
        let ours = recovered.place.file(file);
        if file.ends_with(".snapshot") {
            assert_eq!(snapshot(&ours), snapshot(bytes), "{name}: {file}");
        } else {
            assert_eq!(&ours, bytes, "{name}: {file}");
        }
    }
}

fn snapshot(bytes: &[u8]) -> Vec<String> {
    let entries = crate::format::producer_snapshot::decode(bytes).unwrap();
    let mut entries: Vec<_> = entries.iter().map(|entry| format!("{entry:?}")).collect();
    entries.sort();
    entries
}

/// A damaged batch in the first segment: Kafka cuts everything behind it, or does not notice it.
/// We change nothing, name it, and everything else stays readable.
fn check_damage(scenario: &Scenario, recovered: &Recovered) {
    let (name, partition) = (&scenario.name, &recovered.partition);
    let damage = partition.damage().unwrap();
    assert_eq!(damage.kind(), ErrorKind::Corrupt, "{name}");
    assert_eq!(damage.position(), Some(9_219), "{name}");
    assert!(damage.file().unwrap().ends_with("00000000000000000000.log"), "{name}");
    assert_eq!(partition.end_offset(), 199, "{name}");
    let error = read_batches(partition, 1 << 20).unwrap_err();
    assert_eq!((error.kind(), error.position()), (ErrorKind::Corrupt, Some(9_219)), "{name}");
    let error = partition.lock().check_writable().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
    let (mut position, mut buffer) = (ReadPosition::default(), Vec::new());
    let (mut sound, mut lost, mut from) = (Vec::new(), Vec::new(), 0);
    while from < 199 {
        let request = ReadRequest { from, end: 199, bytes_max: 1, check: true };
        match partition.read(&request, &mut position, &mut buffer) {
            Ok(outcome) => {
                let batch = buffer[outcome.start..outcome.start + outcome.bytes].to_vec();
                sound.push(batch);
                from = outcome.next_offset;
            }
            Err(_) => {
                lost.push(from);
                from += 1;
            }
        }
    }
    assert_eq!(lost, [81, 82], "{name}: only the damaged batch is lost");
    assert_eq!(sound.len(), 85, "{name}");
    let before = scenario.before.iter().map(|(name, file)| (name.clone(), file.bytes())).collect();
    check_files(recovered, &before, name);
}

#[test]
fn kafkas_scenarios() {
    let scenarios = scenarios();
    let clean = scenarios.iter().find(|scenario| scenario.name == "clean").unwrap();
    for scenario in &scenarios {
        let name = &scenario.name;
        let recovered = recover(scenario);
        let partition = &recovered.partition;
        if name.starts_with("unclean_corrupt") {
            check_damage(scenario, &recovered);
            continue;
        }
        assert!(partition.damage().is_none(), "{name}: {:?}", partition.damage());
        let (ours, kafkas) = (partition, &scenario.result);
        assert_eq!(ours.log_start_offset(), kafkas.log_start_offset, "{name}");
        assert_eq!(ours.end_offset(), kafkas.next_offset, "{name}");
        let stable = kafkas.first_unstable_offset.unwrap_or(kafkas.next_offset);
        assert_eq!(ours.last_stable_offset().unwrap(), stable, "{name}");
        partition.close().unwrap();
        let mut expected: BTreeMap<_, _> =
            scenario.after_close.iter().map(|(name, file)| (name.clone(), file.bytes())).collect();
        if name == "log_start_beyond_leo" {
            // We make the first segment with the first append.
            expected.retain(|name, _| !name.starts_with("00000000000000000500"));
        } else {
            let bases: Vec<_> = partition
                .segments
                .load()
                .as_slice()
                .iter()
                .map(|segment| segment.base_offset)
                .collect();
            assert_eq!(bases, kafkas.segments, "{name}");
        }
        if name == "missing_time_index_clean" {
            // Kafka leaves an empty file and looks at the time of the last change from then on;
            // we make the index anew.
            let file = "00000000000000000000.timeindex".to_owned();
            let bytes = clean.after_close[&file].bytes();
            expected.insert(file, bytes);
        }
        check_files(&recovered, &expected, name);
        assert_eq!(recovered.report.unknown, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_crash_while_recovering_changes_nothing_about_the_result() {
    let (seed, checked) = (seed(), AtomicUsize::new(0));
    for scenario in scenarios().iter().filter(|one| !one.name.starts_with("unclean_corrupt")) {
        let world = SimEnv::new(seed);
        world.disk.create_dir(FOLDER).unwrap();
        let place = place_over(world.env(), scenario);
        for (name, file) in &scenario.before {
            place.put(name, &file.bytes());
        }
        let place = place_over(synced(&world), scenario);
        let mut begun = Acked::default();
        begun.note(&world.disk, ());
        let whole = recover_in(place, scenario);
        let expected = read_batches(&whole.partition, 1 << 20).unwrap();
        let mut explorer = Explorer::new(seed);
        explorer.power_losses = 6;
        let explored = explorer.run(&world.disk.recording(), |crash| {
            if begun.at(crash).next().is_none() {
                return Ok(());
            }
            checked.fetch_add(1, Ordering::Relaxed);
            let again = recover_in(place_over(crash.env(), scenario), scenario);
            crash.recovery_ends_here();
            if let Some(damage) = again.partition.damage() {
                return Err(damage.to_string());
            }
            let ends = (again.partition.log_start_offset(), again.partition.end_offset());
            let wanted = (whole.partition.log_start_offset(), whole.partition.end_offset());
            let found = read_batches(&again.partition, 1 << 20).map_err(|e| e.to_string())?;
            let stable = again.partition.last_stable_offset().map_err(|e| e.to_string())?;
            let same = ends == wanted
                && found == expected
                && stable == whole.partition.last_stable_offset().unwrap();
            if same { Ok(()) } else { Err(format!("{ends:?}, not {wanted:?}; stable {stable}")) }
        });
        if let Err(failure) = explored {
            panic!("{}: {failure}", scenario.name);
        }
    }
    assert!(checked.into_inner() > 300);
}

/// The environment of a world in which all that is there is synced.
fn synced(world: &SimEnv) -> Env {
    for entry in world.disk.list(FOLDER).unwrap() {
        let path = format!("{FOLDER}/{}", entry.name);
        let file = world.disk.open(&path, OpenHow::Write).unwrap();
        // What an earlier handle wrote is synced only if it is written again.
        let mut bytes = vec![0; file.len().unwrap() as usize];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        write_all_at(&*file, &bytes, 0).unwrap();
        file.sync_data().unwrap();
    }
    world.disk.sync_dir(FOLDER).unwrap();
    world.disk.sync_dir("").unwrap();
    world.env()
}
