//! Sending many records in one call, as producers and transactions do.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ottla::{Message, Record};

use crate::bytes::{self, ottla_record};
use crate::entry::Failure;
use crate::pointer::{place_or_none, text};

/// The place for how many records were sent, which is 0 from here on, whatever comes of the call.
///
/// # Safety
/// As [`place_or_none`].
pub(crate) unsafe fn taken<'a>(
    place: *mut usize,
) -> Result<Option<&'a mut MaybeUninit<usize>>, Failure> {
    // SAFETY: the caller's promise is the same.
    let mut taken = unsafe { place_or_none(place, "taken") }?;
    if let Some(taken) = &mut taken {
        taken.write(0);
    }
    Ok(taken)
}

/// Records for one topic.
pub(crate) struct SendAll<'a> {
    topic: &'a str,
    records: &'a [ottla_record],
}

impl<'a> SendAll<'a> {
    /// # Safety
    /// `topic` is NULL or text; there are `count` records, whose pointers and lengths are what they
    /// say; all that for `'a`.
    pub(crate) unsafe fn new(
        topic: *const c_char,
        records: *const ottla_record,
        count: usize,
    ) -> Result<SendAll<'a>, Failure> {
        // SAFETY: the caller's promise is the same.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: as above.
        let records = unsafe { bytes::records(records, count) }?;
        Ok(SendAll { topic, records })
    }

    /// Sends a record that has headers, or something that is wrong. Apart from the others, so that
    /// those are sent at one place, and made there.
    ///
    /// # Safety
    /// As [`SendAll::new`].
    #[inline(never)]
    unsafe fn unusual(
        &self,
        given: &ottla_record,
        send: &mut dyn FnMut(Record<'a>) -> ottla::Result<()>,
    ) -> Result<(), Failure> {
        // SAFETY: the caller's promise.
        let message = unsafe { given.message() }?;
        Ok(send(self.record(given, message))?)
    }

    #[inline(always)]
    fn record(&self, given: &ottla_record, message: Message<'a>) -> Record<'a> {
        let record = Record::from_message(self.topic, message);
        match given.chosen_partition() {
            Some(partition) => record.partition(partition),
            None => record,
        }
    }

    /// Sends one after the other, up to the first that is refused. `taken` says how many were sent,
    /// in either case.
    ///
    /// # Safety
    /// As [`SendAll::new`].
    #[inline(always)]
    pub(crate) unsafe fn each(
        &self,
        mut taken: Option<&mut MaybeUninit<usize>>,
        mut send: impl FnMut(Record<'a>) -> ottla::Result<()>,
    ) -> Result<(), Failure> {
        for (index, given) in self.records.iter().enumerate() {
            if given.is_plain() {
                // SAFETY: it is plain; the rest is the caller's promise.
                let message = unsafe { given.plain_message() };
                send(self.record(given, message))?;
            } else {
                // SAFETY: the caller's promise.
                unsafe { self.unusual(given, &mut send) }?;
            }
            if let Some(taken) = &mut taken {
                taken.write(index + 1);
            }
        }
        Ok(())
    }
}
