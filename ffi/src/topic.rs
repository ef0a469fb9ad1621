//! Topics: made, changed, deleted.

use std::ffi::c_char;

use ottla::TopicConfig;

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::pointer::text;
use crate::setting::{changes, ottla_setting, settings};
use crate::status::ottla_status;

/// Makes a topic. `partitions` is how many it gets; 0: as many as the broker's setting
/// num.partitions says. Records are kept for ever, unless a setting says otherwise.
///
/// When it returns OTTLA_OK the topic survives power loss.
///
/// Threads: any.
/// NULL: `settings`, if there are none.
/// Returns: OTTLA_E_TOPIC_EXISTS; OTTLA_E_INVALID_INPUT for a name, a number or a setting that
/// cannot be; OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topic_create(
    broker: *mut ottla_broker,
    name: *const c_char,
    partitions: i32,
    settings: *const ottla_setting,
    setting_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        // SAFETY: the program promises as many settings.
        let config = unsafe { config_of(partitions, settings, setting_count) }?;
        broker.inner().create_topic(name, config)?;
        Ok(())
    })
}

/// Makes a topic unless there is one of that name, whose settings are then left as they are.
///
/// When it returns OTTLA_OK the topic survives power loss.
///
/// Threads: any.
/// NULL: `settings`, if there are none.
/// Returns: as ottla_topic_create, but for OTTLA_E_TOPIC_EXISTS; OTTLA_E_INVALID_INPUT also if it
/// is there with another number of partitions than `partitions` asks for (0 asks for none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topic_ensure(
    broker: *mut ottla_broker,
    name: *const c_char,
    partitions: i32,
    settings: *const ottla_setting,
    setting_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        // SAFETY: the program promises as many settings.
        let config = unsafe { config_of(partitions, settings, setting_count) }?;
        broker.inner().ensure_topic(name, config)?;
        Ok(())
    })
}

/// # Safety
/// As [`settings`].
unsafe fn config_of(
    partitions: i32,
    first: *const ottla_setting,
    count: usize,
) -> Result<TopicConfig, Failure> {
    let mut config = TopicConfig::new();
    if partitions != 0 {
        config = config.partitions(partitions);
    }
    // SAFETY: the caller's promise is the same.
    for (name, value) in unsafe { settings(first, count) }? {
        config = config.set(name, value)?;
    }
    Ok(config)
}

/// Deletes a topic and all its records. What is open of it answers
/// OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION from then on.
///
/// When it returns OTTLA_OK the topic does not come back after power loss.
///
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a topic that Kafka keeps
/// for itself; OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topic_delete(
    broker: *mut ottla_broker,
    name: *const c_char,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        Ok(broker.inner().delete_topic(name)?)
    })
}

/// Changes settings of a topic: all of them, or none if one cannot be. A value of NULL takes a
/// setting back to its default. They hold at once.
///
/// When it returns OTTLA_OK the settings survive power loss.
///
/// Threads: any.
/// NULL: `settings`, if there are none; the value of a setting.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for an unknown setting, or a
/// value that it cannot have; OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topic_alter(
    broker: *mut ottla_broker,
    name: *const c_char,
    settings: *const ottla_setting,
    setting_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        // SAFETY: the program promises as many settings.
        let changes = unsafe { changes(settings, setting_count) }?;
        Ok(broker.inner().alter_topic(name, &changes)?)
    })
}

/// Gives a topic more partitions: `total` counts the old ones. Records with a key go to other
/// partitions from then on, so a topic that keeps streams is refused.
///
/// When it returns OTTLA_OK the partitions survive power loss.
///
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT if `total` is not more than
/// there are, or for a topic with ottla.key.index; OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_topic_add_partitions(
    broker: *mut ottla_broker,
    name: *const c_char,
    total: i32,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        Ok(broker.inner().add_partitions(name, total)?)
    })
}
