//! The program's own partitioner: a C function behind the library's trait.

use std::ffi::{c_char, c_void};
use std::ptr;

use ottla::{Message, Partitioner};

use crate::bytes::{OTTLA_RECORD_TIMESTAMP, ottla_header, ottla_record};
use crate::elsewhere::Elsewhere;
use crate::entry::Failure;
use crate::producer::ottla_producer_options;
use crate::status::OTTLA_E_CLOSED;
use crate::structs::{options, unused};

/// Chooses the partition of a record that names none: a number from 0 to `partition_count` - 1, or
/// -1 to leave it to the producer (by the key, or sticky without one). Any other number fails the
/// send.
///
/// Ownership: everything is the library's, and gone after the call.
/// Threads: those that send, several at the same time; no lock is held. It may call the library,
/// and must not unwind or jump out of the call. When what it was given to is freed, that waits until
/// no other thread is in it.
pub type ottla_partitioner = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        topic: *const c_char,
        record: *const ottla_record,
        partition_count: i32,
    ) -> i32,
>;

/// Sends that ask the program's partitioner: what is freed waits for them.
pub(crate) struct Asking(Option<Elsewhere>);

impl Asking {
    /// For a partitioner, or for none.
    fn of(partitioner: Option<&ProgramsPartitioner>) -> Asking {
        Asking(partitioner.map(|_| Elsewhere::default()))
    }

    /// Runs a send, which may ask.
    pub(crate) fn send<T>(&self, send: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(asking) = &self.0 else { return send() };
        let freed = || Failure::new(OTTLA_E_CLOSED, "what sends was freed by another thread");
        asking.run(send).unwrap_or_else(|| Err(freed()))
    }

    /// From now on the partitioner is not asked, and none of its calls runs on another thread.
    pub(crate) fn end(&self) {
        if let Some(asking) = &self.0 {
            asking.end();
        }
    }
}

/// The program's answer that leaves the choice to the producer.
const ANY_PARTITION: i32 = -1;

/// Room for the name of a topic and a zero byte: Kafka's names have at most 249 bytes.
const TOPIC_BYTES: usize = 256;

/// The program's function and what it wants to be handed.
pub(crate) struct ProgramsPartitioner {
    function: unsafe extern "C" fn(*mut c_void, *const c_char, *const ottla_record, i32) -> i32,
    user_data: *mut c_void,
}

// SAFETY: the function is called with `user_data` from any thread, which the program was told.
unsafe impl Send for ProgramsPartitioner {}
// SAFETY: as above, also from several threads at the same time.
unsafe impl Sync for ProgramsPartitioner {}

impl ProgramsPartitioner {
    /// The one that the options name, if they do.
    fn of(options: &ottla_producer_options) -> Result<Option<ProgramsPartitioner>, Failure> {
        unused(options.reserved)?;
        let user_data = options.partitioner_data;
        Ok(options.partitioner.map(|function| ProgramsPartitioner { function, user_data }))
    }
}

/// The partitioner that the options at `given` name, if they do, and the sends that will ask it.
///
/// # Safety
/// As [`options`].
pub(crate) unsafe fn partitioner(
    given: *const ottla_producer_options,
    what: &str,
) -> Result<(Option<ProgramsPartitioner>, Asking), Failure> {
    // SAFETY: the caller's promise is the same.
    let options = unsafe { options(given, what) }?;
    let partitioner = ProgramsPartitioner::of(&options)?;
    let asking = Asking::of(partitioner.as_ref());
    Ok((partitioner, asking))
}

impl Partitioner for ProgramsPartitioner {
    fn partition(&self, topic: &str, message: &Message<'_>, partition_count: i32) -> Option<i32> {
        let mut name = [0; TOPIC_BYTES];
        let length = topic.len().min(TOPIC_BYTES - 1);
        name[..length].copy_from_slice(&topic.as_bytes()[..length]);
        let headers: Vec<ottla_header> = message.headers().iter().map(header_of).collect();
        let record = record_of(message, &headers);
        // SAFETY: the program promised a function of this kind; what it gets lives until it returns.
        let chosen = unsafe {
            (self.function)(
                self.user_data,
                name.as_ptr().cast(),
                &raw const record,
                partition_count,
            )
        };
        (chosen != ANY_PARTITION).then_some(chosen)
    }
}

fn header_of((name, value): &(&str, Option<&[u8]>)) -> ottla_header {
    let (value, value_length) = pointer_of(*value);
    ottla_header { name: name.as_ptr().cast(), name_length: name.len(), value, value_length }
}

fn record_of(message: &Message<'_>, headers: &[ottla_header]) -> ottla_record {
    let (key, key_length) = pointer_of(message.key_bytes());
    let (value, value_length) = pointer_of(message.value_bytes());
    ottla_record {
        key,
        key_length,
        value,
        value_length,
        headers: if headers.is_empty() { ptr::null() } else { headers.as_ptr() },
        header_count: headers.len(),
        timestamp: message.timestamp_ms().unwrap_or(0),
        partition: 0,
        flags: message.timestamp_ms().map_or(0, |_| OTTLA_RECORD_TIMESTAMP),
    }
}

fn pointer_of(bytes: Option<&[u8]>) -> (*const u8, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()))
}
