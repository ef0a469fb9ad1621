//! What a caller hands in to be appended: a key, a value, headers and a timestamp, all borrowed.
//!
//! Not a record that was read (that one has an offset). The bytes are copied once, into the batch.

/// A message to append. Everything in it is borrowed until it has been copied into a batch.
///
/// ```
/// use ottla::Message;
///
/// let message = Message::new("one burger").key("john").header("table", "7");
/// assert_eq!(message.value_bytes(), Some("one burger".as_bytes()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<(&'a str, Option<&'a [u8]>)>,
    timestamp: Option<i64>,
}

/// More than any record needs beside its key, value and headers: five varints and a byte.
const RECORD_OVERHEAD_MAX: usize = 21;

/// More than the two lengths of a header need.
const HEADER_OVERHEAD_MAX: usize = 10;

impl<'a> Message<'a> {
    /// A message with a value and, so far, nothing else.
    pub fn new(value: &'a (impl AsRef<[u8]> + ?Sized)) -> Message<'a> {
        Message { value: Some(value.as_ref()), ..Message::default() }
    }

    /// A message with a key and no value: in a compacted topic it deletes the key.
    pub fn tombstone(key: &'a (impl AsRef<[u8]> + ?Sized)) -> Message<'a> {
        Message { key: Some(key.as_ref()), ..Message::default() }
    }

    /// Sets the key. An empty key is a key; without this call there is none.
    #[must_use]
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Message<'a> {
        self.key = Some(key.as_ref());
        self
    }

    /// Adds a header. Order and duplicates are kept.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Message<'a> {
        self.headers.push((name, Some(value.as_ref())));
        self
    }

    /// Adds a header whose value is null, which is not the same as empty.
    #[must_use]
    pub fn null_header(mut self, name: &'a str) -> Message<'a> {
        self.headers.push((name, None));
        self
    }

    /// Sets the timestamp, in milliseconds since 1970. Without it, it is the time of the append.
    #[must_use]
    #[inline]
    pub fn timestamp(mut self, timestamp_ms: i64) -> Message<'a> {
        self.timestamp = Some(timestamp_ms);
        self
    }

    /// Sets key and value as they are, null included.
    #[must_use]
    #[inline]
    pub fn from_parts(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Message<'a> {
        Message { key, value, headers: Vec::new(), timestamp: None }
    }

    /// The key, if there is one.
    pub fn key_bytes(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value, if there is one.
    pub fn value_bytes(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The headers, in order.
    pub fn headers(&self) -> &[(&'a str, Option<&'a [u8]>)] {
        &self.headers
    }

    /// The timestamp, if one was set.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp
    }

    /// The most bytes that this message can take in a batch that is not compressed.
    pub fn size_bytes_max(&self) -> usize {
        let mut size = RECORD_OVERHEAD_MAX
            .saturating_add(self.key.map_or(0, <[u8]>::len))
            .saturating_add(self.value.map_or(0, <[u8]>::len));
        for (name, value) in &self.headers {
            size = size
                .saturating_add(HEADER_OVERHEAD_MAX)
                .saturating_add(name.len())
                .saturating_add(value.map_or(0, <[u8]>::len));
        }
        size
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(value: &'a str) -> Message<'a> {
        Message::new(value)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(value: &'a [u8]) -> Message<'a> {
        Message::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_are_told_apart() {
        assert_eq!(Message::new("").value_bytes(), Some(&b""[..]));
        assert_eq!(Message::tombstone("k").value_bytes(), None);
        assert_eq!(Message::new("v").key_bytes(), None);
        assert_eq!(Message::new("v").key("").key_bytes(), Some(&b""[..]));
        let message = Message::new("v").header("a", "").null_header("a");
        assert_eq!(message.headers(), [("a", Some(&b""[..])), ("a", None)]);
    }

    #[test]
    fn the_size_is_an_upper_bound_of_every_part() {
        let message = Message::new("value").key("key").header("name", "x").timestamp(i64::MAX);
        assert_eq!(message.size_bytes_max(), 21 + 5 + 3 + 10 + 4 + 1);
    }
}
