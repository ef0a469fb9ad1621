//! Making views of records, and keeping what they lead to.
//!
//! The invariant: the bytes that views and headers lead to are neither moved nor freed while the
//! handle lives. Moving the records moves their buffers' owners, never the buffers.

use std::ffi::CString;
use std::ptr;
use std::sync::OnceLock;

use ottla::format::batch_header::TimestampType;
use ottla::{ConsumerRecord, NamesPartition, OwnedRecord, Records, TopicPartition};

use super::{
    OTTLA_RECORD_VIEW_HEADER_COUNT, OTTLA_RECORD_VIEW_LOG_APPEND_TIME, ottla_record_view,
    ottla_records,
};
use crate::bytes::ottla_header;
use crate::entry::Failure;
use crate::error::c_text;
use crate::handle::{self, Handle};
use crate::lock::Mutex;
use crate::pointer::at;

/// What the bytes belong to.
enum Source {
    Polled(Records),
    Owned(Vec<OwnedRecord>),
}

pub(crate) struct RecordsHandle {
    pub(super) views: Vec<ottla_record_view>,
    /// What the views' `partition_index` stands for.
    pub(super) partitions: Vec<(CString, i32)>,
    headers: OnceLock<Headers>,
    source: Source,
}

// SAFETY: the pointers within lead to memory that `source` owns and nobody changes.
unsafe impl Send for RecordsHandle {}
// SAFETY: as above.
unsafe impl Sync for RecordsHandle {}

impl Handle for RecordsHandle {
    const KIND: u8 = 11;
    const NAME: &'static str = "records";
}

/// All headers of all records.
struct Headers {
    all: Vec<ottla_header>,
    /// Where those of each record begin, and where the last ones end.
    begins: Vec<usize>,
}

impl RecordsHandle {
    /// Records of a poll, whose bytes stay where they are.
    pub(crate) fn of_poll(records: Records) -> RecordsHandle {
        let mut views = spare_views(records.len());
        let mut seen: Vec<&TopicPartition> = Vec::new();
        // Nothing but a view a record happens in the inner loop: it is what a poll costs here.
        for (partition, run) in records.runs() {
            let partition_index = index_of(partition, &mut seen);
            let (begin, count) = (views.len(), run.len());
            views.reserve(count);
            let places = views.spare_capacity_mut().iter_mut();
            let written = places.zip(run).map(|(place, record)| {
                place.write(view_of(&record, partition_index));
            });
            let written = written.count();
            // SAFETY: so many places behind those that were there have values now.
            unsafe { views.set_len(begin + written) };
        }
        let partitions = seen.into_iter().map(named).collect();
        let headers = OnceLock::new();
        RecordsHandle { views, partitions, headers, source: Source::Polled(records) }
    }

    /// Records that own their bytes.
    pub(crate) fn of_owned(records: Vec<OwnedRecord>) -> RecordsHandle {
        let mut views = spare_views(records.len());
        let mut seen: Vec<&TopicPartition> = Vec::new();
        for record in &records {
            let (key, key_length) = field(record.key.as_deref());
            let (value, value_length) = field(record.value.as_deref());
            views.push(ottla_record_view {
                offset: record.offset,
                timestamp: record.timestamp,
                key,
                value,
                key_length,
                value_length,
                partition_index: index_of(&record.partition, &mut seen),
                header_count_and_type: count_and_type(record.headers.len(), record.timestamp_type),
            });
        }
        let partitions = seen.into_iter().map(named).collect();
        let headers = OnceLock::new();
        RecordsHandle { views, partitions, headers, source: Source::Owned(records) }
    }

    /// Gives the program a handle of the records.
    pub(crate) fn give(self) -> Result<*mut ottla_records, Failure> {
        handle::give(self)
    }

    /// The headers of one record.
    pub(super) fn headers_of(&self, index: usize) -> Result<&[ottla_header], Failure> {
        let view = at(&self.views, index, "records")?;
        if view.header_count_and_type & OTTLA_RECORD_VIEW_HEADER_COUNT == 0 {
            return Ok(&[]);
        }
        let Headers { all, begins } = self.headers.get_or_init(|| self.unpack_headers());
        let range = begins.get(index).zip(begins.get(index + 1));
        Ok(range.and_then(|(&from, &to)| all.get(from..to)).unwrap_or_default())
    }

    fn unpack_headers(&self) -> Headers {
        let mut headers = Headers { all: Vec::new(), begins: vec![0] };
        match &self.source {
            Source::Polled(records) => {
                for record in records {
                    let found = record.headers().map(|it| header(it.name_bytes, it.value));
                    headers.all.extend(found);
                    headers.begins.push(headers.all.len());
                }
            }
            Source::Owned(records) => {
                for record in records {
                    let found = record.headers.iter();
                    let found =
                        found.map(|(name, value)| header(name.as_bytes(), value.as_deref()));
                    headers.all.extend(found);
                    headers.begins.push(headers.all.len());
                }
            }
        }
        headers
    }
}

impl Drop for RecordsHandle {
    fn drop(&mut self) {
        keep_views(std::mem::take(&mut self.views));
    }
}

/// The place of a partition among those that were seen. They are few: looked for one by one.
fn index_of<'a>(partition: &'a TopicPartition, seen: &mut Vec<&'a TopicPartition>) -> u32 {
    let found = seen.iter().position(|other| *other == partition);
    let index = found.unwrap_or_else(|| {
        seen.push(partition);
        seen.len() - 1
    });
    index as u32
}

fn named(partition: &TopicPartition) -> (CString, i32) {
    (c_text(partition.topic()), partition.partition())
}

#[inline]
fn view_of(record: &ConsumerRecord<'_>, partition_index: u32) -> ottla_record_view {
    let (key, key_length) = field(record.key());
    let (value, value_length) = field(record.value());
    let header_count_and_type = count_and_type(record.header_count(), record.timestamp_type());
    ottla_record_view {
        offset: record.offset(),
        timestamp: record.timestamp(),
        key,
        value,
        key_length,
        value_length,
        partition_index,
        header_count_and_type,
    }
}

/// A field of a record is below 2 GiB.
#[inline]
fn field(bytes: Option<&[u8]>) -> (*const u8, i32) {
    match bytes {
        Some(bytes) => (bytes.as_ptr(), bytes.len() as i32),
        None => (ptr::null(), -1),
    }
}

#[inline]
fn count_and_type(header_count: usize, timestamp_type: TimestampType) -> u32 {
    let count = header_count as u32 & OTTLA_RECORD_VIEW_HEADER_COUNT;
    match timestamp_type {
        TimestampType::CreateTime => count,
        TimestampType::LogAppendTime => count | OTTLA_RECORD_VIEW_LOG_APPEND_TIME,
    }
}

fn header(name: &[u8], value: Option<&[u8]>) -> ottla_header {
    ottla_header {
        name: name.as_ptr().cast(),
        name_length: name.len(),
        value: value.map_or(ptr::null(), <[u8]>::as_ptr),
        value_length: value.map_or(0, <[u8]>::len),
    }
}

/// Arrays of views that are used again: shared by all consumers, bounded in number and size. Nobody
/// waits for it: a child could find it locked by a thread that its parent alone has.
static SPARE: Mutex<Vec<SpareViews>> = Mutex::new(Vec::new());

/// More are not kept.
const SPARE_MAX: usize = 16;

/// Larger ones are not kept: one large poll would occupy its memory for ever.
const SPARE_VIEWS_MAX: usize = (1 << 20) / size_of::<ottla_record_view>();

/// An empty array.
struct SpareViews(Vec<ottla_record_view>);

// SAFETY: it is empty: none of the pointers that it could hold is there.
unsafe impl Send for SpareViews {}

fn spare_views(count: usize) -> Vec<ottla_record_view> {
    let spare = SPARE.try_lock().and_then(|mut spare| spare.pop());
    let mut views = spare.map_or_else(Vec::new, |spare| spare.0);
    views.reserve_exact(count);
    views
}

fn keep_views(mut views: Vec<ottla_record_view>) {
    if views.capacity() == 0 || views.capacity() > SPARE_VIEWS_MAX {
        return;
    }
    views.clear();
    if let Some(mut spare) = SPARE.try_lock()
        && spare.len() < SPARE_MAX
    {
        spare.push(SpareViews(views));
    }
}

#[cfg(test)]
mod tests {
    use std::slice;
    use std::time::Duration;

    use ottla::{Broker, Record, TopicConfig};

    use super::*;
    use crate::topic_partition::ottla_topic_partition;

    #[test]
    fn a_view_has_the_size_that_is_frozen() {
        assert_eq!(size_of::<ottla_record_view>(), 48);
        assert_eq!(size_of::<ottla_topic_partition>(), 16);
    }

    fn bytes<'a>(first: *const u8, length: i32) -> Option<&'a [u8]> {
        let length = usize::try_from(length).ok()?;
        // SAFETY: the views of the test are of handles that live.
        Some(unsafe { slice::from_raw_parts(first, length) })
    }

    /// Polled and owned records look alike.
    #[test]
    fn views_show_what_was_written() {
        let broker = Broker::in_memory().unwrap();
        broker.create_topic("t", TopicConfig::new().partitions(2)).unwrap();
        let producer = broker.producer().build().unwrap();
        for index in 0..20_usize {
            let (value, key) = (format!("value {index}"), vec![b'k'; index]);
            let names: Vec<_> = (0..index % 4).map(|header| format!("name {header}")).collect();
            let mut record = Record::new("t", &value).partition(index as i32 % 2);
            if index % 3 == 0 {
                record = record.key(&key);
            }
            for name in &names {
                record = record.header(name, &value);
            }
            let _later = producer.send(record).unwrap();
        }
        producer.flush().unwrap();
        let mut consumer = broker.consumer().assign([("t", 0), ("t", 1)]).build().unwrap();
        let polled = consumer.poll(Duration::ZERO).unwrap();
        assert_eq!(polled.len(), 20);
        let owned: Vec<OwnedRecord> = polled.iter().map(|record| record.to_owned()).collect();
        let handles = [RecordsHandle::of_poll(polled), RecordsHandle::of_owned(owned.clone())];
        drop(consumer);
        broker.close().unwrap();
        for handle in handles {
            assert_eq!((handle.views.len(), handle.partitions.len()), (20, 2));
            for (index, (view, record)) in handle.views.iter().zip(&owned).enumerate() {
                assert_eq!((view.offset, view.timestamp), (record.offset, record.timestamp));
                assert_eq!(bytes(view.key, view.key_length), record.key.as_deref());
                assert_eq!(bytes(view.value, view.value_length), record.value.as_deref());
                let partition = &handle.partitions[view.partition_index as usize];
                assert_eq!(partition.1, record.partition.partition);
                let headers = handle.headers_of(index).unwrap();
                assert_eq!(headers.len(), view.header_count_and_type as usize);
                assert_eq!(headers.len(), record.headers.len());
                for (seen, (name, value)) in headers.iter().zip(&record.headers) {
                    let seen_name = bytes(seen.name.cast(), seen.name_length as i32);
                    assert_eq!(seen_name, Some(name.as_bytes()));
                    assert_eq!(bytes(seen.value, seen.value_length as i32), value.as_deref());
                }
            }
            assert!(handle.headers_of(20).is_err());
        }
    }
}
