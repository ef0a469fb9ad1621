//! What must hold of a round, whatever the history.

use std::collections::{HashMap, HashSet};

use super::super::{Cleaned, Round};
use super::history::{Fate, Model, Seen};
use super::world::{DELETE_RETENTION_MS, Found, FoundBatch, World};
use crate::format::control_record::ControlType;
use crate::format::producer_snapshot::ProducerEntry;

type Law = Result<(), String>;

fn law(holds: bool, what: impl FnOnce() -> String) -> Law {
    if holds { Ok(()) } else { Err(what()) }
}

/// Runs the round, checks every law, then runs it again and checks that little happens.
pub(super) fn check_round(
    world: &mut World,
    model: &mut Model,
    round: &Round,
    seen: &mut Seen,
) -> Law {
    let before = world.batches();
    let (start, end) = (world.partition.log_start_offset(), world.partition.end_offset());
    let producers = world.partition.producers().map_err(|error| error.to_string())?;
    let cleaned = world.clean(round).map_err(|error| error.to_string())?;
    let after = world.batches();
    let what = format!("{round:?}, cleaned to {}", cleaned.cleaned_to);
    let named = |error: String| format!("{error} ({what})");

    let bounds = (world.partition.log_start_offset(), world.partition.end_offset());
    law(bounds == (start, end), || format!("the log was {start} to {end}, is {bounds:?}"))?;
    let faults = world.faults();
    law(faults.is_empty(), || format!("{faults:?}")).map_err(named)?;
    unchanged_behind(&before, &after, cleaned.cleaned_to).map_err(named)?;
    nothing_invented(&after, model).map_err(named)?;
    ends_stay(&before, &after, round, &cleaned).map_err(named)?;
    markers_leave_late(&before, &after, round.now_ms).map_err(named)?;
    note_tombstones(&before, model, round, cleaned.cleaned_to);
    newest_survive(world, &after, model, round.now_ms).map_err(named)?;
    superseded_are_gone(&after, model, cleaned.cleaned_to).map_err(named)?;
    aborted_stay_hidden(world, &after, model).map_err(named)?;
    markers_stay_with_their_data(&after, model, start).map_err(named)?;
    producers_are_known(world, &producers, start).map_err(named)?;
    count(seen, &before, &after, round, &cleaned, model);

    // The same again, right away.
    let again = Round { first_dirty: cleaned.cleaned_to, ..*round };
    let second = world.clean(&again).map_err(|error| error.to_string())?;
    // Where the first one's map was full, this one meets tombstones behind it.
    note_tombstones(&after, model, &again, second.cleaned_to);
    let progress = second.cleaned_to >= cleaned.cleaned_to
        && (cleaned.cleaned_to > round.first_dirty || round.first_dirty >= round.upper);
    law(progress, || "a round came no further".to_owned()).map_err(named)?;
    if cleaned.cleaned_to >= round.upper {
        same_but_horizons(&after, &world.batches()).map_err(named)?;
    }
    let faults = world.faults();
    law(faults.is_empty(), || format!("after a second round: {faults:?}")).map_err(named)?;
    newest_survive(world, &world.batches(), model, round.now_ms).map_err(named)?;
    producers_are_known(world, &producers, start).map_err(named)
}

/// Batches that begin behind what was cleaned are byte for byte what they were.
fn unchanged_behind(before: &[FoundBatch], after: &[FoundBatch], cleaned_to: i64) -> Law {
    let behind = |batches: &[FoundBatch]| -> Vec<FoundBatch> {
        batches.iter().filter(|batch| batch.base_offset >= cleaned_to).cloned().collect()
    };
    law(behind(before) == behind(after), || "a batch behind the round was changed".to_owned())?;
    // Also records behind it, in a batch that begins before.
    let records = |batches: &[FoundBatch]| -> Vec<Found> {
        let records = batches.iter().flat_map(|batch| &batch.records);
        records.filter(|record| record.offset >= cleaned_to).cloned().collect()
    };
    let (was, is) = (records(before), records(after));
    let kept: HashSet<i64> = is.iter().map(|record| record.offset).collect();
    let lost = was.iter().find(|record| !kept.contains(&record.offset));
    // Data of an aborted transaction may go, if its batch begins below.
    let lost = lost.filter(|record| {
        before.iter().any(|batch| {
            batch.records.contains(record)
                && (!batch.is_transactional || batch.base_offset >= cleaned_to)
        })
    });
    law(lost.is_none(), || format!("{lost:?} went, behind the round"))
}

/// The last batch of the round stays, be it empty, and so does one of each new segment.
fn ends_stay(before: &[FoundBatch], after: &[FoundBatch], round: &Round, cleaned: &Cleaned) -> Law {
    let last = |batches: &[FoundBatch]| {
        let below = batches.iter().filter(|batch| batch.base_offset < round.upper);
        below.map(|batch| batch.last_offset).max()
    };
    let (was, is) = (last(before), last(after));
    law(was == is, || format!("the round ended at {was:?}, now at {is:?}"))?;
    let empty = cleaned.segments.iter().find(|segment| segment.state.log_bytes == 0);
    law(empty.is_none(), || format!("an empty segment: {empty:?}"))
}

/// A marker leaves when the time that an earlier round has set is over; or what is left of it.
fn markers_leave_late(before: &[FoundBatch], after: &[FoundBatch], now_ms: i64) -> Law {
    let stays = |offset| {
        after.iter().any(|batch| batch.base_offset == offset && batch.control != Some(None))
    };
    for batch in before.iter().filter(|batch| batch.control.is_some_and(|kind| kind.is_some())) {
        let is_over = batch.delete_horizon_ms.is_some_and(|horizon| horizon <= now_ms);
        law(is_over || stays(batch.base_offset), || {
            let horizon = batch.delete_horizon_ms;
            format!("the marker at {} left at {now_ms}, not {horizon:?}", batch.base_offset)
        })?;
    }
    Ok(())
}

fn nothing_invented(after: &[FoundBatch], model: &Model) -> Law {
    let mut next = 0;
    for batch in after {
        law(batch.base_offset >= next, || format!("the batch at {next} is out of order"))?;
        next = batch.last_offset + 1;
        for record in &batch.records {
            let known = model.record_at(record.offset);
            law(known == Some(record), || format!("{record:?} was {known:?}"))?;
        }
    }
    Ok(())
}

/// The time of a tombstone begins when a round first meets its batch.
fn note_tombstones(before: &[FoundBatch], model: &mut Model, round: &Round, cleaned_to: i64) {
    for batch in before.iter().filter(|batch| batch.base_offset < cleaned_to) {
        for record in batch.records.iter().filter(|record| record.value.is_none()) {
            model.met_ms.entry(record.offset).or_insert(round.now_ms);
        }
    }
}

/// A reader of the whole log comes to the same table as one who saw every record; and a tombstone
/// stays for those who are on their way.
fn newest_survive(world: &World, after: &[FoundBatch], model: &Model, now_ms: i64) -> Law {
    let start = world.partition.log_start_offset();
    let mut wanted: HashMap<&[u8], &Found> = HashMap::new();
    for record in model.visible().filter(|record| record.offset >= start) {
        if let Some(key) = &record.key {
            wanted.insert(key, record);
        }
    }
    let mut found: HashMap<&[u8], &Found> = HashMap::new();
    for record in after.iter().flat_map(|batch| &batch.records) {
        let is_seen = record.offset >= start && model.visible().any(|one| one == record);
        if let (Some(key), true) = (&record.key, is_seen) {
            found.insert(key, record);
        }
    }
    for (key, newest) in wanted {
        let name = String::from_utf8_lossy(key);
        match found.get(key) {
            Some(record) => law(*record == newest, || {
                format!("the newest of {name} is {newest:?}, found was {record:?}")
            })?,
            None => {
                law(newest.value.is_none(), || format!("{newest:?}, the newest of {name}, went"))?;
                let met = model.met_ms.get(&newest.offset);
                let is_over = met.is_some_and(|met| met + DELETE_RETENTION_MS <= now_ms);
                law(is_over, || format!("{newest:?} went early: met at {met:?}, now {now_ms}"))?;
            }
        }
    }
    Ok(())
}

/// Below the end of the round each key has one record, and what has none, or was aborted, has gone.
fn superseded_are_gone(after: &[FoundBatch], model: &Model, cleaned_to: i64) -> Law {
    let mut keys = HashSet::new();
    let records = after.iter().flat_map(|batch| &batch.records);
    for record in records.filter(|record| record.offset < cleaned_to) {
        law(!model.is_aborted(record.offset), || format!("{record:?} was aborted, and stays"))?;
        let Some(key) = &record.key else { return Err(format!("{record:?} stays")) };
        law(keys.insert(key.clone()), || format!("{record:?} is a second one of its key"))?;
    }
    Ok(())
}

/// Readers of committed records see what was committed, and nothing that was aborted.
fn aborted_stay_hidden(world: &World, after: &[FoundBatch], model: &Model) -> Law {
    let (start, end) = (world.partition.log_start_offset(), world.partition.end_offset());
    let aborted = world.partition.aborted_transactions(start, end);
    let aborted = aborted.map_err(|error| error.to_string())?;
    for batch in after.iter().filter(|batch| batch.is_transactional && batch.control.is_none()) {
        let is_hidden = aborted.iter().any(|transaction| {
            Some(transaction.producer_id) == batch.producer_id
                && transaction.first_offset <= batch.last_offset
                && batch.base_offset <= transaction.last_offset
        });
        for record in &batch.records {
            let is_aborted = model.is_aborted(record.offset);
            law(is_aborted == is_hidden, || {
                format!("{record:?} is hidden: {is_hidden}, was aborted: {is_aborted}")
            })?;
        }
    }
    Ok(())
}

/// As long as a batch of a transaction is there, empty or not, its marker is.
fn markers_stay_with_their_data(after: &[FoundBatch], model: &Model, start: i64) -> Law {
    let markers: HashMap<i64, ControlType> =
        after.iter().filter_map(|batch| Some((batch.base_offset, batch.control??))).collect();
    for batch in after.iter().filter(|batch| batch.is_transactional && batch.control.is_none()) {
        if batch.last_offset < start {
            continue;
        }
        let fate = model.batch_of(batch.base_offset).map(|batch| batch.fate);
        let (offset, kind) = match fate {
            Some(Fate::Committed(offset)) => (offset, ControlType::Commit),
            Some(Fate::Aborted(offset)) => (offset, ControlType::Abort),
            _ => continue,
        };
        law(markers.get(&offset) == Some(&kind), || {
            format!("the marker at {offset} of the batch at {} is gone", batch.base_offset)
        })?;
    }
    Ok(())
}

/// Who reads the log alone knows the producers as those who saw it grow.
fn producers_are_known(world: &World, known: &[ProducerEntry], start: i64) -> Law {
    if start > 0 {
        // What was deleted cannot tell.
        return Ok(());
    }
    world.forget_snapshots();
    let end = world.partition.end_offset();
    let found = world.partition.producers_at(end).map_err(|error| error.to_string())?.entries();
    // The time and the coordinator may have been those of a marker that ended nothing any more.
    let essence = |entries: &[ProducerEntry]| -> Vec<ProducerEntry> {
        let plain =
            |entry: &ProducerEntry| ProducerEntry { timestamp: 0, coordinator_epoch: 0, ..*entry };
        entries.iter().map(plain).collect()
    };
    let (found, known) = (essence(&found), essence(known));
    law(found == known, || format!("producers {known:?} became {found:?}"))
}

/// The second of two rounds changes no record; markers may have become idle.
fn same_but_horizons(first: &[FoundBatch], second: &[FoundBatch]) -> Law {
    let with_records = |batches: &[FoundBatch]| -> Vec<FoundBatch> {
        batches.iter().filter(|batch| !batch.records.is_empty()).cloned().collect()
    };
    let (first, second) = (with_records(first), with_records(second));
    law(first == second, || "a second round changed a batch of data".to_owned())
}

/// After all transactions ended and all horizons passed.
pub(super) fn check_settled(world: &World, model: &Model) -> Law {
    let after = world.batches();
    let cleaned_to = world.cleaned_to.unwrap_or(0);
    for record in after.iter().flat_map(|batch| &batch.records) {
        let stays = record.value.is_some() || record.offset >= cleaned_to;
        law(stays, || format!("{record:?} stays for ever"))?;
    }
    let start = world.partition.log_start_offset();
    let known = world.partition.producers().map_err(|error| error.to_string())?;
    let data: HashSet<i64> = after
        .iter()
        .filter(|batch| batch.is_transactional && batch.control.is_none())
        .filter_map(|batch| match model.batch_of(batch.base_offset)?.fate {
            Fate::Committed(offset) | Fate::Aborted(offset) => Some(offset),
            _ => None,
        })
        .collect();
    for batch in after.iter().filter(|batch| batch.control.is_some_and(|kind| kind.is_some())) {
        let is_last_word = known
            .iter()
            .any(|entry| Some(entry.producer_id) == batch.producer_id && entry.last_offset < start);
        let is_needed = is_last_word || data.contains(&batch.base_offset);
        let is_needed = is_needed || batch.base_offset >= cleaned_to || batch.last_offset < start;
        law(is_needed, || format!("the marker at {} stays for ever", batch.base_offset))?;
    }
    Ok(())
}

fn count(
    seen: &mut Seen,
    before: &[FoundBatch],
    after: &[FoundBatch],
    round: &Round,
    cleaned: &Cleaned,
    model: &Model,
) {
    let stats = &cleaned.stats;
    seen.rounds += 1;
    seen.full_maps += u64::from(cleaned.cleaned_to < round.upper);
    let same: HashSet<&[u8]> = before.iter().map(|batch| &batch.bytes[..]).collect();
    let new = after.iter().filter(|batch| !same.contains(&batch.bytes[..]));
    for batch in new {
        let is_empty = batch.records.is_empty() && batch.control.is_none_or(|kind| kind.is_none());
        seen.emptied += u64::from(is_empty);
        seen.rewritten += u64::from(!is_empty);
    }
    seen.tombstones_removed += stats.tombstones_removed;
    seen.keyless_removed += stats.keyless_removed;
    let aborted = |batches: &[FoundBatch]| {
        let records = batches.iter().flat_map(|batch| &batch.records);
        records.filter(|record| model.is_aborted(record.offset)).count() as u64
    };
    seen.aborted_removed += aborted(before) - aborted(after);
    let markers = |batches: &[FoundBatch]| {
        batches.iter().filter(|batch| batch.control.is_some()).count() as u64
    };
    seen.markers_removed += markers(before) - markers(after);
    seen.merged += u64::from(cleaned.segments.iter().any(|segment| segment.sources.len() > 1));
    let is_divided = cleaned.segments.iter().any(|segment| segment.sources.is_empty());
    seen.divided += u64::from(is_divided);
    let replaced: usize = cleaned.segments.iter().map(|segment| segment.sources.len()).sum();
    seen.untouched += stats.segments_before.saturating_sub(replaced as u64);
}
