//! Reading everything that a broker shows, and every byte that lies on a disk.

use std::collections::BTreeMap;

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::env::vfs::{FileKind, OpenHow, Vfs, read_up_to};
use ottla::{Broker, TopicPartition};

use crate::model::{SeenPartition, SeenTopic};
use crate::offsets::read_offsets;

/// Every file below the root with its bytes; folders have a slash and none.
pub type Files = BTreeMap<String, Vec<u8>>;

/// All topics with all records.
pub fn read_all(broker: &Broker) -> Result<Vec<SeenTopic>, String> {
    let mut topics = Vec::new();
    let mut offsets = read_offsets(broker)?;
    for topic in broker.list_topics().into_iter().filter(|topic| !topic.internal) {
        let name = topic.name.as_str();
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            if let Some(damage) = &partition.damage {
                return Err(format!("{name}-{} is damaged: {damage}", partition.partition));
            }
            let seen = read_partition(broker, name, partition.partition);
            let mut seen = seen.map_err(|e| format!("{name}-{}: {e}", partition.partition))?;
            let place = TopicPartition::new(topic.name.clone(), partition.partition);
            seen.committed = offsets.remove(&place).unwrap_or_default();
            partitions.push(seen);
        }
        let setting = topic.config.get("retention.bytes").cloned();
        topics.push(SeenTopic { name: name.to_owned(), id: topic.id, setting, partitions });
    }
    if let Some((partition, _)) = offsets.first_key_value() {
        return Err(format!("offsets: there are some of {partition}, which is not there"));
    }
    Ok(topics)
}

fn read_partition(broker: &Broker, topic: &str, number: i32) -> Result<SeenPartition, String> {
    let handle = broker.partition(topic, number).map_err(|e| e.to_string())?;
    let (start, end) = (handle.log_start_offset(), handle.end_offset());
    let (mut buffer, mut scratch, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let limits = DecodeLimits::default();
    let mut offset = start;
    while offset < end {
        buffer.clear();
        let read = handle.read(offset, 1 << 20, &mut buffer);
        let (range, next) = read.map_err(|e| format!("cannot read {offset}: {e}"))?;
        let mut rest = &buffer[range];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).map_err(|e| e.to_string())?;
            for record in entry.records(&limits, &mut scratch).map_err(|e| e.to_string())? {
                let record = record.map_err(|e| e.to_string())?;
                if record.offset >= start {
                    records.push((record.offset, record.value.unwrap_or(b"").to_vec()));
                }
            }
            rest = &rest[entry.bytes().len()..];
        }
        if next <= offset {
            return Err(format!("reading does not go on at {offset}, the end is {end}"));
        }
        offset = next;
    }
    Ok(SeenPartition { start, end, records, committed: BTreeMap::new() })
}

/// Every file with its bytes, but for key indexes: those are made when somebody asks for them.
pub fn read_files(vfs: &dyn Vfs) -> Files {
    let mut files = Files::new();
    for entry in vfs.list("").expect("the root can be listed") {
        if entry.kind == FileKind::Directory {
            let inner = vfs.list(&entry.name).expect("a folder can be listed");
            for inner in inner.into_iter().filter(|inner| !inner.name.ends_with(".keyindex")) {
                let path = format!("{}/{}", entry.name, inner.name);
                let bytes = read_file(vfs, &path);
                files.insert(path, bytes);
            }
            files.insert(format!("{}/", entry.name), Vec::new());
        } else {
            let bytes = read_file(vfs, &entry.name);
            files.insert(entry.name, bytes);
        }
    }
    files
}

pub fn read_file(vfs: &dyn Vfs, path: &str) -> Vec<u8> {
    let file = vfs.open(path, OpenHow::Read).expect("a file that is listed opens");
    let mut bytes = vec![0; file.len().expect("its length is known") as usize];
    let read = read_up_to(&*file, &mut bytes, 0).expect("it can be read");
    bytes.truncate(read);
    bytes
}
