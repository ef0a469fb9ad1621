//! A whole directory: a small valid one, edited as the input says, then verified, opened, read to
//! its end and closed.
//!
//! Laws: no panic. Verifying changes nothing. Every record that is read is the one that was written
//! at this place, unless the input made a checksum right again, which is no damage but a forgery. A
//! record that is not there is not missing in silence: the open failed, or a read, or the report
//! says that something had to be mended. After a close the next open shows the same.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ottla::env::Env;
use ottla::env::memory::MemoryVfs;
use ottla::env::vfs::{OpenHow, Vfs, write_all_at};
use ottla::{
    Acks, Broker, BrokerOptions, ErrorKind, Message, OffsetReset, OffsetScope, Record, TopicConfig,
    VerifyOptions, verify_in,
};
use ottla_simulation::reader::{Files, read_files};

use crate::batches::reseal;
use crate::bytes::Input;
use crate::small_files::put_sum;

/// Partition and offset, and what stands there: key and value.
type Contents = BTreeMap<(String, i32, i64), (Option<Vec<u8>>, Option<Vec<u8>>)>;

/// A directory as it was left, and what it holds.
struct Base {
    files: Vec<(String, Vec<u8>)>,
    contents: Contents,
}

static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| vec![written(true), written(false)]);

fn options() -> BrokerOptions {
    BrokerOptions::new()
        .background(false)
        .journal_file_bytes(4096)
        .journal_files(2)
        .offsets_topic_partitions(1)
        .transaction_buffer_bytes(4096)
}

/// Two topics, rolls, an index, offsets of a group, a transaction; closed, or left by a kill.
fn written(closed: bool) -> Base {
    let vfs = Arc::new(MemoryVfs::default());
    let env = Env::over(vfs.clone());
    let broker = options().open_in(env).expect("a new directory");
    let small = |config: TopicConfig| {
        let config = config.set("internal.segment.bytes", "500").expect("a setting");
        config.set("index.interval.bytes", "100").expect("a setting")
    };
    broker.create_topic("a", small(TopicConfig::new().partitions(1))).expect("a topic");
    let keyed = small(TopicConfig::new().partitions(1).key_index(true));
    broker.create_topic("b", keyed).expect("a topic");
    for number in 0..10 {
        let value = format!("the record number {number} of this directory");
        let message = Message::new(&value).key(if number % 3 == 0 { "x" } else { "y" });
        let acks = if number % 4 == 3 { Acks::Leader } else { Acks::All };
        for topic in ["a", "b"] {
            let partition = broker.partition(topic, 0).expect("a partition");
            partition.append(std::slice::from_ref(&message), acks).expect("an append");
        }
        if number == 5 {
            broker.checkpoint().expect("a checkpoint");
        }
    }
    let mut transaction = broker.transaction().expect("a transaction");
    transaction.send(Record::new("a", "one of both").key("t")).expect("a record");
    transaction.send(Record::new("b", "both of one").key("t")).expect("a record");
    transaction.commit().expect("a commit");
    let only = OffsetScope::Partitions(vec![broker.partition("a", 0).expect("it").name()]);
    broker.reset_offsets("readers", &only, OffsetReset::Latest, false).expect("offsets");
    let contents = read(&broker).0;
    if closed {
        broker.close().expect("a close");
        drop(broker);
    } else {
        broker.abandon();
    }
    let files: Vec<_> = read_files(&*vfs).into_iter().collect();
    assert!(contents.len() == 22, "{} records", contents.len());
    Base { files, contents }
}

/// All records that can be read, and whether something could not.
fn read(broker: &Broker) -> (Contents, bool) {
    let (mut contents, mut failed) = (Contents::new(), false);
    for topic in broker.list_topics().into_iter().filter(|topic| !topic.internal) {
        for partition in &topic.partitions {
            let name = topic.name.as_str();
            let number = partition.partition;
            failed |= partition.damage.is_some();
            failed |= read_partition(broker, name, number, &mut contents).is_err();
        }
    }
    (contents, failed)
}

fn read_partition(
    broker: &Broker,
    topic: &str,
    number: i32,
    contents: &mut Contents,
) -> ottla::Result<()> {
    let end = broker.partition(topic, number)?.end_offset();
    let mut consumer = broker.consumer().assign([(topic, number)]).build()?;
    let mut last = -1;
    // Each poll that brings nothing ends it; there are no more than that many records.
    for _ in 0..200 {
        let records = consumer.poll(Duration::ZERO)?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            assert!(record.offset() > last && record.offset() < end, "order: {}", record.offset());
            last = record.offset();
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let place = (topic.to_owned(), number, record.offset());
            contents.insert(place, (owned(record.key()), owned(record.value())));
        }
    }
    Ok(())
}

/// The files after the edits, and whether one of them made a sum right again.
fn edited(base: &Base, input: &mut Input<'_>) -> (BTreeMap<String, Vec<u8>>, bool) {
    let mut files: BTreeMap<String, Vec<u8>> = base.files.iter().cloned().collect();
    let mut forged = false;
    let mut edits = 0;
    while !input.is_empty() && edits < 8 {
        edits += 1;
        let kind = input.u8() % 12;
        let mut names = files.keys().filter(|name| !name.ends_with('/'));
        let count = names.clone().count();
        let Some(name) = names.nth(input.below(count)).cloned() else { break };
        let other = files.keys().filter(|name| !name.ends_with('/')).nth(input.below(count));
        let other = other.cloned().unwrap_or_default();
        let bytes = files.get_mut(&name).expect("a name of the map");
        let at = usize::from(input.u16()) % bytes.len().max(1);
        match kind {
            0..=2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= input.u8().max(1)),
            3 => bytes.truncate(at),
            4 => bytes.extend(std::iter::repeat_n(0, 1 + usize::from(input.u8()))),
            5 => bytes.iter_mut().skip(at).take(512).for_each(|byte| *byte = 0),
            6 => drop(files.remove(&name)),
            7 => {
                // One file in the place of another.
                let copy = bytes.clone();
                files.insert(other, copy);
            }
            8 => drop(bytes.splice(at..at, input.piece().iter().copied())),
            9 => {
                let junk = String::from_utf8_lossy(input.piece()).replace(['/', '\0'], "x");
                if !junk.is_empty() && junk.len() < 200 && junk != "." && junk != ".." {
                    files.insert(junk, input.piece().to_vec());
                }
            }
            _ => {
                forged = true;
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= input.u8().max(1));
                forge(&name, bytes, at);
            }
        }
    }
    (files, forged)
}

/// Makes the sums right over a changed byte.
fn forge(name: &str, bytes: &mut [u8], at: usize) {
    if name == "ottla.control" {
        put_sum(bytes, 12, 16);
    } else if name.ends_with(".snapshot") {
        put_sum(bytes, 2, 6);
    } else if name.ends_with(".log") {
        let mut start = 0;
        while let Ok(size) = ottla::batch::entry::Entry::size_of(&bytes[start..]) {
            let end = start + size;
            if (start..end).contains(&at) && end <= bytes.len() {
                return reseal(&mut bytes[start..end]);
            }
            if end >= bytes.len() {
                return;
            }
            start = end;
        }
    }
}

fn directory_of(files: &BTreeMap<String, Vec<u8>>) -> Arc<MemoryVfs> {
    let vfs = Arc::new(MemoryVfs::default());
    for name in files.keys().filter_map(|name| name.strip_suffix('/')) {
        vfs.create_dir(name).expect("a folder");
    }
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with('/')) {
        if let Ok(file) = vfs.open(name, OpenHow::CreateOrWrite) {
            write_all_at(&*file, bytes, 0).expect("memory");
        }
    }
    vfs
}

/// # Panics
/// With the law that broke.
pub fn directory(data: &[u8]) {
    let mut input = Input::new(data);
    let base = &BASES[input.below(BASES.len())];
    let (files, forged) = edited(base, &mut input);
    let vfs = directory_of(&files);
    let env = Env::over(vfs.clone());
    let before = read_files(&*vfs);
    let verified = verify_in(&env, &VerifyOptions::new());
    assert_same_files(&before, &read_files(&*vfs));
    let broker = match options().open_in(env.clone()) {
        Ok(broker) => broker,
        Err(error) => {
            expect_clean_error(&error);
            let found = verified.map_or(true, |report| !report.is_sound());
            assert!(found, "verify: it is sound, and does not open: {error}");
            return;
        }
    };
    let (contents, failed) = read(&broker);
    hold(base, &contents, forged);
    let report = broker.recovery_report().clone();
    let is_said = failed
        || !report.clean
        || !report.damaged.is_empty()
        || !report.unknown.is_empty()
        || verified.is_ok_and(|verified| !verified.is_sound());
    let is_whole = base.contents.keys().all(|place| contents.contains_key(place));
    assert!(is_whole || is_said || forged, "silence: records are missing, and nothing says so");
    match broker.close() {
        Ok(()) => {}
        Err(error) => expect_clean_error(&error),
    }
    drop(broker);
    if failed {
        return;
    }
    let again = match options().open_in(env) {
        Ok(again) => again,
        Err(error) => panic!("second open: what was opened and read does not open: {error}"),
    };
    let (after, failed) = read(&again);
    assert!(!failed && after == contents, "second open: other records are there");
    again.abandon();
}

fn hold(base: &Base, contents: &Contents, forged: bool) {
    if forged {
        return;
    }
    for (place, record) in contents {
        match base.contents.get(place) {
            Some(original) => assert_eq!(record, original, "wrong record at {place:?}"),
            None => panic!("wrong record: nobody wrote {place:?}: {record:?}"),
        }
    }
}

fn assert_same_files(before: &Files, after: &Files) {
    assert!(before == after, "verify: it changed a file");
}

fn expect_clean_error(error: &ottla::Error) {
    let kinds = [
        ErrorKind::Corrupt,
        ErrorKind::Unsupported,
        ErrorKind::Limit,
        ErrorKind::Io,
        ErrorKind::InvalidInput,
        ErrorKind::ReadOnly,
        ErrorKind::Poisoned,
    ];
    assert!(kinds.contains(&error.kind()), "an error of the wrong kind: {error:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bases_hold_what_was_written() {
        for base in BASES.iter() {
            let files: BTreeMap<_, _> = base.files.iter().cloned().collect();
            let env = Env::over(directory_of(&files));
            let broker = options().open_in(env).expect("it opens");
            assert_eq!(read(&broker), (base.contents.clone(), false));
            broker.abandon();
        }
    }
}
