//! Kafka's dotted names: finding a setting by its name, checking its value, and answering a wrong
//! name with the nearest known one. Knows no particular setting.

use crate::error::{Error, ErrorKind, Result};

/// Names longer than this are not compared: nobody mistypes that much.
const COMPARED_CHARS_MAX: usize = 100;

/// One setting of `C`: its dotted name and the field behind it.
pub(crate) struct Key<C> {
    /// Kafka's name.
    pub(crate) name: &'static str,
    /// Reads a value into the field; the error is what the value must be ("a whole number ...").
    pub(crate) put: fn(&mut C, &str) -> Result<(), String>,
    /// The field's value as text that `put` takes.
    pub(crate) show: fn(&C) -> String,
}

/// A [`Key`] of a field whose `Display` is text that `$parse` reads back.
macro_rules! key {
    ($name:literal, $field:ident, $parse:expr) => {
        Key {
            name: $name,
            put: |config, text| {
                config.$field = $parse(text)?;
                Ok(())
            },
            show: |config| config.$field.to_string(),
        }
    };
}
pub(super) use key;

/// A [`Key`] of a `Duration`, which Kafka counts in milliseconds from `$min` to `$max`.
macro_rules! duration_key {
    ($name:literal, $field:ident, $min:expr, $max:expr) => {
        Key {
            name: $name,
            put: |config, text| {
                let count: u64 = $crate::config::keys::integer(text, $min, $max)?;
                config.$field = std::time::Duration::from_millis(count);
                Ok(())
            },
            show: |config| config.$field.as_millis().to_string(),
        }
    };
}
pub(super) use duration_key;

/// A [`Key`] of a `Duration`, which Kafka counts in minutes from `$min` to `$max`.
macro_rules! minutes_key {
    ($name:literal, $field:ident, $min:expr, $max:expr) => {
        Key {
            name: $name,
            put: |config, text| {
                let count: u64 = $crate::config::keys::integer(text, $min, $max)?;
                config.$field = std::time::Duration::from_secs(count * 60);
                Ok(())
            },
            show: |config| (config.$field.as_secs() / 60).to_string(),
        }
    };
}
pub(super) use minutes_key;

/// The most milliseconds that Kafka's 64-bit settings take.
pub(crate) const LONG_MAX: u64 = i64::MAX as u64;

/// The largest value of Kafka's 32-bit settings.
pub(crate) const INT_MAX: u32 = i32::MAX as u32;

/// A name that is known and yet not accepted, with the reason as a clause.
pub(crate) struct Refused {
    /// Kafka's name.
    pub(crate) name: &'static str,
    /// Why it is not accepted, and what to do.
    pub(crate) why: &'static str,
}

/// All settings of `C`, accepted and refused.
pub(crate) struct Keys<C: 'static> {
    /// What the settings belong to, for messages: "topic".
    pub(crate) noun: &'static str,
    /// The accepted ones.
    pub(crate) accepted: &'static [Key<C>],
    /// The known ones that are not accepted.
    pub(crate) refused: &'static [Refused],
}

impl<C> Keys<C> {
    /// The setting of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Key<C>> {
        self.accepted.iter().find(|key| key.name == name)
    }

    /// The names of the accepted ones, in the order of the table.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<C> {
        self.accepted.iter().map(|key| key.name)
    }

    /// Reads `value` into the setting of that name and returns the setting's key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: an unknown name is answered with the nearest known one, a
    /// wrong value with what is allowed. `config` is unchanged then.
    pub(crate) fn set(&self, config: &mut C, name: &str, value: &str) -> Result<&'static Key<C>> {
        let key = self.find(name).ok_or_else(|| self.unknown(name))?;
        (key.put)(config, value.trim()).map_err(|wanted| {
            let shown = shorten(value);
            let message = format!("{name} of a {} cannot be {shown:?}: {wanted}", self.noun);
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        Ok(key)
    }

    /// Checks every value of `config`, which typed methods may have put out of range.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for the first value that is not allowed.
    pub(crate) fn validate(&self, config: &C) -> Result<()>
    where
        C: Clone,
    {
        let mut scratch = config.clone();
        for key in self.accepted {
            self.set(&mut scratch, key.name, &(key.show)(config))?;
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> Error {
        let noun = self.noun;
        let message = match self.refused.iter().find(|refused| refused.name == name) {
            Some(refused) => format!("{name} is not accepted for a {noun}: {}", refused.why),
            None => match nearest(name, self.accepted.iter().map(|key| key.name)) {
                Some(near) => format!(
                    "a {noun} has no setting {:?}; the nearest one is {near:?}",
                    shorten(name)
                ),
                None => format!("a {noun} has no setting {:?}", shorten(name)),
            },
        };
        Error::new(ErrorKind::InvalidInput, message)
    }
}

/// Parses a whole number within `min..=max`.
pub(crate) fn integer<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: Copy + PartialOrd + TryFrom<i64> + std::fmt::Display,
{
    text.parse::<i64>()
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("it must be a whole number from {min} to {max}"))
}

/// Parses a number within `min..=max`.
pub(crate) fn fraction(text: &str, min: f64, max: f64) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("it must be a number from {min} to {max}"))
}

/// Parses `true` or `false`, in any case as Kafka does.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err("it must be true or false".to_owned())
    }
}

/// The name among `known` that takes the fewest edits to reach from `name`, unless it takes so many
/// that another word was meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > COMPARED_CHARS_MAX {
        return None;
    }
    let (edits, near) = known.map(|known| (edit_distance(name, known), known)).min()?;
    (edits <= name.chars().count().div_ceil(2)).then_some(near)
}

/// Insertions, removals and replacements of one character that lead from `a` to `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// At most the first 60 characters, so that a message stays readable whatever was typed.
fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_takes_the_fewest_edits() {
        let known = ["retention.ms", "retention.bytes", "segment.ms"];
        assert_eq!(nearest("retention.m", known.into_iter()), Some("retention.ms"));
        assert_eq!(nearest("retentoin.bytes", known.into_iter()), Some("retention.bytes"));
        assert_eq!(nearest("segmentms", known.into_iter()), Some("segment.ms"));
        assert_eq!(nearest(&"x".repeat(1_000_000), known.into_iter()), None);
    }

    #[test]
    fn edit_distance_counts_single_edits() {
        for (a, b, edits) in
            [("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(edit_distance(a, b), edits, "{a} {b}");
            assert_eq!(edit_distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn numbers_are_held_to_their_range() {
        assert_eq!(integer::<u32>("14", 14, 20), Ok(14));
        assert_eq!(integer::<i64>("+7", -1, 20), Ok(7));
        for bad in ["13", "21", "", "x", "1.5", "99999999999999999999", "-14"] {
            let wanted = integer::<u32>(bad, 14, 20).unwrap_err();
            assert_eq!(wanted, "it must be a whole number from 14 to 20", "{bad}");
        }
        assert_eq!(fraction("0.5", 0.0, 1.0), Ok(0.5));
        assert!(fraction("NaN", 0.0, 1.0).is_err());
        assert_eq!(boolean("TRUE"), Ok(true));
        assert!(boolean("yes").is_err());
    }
}
