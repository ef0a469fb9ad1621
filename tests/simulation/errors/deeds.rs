//! What scenarios do beyond the operations of workloads: clients, streams, tables, snapshots,
//! looks at everything, opening and closing in every way.
//!
//! The invariant: whatever a call returns as a record is the one that was appended at its offset.
//! An error is noted, never a failure by itself: what it must be is for `outcomes`.

use std::time::Duration;

use ottla::{
    Acks, Broker, Compression, IsolationLevel, OffsetScope, Record, Records, Result, TopicConfig,
    VerifyOptions, verify_in,
};
use ottla_simulation::model::{Batch, Committed, Span};
use ottla_simulation::reader::read_all;
use ottla_simulation::run::{KEYS, Run, message_of, options};
use ottla_simulation::streams::INDEXED;
use ottla_simulation::workload::{GROUPS, NAMES, Operation};

/// One step of a scenario.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Do(Operation),
    Call(&'static str, fn(&mut Run) -> Outcome),
}

/// A broken law; errors of the library are noted in the run.
pub(crate) type Outcome = std::result::Result<(), String>;

impl Deed {
    pub(crate) fn perform(&self, run: &mut Run) -> Outcome {
        match self {
            Deed::Do(operation) => run.perform(operation),
            Deed::Call(_, call) => call(run),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Deed::Do(operation) => {
                let text = format!("{operation:?}");
                text.split([' ', '{']).next().unwrap_or_default().to_owned()
            }
            Deed::Call(name, _) => (*name).to_owned(),
        }
    }
}

/// Calls the broker, if there is one; an error is noted.
fn call(run: &mut Run, work: impl FnOnce(&Run, &Broker) -> Result<Outcome>) -> Outcome {
    let Some(broker) = run.broker.clone() else { return Ok(()) };
    match work(run, &broker) {
        Ok(outcome) => outcome,
        Err(error) => run.note_failure(error).map(drop),
    }
}

/// What is read must be what was appended there.
pub(crate) fn is_known(
    run: &Run,
    topic: &str,
    partition: i32,
    (at, value): (i64, &[u8]),
) -> Outcome {
    let lives = run.model.topics.iter().filter(|other| other.name == topic);
    let known =
        lives.filter_map(|topic| topic.partitions.get(partition as usize)).any(|partition| {
            partition.batches.iter().any(|batch| {
                let index = usize::try_from(at - batch.base).ok();
                index.and_then(|index| batch.values.get(index)).is_some_and(|known| known == value)
            })
        });
    match known {
        true => Ok(()),
        false => Err(format!(
            "a wrong record: {:?} at {at} of {topic}-{partition}",
            String::from_utf8_lossy(&value[..value.len().min(12)])
        )),
    }
}

fn are_known(run: &Run, records: &Records) -> Outcome {
    records.iter().try_for_each(|record| {
        let value = record.value().unwrap_or_default();
        is_known(run, record.topic(), record.partition(), (record.offset(), value))
    })
}

/// Reads everything with a consumer that has its partitions by hand, there and back.
pub(crate) fn consume(run: &mut Run) -> Outcome {
    call(run, |run, broker| {
        let builder = broker.consumer().isolation_level(IsolationLevel::ReadCommitted);
        let mut consumer = builder.assign([(NAMES[0], 0)]).max_poll_records(2).build()?;
        consumer.seek_to_beginning(NAMES[0], 0)?;
        loop {
            let records = consumer.poll(Duration::ZERO)?;
            if records.is_empty() {
                break;
            }
            if let Err(broken) = are_known(run, &records) {
                return Ok(Err(broken));
            }
        }
        consumer.seek_to_timestamp(NAMES[0], 0, 0)?;
        consumer.lag(NAMES[0], 0)?;
        consumer.seek(NAMES[0], 0, consumer.position(NAMES[0], 0)?)?;
        consumer.poll(Duration::ZERO)?;
        consumer.close()?;
        Ok(Ok(()))
    })
}

/// Reads as the one member of a group, and commits; both kinds of commits.
pub(crate) fn consume_in_a_group(run: &mut Run) -> Outcome {
    let Some(broker) = run.broker.clone() else { return Ok(()) };
    let Some(place) = run.place(0, 0) else { return Ok(()) };
    let mut spans = Vec::new();
    let outcome = (|| {
        let group = broker.consumer().group(GROUPS[0]).subscribe([NAMES[0]]);
        let mut consumer = group.auto_commit(None).max_poll_records(2).build()?;
        let mut rounds = 0;
        while rounds < 6 {
            rounds += 1;
            let records = consumer.poll(Duration::ZERO)?;
            if records.is_empty() && rounds > 2 {
                break;
            }
            if let Err(broken) = are_known(run, &records) {
                return Ok(Err(broken));
            }
            let Ok(position) = consumer.position(NAMES[0], 0) else { continue };
            let begun = Span::begun(run.at());
            spans.push((position, begun));
            consumer.commit_offsets([((NAMES[0], 0), position)])?;
            if let Some((_, span)) = spans.last_mut() {
                span.acked = Some(run.at());
            }
        }
        consumer.close()?;
        Ok(Ok(()))
    })();
    let begun = spans.last().map(|(_, span)| *span);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let mut last = begun.unwrap_or(Span::begun(run.at()));
            let noted = run.note_partial(error, &mut last);
            if let (Some((_, span)), true) = (spans.last_mut(), begun.is_some_and(|b| b.is_open()))
            {
                span.refused = last.refused;
            }
            noted
        }
    };
    for (position, span) in spans.into_iter().filter(|(_, span)| span.refused.is_none()) {
        let committed = Committed { group: GROUPS[0], offset: Some(position), span, whole: None };
        run.model.topics[place.0].partitions[place.1].committed.push(committed);
    }
    outcome
}

/// Everything that is known of groups.
pub(crate) fn look_at_groups(run: &mut Run) -> Outcome {
    call(run, |_, broker| {
        broker.list_groups()?;
        broker.describe_groups()?;
        for group in GROUPS {
            broker.committed_offsets(group)?;
        }
        broker.retention_report()?;
        Ok(Ok(()))
    })
}

/// A group goes with all that it committed.
pub(crate) fn delete_group(run: &mut Run) -> Outcome {
    let Some(broker) = run.broker.clone() else { return Ok(()) };
    if broker.committed_offsets(GROUPS[1]).is_ok_and(|offsets| offsets.is_empty()) {
        return Ok(());
    }
    let mut span = Span::begun(run.at());
    match broker.delete_group(GROUPS[1]) {
        Ok(()) => span.acked = Some(run.at()),
        Err(error) => run.note_partial(error, &mut span)?,
    }
    if span.refused.is_some() {
        return Ok(());
    }
    for partition in run.model.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.committed.iter().any(|committed| committed.group == GROUPS[1]) {
            let committed = Committed { group: GROUPS[1], offset: None, span, whole: None };
            partition.committed.push(committed);
        }
    }
    Ok(())
}

/// A producer sends a batch of two records and waits for it.
fn produce(run: &mut Run, acks: Acks, compression: Compression) -> Outcome {
    let Some(broker) = run.broker.clone() else { return Ok(()) };
    let Some(place) = run.place(0, 0) else { return Ok(()) };
    let base = run.end_of(&broker, place);
    let values = run.values(2, 120);
    let mut span = Span::begun(run.at());
    let sent = (|| {
        let builder = broker.producer().acks(acks).compression(compression);
        let producer = builder.linger(Duration::from_secs(1)).build()?;
        let mut deliveries = Vec::new();
        for value in &values {
            let record = Record::from_message(NAMES[0], message_of(value)).partition(0);
            deliveries.push(producer.send(record)?);
        }
        let flushed = producer.flush();
        producer.close()?;
        flushed?;
        deliveries.into_iter().map(|delivery| Ok(delivery.wait()?.offset)).collect()
    })();
    let sent: Result<Vec<i64>> = sent;
    match sent {
        Ok(offsets) if acks == Acks::None || offsets == [base, base + 1] => {
            span.acked = Some(run.at());
        }
        Ok(offsets) => return Err(format!("a producer's records are at {offsets:?}, not {base}")),
        Err(error) => {
            if !run.note_failure(error)? || run.at() == span.begun {
                span.refused = Some(run.at());
            }
        }
    }
    let (cut, durable, group, stamp) = (None, None, None, None);
    run.note_batch(place, Batch { base, values, acks, span, cut, durable, group, stamp });
    Ok(())
}

pub(crate) fn produce_durably(run: &mut Run) -> Outcome {
    produce(run, Acks::All, Compression::None)
}

pub(crate) fn produce_packed(run: &mut Run) -> Outcome {
    produce(run, Acks::Leader, Compression::Lz4)
}

/// A transactional producer moves records on, with the place of a consumer.
pub(crate) fn produce_in_a_transaction(run: &mut Run) -> Outcome {
    let Some(broker) = run.broker.clone() else { return Ok(()) };
    let Some(place) = run.place(0, 0) else { return Ok(()) };
    let base = run.end_of(&broker, place);
    let values = run.values(3, 1700);
    run.model.groups += 1;
    let whole = Some(run.model.groups);
    let mut span = Span::begun(run.at());
    let committed = (|| {
        let producer = broker.producer().transactional_id("mover").build()?;
        producer.begin_transaction()?;
        for value in &values {
            let record = Record::from_message(NAMES[0], message_of(value)).partition(0);
            producer.send(record)?;
        }
        producer.commit_offsets_of(GROUPS[0], [((NAMES[0], 0), base)])?;
        span.begun = run.at();
        producer.commit_transaction()
    })();
    match committed {
        Ok(_) => span.acked = Some(run.at()),
        Err(error) => {
            if !run.note_failure(error)? || run.at() == span.begun {
                span.refused = Some(run.at());
            }
        }
    }
    let (cut, durable, stamp, acks) = (None, None, None, Acks::All);
    run.note_batch(place, Batch { base, values, acks, span, cut, durable, group: whole, stamp });
    if span.refused.is_none() {
        let committed = Committed { group: GROUPS[0], offset: Some(base), span, whole };
        run.model.topics[place.0].partitions[place.1].committed.push(committed);
    }
    Ok(())
}

/// Streams of the indexed topic, both ways, and the newest record of each key.
pub(crate) fn read_streams(run: &mut Run) -> Outcome {
    call(run, |run, broker| {
        for key in KEYS {
            let stream = broker.stream_in(NAMES[INDEXED], 0, key)?;
            stream.version()?;
            for record in stream.read(..).chain(stream.read_backwards(..)) {
                let record = record?;
                let value = (record.offset, record.value.as_deref().unwrap_or_default());
                if let Err(broken) = is_known(run, NAMES[INDEXED], 0, value) {
                    return Ok(Err(broken));
                }
            }
            broker.latest(NAMES[INDEXED], key)?;
        }
        Ok(Ok(()))
    })
}

pub(crate) fn make_a_table(run: &mut Run) -> Outcome {
    call(run, |run, broker| {
        let mut table = broker.table(NAMES[0])?;
        table.catch_up()?;
        let batches = || {
            let topics = run.model.topics.iter().filter(|topic| topic.name == NAMES[0]);
            topics.flat_map(|topic| &topic.partitions).flat_map(|partition| &partition.batches)
        };
        for (_, value) in table.iter() {
            if !batches().any(|batch| batch.values.iter().any(|known| known == value)) {
                return Ok(Err("a wrong record: a table has a value that nobody wrote".to_owned()));
            }
        }
        Ok(Ok(()))
    })
}

pub(crate) fn read_a_snapshot(run: &mut Run) -> Outcome {
    call(run, |run, broker| {
        let snapshot = broker.snapshot_with_groups(&GROUPS)?;
        for (partition, _) in snapshot.end_offsets() {
            let (topic, number) = (partition.topic.as_str(), partition.partition);
            if partition.topic.is_internal() {
                continue;
            }
            let mut reader =
                snapshot.read(topic, number, snapshot.log_start_offset(topic, number)?)?;
            while let Some(records) = reader.next_records()? {
                if let Err(broken) = are_known(run, &records) {
                    return Ok(Err(broken));
                }
            }
        }
        Ok(Ok(()))
    })
}

/// Looks up times and reads what lies in the middle.
pub(crate) fn look_things_up(run: &mut Run) -> Outcome {
    call(run, |_, broker| {
        let partition = broker.partition(NAMES[0], 0)?;
        partition.offset_for_timestamp(1)?;
        partition.offset_for_timestamp(i64::MAX)?;
        partition.offset_of_max_timestamp()?;
        partition.last_stable_offset()?;
        partition.producers()?;
        let mut buffer = Vec::new();
        let (start, end) = (partition.log_start_offset(), partition.end_offset());
        for offset in start..end {
            buffer.clear();
            partition.read(offset, 1, &mut buffer)?;
        }
        broker.describe_topic(NAMES[0])?;
        Ok(Ok(()))
    })
}

/// New identities, until one call has to write, and a fence.
pub(crate) fn take_producer_ids(run: &mut Run) -> Outcome {
    call(run, |_, broker| {
        let identity = broker.new_producer_identity()?;
        broker.fence_producer(identity)?;
        Ok(Ok(()))
    })
}

/// A topic that is there already, and one that is not.
pub(crate) fn ensure_topic(run: &mut Run) -> Outcome {
    call(run, |_, broker| {
        broker.ensure_topic(NAMES[0], TopicConfig::new())?;
        Ok(Ok(()))
    })
}

/// Everything that is due after a minute.
pub(crate) fn tick(run: &mut Run) -> Outcome {
    run.world.clock.advance(Duration::from_secs(60));
    run.perform(&Operation::Checkpoint)?;
    call(run, |_, broker| broker.tick().map(|_| Ok(())))
}

pub(crate) fn die(run: &mut Run) -> Outcome {
    run.die();
    Ok(())
}

pub(crate) fn open(run: &mut Run) -> Outcome {
    if run.broker.is_none() { run.open() } else { Ok(()) }
}

/// Closes, and does not open again.
pub(crate) fn close(run: &mut Run) -> Outcome {
    let Some(broker) = run.broker.take() else { return Ok(()) };
    match broker.close() {
        Ok(()) => run.model.sync_all(run.at()),
        Err(error) => drop(run.note_failure(error)?),
    }
    Ok(())
}

/// Indexes and snapshots vanish behind the back of a closed directory.
pub(crate) fn lose_derived_files(run: &mut Run) -> Outcome {
    use ottla::env::vfs::Vfs;
    run.die();
    let disk = &run.world.disk;
    for name in ottla_simulation::reader::read_files(disk).into_keys() {
        let is_derived = [".index", ".timeindex", ".txnindex", ".snapshot", ".keyindex"];
        if is_derived.iter().any(|end| name.ends_with(end)) {
            disk.remove_file(&name).map_err(|error| error.to_string())?;
        }
    }
    for entry in disk.list("").map_err(|error| error.to_string())? {
        // A file is none of these.
        let _ = disk.sync_dir(&entry.name);
    }
    // What is recorded from here on begins without them.
    run.cut_power(1);
    Ok(())
}

/// Opens for reading only, beside nobody, and reads all.
pub(crate) fn open_read_only(run: &mut Run) -> Outcome {
    run.die();
    let opened = options().read_only(true).open_in(run.world.env());
    let broker = match opened {
        Ok(broker) => broker,
        Err(error) => return run.note_failure(error).map(drop),
    };
    let seen = read_all(&broker);
    broker.abandon();
    match seen {
        Ok(seen) => ottla_simulation::laws::hold(&run.model, run.at(), run.cache_reverts, &seen),
        // Which error a read gave is not known here.
        Err(_) if run.faulty => Ok(()),
        Err(broken) => Err(broken),
    }
}

/// Verifies a directory that nobody has open.
pub(crate) fn verify(run: &mut Run) -> Outcome {
    run.die();
    match verify_in(&run.world.env(), &VerifyOptions::new()) {
        Ok(report) if run.faulty || report.is_sound() => Ok(()),
        Ok(report) => Err(format!(
            "verify: {}",
            report.all_errors().next().map(ToString::to_string).unwrap_or_default()
        )),
        Err(error) => run.note_failure(error).map(drop),
    }
}

/// What one group committed of one topic.
pub(crate) fn reset_to_times(run: &mut Run) -> Outcome {
    call(run, |_, broker| {
        let scope = OffsetScope::Committed;
        let to = ottla::OffsetReset::Timestamp(1);
        broker.reset_offsets(GROUPS[0], &scope, to, true)?;
        Ok(Ok(()))
    })
}
