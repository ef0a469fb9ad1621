//! The producer whose records all go in transactions, one after the other, under an id.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use ottla::TransactionalProducer;

use crate::broker::{BrokerHandle, ottla_broker};
use crate::bytes::ottla_record;
use crate::consumer::{ask, ottla_consumer};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::offsets::{offsets, ottla_offset};
use crate::partitioner::{Asking, partitioner};
use crate::places::{ottla_places, places};
use crate::pointer::{bytes, place, text};
use crate::producer::ottla_producer_options;
use crate::send_all::{SendAll, taken};
use crate::setting::{ottla_setting, settings};
use crate::status::ottla_status;
use crate::stream::expected_version;

/// The setting that makes a producer transactional.
const TRANSACTIONAL_ID: &str = "transactional.id";

/// Sends records in transactions, with Kafka's verbs, under a transactional.id. A newer one with the
/// same id fences it: its transaction is aborted, and every call says OTTLA_E_FENCED.
///
/// Ownership: the program's, until ottla_transactional_producer_free.
/// Threads: any number at the same time; they share the transaction of the moment.
pub struct ottla_transactional_producer {
    _opaque: [u8; 0],
}

pub(crate) struct TransactionalProducerHandle {
    producer: TransactionalProducer,
    asking: Asking,
    id: CString,
}

impl Handle for TransactionalProducerHandle {
    const KIND: u8 = 37;
    const NAME: &'static str = "a transactional producer";

    fn describe(&self) -> String {
        format!("the transactional producer {}", self.producer.transactional_id())
    }
}

impl TransactionalProducerHandle {
    fn of(
        producer: *const ottla_transactional_producer,
    ) -> Result<Arc<TransactionalProducerHandle>, Failure> {
        handle::get(producer)
    }
}

/// Makes a transactional producer, and fences the one that has the id: its transaction is aborted,
/// and nothing of it is committed after this returns. The settings are a producer's; one of them has
/// to be transactional.id. The id is known while the directory is open.
///
/// Ownership: `*producer` is the program's, until ottla_transactional_producer_free.
/// Threads: any.
/// NULL: `options`.
/// Returns: OTTLA_E_INVALID_INPUT without a transactional.id, and for a setting that cannot be;
/// OTTLA_E_READ_ONLY; OTTLA_E_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_new(
    broker: *mut ottla_broker,
    settings: *const ottla_setting,
    setting_count: usize,
    options: *const ottla_producer_options,
    producer: *mut *mut ottla_transactional_producer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(producer, "producer") }?;
        let parent = BrokerHandle::of(broker)?;
        // SAFETY: the program promises as many settings, and options of their size.
        let (producer, asking) = unsafe { build(&parent, settings, setting_count, options) }?;
        let id = c_text(producer.transactional_id());
        let made = TransactionalProducerHandle { producer, asking, id };
        result.write(handle::give_child(made, handle::number(broker))?);
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
) -> Result<(TransactionalProducer, Asking), Failure> {
    // SAFETY: the caller's promise is the same.
    let settings = unsafe { settings(first, count) }?;
    if !settings.iter().any(|(name, _)| *name == TRANSACTIONAL_ID) {
        return Err(Failure::invalid(
            "a transactional producer needs the setting transactional.id",
        ));
    }
    let mut builder = broker.inner().producer().transactional_id("");
    for (name, value) in settings {
        builder = builder.set(name, value);
    }
    // SAFETY: the caller's promise is the same.
    let (partitioner, asking) = unsafe { partitioner(given, "the options of a producer") }?;
    if let Some(partitioner) = partitioner {
        builder = builder.partitioner(partitioner);
    }
    Ok((builder.build()?, asking))
}

/// The transactional.id; NULL if `producer` is none.
///
/// Ownership: the producer's, until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_transactional_producer_id(
    producer: *const ottla_transactional_producer,
) -> *const c_char {
    enter_or(ptr::null(), || Ok(TransactionalProducerHandle::of(producer)?.id.as_ptr()))
}

/// Begins a transaction.
///
/// Threads: any.
/// Returns: OTTLA_E_INVALID_TRANSACTION_STATE if one is open; OTTLA_E_FENCED; OTTLA_E_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_begin_transaction(
    producer: *mut ottla_transactional_producer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || Ok(TransactionalProducerHandle::of(producer)?.producer.begin_transaction()?))
}

/// Stages records, as ottla_transaction_send does.
///
/// Threads: any.
/// NULL: `records`, if there are none; `taken`.
/// Returns: as ottla_transaction_send; OTTLA_E_INVALID_TRANSACTION_STATE if no transaction was begun;
/// OTTLA_E_FENCED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_send(
    producer: *mut ottla_transactional_producer,
    topic: *const c_char,
    records: *const ottla_record,
    count: usize,
    taken: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let taken = unsafe { self::taken(taken) }?;
        let owner = TransactionalProducerHandle::of(producer)?;
        // SAFETY: the program promises text and as many records.
        let all = unsafe { SendAll::new(topic, records, count) }?;
        // SAFETY: as above.
        owner.asking.send(|| unsafe { all.each(taken, |record| owner.producer.send(record)) })
    })
}

/// Stages the positions of a consumer, as ottla_transaction_commit_offsets does. Kafka's
/// sendOffsetsToTransaction.
///
/// Threads: any; one at a time in the consumer.
/// Returns: as ottla_transaction_commit_offsets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_commit_offsets(
    producer: *mut ottla_transactional_producer,
    consumer: *const ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionalProducerHandle::of(producer)?;
        ask(consumer, |consumer| Ok(owner.producer.commit_offsets(consumer)?))
    })
}

/// Stages offsets of a group without members, as ottla_transaction_commit_offsets_of does.
///
/// Threads: any.
/// NULL: `offsets`, if there are none.
/// Returns: as ottla_transaction_commit_offsets_of; OTTLA_E_FENCED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_commit_offsets_of(
    producer: *mut ottla_transactional_producer,
    group: *const c_char,
    offsets: *const ottla_offset,
    offset_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionalProducerHandle::of(producer)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the group") }?;
        // SAFETY: the program promises as many offsets.
        let offsets = unsafe { self::offsets(offsets, offset_count) }?;
        Ok(owner.producer.commit_offsets_of(group, offsets)?)
    })
}

/// Adds a condition to the transaction, as ottla_transaction_expect_end does.
///
/// Threads: any.
/// Returns: as ottla_transaction_expect_end; OTTLA_E_FENCED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_expect_end(
    producer: *mut ottla_transactional_producer,
    topic: *const c_char,
    partition: i32,
    offset: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionalProducerHandle::of(producer)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        Ok(owner.producer.expect_end(topic, partition, offset)?)
    })
}

/// Adds a condition to the transaction, as ottla_transaction_expect_version does.
///
/// Threads: any.
/// Returns: as ottla_transaction_expect_version; OTTLA_E_FENCED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_expect_version(
    producer: *mut ottla_transactional_producer,
    topic: *const c_char,
    key: *const u8,
    key_length: usize,
    version: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionalProducerHandle::of(producer)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        Ok(owner.producer.expect_version(topic, key, expected_version(version)?)?)
    })
}

/// Commits the transaction, as ottla_transaction_commit does; where that leaves it open, this does.
///
/// Threads: any.
/// Returns: as ottla_transaction_commit; OTTLA_E_INVALID_TRANSACTION_STATE if none was begun;
/// OTTLA_E_FENCED if a newer producer has the id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_commit_transaction(
    producer: *mut ottla_transactional_producer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        TransactionalProducerHandle::of(producer)?.producer.commit_transaction()?;
        Ok(())
    })
}

/// As ottla_transactional_producer_commit_transaction; also says where the records went.
///
/// Ownership: `*places` is the program's, until ottla_places_free.
/// Threads: any.
/// Returns: as ottla_transactional_producer_commit_transaction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_commit_with_places(
    producer: *mut ottla_transactional_producer,
    places: *mut *mut ottla_places,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(places, "places") }?;
        let owner = TransactionalProducerHandle::of(producer)?;
        result.write(self::places(owner.producer.commit_transaction()?)?);
        Ok(())
    })
}

/// Aborts the transaction: nothing of it was ever in the log. One that ended without being
/// committed, because its commit failed or its time was up, may be aborted once more.
///
/// Threads: any.
/// Returns: OTTLA_E_INVALID_TRANSACTION_STATE if none was begun, if it is being committed, or was;
/// OTTLA_E_FENCED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transactional_producer_abort_transaction(
    producer: *mut ottla_transactional_producer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || Ok(TransactionalProducerHandle::of(producer)?.producer.abort_transaction()?))
}

/// Frees a transactional producer; its transaction is aborted. NULL is fine.
///
/// Threads: any, once. A commit that another thread is in goes on, and that thread hears its outcome.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_transactional_producer_free(
    producer: *mut ottla_transactional_producer,
) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !producer.is_null() {
            handle::take::<TransactionalProducerHandle, _>(producer)?.asking.end();
        }
        Ok(())
    })
}
