//! `ottla topic`: create, list, describe, alter, compact and delete topics.

use std::io::Write;

use ottla::Broker;
use ottla::config::topic::TopicConfig;
use ottla::error::ErrorKind;
use ottla::{CompactionOptions, RetentionHold, TopicDescription};

use crate::arguments::{
    Arguments, TopicAlter, TopicCompact, TopicCreate, TopicDelete, TopicDescribe, TopicVerb,
};
use crate::directory;
use crate::exit::Failure;
use crate::verify::progress_bar;

/// Runs the verb.
pub(crate) fn run(
    arguments: &Arguments,
    verb: &TopicVerb,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match verb {
        TopicVerb::Create(create_arguments) => {
            let config = config_of(create_arguments)?;
            directory::write_or_create(arguments, |broker| create(broker, create_arguments, config))
        }
        TopicVerb::List => list(&directory::read(arguments)?, out),
        TopicVerb::Describe(describe_arguments) => {
            describe(&directory::read(arguments)?, describe_arguments, out)
        }
        TopicVerb::Alter(alter_arguments) => {
            check_change(alter_arguments)?;
            directory::write(arguments, |broker| alter(broker, alter_arguments))
        }
        TopicVerb::Compact(compact_arguments) => {
            directory::write(arguments, |broker| compact(broker, compact_arguments, out))
        }
        TopicVerb::Delete(delete_arguments) => {
            directory::write(arguments, |broker| delete(broker, delete_arguments))
        }
    }
}

/// The settings that were asked for. Checked before the directory is opened, so that a wrong one
/// does not leave an empty directory behind.
fn config_of(arguments: &TopicCreate) -> Result<TopicConfig, Failure> {
    let mut config = TopicConfig::new();
    for (name, value) in &arguments.configs {
        config = config.set(name, value)?;
    }
    if let Some(count) = arguments.partitions {
        config = config.partitions(count);
    }
    config.validate()?;
    ottla::topic::TopicName::new(&arguments.name)?;
    Ok(config)
}

fn create(broker: &Broker, arguments: &TopicCreate, config: TopicConfig) -> Result<(), Failure> {
    match broker.create_topic(&arguments.name, config) {
        Err(error) if error.kind() == ErrorKind::TopicExists && arguments.if_not_exists => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

fn list(broker: &Broker, out: &mut dyn Write) -> Result<(), Failure> {
    for topic in broker.list_topics() {
        writeln!(out, "{}", topic.name)?;
    }
    Ok(())
}

fn describe(
    broker: &Broker,
    arguments: &TopicDescribe,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let topics = match &arguments.name {
        Some(name) => vec![broker.describe_topic(name)?],
        None => broker.list_topics(),
    };
    let report = broker.retention_report();
    for topic in &topics {
        describe_topic(topic, out)?;
        for hold in report.iter().flatten().filter(|hold| hold.partition.topic == topic.name) {
            describe_hold(hold, out)?;
        }
    }
    report.map(drop).map_err(Failure::from)
}

/// The layout of kafka-topics, with offsets and sizes in place of leaders and replicas.
fn describe_topic(topic: &TopicDescription, out: &mut dyn Write) -> Result<(), Failure> {
    let configs: Vec<String> =
        topic.config.iter().map(|(name, value)| format!("{name}={value}")).collect();
    writeln!(
        out,
        "Topic: {}\tTopicId: {}\tPartitionCount: {}\tConfigs: {}",
        topic.name,
        topic.id,
        topic.partitions.len(),
        configs.join(",")
    )?;
    for partition in &topic.partitions {
        write!(
            out,
            "\tTopic: {}\tPartition: {}\tStartOffset: {}\tEndOffset: {}\tBytes: {}",
            topic.name,
            partition.partition,
            partition.log_start_offset,
            partition.end_offset,
            partition.size_bytes
        )?;
        if partition.cleaned_to_offset > 0 {
            write!(out, "\tCleanedTo: {}", partition.cleaned_to_offset)?;
        }
        if let Some(error) = &partition.compaction_error {
            write!(out, "\tCompactionError: {error}")?;
        }
        if let Some(damage) = &partition.damage {
            write!(out, "\tDamage: {damage}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What retention leaves for a group that it waits for.
fn describe_hold(hold: &RetentionHold, out: &mut dyn Write) -> Result<(), Failure> {
    let committed = hold.committed.map_or("-".to_owned(), |offset| offset.to_string());
    write!(
        out,
        "\tTopic: {}\tPartition: {}\tRetentionGroup: {}\tCommitted: {committed}\tHeldRecords: {}\tHeldBytes: {}",
        hold.partition.topic,
        hold.partition.partition,
        hold.group,
        hold.held_records,
        hold.held_bytes
    )?;
    if hold.over_cap {
        write!(out, "\tOverCap: yes")?;
    }
    writeln!(out)?;
    Ok(())
}

fn check_change(arguments: &TopicAlter) -> Result<(), Failure> {
    let TopicAlter { configs, delete_configs, partitions, .. } = arguments;
    if configs.is_empty() && delete_configs.is_empty() && partitions.is_none() {
        let message = "say what to change: --config, --delete-config or --partitions";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(())
}

fn alter(broker: &Broker, arguments: &TopicAlter) -> Result<(), Failure> {
    let set = arguments.configs.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
    let reset = arguments.delete_configs.iter().map(|name| (name.as_str(), None));
    let changes: Vec<(&str, Option<&str>)> = set.chain(reset).collect();
    // What can be refused is looked at before anything is changed.
    let there = broker.describe_topic(&arguments.name)?.partitions.len();
    if let Some(total) = arguments.partitions.filter(|&total| i64::from(total) <= there as i64) {
        broker.add_partitions(&arguments.name, total)?;
    }
    if !changes.is_empty() {
        broker.alter_topic(&arguments.name, &changes)?;
    }
    if let Some(total) = arguments.partitions {
        broker.add_partitions(&arguments.name, total)?;
    }
    Ok(())
}

fn compact(broker: &Broker, arguments: &TopicCompact, out: &mut dyn Write) -> Result<(), Failure> {
    let bar = progress_bar();
    let shown = bar.clone();
    let options = CompactionOptions::new().on_progress(move |done, total| {
        shown.set_length(total);
        shown.set_position(done);
    });
    let rounds = broker.compact_now_with(&arguments.name, &options);
    bar.finish_and_clear();
    for round in rounds? {
        write!(
            out,
            "{}-{}\tCleanedTo: {}\tBytes: {} -> {}\tRecords: {} -> {}\tSegments: {} -> {}",
            round.topic,
            round.partition,
            round.cleaned_to,
            round.bytes_before,
            round.bytes_after,
            round.records_before,
            round.records_after,
            round.segments_before,
            round.segments_after
        )?;
        if round.keyless_removed > 0 {
            write!(out, "\tWithoutKey: {} removed", round.keyless_removed)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn delete(broker: &Broker, arguments: &TopicDelete) -> Result<(), Failure> {
    match broker.delete_topic(&arguments.name) {
        Err(error) if error.kind() == ErrorKind::UnknownTopicOrPartition && arguments.if_exists => {
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}
