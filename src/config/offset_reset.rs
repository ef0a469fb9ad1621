//! Where reading starts without a position: Kafka's `auto.offset.reset`, with the ISO-8601
//! durations of KIP-1106.

use std::fmt;
use std::time::Duration;

/// Where a consumer starts that has no position, or one that does not exist. Kafka's
/// `auto.offset.reset`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the oldest record.
    Earliest,
    /// At the end: only what comes from now on.
    Latest,
    /// At the first record that is not older than this; at the end if all are. Kafka writes it
    /// `by_duration:P1DT2H`.
    ByDuration(Duration),
    /// Nowhere: the poll fails.
    None,
}

/// What comes before the duration.
const BY_DURATION: &str = "by_duration:";

impl AutoOffsetReset {
    /// Parses what Kafka writes.
    pub(super) fn parse(text: &str) -> Result<AutoOffsetReset, String> {
        match text.to_ascii_lowercase().as_str() {
            "earliest" => Ok(AutoOffsetReset::Earliest),
            "latest" => Ok(AutoOffsetReset::Latest),
            "none" => Ok(AutoOffsetReset::None),
            other => other
                .strip_prefix(BY_DURATION)
                .and_then(parse_duration)
                .map(AutoOffsetReset::ByDuration)
                .ok_or_else(|| {
                    "it must be earliest, latest, none or by_duration: with an ISO-8601 duration \
                     (by_duration:P1DT2H30M)"
                        .to_owned()
                }),
        }
    }
}

impl fmt::Display for AutoOffsetReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutoOffsetReset::Earliest => f.write_str("earliest"),
            AutoOffsetReset::Latest => f.write_str("latest"),
            AutoOffsetReset::None => f.write_str("none"),
            AutoOffsetReset::ByDuration(duration) => {
                write!(f, "{BY_DURATION}pt{}", duration.as_secs())?;
                match duration.subsec_nanos() {
                    0 => f.write_str("s"),
                    nanos => write!(f, ".{nanos:09}s"),
                }
            }
        }
    }
}

/// `pnDTnHnMn.nS`, in small letters, each part at most once and in this order; not negative.
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('p')?;
    let (days, time) = match text.split_once('t') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut seconds: u64 = 0;
    let mut rest = days;
    for (unit, of_unit) in [('d', 86_400), ('t', 0), ('h', 3600), ('m', 60)] {
        if unit == 't' {
            if !rest.is_empty() {
                return None;
            }
            rest = time;
        } else if let Some((number, behind)) = rest.split_once(unit) {
            seconds = seconds.checked_add(digits(number)?.checked_mul(of_unit)?)?;
            rest = behind;
        }
    }
    if rest.is_empty() {
        return Some(Duration::from_secs(seconds));
    }
    let number = rest.strip_suffix('s')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 9 {
        return None;
    }
    let nanos: u32 =
        if part.is_empty() { 0 } else { digits(&format!("{part:0<9}"))?.try_into().ok()? };
    Some(Duration::new(seconds.checked_add(digits(whole)?)?, nanos))
}

fn digits(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_writes_them() {
        for (text, wanted) in [
            ("by_duration:PT0S", Duration::ZERO),
            ("by_duration:P1D", Duration::from_secs(86_400)),
            ("by_duration:PT1H", Duration::from_secs(3600)),
            ("BY_DURATION:p2dt3h4m5s", Duration::from_secs(2 * 86_400 + 3 * 3600 + 4 * 60 + 5)),
            ("by_duration:PT1.5S", Duration::from_millis(1500)),
            ("by_duration:PT26H61M", Duration::from_secs(26 * 3600 + 61 * 60)),
            ("by_duration:PT0.000000001S", Duration::from_nanos(1)),
        ] {
            let parsed = AutoOffsetReset::parse(text).unwrap();
            assert_eq!(parsed, AutoOffsetReset::ByDuration(wanted), "{text}");
            assert_eq!(AutoOffsetReset::parse(&parsed.to_string()).unwrap(), parsed);
        }
        for text in [
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:P1",
            "by_duration:1H",
            "by_duration:P1DT",
            "by_duration:PT1M1H",
            "by_duration:-PT1H",
            "by_duration:PT-1H",
            "by_duration:PT+1H",
            "by_duration:P1Y",
            "by_duration:PT1.0123456789S",
            "by_duration:PT99999999999999999999S",
            "by_duration:P999999999999999999D",
            "by_duration:PT.5S",
            "by_duration:PT1H ",
            "soon",
        ] {
            assert!(AutoOffsetReset::parse(text).unwrap_err().contains("by_duration"), "{text}");
        }
        for reset in [AutoOffsetReset::Earliest, AutoOffsetReset::Latest, AutoOffsetReset::None] {
            assert_eq!(AutoOffsetReset::parse(&reset.to_string()).unwrap(), reset);
        }
    }
}
