//! Transactions: records for many partitions and offsets of groups, all or nothing.
//!
//! Not here: the producer that makes one after the other under an id (`transactional_producer.rs`).

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use ottla::Transaction;

use crate::broker::{BrokerHandle, ottla_broker};
use crate::bytes::ottla_record;
use crate::consumer::{ask, ottla_consumer};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::lock::{Mutex, MutexGuard};
use crate::offsets::{offsets, ottla_offset};
use crate::partitioner::{Asking, partitioner};
use crate::places::{ottla_places, places};
use crate::pointer::{bytes, place, text};
use crate::producer::ottla_producer_options;
use crate::send_all::{SendAll, taken};
use crate::setting::{ottla_setting, settings};
use crate::status::{OTTLA_E_CONCURRENT_USE, ottla_status};
use crate::stream::expected_version;

/// Records for any number of partitions and offsets of groups, that become durable and visible
/// together, or not at all. Nothing is in the log before the commit, so a transaction that is open
/// holds up nobody.
///
/// Ownership: the program's, until ottla_transaction_free.
/// Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
pub struct ottla_transaction {
    _opaque: [u8; 0],
}

pub(crate) struct TransactionHandle {
    transaction: Mutex<Transaction>,
    asking: Asking,
}

impl Handle for TransactionHandle {
    const KIND: u8 = 36;
    const NAME: &'static str = "a transaction";
}

impl TransactionHandle {
    fn of(transaction: *const ottla_transaction) -> Result<Arc<TransactionHandle>, Failure> {
        handle::get(transaction)
    }

    fn enter(&self) -> Result<MutexGuard<'_, Transaction>, Failure> {
        let guard = self.transaction.try_lock();
        guard.ok_or_else(|| {
            Failure::new(OTTLA_E_CONCURRENT_USE, "another thread is inside of this transaction")
        })
    }
}

/// Begins a transaction. The settings are those of a producer that matter to one:
/// transaction.timeout.ms (then it is aborted; 60 seconds unless set), compression.type.
///
/// Ownership: `*transaction` is the program's, until ottla_transaction_free.
/// Threads: any.
/// NULL: `settings`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT for a setting that cannot be, and for a timeout above the broker's
/// transaction.max.timeout.ms; OTTLA_E_READ_ONLY; OTTLA_E_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_begin(
    broker: *mut ottla_broker,
    settings: *const ottla_setting,
    setting_count: usize,
    transaction: *mut *mut ottla_transaction,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place, and as many settings.
    enter(error, || unsafe { begin(broker, (settings, setting_count), ptr::null(), transaction) })
}

/// As ottla_transaction_begin, with a partitioner of the program's. While it is asked, the
/// transaction is inside of a send: what it asks of it is OTTLA_E_CONCURRENT_USE.
///
/// Ownership: `*transaction` is the program's, until ottla_transaction_free.
/// Threads: any.
/// NULL: `settings`, if there are none; `options`.
/// Returns: as ottla_transaction_begin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_begin_with_options(
    broker: *mut ottla_broker,
    settings: *const ottla_setting,
    setting_count: usize,
    options: *const ottla_producer_options,
    transaction: *mut *mut ottla_transaction,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place, as many settings, and options of their size.
    enter(error, || unsafe { begin(broker, (settings, setting_count), options, transaction) })
}

/// # Safety
/// As [`place`], [`settings`] and [`partitioner`].
unsafe fn begin(
    broker: *mut ottla_broker,
    (first, count): (*const ottla_setting, usize),
    given: *const ottla_producer_options,
    transaction: *mut *mut ottla_transaction,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    let result = unsafe { place(transaction, "transaction") }?;
    let parent = BrokerHandle::of(broker)?;
    let mut builder = parent.inner().transaction_with();
    // SAFETY: as above.
    for (name, value) in unsafe { settings(first, count) }? {
        builder = builder.set(name, value);
    }
    // SAFETY: as above.
    let (partitioner, asking) = unsafe { partitioner(given, "the options of a transaction") }?;
    if let Some(partitioner) = partitioner {
        builder = builder.partitioner(partitioner);
    }
    let begun = TransactionHandle { transaction: Mutex::new(builder.begin()?), asking };
    result.write(handle::give_child(begun, handle::number(broker))?);
    Ok(())
}

/// Stages records: they are copied, and nowhere to be seen before the commit. Partitions are chosen
/// as a producer chooses. If a record is refused, those before it are staged and those behind it
/// are not; the transaction goes on.
///
/// Threads: one at a time.
/// NULL: `records`, if there are none; `taken`, which gets the number of records that were staged,
/// whatever the call returns.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a record that the topic
/// refuses; OTTLA_E_LIMIT if the transaction would be larger than ottla.transaction.max.bytes;
/// OTTLA_E_INVALID_TRANSACTION_STATE if it is over: committed, aborted, or open for too long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_send(
    transaction: *mut ottla_transaction,
    topic: *const c_char,
    records: *const ottla_record,
    count: usize,
    taken: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let taken = unsafe { self::taken(taken) }?;
        let owner = TransactionHandle::of(transaction)?;
        let mut inside = owner.enter()?;
        // SAFETY: the program promises text and as many records.
        let all = unsafe { SendAll::new(topic, records, count) }?;
        // SAFETY: as above.
        owner.asking.send(|| unsafe { all.each(taken, |record| inside.send(record)) })
    })
}

/// Stages the positions of a consumer, as they are now: behind the records that its polls have
/// returned. Its group goes on there if, and only if, the transaction commits.
///
/// Threads: one at a time, in the transaction and in the consumer.
/// Returns: OTTLA_E_INVALID_INPUT without a group.id, with enable.auto.commit, or for a consumer of
/// another broker; OTTLA_E_FENCED for a member that its group does not count any more; OTTLA_E_LIMIT;
/// OTTLA_E_INVALID_TRANSACTION_STATE if it is over; OTTLA_E_CONCURRENT_USE, also while another thread
/// polls the consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_commit_offsets(
    transaction: *mut ottla_transaction,
    consumer: *const ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionHandle::of(transaction)?;
        let mut inside = owner.enter()?;
        ask(consumer, |consumer| Ok(inside.commit_offsets(consumer)?))
    })
}

/// Stages offsets of a group that has no members: for a program that keeps no consumer, or assigns
/// its partitions itself.
///
/// Threads: one at a time.
/// NULL: `offsets`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT for a group or an offset that cannot be;
/// OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_LIMIT; OTTLA_E_INVALID_TRANSACTION_STATE if it is over.
/// That the group has members is found by the commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_commit_offsets_of(
    transaction: *mut ottla_transaction,
    group: *const c_char,
    offsets: *const ottla_offset,
    offset_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionHandle::of(transaction)?;
        let mut inside = owner.enter()?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the group") }?;
        // SAFETY: the program promises as many offsets.
        let offsets = unsafe { self::offsets(offsets, offset_count) }?;
        Ok(inside.commit_offsets_of(group, offsets)?)
    })
}

/// Lets the commit happen only if the partition still ends at `offset` then: if nobody has appended
/// to it since somebody saw that end. The records of this transaction do not count. All conditions
/// have to hold.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a negative offset;
/// OTTLA_E_INVALID_TRANSACTION_STATE if it is over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_expect_end(
    transaction: *mut ottla_transaction,
    topic: *const c_char,
    partition: i32,
    offset: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionHandle::of(transaction)?;
        let mut inside = owner.enter()?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        Ok(inside.expect_end(topic, partition, offset)?)
    })
}

/// Lets the commit happen only if the newest record of a key is still the one with the offset
/// `version` then, or, with OTTLA_VERSION_NO_STREAM, if there is none. The records of this
/// transaction do not count. Asked is the partition that a producer chooses for the key by itself;
/// the topic needs ottla.key.index=true.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for another negative version,
/// and without a key index; OTTLA_E_INVALID_TRANSACTION_STATE if it is over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_expect_version(
    transaction: *mut ottla_transaction,
    topic: *const c_char,
    key: *const u8,
    key_length: usize,
    version: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = TransactionHandle::of(transaction)?;
        let mut inside = owner.enter()?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        Ok(inside.expect_version(topic, key, expected_version(version)?)?)
    })
}

/// Commits everything that was staged: one frame of the journal, one sync. With OTTLA_OK all records
/// and offsets survive power loss; at no moment is a part of them there without the rest.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_CONFLICT if a condition does not hold (see ottla_error_conflict);
/// OTTLA_E_FENCED if a consumer whose offsets were staged lost a partition of them;
/// OTTLA_E_INVALID_TRANSACTION_STATE if it is over. Nothing was written then, and the transaction is
/// over. After OTTLA_E_NO_SPACE, OTTLA_E_LIMIT, OTTLA_E_IO and OTTLA_E_GROUP_NOT_EMPTY nothing was
/// written either, but it stays open: commit it again, or abort it. After OTTLA_E_POISONED the
/// outcome is known when the directory is opened anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_commit(
    transaction: *mut ottla_transaction,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        TransactionHandle::of(transaction)?.enter()?.commit()?;
        Ok(())
    })
}

/// As ottla_transaction_commit; also says where the records went.
///
/// Ownership: `*places` is the program's, until ottla_places_free.
/// Threads: one at a time.
/// Returns: as ottla_transaction_commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_commit_with_places(
    transaction: *mut ottla_transaction,
    places: *mut *mut ottla_places,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(places, "places") }?;
        let committed = TransactionHandle::of(transaction)?.enter()?.commit()?;
        result.write(self::places(committed)?);
        Ok(())
    })
}

/// Drops everything that was staged. Nothing of it was ever in the log.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_INVALID_TRANSACTION_STATE if it was committed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_transaction_abort(
    transaction: *mut ottla_transaction,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || Ok(TransactionHandle::of(transaction)?.enter()?.abort()?))
}

/// Frees a transaction; one that is open is aborted. NULL is fine.
///
/// Threads: any, once. A commit that another thread is in goes on, and that thread hears its outcome.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_transaction_free(transaction: *mut ottla_transaction) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !transaction.is_null() {
            handle::take::<TransactionHandle, _>(transaction)?.asking.end();
        }
        Ok(())
    })
}
