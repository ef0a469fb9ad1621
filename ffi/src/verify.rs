//! Verification: a directory read with every check there is, and nothing changed.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use ottla::{VerifiedPartition, VerifyOptions, VerifyReport, verify};

use crate::broker::IN_MEMORY;
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, path, place};
use crate::progress::{ottla_progress, progress_of};
use crate::report::{ReportHandle, given, ottla_report};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill, options, unused};

/// How a verification works. All zeros but the size is the default.
///
/// Ownership: the program's; read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_verify_options {
    /// Set it to sizeof(ottla_verify_options).
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Called with the bytes read so far and the bytes that there are, after each partition; NULL
    /// for none. It runs on the thread of the call.
    pub progress: ottla_progress,
    /// Handed to `progress`.
    pub user_data: *mut c_void,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are 0, NULL and no function.
unsafe impl SizedStruct for ottla_verify_options {}

/// What reading everything in a directory found.
///
/// Ownership: the program's, until ottla_verification_free.
/// Threads: any number may read one at the same time.
pub struct ottla_verification {
    _opaque: [u8; 0],
}

/// What a verification read of one partition.
///
/// Ownership: the text is that of the verification that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_verified_partition {
    /// Set it to sizeof(ottla_verified_partition).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// Segments read.
    pub segments: u64,
    /// Batches read.
    pub batches: u64,
    /// Records decoded.
    pub records: u64,
    /// Bytes of logs read.
    pub bytes: u64,
    /// Where the errors of this partition begin among all, for ottla_verification_error.
    pub first_error: u64,
    /// How many errors of this partition there are.
    pub error_count: u64,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_verified_partition {}

pub(crate) struct VerificationHandle {
    report: VerifyReport,
    /// Those of the report one after the other.
    errors: Vec<ottla::Error>,
    topics: Vec<CString>,
    /// The number of the first error of each partition: those outside of partitions come first.
    first_errors: Vec<usize>,
}

impl Handle for VerificationHandle {
    const KIND: u8 = 27;
    const NAME: &'static str = "a verification";
}

impl VerificationHandle {
    fn of(report: VerifyReport) -> VerificationHandle {
        let mut next = report.errors.len();
        let count = |partition: &VerifiedPartition| {
            let first = next;
            next += partition.errors.len();
            first
        };
        let first_errors = report.partitions.iter().map(count).collect();
        let name = |partition: &VerifiedPartition| c_text(partition.partition.topic.as_str());
        let topics = report.partitions.iter().map(name).collect();
        let errors = report.all_errors().cloned().collect();
        VerificationHandle { report, errors, topics, first_errors }
    }
}

/// Reads and checks everything in a directory: every batch and record, sums, offsets, indexes,
/// Kafka's small files. Writes nothing; works on a directory without write permission, and on one
/// that was not closed.
///
/// Ownership: `*verification` is the program's, until ottla_verification_free.
/// Threads: any.
/// NULL: `options`, for the defaults.
/// Returns: OTTLA_E_LOCKED while a writer lives; OTTLA_E_IO if the directory cannot be read. Damage
/// is no error of the call: it is in `*verification`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_verify(
    directory: *const c_char,
    options: *const ottla_verify_options,
    verification: *mut *mut ottla_verification,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(verification, "verification") }?;
        // SAFETY: the program promises text.
        let directory = unsafe { path(directory, "the directory") }?;
        // SAFETY: the program promises as many bytes as its struct says.
        let options = unsafe { options_of(options) }?;
        if directory.as_os_str() == IN_MEMORY {
            let message = "a directory in memory is its broker's alone: there is none to verify";
            return Err(Failure::invalid(message));
        }
        let report = verify(directory, &options)?;
        place.write(handle::give(VerificationHandle::of(report))?);
        Ok(())
    })
}

/// # Safety
/// As [`options`].
unsafe fn options_of(given: *const ottla_verify_options) -> Result<VerifyOptions, Failure> {
    // SAFETY: the caller's promise is the same.
    let given = unsafe { options(given, "the options of the verification") }?;
    unused(given.reserved)?;
    let chosen = VerifyOptions::new();
    Ok(match progress_of(given.progress, given.user_data) {
        Some(progress) => chosen.on_progress(progress),
        None => chosen,
    })
}

/// Whether nothing is wrong. False if `verification` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_verification_is_sound(verification: *const ottla_verification) -> bool {
    enter_or(false, || Ok(handle::get::<VerificationHandle, _>(verification)?.report.is_sound()))
}

/// What opening the directory for writing would do.
///
/// Ownership: `*report` is the program's, until ottla_report_free.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_verification_recovery(
    verification: *const ottla_verification,
    report: *mut *mut ottla_report,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(report, "report") }?;
        let verification = handle::get::<VerificationHandle, _>(verification)?;
        place.write(handle::give(ReportHandle::of(&verification.report.recovery))?);
        Ok(())
    })
}

/// How many partitions were read; 0 if `verification` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_verification_partition_count(
    verification: *const ottla_verification,
) -> usize {
    enter_or(0, || Ok(handle::get::<VerificationHandle, _>(verification)?.report.partitions.len()))
}

/// One partition that was read: `index` counts from 0.
///
/// Ownership: the text in `*info` is the verification's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_verification_partition(
    verification: *const ottla_verification,
    index: usize,
    info: *mut ottla_verified_partition,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let verification = handle::get::<VerificationHandle, _>(verification)?;
        let partition = at(&verification.report.partitions, index, "partitions")?;
        let topic = at(&verification.topics, index, "partitions")?;
        let first_error = *at(&verification.first_errors, index, "partitions")?;
        let known = ottla_verified_partition {
            struct_size: 0,
            partition: partition.partition.partition,
            topic: topic.as_ptr(),
            segments: partition.segments,
            batches: partition.batches,
            records: partition.records,
            bytes: partition.bytes,
            first_error: first_error as u64,
            error_count: partition.errors.len() as u64,
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// How many things are wrong; 0 if `verification` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_verification_error_count(verification: *const ottla_verification) -> usize {
    enter_or(0, || Ok(handle::get::<VerificationHandle, _>(verification)?.errors.len()))
}

/// One thing that is wrong, with file and position: first what is outside of the partitions or
/// keeps the directory from being opened at all, then what is wrong partition by partition.
///
/// Ownership: `*found` is the program's, until ottla_error_free.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_verification_error(
    verification: *const ottla_verification,
    index: usize,
    found: *mut *mut ottla_error,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(found, "found") }?;
        let verification = handle::get::<VerificationHandle, _>(verification)?;
        place.write(given(at(&verification.errors, index, "errors")?)?);
        Ok(())
    })
}

/// Frees what a verification found. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_verification_free(verification: *mut ottla_verification) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !verification.is_null() {
            handle::take::<VerificationHandle, _>(verification)?;
        }
        Ok(())
    })
}
