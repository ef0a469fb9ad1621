//! What must be true of everything that a broker shows after a crash.
//!
//! Prefix: a partition holds the first batches of the model, whole, byte for byte. Acked is there:
//! what a level promises survives the faults that it names. All or nothing: an atomic append is in
//! all of its partitions or in none, and so is a transaction, with its offsets. Topics: made ones are there, deleted ones are not. The law of
//! committed offsets is in `offsets`, that of compaction in `compacted`.

use std::collections::BTreeMap;

use crate::model::{Model, PartitionModel, SeenPartition, SeenTopic, TopicModel};
use crate::run::key_of;
use crate::transactions::note_offsets;

/// Holds all laws against what was seen after a crash at this position.
pub fn hold(model: &Model, at: i64, lost_power: bool, seen: &[SeenTopic]) -> Result<(), String> {
    let mut groups: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    let mut claimed = Vec::new();
    for topic in &model.topics {
        let found = seen.iter().find(|seen| is_same(model, topic, seen, at));
        match found {
            Some(_) if !topic.may(at) => {
                return Err(format!("topics: {} was deleted or never made", topic.name));
            }
            None if topic.must(at) => {
                return Err(format!("topics: {} was made, and is not there", topic.name));
            }
            Some(found) => {
                claimed.push(found.id);
                hold_topic(topic, at, lost_power, found)
                    .map_err(|broken| format!("{broken}, of {}", topic.name))?;
                note_groups(topic, at, found, &mut groups);
            }
            None => {}
        }
    }
    if let Some(stranger) = seen.iter().find(|seen| !claimed.contains(&seen.id)) {
        return Err(format!("topics: nobody made {} {}", stranger.name, stranger.id));
    }
    match groups.iter().find(|(_, parts)| parts.iter().any(|part| *part != parts[0])) {
        Some((group, parts)) => Err(format!("all or nothing: the commit {group} is {parts:?}")),
        None => Ok(()),
    }
}

/// A creation that never answered told nobody its id.
fn is_same(model: &Model, topic: &TopicModel, seen: &SeenTopic, at: i64) -> bool {
    match topic.id {
        Some(id) => id == seen.id,
        None => {
            let is_known = |other: &TopicModel| other.id == Some(seen.id);
            topic.name == seen.name && topic.may(at) && !model.topics.iter().any(is_known)
        }
    }
}

fn hold_topic(
    topic: &TopicModel,
    at: i64,
    lost_power: bool,
    seen: &SeenTopic,
) -> Result<(), String> {
    if topic.name != seen.name {
        return Err(format!("topics: it is called {}", seen.name));
    }
    let count = seen.partitions.len();
    let must = topic.partitions.iter().filter(|partition| partition.span.must(at)).count();
    let may = topic.partitions.iter().filter(|partition| partition.span.may(at)).count();
    if !(must.max(1)..=may.max(1)).contains(&count) {
        return Err(format!("topics: {count} partitions, not {must} to {may}"));
    }
    hold_setting(topic, at, seen)?;
    for (number, (partition, seen)) in topic.partitions.iter().zip(&seen.partitions).enumerate() {
        hold_partition(partition, at, lost_power, seen)
            .map_err(|broken| format!("{broken}, in partition {number}"))?;
    }
    Ok(())
}

/// The last setting that was acked, or one that was on its way.
fn hold_setting(topic: &TopicModel, at: i64, seen: &SeenTopic) -> Result<(), String> {
    let last = topic.settings.iter().rposition(|(_, span)| span.must(at));
    let later = topic.settings.iter().skip(last.map_or(0, |last| last + 1));
    let mut allowed: Vec<Option<&String>> =
        later.filter(|(_, span)| span.may(at)).map(|(value, _)| Some(value)).collect();
    allowed.push(last.map(|last| &topic.settings[last].0));
    if allowed.contains(&seen.setting.as_ref()) {
        return Ok(());
    }
    Err(format!("topics: retention.bytes is {:?}, not of {allowed:?}", seen.setting))
}

fn hold_partition(
    partition: &PartitionModel,
    at: i64,
    lost_power: bool,
    seen: &SeenPartition,
) -> Result<(), String> {
    let starts = partition.starts.iter();
    let start_min = starts.clone().filter(|start| start.exact && start.span.must(at));
    let start_min = start_min.map(|start| start.offset).max().unwrap_or(0);
    let start_max = starts.filter(|start| start.span.may(at)).map(|start| start.offset).max();
    if !(start_min..=start_max.unwrap_or(0).max(start_min)).contains(&seen.start) {
        return Err(format!("log start: it is {}, not {start_min} to {start_max:?}", seen.start));
    }
    let mut required = partition.batches.iter().rev().filter(|b| b.must(at, lost_power));
    if let Some(lost) = required.find(|batch| batch.end() > seen.end) {
        return Err(format!(
            "acked is there: {} to {} with acks={} ended before {at} ({:?}), the log ends at {}",
            lost.base,
            lost.end(),
            lost.acks,
            lost.span,
            seen.end
        ));
    }
    partition.hold_offsets(at, seen)?;
    partition.hold_compacted(at, seen)?;
    hold_prefix(partition, at, seen)
}

fn hold_prefix(partition: &PartitionModel, at: i64, seen: &SeenPartition) -> Result<(), String> {
    let mut records = seen.records.iter().peekable();
    let newest = partition.newest_below(at, seen);
    let mut end = seen.start;
    for batch in partition.batches.iter().filter(|batch| batch.may(at)) {
        if batch.end() <= seen.start || batch.base >= seen.end {
            continue;
        }
        end = batch.end();
        if end > seen.end {
            return Err(format!("prefix: a part of the batch {} to {end}", batch.base));
        }
        for (offset, value) in (batch.base..).zip(&batch.values) {
            if offset < seen.start {
                continue;
            }
            let is_next = records.peek().is_some_and(|(next, _)| *next == offset);
            if !is_next && newest.get(key_of(value)).is_some_and(|newest| *newest > offset) {
                // Compacted: the newest of its key has to be there.
                continue;
            }
            match records.next() {
                Some((other, bytes)) if *other == offset && bytes == value => {}
                Some((other, bytes)) => {
                    let (bytes, value) = (shown(bytes), shown(value));
                    return Err(format!("prefix: {bytes} at {other}, not {value} at {offset}"));
                }
                None => return Err(format!("prefix: a hole at {offset}")),
            }
        }
    }
    match records.next() {
        Some((offset, bytes)) => Err(format!("prefix: invented {} at {offset}", shown(bytes))),
        None if end != seen.end => {
            Err(format!("prefix: the records end at {end}, the log at {}", seen.end))
        }
        None => Ok(()),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(10)]).into_owned()
}

/// Which parts of atomic appends are there.
fn note_groups(
    topic: &TopicModel,
    at: i64,
    seen: &SeenTopic,
    groups: &mut BTreeMap<usize, Vec<bool>>,
) {
    for (partition, seen) in topic.partitions.iter().zip(&seen.partitions) {
        let whole = partition.batches.iter().filter(|batch| batch.may(at) && batch.cut.is_none());
        for (batch, group) in whole.filter_map(|batch| Some((batch, batch.group?))) {
            groups.entry(group).or_default().push(batch.end() <= seen.end);
        }
        note_offsets(partition, at, seen, groups);
    }
}
