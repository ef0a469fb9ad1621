//! One partition, for programs that know which one they want: append to it, read it, cut it.
//!
//! Not here: what the partition says of itself (`offsets.rs`, `producers.rs`), appending under
//! numbers of one's own (`appender.rs`).

pub mod appender;
pub mod offsets;
pub mod producers;

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use ottla::{Acks, Appender, Broker, Consumer, PartitionHandle, Records};

use crate::append::{acks, messages, ottla_appended, tell_where};
use crate::broker::{BrokerHandle, ottla_broker};
use crate::bytes::ottla_record;
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::lock::Mutex;
use crate::pointer::{place, text};
use crate::records::{RecordsHandle, ottla_records};
use crate::status::ottla_status;

/// One partition of a topic.
///
/// Ownership: the program's, until ottla_partition_free; to be freed before its broker is closed.
/// Threads: any number at the same time.
pub struct ottla_partition {
    _opaque: [u8; 0],
}

pub(crate) struct PartitionObject {
    broker: Broker,
    /// The number of the broker's handle.
    parent: u64,
    partition: PartitionHandle,
    /// Appenders with warm buffers that nobody uses now, by their acks.
    spare: [Mutex<Vec<Appender>>; 3],
    /// The reader of the last read, and its bound in bytes.
    reader: Mutex<Option<(i32, Consumer)>>,
}

impl Handle for PartitionObject {
    const KIND: u8 = 5;
    const NAME: &'static str = "a partition";

    fn describe(&self) -> String {
        format!("the partition {}", self.partition.name())
    }
}

impl PartitionObject {
    pub(crate) fn of(partition: *const ottla_partition) -> Result<Arc<PartitionObject>, Failure> {
        handle::get(partition)
    }

    pub(crate) fn inner(&self) -> &PartitionHandle {
        &self.partition
    }

    pub(crate) fn number(&self) -> i32 {
        self.partition.name().partition
    }

    /// Runs `work` with an appender that has warm buffers, if one is spare.
    fn with_appender<T>(&self, acks: Acks, work: impl FnOnce(&mut Appender) -> T) -> T {
        let spare = &self.spare[acks as usize];
        let warm = spare.lock().pop();
        let mut appender = warm.unwrap_or_else(|| self.partition.appender(acks));
        let outcome = work(&mut appender);
        spare.lock().push(appender);
        outcome
    }

    /// The batches from the one with `from` on, about as many bytes of them.
    fn read(&self, from: i64, bytes_max: i32) -> Result<Records, Failure> {
        let at = self.partition.name();
        let (topic, number) = (at.topic.as_str(), at.partition);
        let mut kept = self.reader.lock();
        let (_, reader) = match &mut *kept {
            Some(fitting) if fitting.0 == bytes_max => fitting,
            other => {
                let bytes = bytes_max.to_string();
                let consumer = self.broker.consumer().assign([(topic, number)]);
                let consumer = consumer
                    .set("auto.offset.reset", "none")
                    .set("max.poll.records", &i32::MAX.to_string())
                    .set("fetch.max.bytes", &bytes)
                    .set("max.partition.fetch.bytes", &bytes);
                other.insert((bytes_max, consumer.build()?))
            }
        };
        reader.seek(topic, number, from)?;
        Ok(reader.poll(std::time::Duration::ZERO)?)
    }
}

/// Finds a partition of a topic.
///
/// Ownership: `*partition` is the program's, until ottla_partition_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_new(
    broker: *mut ottla_broker,
    topic: *const c_char,
    number: i32,
    partition: *mut *mut ottla_partition,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(partition, "partition") }?;
        let parent = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        let object = PartitionObject {
            partition: parent.inner().partition(topic, number)?,
            broker: parent.inner().clone(),
            parent: handle::number(broker),
            spare: Default::default(),
            reader: Mutex::default(),
        };
        place.write(handle::give_child(object, handle::number(broker))?);
        Ok(())
    })
}

/// Appends the records as one batch: all of them, or none, at consecutive offsets. When it returns
/// OTTLA_OK, what `acks` names has happened: OTTLA_ACKS_NONE, OTTLA_ACKS_LEADER or OTTLA_ACKS_ALL.
///
/// Ownership: the records are copied.
/// Threads: any number at the same time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_LIMIT if the batch exceeds max.message.bytes; OTTLA_E_INVALID_INPUT for no
/// records, one for another partition, or one that the topic does not take; OTTLA_E_NO_SPACE,
/// OTTLA_E_POISONED, OTTLA_E_READ_ONLY, OTTLA_E_CORRUPT for a damaged partition;
/// OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_append(
    partition: *mut ottla_partition,
    records: *const ottla_record,
    count: usize,
    acks: i32,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL, and as many records.
        unsafe { append(partition, (records, count), acks, None, appended) }
    })
}

/// As ottla_partition_append, if the partition ends at the offset `end` then: if nobody has appended
/// to it since somebody saw that end. Of several who expect the same end at most one succeeds,
/// whatever their acks.
///
/// Ownership: the records are copied.
/// Threads: any number at the same time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_CONFLICT if the partition ends elsewhere: ottla_error_conflict has what was
/// appended meanwhile; otherwise as ottla_partition_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_append_expecting(
    partition: *mut ottla_partition,
    end: i64,
    records: *const ottla_record,
    count: usize,
    acks: i32,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL, and as many records.
        unsafe { append(partition, (records, count), acks, Some(end), appended) }
    })
}

/// # Safety
/// As [`messages`] and [`tell_where`].
unsafe fn append(
    partition: *const ottla_partition,
    (first, count): (*const ottla_record, usize),
    acks_number: i32,
    expected_end: Option<i64>,
    appended: *mut ottla_appended,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    unsafe {
        tell_where(appended, || {
            let object = PartitionObject::of(partition)?;
            let acks = acks(acks_number)?;
            let messages = messages(first, count, object.number())?;
            let appended = object.with_appender(acks, |appender| match expected_end {
                Some(end) => appender.expect_end(end).append(&messages),
                None => appender.append(&messages),
            });
            Ok(appended?)
        })
    }
}

/// Reads records from an offset on: those of whole batches, about `bytes_max` bytes of them, at least
/// one batch if there is one. `*records` is set to NULL at the end of the partition. Those of
/// transactions are read as they were written, decided or not; ottla_consumer reads as
/// isolation.level says.
///
/// Ownership: `*records` is the program's, until ottla_records_free.
/// Threads: any number; they read one after the other.
/// Returns: OTTLA_E_OFFSET_OUT_OF_RANGE below the log start and beyond the end; OTTLA_E_CORRUPT;
/// OTTLA_E_INVALID_INPUT for a negative offset or bound.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_read(
    partition: *mut ottla_partition,
    from: i64,
    bytes_max: i32,
    records: *mut *mut ottla_records,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(records, "records") }?;
        let read = PartitionObject::of(partition)?.read(from, bytes_max)?;
        place.write(match read.is_empty() {
            true => ptr::null_mut(),
            false => RecordsHandle::of_poll(read).give()?,
        });
        Ok(())
    })
}

/// Frees a partition. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_partition_free(partition: *mut ottla_partition) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !partition.is_null() {
            handle::take::<PartitionObject, _>(partition)?;
        }
        Ok(())
    })
}
