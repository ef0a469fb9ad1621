//! What became of records that were sent.
//!
//! Those of one call share one delivery. They lie in a few batches, each of which is decided as a
//! whole: whoever waits waits for those.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ottla::Delivery;

use crate::completed::Completed;
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::lock::Mutex;
use crate::status::{OTTLA_E_LIMIT, OTTLA_E_PENDING, ottla_status};
use crate::structs::{SizedStruct, fill};
use crate::timeout::timeout;

/// The records of one call of ottla_producer_send, to be asked what became of them.
///
/// Ownership: the program's, until ottla_delivery_free. It may outlive its producer and its broker.
/// Threads: any number at the same time.
pub struct ottla_delivery {
    _opaque: [u8; 0],
}

/// Where a record went.
///
/// Ownership: the program's; the text in it is the delivery's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_record_metadata {
    /// sizeof(ottla_record_metadata), set before the call.
    pub struct_size: u32,
    /// The partition.
    pub partition: i32,
    /// The record's offset; -1 with acks=0, which does not wait for one.
    pub offset: i64,
    /// Milliseconds since 1970: as sent, or the time of the append if the topic says so.
    pub timestamp: i64,
    /// The topic; the delivery's, valid until that is freed.
    pub topic: *const c_char,
}

// SAFETY: repr(C), begins with a u32, no padding; all zeros are numbers and NULL.
unsafe impl SizedStruct for ottla_record_metadata {}

/// Called when all records of a delivery are decided.
pub type ottla_delivery_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, delivery: *mut ottla_delivery)>;

/// The library's deliveries of one call. One record needs no memory of its own.
pub(crate) enum Sent {
    None,
    One(Option<Delivery>),
    Many(Vec<Delivery>),
}

impl Sent {
    /// For as many records: none, if nobody will ask.
    pub(crate) fn with_room_for(count: usize) -> Result<Sent, Failure> {
        match count {
            0 => return Ok(Sent::None),
            1 => return Ok(Sent::One(None)),
            _ => {}
        }
        let mut all = Vec::new();
        all.try_reserve_exact(count).map_err(|_| {
            Failure::new(OTTLA_E_LIMIT, format!("no memory for the fates of {count} records"))
        })?;
        Ok(Sent::Many(all))
    }

    pub(crate) fn as_slice(&self) -> &[Delivery] {
        match self {
            Sent::None => &[],
            Sent::One(place) => place.as_slice(),
            Sent::Many(all) => all,
        }
    }
}

pub(crate) struct DeliveryHandle {
    sent: Sent,
    completed: Arc<Completed>,
    /// The index of one record of each batch, once somebody has asked.
    batches: OnceLock<Vec<usize>>,
    /// For C, once somebody has asked.
    topic: OnceLock<CString>,
}

impl Handle for DeliveryHandle {
    const KIND: u8 = 4;
    const NAME: &'static str = "a delivery";
}

/// A batch is looked for among so many that came before. One that is not found is counted twice,
/// which costs time and changes nothing.
const BATCHES_COMPARED: usize = 64;

impl DeliveryHandle {
    pub(crate) fn new(sent: Sent, completed: Arc<Completed>) -> DeliveryHandle {
        DeliveryHandle { sent, completed, batches: OnceLock::new(), topic: OnceLock::new() }
    }

    fn of(delivery: *const ottla_delivery) -> Result<Arc<DeliveryHandle>, Failure> {
        handle::get(delivery)
    }

    fn records(&self) -> &[Delivery] {
        self.sent.as_slice()
    }

    /// One record of each batch.
    fn batches(&self) -> impl Iterator<Item = &Delivery> + Clone {
        let records = self.records();
        let found: &[usize] = match records {
            [] => &[],
            [_] => &[0],
            _ => self.batches.get_or_init(|| batches_of(records)),
        };
        found.iter().map(|index| &records[*index])
    }

    fn is_done(&self) -> bool {
        self.batches().all(Delivery::is_done)
    }

    /// Waits for every batch; whether all are decided.
    fn wait(&self, at_most: Duration) -> bool {
        let mut batches = self.batches();
        // All of them on their way, so that one commit has as many as possible.
        if batches.clone().nth(1).is_some() {
            batches.clone().for_each(|batch| drop(batch.wait_within(Duration::ZERO)));
        }
        let begun = Instant::now();
        let left = || match at_most {
            Duration::MAX => Duration::MAX,
            _ => at_most.saturating_sub(begun.elapsed()),
        };
        batches.all(|batch| batch.wait_within(left()).is_some())
    }

    /// The error of the first record that failed.
    fn first_failure(&self) -> Result<(), Failure> {
        for record in self.records() {
            if let Some(Err(error)) = record.outcome() {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Has `tell` called once, when all batches are decided.
    fn when_done(&self, tell: impl FnOnce() + Send + 'static) {
        let count = self.batches().count();
        if count == 0 {
            return tell();
        }
        let last = Arc::new((AtomicUsize::new(count), Mutex::new(Some(tell))));
        for batch in self.batches() {
            let last = Arc::clone(&last);
            batch.on_completion(move |_| {
                let (left, tell) = &*last;
                if left.fetch_sub(1, Ordering::AcqRel) == 1
                    && let Some(tell) = { tell.lock().take() }
                {
                    tell();
                }
            });
        }
    }

    fn metadata(&self, index: usize) -> Result<ottla_record_metadata, Failure> {
        let records = self.records();
        let record = records.get(index).ok_or_else(|| {
            Failure::invalid(format!("no record {index}: the delivery has {}", records.len()))
        })?;
        let outcome = record.outcome().ok_or_else(pending)?;
        let metadata = outcome?;
        let topic = self.topic.get_or_init(|| c_text(metadata.topic.as_str()));
        Ok(ottla_record_metadata {
            struct_size: 0,
            partition: metadata.partition,
            offset: metadata.offset,
            timestamp: metadata.timestamp,
            topic: topic.as_ptr(),
        })
    }
}

/// The index of one record of each batch.
fn batches_of(records: &[Delivery]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let mut latest = found.iter().rev().take(BATCHES_COMPARED);
        if !latest.any(|known| records[*known].shares_batch_with(record)) {
            found.push(index);
        }
    }
    found
}

fn pending() -> Failure {
    Failure::new(OTTLA_E_PENDING, "it is not decided yet what became of the records")
}

/// Waits until all records of the delivery have reached the producer's acks or have failed, for at
/// most `timeout_ms` milliseconds (0: not at all, -1: for ever). Whoever waits is in a hurry: the
/// records go out at once, whatever linger.ms says, even with a timeout of 0.
///
/// The broker's maintenance thread commits meanwhile. Without a timeout, without that thread
/// (ottla.background=false) and inside of a callback this one does, if nobody else is about to.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_OK if all are written; OTTLA_E_PENDING if the time was up; otherwise the code of
/// the first record that failed: ottla_delivery_get says which.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_delivery_wait(
    delivery: *mut ottla_delivery,
    timeout_ms: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let delivery = DeliveryHandle::of(delivery)?;
        match delivery.wait(timeout(timeout_ms)?) {
            true => delivery.first_failure(),
            false => Err(pending()),
        }
    })
}

/// Whether all records of the delivery are decided, written or failed. Never waits.
///
/// Threads: any number at the same time.
/// Returns: true also if `delivery` is none: there is nothing to wait for.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_delivery_is_done(delivery: *const ottla_delivery) -> bool {
    enter_or(true, || Ok(DeliveryHandle::of(delivery)?.is_done()))
}

/// How many records the delivery has: as many as were taken.
///
/// Threads: any number at the same time.
/// Returns: 0 also if `delivery` is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_delivery_count(delivery: *const ottla_delivery) -> usize {
    enter_or(0, || Ok(DeliveryHandle::of(delivery)?.records().len()))
}

/// What became of one record, by its index in the call that sent it. Never waits.
///
/// Ownership: `metadata->topic` is the delivery's, until that is freed.
/// Threads: any number at the same time.
/// Returns: OTTLA_OK if it is written; OTTLA_E_PENDING if it is not decided yet;
/// OTTLA_E_INVALID_INPUT for an index that the delivery does not have; otherwise the record's own
/// error, OTTLA_E_TIMEOUT and OTTLA_E_POISONED if nobody knows whether it is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_delivery_get(
    delivery: *const ottla_delivery,
    index: usize,
    metadata: *mut ottla_record_metadata,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let found = DeliveryHandle::of(delivery)?.metadata(index)?;
        // SAFETY: the program promises as many bytes as the struct says.
        unsafe { fill(metadata, &found, "metadata") }
    })
}

/// Has `callback` called once when all records of the delivery are decided. It does not hurry them:
/// linger.ms counts, unless somebody waits (ottla_delivery_wait with a timeout of 0 is enough).
///
/// It runs on whichever thread decides the last record: one that waits or flushes, the maintenance
/// thread, or this one if all is decided already. Callbacks of one producer run one at a time. No
/// lock is held: a callback may send, wait, flush, and free delivery and producer; it should not
/// take long, for the others wait for it, and must not unwind or jump out of the call. Freeing the
/// delivery before takes nothing back: `delivery` is no handle any more then. After ottla_abandon
/// nobody may be left to call it.
///
/// Threads: any number at the same time.
/// NULL: `user_data`, which is only handed through.
/// Returns: OTTLA_E_INVALID_INPUT if `callback` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_delivery_on_completion(
    delivery: *mut ottla_delivery,
    callback: ottla_delivery_callback,
    user_data: *mut c_void,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let found = DeliveryHandle::of(delivery)?;
        let callback = callback.ok_or_else(|| Failure::invalid("callback is NULL"))?;
        let call = Call { callback, user_data, delivery };
        found.when_done(move || call.make());
        Ok(())
    })
}

/// A call of the program's function that is to be made.
struct Call {
    callback: unsafe extern "C" fn(*mut c_void, *mut ottla_delivery),
    user_data: *mut c_void,
    delivery: *mut ottla_delivery,
}

// SAFETY: the program was told that any thread may make the call; the handle is a number.
unsafe impl Send for Call {}

impl Call {
    fn make(self) {
        // SAFETY: the program promised a function of this kind.
        unsafe { (self.callback)(self.user_data, self.delivery) };
    }
}

/// Has `tag` put into the producer's completion queue once all records of the delivery are decided:
/// ottla_producer_completed takes it from there, and ottla_producer_fd is readable meanwhile. For
/// programs with an event loop: no callback, no thread. Does not hurry them, as
/// ottla_delivery_on_completion does not. Freeing the delivery before takes nothing back.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if `delivery` is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_delivery_notify(
    delivery: *mut ottla_delivery,
    tag: u64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let delivery = DeliveryHandle::of(delivery)?;
        let completed = Arc::clone(&delivery.completed);
        delivery.when_done(move || completed.push(tag));
        Ok(())
    })
}

/// Frees a delivery. The records go their way; whoever waits for them in another thread may go on
/// to. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_delivery_free(delivery: *mut ottla_delivery) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !delivery.is_null() {
            handle::take::<DeliveryHandle, _>(delivery)?;
        }
        Ok(())
    })
}
