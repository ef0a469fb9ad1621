//! Settings by their dotted names: what is taken has a value that can be shown, and what is shown
//! is taken again and changes nothing.

use ottla::config::consumer::ConsumerConfig;
use ottla::config::producer::ProducerConfig;
use ottla::{BrokerOptions, TopicConfig};

use crate::bytes::Input;
use crate::heap::within;

/// A setting of one kind after the other.
///
/// # Panics
/// If a setting that was taken cannot be shown, or is not taken again as it is shown.
pub fn settings(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.u8() % 4;
    let which = usize::from(input.u8());
    let Ok(text) = str::from_utf8(input.rest()) else { return };
    within(64 * text.len() + (64 << 10), || match kind {
        0 => one(
            TopicConfig::names(),
            which,
            text,
            &Kind {
                new: TopicConfig::new,
                set: |config, name, value| config.set(name, value).ok(),
                get: TopicConfig::get,
                validate: |config| drop(config.validate()),
            },
        ),
        1 => one(
            BrokerOptions::names(),
            which,
            text,
            &Kind {
                new: BrokerOptions::new,
                set: |config, name, value| config.set(name, value).ok(),
                get: BrokerOptions::get,
                validate: |config| drop(config.validate()),
            },
        ),
        2 => one(
            ProducerConfig::names(),
            which,
            text,
            &Kind {
                new: ProducerConfig::default,
                set: |config, name, value| config.set(name, value).ok(),
                get: ProducerConfig::get,
                validate: |config| drop(config.validate()),
            },
        ),
        _ => one(
            ConsumerConfig::names(),
            which,
            text,
            &Kind {
                new: ConsumerConfig::default,
                set: |config, name, value| config.set(name, value).ok(),
                get: ConsumerConfig::get,
                validate: |config| drop(config.validate()),
            },
        ),
    });
}

/// How settings of a kind are made, set and shown.
struct Kind<C> {
    new: fn() -> C,
    set: fn(C, &str, &str) -> Option<C>,
    get: fn(&C, &str) -> Option<String>,
    validate: fn(&C),
}

fn one<C>(names: impl Iterator<Item = &'static str>, which: usize, text: &str, kind: &Kind<C>) {
    // The name and the value, or a value for one of the known names.
    let names: Vec<_> = names.collect();
    let (name, value) = match text.split_once('=') {
        Some(pair) if which == 255 => pair,
        _ => (names[which % names.len()], text),
    };
    let Some(config) = (kind.set)((kind.new)(), name, value) else { return };
    (kind.validate)(&config);
    let Some(shown) = (kind.get)(&config, name) else {
        panic!("{name} = {value:?} was taken and cannot be shown");
    };
    let again = (kind.set)((kind.new)(), name, &shown);
    let again = again.unwrap_or_else(|| panic!("{name} is shown as {shown:?}, which is refused"));
    assert_eq!((kind.get)(&again, name), Some(shown), "{name} is shown otherwise");
}
