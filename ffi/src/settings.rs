//! All settings of something with their values and defaults: for programs that show them.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::config::consumer::ConsumerConfig;
use ottla::config::producer::ProducerConfig;
use ottla::{BrokerOptions, TopicConfig};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, text};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};

/// All settings of a broker, a topic, a producer or a consumer, with their values.
///
/// Ownership: the program's, until ottla_settings_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_settings {
    _opaque: [u8; 0],
}

/// A setting with its value and its default.
///
/// Ownership: the texts are those of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_setting_info {
    /// Set it to sizeof(ottla_setting_info).
    pub struct_size: u32,
    /// Whether it was set for this topic, or is not the default of an open broker.
    pub is_set: bool,
    /// Zero.
    pub reserved: [u8; 3],
    /// Kafka's name.
    pub name: *const c_char,
    /// The value that holds, as text.
    pub value: *const c_char,
    /// The value that it has if it is not set; NULL for a setting that this version does not know,
    /// and which a newer one left in the directory.
    pub default_value: *const c_char,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_setting_info {}

pub(crate) struct SettingsHandle {
    settings: Vec<Setting>,
}

struct Setting {
    name: CString,
    value: CString,
    default_value: Option<CString>,
    is_set: bool,
}

impl Handle for SettingsHandle {
    const KIND: u8 = 22;
    const NAME: &'static str = "a list of settings";
}

impl SettingsHandle {
    fn of_broker(options: &BrokerOptions) -> SettingsHandle {
        let defaults = BrokerOptions::new();
        let settings = BrokerOptions::names().map(|name| {
            let (value, default) = (options.get(name), defaults.get(name));
            Setting::new(name, value.as_deref(), default.as_deref(), value != default)
        });
        SettingsHandle { settings: settings.collect() }
    }

    /// Kafka's default is what holds when a topic's own setting is taken back.
    fn of_topic(config: &TopicConfig) -> SettingsHandle {
        let defaults = TopicConfig::kafka_defaults();
        let is_set = |name: &str| config.overrides().any(|(set, _)| set == name);
        let known = TopicConfig::names().map(|name| {
            let (value, default) = (config.get(name), defaults.get(name));
            Setting::new(name, value.as_deref(), default.as_deref(), is_set(name))
        });
        let strange = config.overrides().filter(|(name, _)| defaults.get(name).is_none());
        let strange = strange.map(|(name, value)| Setting::new(name, Some(value), None, true));
        SettingsHandle { settings: known.chain(strange).collect() }
    }

    fn of_defaults(
        names: impl Iterator<Item = &'static str>,
        value: impl Fn(&str) -> Option<String>,
    ) -> SettingsHandle {
        let settings = names.map(|name| {
            let value = value(name);
            Setting::new(name, value.as_deref(), value.as_deref(), false)
        });
        SettingsHandle { settings: settings.collect() }
    }
}

impl Setting {
    fn new(name: &str, value: Option<&str>, default: Option<&str>, is_set: bool) -> Setting {
        Setting {
            name: c_text(name),
            value: c_text(value.unwrap_or_default()),
            default_value: default.map(c_text),
            is_set,
        }
    }
}

/// The settings that a directory was opened with.
///
/// Ownership: `*settings` is the program's, until ottla_settings_free.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_settings_of_broker(
    broker: *mut ottla_broker,
    settings: *mut *mut ottla_settings,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(settings, "settings") }?;
        let broker = BrokerHandle::of(broker)?;
        place.write(handle::give(SettingsHandle::of_broker(broker.options()))?);
        Ok(())
    })
}

/// The settings of a topic, those that were made for it and the defaults of all others.
///
/// Ownership: `*settings` is the program's, until ottla_settings_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_settings_of_topic(
    broker: *mut ottla_broker,
    name: *const c_char,
    settings: *mut *mut ottla_settings,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(settings, "settings") }?;
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let name = unsafe { text(name, "the name of the topic") }?;
        let config = TopicConfig::from_overrides(broker.inner().describe_topic(name)?.config);
        place.write(handle::give(SettingsHandle::of_topic(&config))?);
        Ok(())
    })
}

/// The settings that there are, with their defaults: `noun` is "broker", "topic", "producer" or
/// "consumer". Those of a topic are what a topic that this library makes begins with: its records
/// are kept for ever.
///
/// Ownership: `*settings` is the program's, until ottla_settings_free.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for another noun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_settings_defaults(
    noun: *const c_char,
    settings: *mut *mut ottla_settings,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(settings, "settings") }?;
        // SAFETY: the program promises text.
        let noun = unsafe { text(noun, "the noun") }?;
        let list = match noun {
            "broker" => SettingsHandle::of_broker(&BrokerOptions::new()),
            "topic" => SettingsHandle::of_topic(&TopicConfig::new()),
            "producer" => {
                let config = ProducerConfig::default();
                SettingsHandle::of_defaults(ProducerConfig::names(), |name| config.get(name))
            }
            "consumer" => {
                let config = ConsumerConfig::default();
                SettingsHandle::of_defaults(ConsumerConfig::names(), |name| config.get(name))
            }
            other => {
                let shown: String = other.chars().take(60).collect();
                return Err(Failure::invalid(format!(
                    "{shown:?} has no settings; broker, topic, producer and consumer have"
                )));
            }
        };
        place.write(handle::give(list)?);
        Ok(())
    })
}

/// How many settings the list has; 0 if `settings` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_settings_count(settings: *const ottla_settings) -> usize {
    enter_or(0, || Ok(handle::get::<SettingsHandle, _>(settings)?.settings.len()))
}

/// One setting of the list: `index` counts from 0.
///
/// Ownership: the texts in `*info` are the list's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_settings_get(
    settings: *const ottla_settings,
    index: usize,
    info: *mut ottla_setting_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<SettingsHandle, _>(settings)?;
        let setting = at(&list.settings, index, "settings")?;
        let default_value = setting.default_value.as_ref();
        let known = ottla_setting_info {
            struct_size: 0,
            is_set: setting.is_set,
            reserved: [0; 3],
            name: setting.name.as_ptr(),
            value: setting.value.as_ptr(),
            default_value: default_value.map_or(ptr::null(), |value| value.as_ptr()),
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// Frees a list of settings. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_settings_free(settings: *mut ottla_settings) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !settings.is_null() {
            handle::take::<SettingsHandle, _>(settings)?;
        }
        Ok(())
    })
}
