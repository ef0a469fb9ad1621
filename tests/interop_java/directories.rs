//! Whole directories: Kafka's DumpLogSegments looks for faults in what Ottla closed, Kafka's loader
//! opens it and goes on with it, and Ottla opens the result.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ottla::{
    Acks, Broker, Message, OffsetReset, OffsetScope, TopicConfig, TopicName, TopicPartition,
};

use crate::directory::{self, Log};
use crate::dump_log::{PrintedRecord, complaints_of, records_of, runs_of};
use crate::kafka::{Kafka, copy_folder, kafka, path_text, sorted_entries};
use crate::lines::{assert_same_lines, lines_of, record_lines_only};

#[test]
fn the_dump_tool_finds_nothing_wrong_with_a_directory() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let expected = directory::write(scratch.path());
    let runs = check_dump(kafka, scratch.path());
    // Ottla's own tool says the same of them, line by line.
    assert!(crate::compare_dumps(kafka, scratch.path()) > 30);
    let printed = records_of(&runs);
    for (name, log) in &expected.partitions {
        let wanted: Vec<PrintedRecord> = log.visible().map(printed_form).collect();
        let found: Vec<PrintedRecord> = printed.get(name).cloned().unwrap_or_default();
        let found: Vec<PrintedRecord> =
            found.into_iter().filter(|record| record.offset >= log.start).collect();
        assert_eq!(found.len(), wanted.len(), "{name}");
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found, wanted, "{name}");
        }
    }
    let catalog: String = runs
        .iter()
        .filter(|run| run.mode == "decoder")
        .flat_map(|run| run.lines.iter().map(|line| format!("{line}\n")))
        .collect();
    for word in [
        "\"type\":\"FEATURE_LEVEL_RECORD\"",
        "\"type\":\"TOPIC_RECORD\"",
        "\"type\":\"PARTITION_RECORD\"",
        "\"type\":\"CONFIG_RECORD\"",
        "\"type\":\"REMOVE_TOPIC_RECORD\"",
        "\"name\":\"c.zstd\"",
    ] {
        assert!(catalog.contains(word), "the metadata log shows no {word}");
    }
}

#[test]
fn kafka_loads_what_ottla_closed_and_changes_nothing() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (ours, copy) = (scratch.path().join("ours"), scratch.path().join("copy"));
    let expected = directory::write(&ours);
    copy_folder(&ours, &copy);
    let loaded = Loaded::parse(&kafka.run(&["load", path_text(&copy)]));
    for (name, log) in &expected.partitions {
        let partition = loaded.get(name).unwrap_or_else(|| panic!("{name} was not loaded"));
        check_loaded(name, partition, log);
    }
    assert_eq!(loaded.len(), expected.partitions.len(), "{:?}", loaded.keys());
    // Two things Kafka does at every start, also after a broker: it gives an empty partition its
    // first segment, and drops a producer snapshot from below the log start.
    let mut changed = differences(&ours, &copy);
    changed.retain(|path| {
        let below_start = path.contains("c.lz4-1") && path.ends_with(".snapshot");
        !path.contains("empty-") && !below_start
    });
    assert_eq!(changed, Vec::<String>::new());
}

#[test]
fn ottla_opens_what_kafka_went_on_with() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut expected = directory::write(scratch.path());
    let extended = kafka.run(&["extend", path_text(scratch.path())]);
    let broker = Broker::open(scratch.path()).expect("the directory opens");
    assert!(broker.recovery_report().foreign, "{}", broker.recovery_report());
    assert!(broker.recovery_report().damaged.is_empty(), "{:?}", broker.recovery_report());
    let mut ends = 0;
    for line in extended.lines().filter_map(|line| line.strip_prefix("EXTENDED ")) {
        let (name, end) = line.split_once(" to ").expect("an end");
        let (topic, number) = name.rsplit_once('-').expect("a partition");
        let partition = broker.partition(topic, number.parse().expect("a number")).expect(name);
        assert_eq!(partition.end_offset(), end.parse::<i64>().expect("an offset"), "{name}");
        // Five batches of a hundred records, behind those that were there.
        assert_eq!(partition.end_offset(), expected.partitions[name].end() + 500, "{name}");
        ends += 1;
    }
    assert_eq!(ends, expected.partitions.len());
    directory::fill(&broker, &mut expected, "c.snappy", 0, 20);
    broker.close().expect("the directory closes");

    check_dump(kafka, scratch.path());
    let copy = scratch.path().join("../").join("after-kafka");
    let copy = tempfile::tempdir_in(copy.parent().expect("a parent")).expect("a scratch directory");
    copy_folder(scratch.path(), copy.path());
    let loaded = Loaded::parse(&kafka.run(&["load", path_text(copy.path())]));
    let broker = Broker::options().read_only(true).open(scratch.path()).expect("it opens again");
    for (name, partition) in &loaded {
        let (topic, number) = name.rsplit_once('-').expect("a partition");
        let lines = lines_through(&broker, topic, number.parse().expect("a number"));
        assert_same_lines(name, &record_lines_only(&partition.lines), &record_lines_only(&lines));
    }
}

/// Runs the dump tool over everything and fails with what it finds.
fn check_dump(kafka: &Kafka, directory: &Path) -> Vec<crate::dump_log::Run> {
    let runs = runs_of(&kafka.run(&["dump", path_text(directory)]));
    let complaints = complaints_of(&runs);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    for folder in sorted_entries(directory).iter().filter(|path| path.is_dir()) {
        for path in sorted_entries(folder) {
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let length = fs::metadata(&path).expect("a length").len();
            let entry = match extension.as_str() {
                "index" => 8,
                "timeindex" => 12,
                "txnindex" => 34,
                "log" | "snapshot" => 1,
                _ => continue,
            };
            assert_eq!(length % entry, 0, "{} has half an entry", path.display());
            let looked_at = runs.iter().any(|run| run.path == path_text(&path));
            assert!(looked_at, "{} was not dumped", path.display());
        }
    }
    runs
}

fn printed_form(record: &directory::Written) -> PrintedRecord {
    let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
    PrintedRecord {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.clone(),
        value: record.value.clone(),
        header_names: names.join(","),
    }
}

/// A partition as Kafka's loader found it.
struct Loaded {
    start: i64,
    end: i64,
    recovery_point: String,
    /// Batches and records.
    lines: String,
    /// Answers to the lookups by timestamp: the timestamp asked for, and offset and timestamp.
    times: Vec<(i64, Option<(i64, i64)>)>,
}

impl Loaded {
    fn parse(output: &str) -> BTreeMap<String, Loaded> {
        let mut partitions = BTreeMap::new();
        let mut current = String::new();
        for line in output.lines() {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let words: Vec<&str> = rest.split(' ').collect();
            if kind == "PARTITION" {
                current = words[0].to_owned();
                let loaded = Loaded {
                    start: words[1].parse().expect("an offset"),
                    end: words[2].parse().expect("an offset"),
                    recovery_point: words[3].to_owned(),
                    lines: String::new(),
                    times: Vec::new(),
                };
                partitions.insert(current.clone(), loaded);
            }
            let Some(partition) = partitions.get_mut(&current) else { continue };
            match kind {
                "B" | "R" => partition.lines += &format!("{line}\n"),
                "TIME" => {
                    let number = |index: usize| words.get(index).and_then(|word| word.parse().ok());
                    let found = number(1).zip(number(2));
                    partition.times.push((number(0).expect("a timestamp"), found));
                }
                _ => {}
            }
        }
        partitions
    }
}

fn check_loaded(name: &str, loaded: &Loaded, log: &Log) {
    assert_eq!((loaded.start, loaded.end), (log.start, log.end()), "{name}");
    assert_eq!(loaded.recovery_point, log.end().to_string(), "{name}: the recovery point");
    let records = record_lines_only(&loaded.lines);
    let from_start: String = records
        .lines()
        .filter(|line| {
            line[2..].split(' ').next().and_then(|word| word.parse().ok()) >= Some(log.start)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_same_lines(name, &from_start, &log.lines());
    for (timestamp, found) in &loaded.times {
        let wanted = log.visible().find(|record| record.timestamp >= *timestamp);
        let wanted = wanted.map(|record| (record.offset, record.timestamp));
        assert_eq!(*found, wanted, "{name} at the time {timestamp}");
    }
}

/// Everything from the log start on, as Ottla reads it.
fn lines_through(broker: &Broker, topic: &str, number: i32) -> String {
    let partition = broker.partition(topic, number).expect("the partition");
    let mut buffer = Vec::new();
    let mut lines = String::new();
    let mut offset = partition.log_start_offset();
    while offset < partition.end_offset() {
        let (range, next) = partition.read(offset, 1 << 20, &mut buffer).expect("batches");
        lines += &lines_of(&buffer[range]).expect("sound batches");
        offset = next;
    }
    lines
}

/// Files that are in one directory only, or differ.
fn differences(left: &Path, right: &Path) -> Vec<String> {
    let names = |folder: &Path| -> Vec<std::ffi::OsString> {
        sorted_entries(folder).iter().filter_map(|path| path.file_name().map(Into::into)).collect()
    };
    let mut found = Vec::new();
    let mut all = [names(left), names(right)].concat();
    all.sort();
    all.dedup();
    for name in all {
        let (ours, theirs) = (left.join(&name), right.join(&name));
        if ours.is_dir() && theirs.is_dir() {
            found.extend(differences(&ours, &theirs));
        } else if fs::read(&ours).ok() != fs::read(&theirs).ok() {
            found.push(ours.display().to_string());
        }
    }
    found
}

/// Kafka's decoder of group records reads what groups committed, and what was taken back.
#[test]
fn kafka_reads_the_offsets_that_groups_committed() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::open(scratch.path()).expect("a new directory opens");
    broker.create_topic("orders", TopicConfig::new().partitions(2)).expect("a topic");
    let orders = broker.partition("orders", 1).expect("a partition");
    orders.append(&[Message::new("one"), Message::new("two")], Acks::Leader).expect("appended");
    let topic = TopicName::new("orders").expect("a legal name");
    let all = OffsetScope::Topics(vec![topic.clone()]);
    let one = OffsetScope::Partitions(vec![TopicPartition::new(topic, 1)]);
    for group in ["kitchen", "b\u{fc}ro"] {
        broker.reset_offsets(group, &all, OffsetReset::Latest, false).expect("committed");
    }
    broker.delete_offsets("kitchen", &one).expect("deleted");
    // A group with members: its own record, and the last one when they are gone.
    for _ in 0..2 {
        let member = broker.consumer().group("members").subscribe(["orders"]).build();
        let mut member = member.expect("a member");
        let polled = member.poll(Duration::from_secs(10)).expect("polled");
        assert!(!polled.is_empty());
        drop(polled);
        member.commit().expect("committed");
        member.seek("orders", 1, 0).expect("back to the start");
        member.commit().expect("committed");
        member.close().expect("it leaves");
    }
    broker.close().expect("the directory closes");

    let runs = check_dump(kafka, scratch.path());
    assert!(crate::compare_dumps(kafka, scratch.path()) > 5);
    let of_offsets = |run: &&crate::dump_log::Run| {
        run.mode == "decoder" && run.path.contains("__consumer_offsets-0")
    };
    let decoded: String =
        runs.iter().filter(of_offsets).flat_map(|run| &run.lines).cloned().collect();
    let key = |group: &str, partition: i32| {
        format!(
            "key: {{\"type\":\"1\",\"data\":{{\"group\":\"{group}\",\"topic\":\"orders\",\
             \"partition\":{partition}}}}} payload: "
        )
    };
    let value = |offset: i64| {
        format!(
            "{{\"version\":\"3\",\"data\":{{\"offset\":{offset},\"leaderEpoch\":-1,\"metadata\":\"\""
        )
    };
    for (group, partition, wanted) in [
        ("kitchen", 0, value(0)),
        ("kitchen", 1, value(2)),
        ("b\u{fc}ro", 1, value(2)),
        ("kitchen", 1, "<DELETE>".to_owned()),
        ("members", 1, value(2)),
        ("members", 1, value(0)),
    ] {
        let line = key(group, partition) + &wanted;
        assert!(decoded.contains(&line), "{line} is not in {decoded}");
    }
    let of_group = "\"type\":\"2\",\"data\":{\"group\":\"members\"}";
    let states: Vec<&String> = runs
        .iter()
        .filter(of_offsets)
        .flat_map(|run| &run.lines)
        .filter(|l| l.contains(of_group))
        .collect();
    let last = states.last().expect("the group has a record");
    for word in ["\"protocolType\":\"consumer\"", "\"members\":[]", "\"protocol\":null"] {
        assert!(last.contains(word), "{word} is not in {last}");
    }
    // What the broker goes on from is what the last record says.
    let broker = Broker::open(scratch.path()).expect("it opens again");
    let generation = broker.describe_group("members").expect("the group is known").generation;
    assert!(last.contains(&format!("\"generation\":{generation},")), "{generation}: {last}");
}
