//! What stood against a condition: plain data that an error carries.
//!
//! Not here: who asks conditions and who reads what was missed. The invariant: what is carried is
//! bounded, whatever was missed.

/// How many records a conflict carries at most.
pub(crate) const MISSED_RECORDS_MAX: usize = 1000;

/// How many bytes of keys, values and headers a conflict carries at most.
pub(crate) const MISSED_BYTES_MAX: usize = 1 << 20;

/// A condition of an append that did not hold: what was expected, what there was instead, and what
/// was appended meanwhile. See [`Error::conflict`](crate::Error::conflict).
///
/// ```
/// use ottla::{Acks, Broker, ErrorKind, Message, TopicConfig};
///
/// # fn main() -> ottla::Result<()> {
/// let broker = Broker::in_memory()?;
/// broker.create_topic("orders", TopicConfig::new())?;
/// let orders = broker.partition("orders", 0)?;
/// let seen = orders.end_offset();
/// orders.append(&[Message::new("one burger")], Acks::All)?; // somebody else is faster
///
/// let error = orders.expect_end(seen).append(&[Message::new("one cola")], Acks::All).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Conflict);
/// let conflict = error.conflict().expect("this kind has one");
/// assert_eq!(conflict.actual, Some(1));
/// assert_eq!(conflict.records[0].value.as_deref(), Some("one burger".as_bytes()));
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The topic that the condition was about.
    pub topic: String,
    /// The partition of it.
    pub partition: i32,
    /// What was asked for.
    pub expected: Expected,
    /// What there was instead when it was asked for: the offset at which the partition ended, or
    /// that of the key's newest record; `None` where the key had no record.
    pub actual: Option<i64>,
    /// What was appended from the expected to the actual end, or of that key since the expected
    /// version, as far as it is carried: at most 1,000 records and 1 MiB.
    pub records: Vec<MissedRecord>,
    /// Whether `records` is all of it.
    pub is_complete: bool,
}

/// What a condition asked for.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// That the partition ends at this offset.
    End(i64),
    /// That the newest record of a key is this one.
    Version {
        /// The key.
        key: Vec<u8>,
        /// Its expected version.
        version: ExpectedVersion,
    },
}

/// What a stream's version is expected to be: the offset of the key's newest record. Made from an
/// offset, or from what [`Stream::version`](crate::Stream::version) returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedVersion {
    /// Anything.
    Any,
    /// There is no record of the key, or none is left.
    NoStream,
    /// The newest record has this offset.
    At(i64),
}

impl From<i64> for ExpectedVersion {
    fn from(offset: i64) -> ExpectedVersion {
        ExpectedVersion::At(offset)
    }
}

impl From<Option<i64>> for ExpectedVersion {
    fn from(version: Option<i64>) -> ExpectedVersion {
        version.map_or(ExpectedVersion::NoStream, ExpectedVersion::At)
    }
}

/// A record that was appended meanwhile.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedRecord {
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp_ms: i64,
    /// Whether the timestamp is of the clock of the log, not of its writer.
    pub is_append_time: bool,
    /// The key; `None` is not the same as an empty one.
    pub key: Option<Vec<u8>>,
    /// The value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Conflict {
    /// A conflict that carries no records yet.
    pub(crate) fn new(expected: Expected, actual: Option<i64>) -> Conflict {
        Conflict {
            topic: String::new(),
            partition: 0,
            expected,
            actual,
            records: Vec::new(),
            is_complete: false,
        }
    }

    /// The sentence of its error.
    pub(crate) fn message(&self) -> String {
        match (&self.expected, self.actual) {
            (Expected::End(expected), Some(actual)) => {
                format!("the log ends at {actual}, not at {expected} as expected")
            }
            (Expected::End(expected), None) => {
                format!("the log does not end at {expected} as expected")
            }
            (Expected::Version { key, version }, actual) => {
                let shown: String = String::from_utf8_lossy(key).chars().take(60).collect();
                let expected = match version {
                    ExpectedVersion::Any => "anything".to_owned(),
                    ExpectedVersion::NoStream => "no record".to_owned(),
                    ExpectedVersion::At(offset) => format!("the offset {offset}"),
                };
                let found = match actual {
                    Some(offset) => format!("has the offset {offset}"),
                    None => "does not exist".to_owned(),
                };
                format!("the newest record of the key {shown:?} {found}, expected was {expected}")
            }
        }
    }
}

impl MissedRecord {
    /// About how many bytes it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + len(value));
        len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}
