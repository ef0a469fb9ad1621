//! Moments and durations as people type them.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ottla::AutoOffsetReset;
use ottla::config::consumer::ConsumerConfig;

/// A moment, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) i64);

/// A duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        if let Ok(millis) = text.parse() {
            return Ok(Moment(millis));
        }
        // With an offset from UTC it is a moment by itself; without, it is UTC.
        let parsed = text.parse::<Timestamp>().ok().or_else(|| {
            let civil = text.parse::<DateTime>().ok()?;
            Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
        });
        let why = "must be a time such as 2026-11-20T10:00:00.000, or milliseconds since 1970";
        parsed.map(|moment| Moment(moment.as_millisecond())).ok_or_else(|| why.to_owned())
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        // The same as of a consumer's auto.offset.reset.
        let value = format!("by_duration:{text}");
        let config = ConsumerConfig::default().set("auto.offset.reset", &value);
        match config.map(|config| config.auto_offset_reset) {
            Ok(AutoOffsetReset::ByDuration(span)) => Ok(Span(span)),
            _ => Err("must be a duration as of ISO 8601, such as P1DT2H30M".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_unless_they_say_otherwise() {
        for (text, millis) in [
            ("1700000000000", 1_700_000_000_000),
            ("1970-01-01T00:00:01.500", 1500),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("2023-11-14T22:13:20", 1_700_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Moment(millis)), "{text}");
        }
        for bad in ["", "soon", "2023-13-01T00:00:00", "12:00"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_kafkas() {
        for (text, seconds) in [("P1D", 86_400), ("P1DT2H30M", 95_400), ("PT1H", 3600), ("PT0S", 0)]
        {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for bad in ["", "P", "PD", "-PT1H", "1", "2h", "P99999999999999999999D"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
