//! Where reading begins: the argument of `--offset`.

use std::str::FromStr;

/// Where reading begins in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest record.
    Beginning,
    /// After the newest record.
    End,
    /// At this offset.
    Offset(i64),
    /// So many offsets before the end.
    Last(i64),
    /// At the first record of this time, in milliseconds since 1970, or later.
    Timestamp(i64),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Start, String> {
        let start = match text {
            "beginning" => Some(Start::Beginning),
            "end" => Some(Start::End),
            _ => {
                if let Some(millis) = text.strip_prefix('@') {
                    count(millis).map(Start::Timestamp)
                } else if let Some(records) = text.strip_prefix('-') {
                    count(records).map(Start::Last)
                } else {
                    count(text).map(Start::Offset)
                }
            }
        };
        start.ok_or_else(|| "must be beginning, end, N, -N or @MILLIS".to_owned())
    }
}

/// A number without a sign.
fn count(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| text.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_kcat_reads_them() {
        for (text, start) in [
            ("beginning", Start::Beginning),
            ("end", Start::End),
            ("0", Start::Offset(0)),
            ("9223372036854775807", Start::Offset(i64::MAX)),
            ("-7", Start::Last(7)),
            ("@1700000000000", Start::Timestamp(1_700_000_000_000)),
        ] {
            assert_eq!(text.parse(), Ok(start), "{text}");
        }
        for bad in ["", "-", "@", "--1", "+1", "@-1", "x", "1.5", "9223372036854775808", "stored"] {
            assert!(bad.parse::<Start>().is_err(), "{bad}");
        }
    }
}
