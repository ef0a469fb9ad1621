//! The producer: records in, deliveries out.
//!
//! Not here: what became of a record (`delivery.rs`), producers of transactions.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use ottla::{Delivery, Producer, ProducerMetrics, Record};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::bytes::ottla_record;
use crate::completed::Completed;
use crate::delivery::{DeliveryHandle, Sent, ottla_delivery};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::metrics::{MetricsHandle, ottla_metrics};
use crate::partitioner::{Asking, ottla_partitioner, partitioner};
use crate::pointer::{place, place_or_none};
use crate::send_all::{SendAll, taken};
use crate::setting::{ottla_setting, settings};
use crate::status::ottla_status;
use crate::structs::SizedStruct;
use crate::timeout::timeout;

/// Sends records: it gathers them into batches, one after the other per partition.
///
/// Ownership: the program's, until ottla_producer_free; to be freed before its broker is closed.
/// Threads: any number at the same time.
pub struct ottla_producer {
    _opaque: [u8; 0],
}

/// What a producer has beside its settings. Set all to zero, and `struct_size` to the size.
///
/// Ownership: the program's; copied during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_producer_options {
    /// sizeof(ottla_producer_options)
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Chooses the partition of records that name none; NULL for Kafka's own way: by the key, or
    /// sticky without one.
    pub partitioner: ottla_partitioner,
    /// Handed to the partitioner. It has to live until the free of the producer, or of the
    /// transaction, has returned.
    pub partitioner_data: *mut c_void,
}

// SAFETY: repr(C), begins with a u32, no padding; all zeros are no partitioner.
unsafe impl SizedStruct for ottla_producer_options {}

/// How long a producer that is freed tries to write what it holds.
const FREE_FLUSH_MAX: Duration = Duration::from_secs(30);

pub(crate) struct ProducerHandle {
    producer: Producer,
    asking: Asking,
    completed: Arc<Completed>,
}

impl Handle for ProducerHandle {
    const KIND: u8 = 3;
    const NAME: &'static str = "a producer";
}

impl ProducerHandle {
    fn of(producer: *const ottla_producer) -> Result<Arc<ProducerHandle>, Failure> {
        handle::get(producer)
    }
}

/// Makes a producer. The settings are Kafka's: acks, linger.ms, batch.size, buffer.memory,
/// compression.type, max.block.ms, delivery.timeout.ms, enable.idempotence and so on.
///
/// Ownership: `*producer` is the program's, until ottla_producer_free.
/// Threads: any.
/// NULL: `settings`, if there are none; `options`.
/// Returns: OTTLA_E_INVALID_INPUT for a setting that cannot be; a producer with transactional.id is
/// made elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_new(
    broker: *mut ottla_broker,
    settings: *const ottla_setting,
    setting_count: usize,
    options: *const ottla_producer_options,
    producer: *mut *mut ottla_producer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let producer = unsafe { place(producer, "producer") }?;
        let broker_handle = BrokerHandle::of(broker)?;
        // SAFETY: the program promises as many settings, and options of their size.
        let (built, asking) = unsafe { build(&broker_handle, settings, setting_count, options) }?;
        let made = ProducerHandle { producer: built, asking, completed: Arc::default() };
        producer.write(handle::give_child(made, handle::number(broker))?);
        Ok(())
    })
}

/// # Safety
/// As [`settings`] and [`partitioner`].
unsafe fn build(
    broker: &BrokerHandle,
    first: *const ottla_setting,
    count: usize,
    given: *const ottla_producer_options,
) -> Result<(Producer, Asking), Failure> {
    let mut builder = broker.inner().producer();
    // SAFETY: the caller's promise is the same.
    for (name, value) in unsafe { settings(first, count) }? {
        builder = builder.set(name, value);
    }
    // SAFETY: the caller's promise is the same.
    let (partitioner, asking) = unsafe { partitioner(given, "the options of a producer") }?;
    if let Some(partitioner) = partitioner {
        builder = builder.partitioner(partitioner);
    }
    Ok((builder.build()?, asking))
}

/// Sends `count` records to a topic: copies each into the batch of its partition. One call for one
/// record or for many, which is faster. Waits, up to max.block.ms, while buffer.memory is full.
///
/// That a record was taken does not yet say that it is written: see ottla_delivery_wait and
/// ottla_producer_flush.
///
/// If a record is refused, those before it stay taken, and those behind it were not looked at:
/// `*taken` says how many that are, whatever the call returns. `*delivery` is then of the records
/// that were taken, if there are any: set it to NULL before the call.
///
/// Ownership: `*delivery` is the program's, until ottla_delivery_free. The records are copied.
/// Threads: any number at the same time.
/// NULL: `delivery`, if nobody will ask what became of the records; `taken`.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_LIMIT for a record that is too large;
/// OTTLA_E_INVALID_INPUT for one that cannot be, or that the topic does not take;
/// OTTLA_E_BUFFER_FULL; OTTLA_E_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_send(
    producer: *mut ottla_producer,
    topic: *const c_char,
    records: *const ottla_record,
    count: usize,
    delivery: *mut *mut ottla_delivery,
    taken: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program's promises are the same.
        unsafe { send(Producer::send, producer, topic, records, count, delivery, taken) }
    })
}

/// As ottla_producer_send, but never waits: OTTLA_E_BUFFER_FULL at once while buffer.memory is full.
///
/// Ownership: `*delivery` is the program's, until ottla_delivery_free. The records are copied.
/// Threads: any number at the same time.
/// NULL: `delivery`, if nobody will ask what became of the records; `taken`.
/// Returns: as ottla_producer_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_try_send(
    producer: *mut ottla_producer,
    topic: *const c_char,
    records: *const ottla_record,
    count: usize,
    delivery: *mut *mut ottla_delivery,
    taken: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program's promises are the same.
        unsafe { send(Producer::try_send, producer, topic, records, count, delivery, taken) }
    })
}

/// # Safety
/// As [`place_or_none`] and [`SendAll::new`].
unsafe fn send(
    send: impl Fn(&Producer, Record<'_>) -> ottla::Result<Delivery>,
    producer: *const ottla_producer,
    topic: *const c_char,
    first: *const ottla_record,
    count: usize,
    delivery: *mut *mut ottla_delivery,
    taken_place: *mut usize,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    let delivery = unsafe { place_or_none(delivery, "delivery") }?;
    // SAFETY: the caller's promise is the same.
    let taken = unsafe { taken(taken_place) }?;
    let producer = ProducerHandle::of(producer)?;
    // SAFETY: the caller's promise is the same.
    let all = unsafe { SendAll::new(topic, first, count) }?;
    let mut sent = Sent::with_room_for(if delivery.is_some() { count } else { 0 })?;
    let send = |record| send(&producer.producer, record);
    // SAFETY: the caller's promise is the same.
    let outcome = producer.asking.send(|| unsafe {
        match &mut sent {
            Sent::None => all.each(taken, |record| send(record).map(drop)),
            Sent::One(place) => all.each(taken, |record| {
                *place = Some(send(record)?);
                Ok(())
            }),
            Sent::Many(deliveries) => all.each(taken, |record| {
                deliveries.push(send(record)?);
                Ok(())
            }),
        }
    });
    if let Some(delivery) = delivery
        && (outcome.is_ok() || !sent.as_slice().is_empty())
    {
        let made = DeliveryHandle::new(sent, Arc::clone(&producer.completed));
        delivery.write(handle::give(made)?);
    }
    outcome
}

/// Sends what is gathered, and returns when all that was sent before is decided and the callbacks
/// for it have returned. Inside of a callback it does not wait for callbacks.
///
/// Threads: any number at the same time.
/// Returns: the code of the first record that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_flush(
    producer: *mut ottla_producer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || Ok(ProducerHandle::of(producer)?.producer.flush()?))
}

/// Flushes, for at most `timeout_ms` milliseconds (-1: as long as it takes), and takes no more
/// records. What is undecided then fails. Sends that wait in other threads end with OTTLA_E_CLOSED.
/// The producer has still to be freed.
///
/// Threads: any number at the same time; a second close waits for the first.
/// Returns: the code of the first record that failed; OTTLA_E_CLOSED if the time was up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_close(
    producer: *mut ottla_producer,
    timeout_ms: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let producer = ProducerHandle::of(producer)?;
        Ok(producer.producer.close_within(timeout(timeout_ms)?)?)
    })
}

/// The descriptor for event loops: readable while tags wait that ottla_delivery_notify has left and
/// ottla_producer_completed has not taken.
///
/// Ownership: `*fd` stays the producer's: only look whether it is readable, never read or close it.
/// It is closed with the producer: take it out of the loop before.
/// Threads: any.
/// Returns: OTTLA_E_IO if the system has no more descriptors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_fd(
    producer: *mut ottla_producer,
    fd: *mut i32,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let fd = unsafe { place(fd, "fd") }?;
        fd.write(ProducerHandle::of(producer)?.completed.descriptor()?);
        Ok(())
    })
}

/// Takes the tags of deliveries that are decided, the oldest first, at most `capacity` of them.
/// Never waits. When none is left, the descriptor is not readable any more.
///
/// Threads: any number at the same time; each tag is given to one.
/// Returns: OTTLA_OK, with `*count` 0 if there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_completed(
    producer: *mut ottla_producer,
    tags: *mut u64,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises places, for `capacity` tags and one number.
        let (first, count) = unsafe { (place(tags, "tags"), place(count, "count")?) };
        let producer = ProducerHandle::of(producer)?;
        let taken = match capacity {
            0 => 0,
            _ => {
                let first = first?.as_mut_ptr();
                producer.completed.take(capacity, |index, tag| {
                    // SAFETY: below the capacity.
                    unsafe { first.add(index).write(tag) };
                })
            }
        };
        count.write(taken);
        Ok(())
    })
}

/// What the producer has done so far, counted per batch. The names are Kafka's where it has one
/// (record-send-total, records-per-request-avg); times are milliseconds.
///
/// Ownership: `*metrics` is the program's, until ottla_metrics_free.
/// Threads: any number at the same time.
/// Returns: OTTLA_E_LIMIT if too many handles are open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_metrics(
    producer: *mut ottla_producer,
    metrics: *mut *mut ottla_metrics,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let metrics = unsafe { place(metrics, "metrics") }?;
        let counted = ProducerHandle::of(producer)?.producer.metrics();
        metrics.write(handle::give(MetricsHandle::of(named(&counted)))?);
        Ok(())
    })
}

fn named(metrics: &ProducerMetrics) -> Vec<(&'static str, f64)> {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    vec![
        ("record-send-total", metrics.records as f64),
        ("record-error-total", metrics.records_failed as f64),
        ("batch-send-total", metrics.batches as f64),
        ("batch-error-total", metrics.batches_failed as f64),
        ("batch-split-total", metrics.batches_split as f64),
        ("byte-total", metrics.bytes_after_compression as f64),
        ("uncompressed-byte-total", metrics.bytes_before_compression as f64),
        ("compression-rate-avg", metrics.compression_ratio()),
        ("records-per-request-avg", metrics.records_per_batch()),
        ("batch-fill-avg", metrics.batch_fill()),
        ("record-queue-time-avg", ms(metrics.queue_time_average())),
        ("record-queue-time-max", ms(metrics.queue_time_max)),
        ("bufferpool-wait-total", metrics.sends_waited as f64),
        ("bufferpool-wait-time-total", ms(metrics.wait_time)),
        ("buffer-exhausted-total", metrics.sends_refused as f64),
        ("waiting-threads", metrics.waiting_threads as f64),
        ("requests-in-flight", metrics.batches_in_flight as f64),
        ("buffer-used-bytes", metrics.bytes_in_flight as f64),
    ]
}

/// Closes and frees a producer: flushes for at most 30 seconds, and fails what is left. Call
/// ottla_producer_close before to learn what became of it, or to give it another time. NULL is fine.
/// Deliveries stay.
///
/// Threads: any; once. Calls of other threads that are under way end with
/// OTTLA_E_CLOSED, those that begin later with OTTLA_E_INVALID_HANDLE.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_producer_free(producer: *mut ottla_producer) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !producer.is_null() {
            let taken = handle::take::<ProducerHandle, _>(producer)?;
            // Not left to the last holder, which may be a send that waits for memory.
            let _ = taken.producer.close_within(FREE_FLUSH_MAX);
            taken.asking.end();
        }
        Ok(())
    })
}
