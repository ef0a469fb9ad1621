//! A record to send: a message and where it goes.

use crate::batch::message::Message;

/// A record to send to a topic, borrowed until it has been copied into a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    topic: &'a str,
    partition: Option<i32>,
    message: Message<'a>,
}

impl<'a> Record<'a> {
    /// A record with a value for a topic.
    pub fn new(topic: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Record<'a> {
        Record { topic, partition: None, message: Message::new(value) }
    }

    /// A record with a key and no value: in a compacted topic it deletes the key.
    pub fn tombstone(topic: &'a str, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Record<'a> {
        Record { topic, partition: None, message: Message::tombstone(key) }
    }

    /// A message for a topic.
    #[inline]
    pub fn from_message(topic: &'a str, message: Message<'a>) -> Record<'a> {
        Record { topic, partition: None, message }
    }

    /// Sets the key, which also chooses the partition if none is set. An empty key is a key.
    #[must_use]
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Record<'a> {
        self.message = self.message.key(key);
        self
    }

    /// Adds a header. Order and duplicates are kept.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Record<'a> {
        self.message = self.message.header(name, value);
        self
    }

    /// Adds a header whose value is null.
    #[must_use]
    pub fn null_header(mut self, name: &'a str) -> Record<'a> {
        self.message = self.message.null_header(name);
        self
    }

    /// Sets the timestamp, in milliseconds since 1970. Without it, it is the time of the call, as
    /// the system's clock showed it at its last tick (a few milliseconds ago), but not before the
    /// record's batch was opened.
    #[must_use]
    pub fn timestamp(mut self, timestamp_ms: i64) -> Record<'a> {
        self.message = self.message.timestamp(timestamp_ms);
        self
    }

    /// Sets the partition. Without it the key decides, and without a key the producer.
    #[must_use]
    #[inline]
    pub fn partition(mut self, partition: i32) -> Record<'a> {
        self.partition = Some(partition);
        self
    }

    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The partition, if one was set.
    pub fn partition_number(&self) -> Option<i32> {
        self.partition
    }

    /// Key, value, headers and timestamp.
    pub fn message(&self) -> &Message<'a> {
        &self.message
    }
}
