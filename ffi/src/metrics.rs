//! Metrics: names with numbers, as they were when they were asked for.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::entry::{enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place_or_none};
use crate::status::ottla_status;

/// A list of names with numbers, as they were when it was made.
///
/// Ownership: the program's, until ottla_metrics_free. It needs no broker.
/// Threads: any number may read one at the same time.
pub struct ottla_metrics {
    _opaque: [u8; 0],
}

pub(crate) struct MetricsHandle {
    metrics: Vec<(CString, f64)>,
}

impl Handle for MetricsHandle {
    const KIND: u8 = 21;
    const NAME: &'static str = "a list of metrics";
}

impl MetricsHandle {
    /// To be given to the program with [`handle::give`].
    pub(crate) fn of(metrics: Vec<(&'static str, f64)>) -> MetricsHandle {
        let metrics = metrics.into_iter().map(|(name, value)| (c_text(name), value)).collect();
        MetricsHandle { metrics }
    }
}

/// How many metrics there are; 0 if `metrics` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_metrics_count(metrics: *const ottla_metrics) -> usize {
    enter_or(0, || Ok(handle::get::<MetricsHandle, _>(metrics)?.metrics.len()))
}

/// The name and the value of one metric. Names have Kafka's form: "record-send-total".
///
/// Ownership: `*name` is the list's; valid until it is freed.
/// Threads: any.
/// NULL: `name` and `value`, if only the other is of interest.
/// Returns: OTTLA_E_INVALID_INPUT if `index` is not below ottla_metrics_count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_metrics_get(
    metrics: *const ottla_metrics,
    index: usize,
    name: *mut *const c_char,
    value: *mut f64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises places, or NULL.
        let name_place = unsafe { place_or_none(name, "name") }?;
        // SAFETY: as above.
        let value_place = unsafe { place_or_none(value, "value") }?;
        let list = handle::get::<MetricsHandle, _>(metrics)?;
        let (name, value) = at(&list.metrics, index, "metrics")?;
        if let Some(place) = name_place {
            place.write(name.as_ptr());
        }
        if let Some(place) = value_place {
            place.write(*value);
        }
        Ok(())
    })
}

/// Frees a list of metrics. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_metrics_free(metrics: *mut ottla_metrics) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !metrics.is_null() {
            handle::take::<MetricsHandle, _>(metrics)?;
        }
        Ok(())
    })
}
