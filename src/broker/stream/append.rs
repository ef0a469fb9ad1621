//! Appending to a stream, on condition that its version is the expected one.
//!
//! Not here: where the condition is asked (under the partition's lock, `partition/expect.rs`).

use std::sync::Arc;

use super::Stream;
use crate::batch::message::Message;
use crate::broker::atomic_append::AtomicAppend;
use crate::broker::partition_handle::Appender;
use crate::catalog::topic_handle::Topics;
use crate::commit::ticket::Guard;
use crate::config::acks::Acks;
use crate::error::conflict::ExpectedVersion;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::expect::Expect;
use crate::partition::writer::Appended;
use crate::producer::partitioner::partition_of_stream;

/// A stream that is appended to only if its version is the expected one. Made by
/// [`Stream::expect_version`].
#[derive(Clone, Copy, Debug)]
pub struct ExpectVersion<'a> {
    stream: &'a Stream,
    version: ExpectedVersion,
}

impl Stream {
    /// Appends the messages as one batch. Each gets the stream's key.
    ///
    /// # Durability
    /// When it returns `Ok`, what `acks` names has happened.
    ///
    /// # Errors
    /// `InvalidInput` for a message with another key; those of
    /// [`PartitionHandle::append`](crate::PartitionHandle::append).
    pub fn append(&self, messages: &[Message<'_>], acks: Acks) -> Result<Appended> {
        let messages = self.keyed(messages)?;
        self.handle.append(&messages, acks)
    }

    /// The stream, to be appended to only if its version is still `version`: an offset, or `None`
    /// (or [`ExpectedVersion::NoStream`]) for a stream without a record. Of several who expect the
    /// same version at most one succeeds, whatever their acks.
    ///
    /// ```
    /// use ottla::{Acks, Broker, Message, Stream, TopicConfig};
    ///
    /// /// Adds one to the newest number of the stream, whoever else does so.
    /// fn increment(counter: &Stream) -> ottla::Result<()> {
    ///     loop {
    ///         let newest = counter.read_backwards(..).next().transpose()?;
    ///         let number = newest.as_ref().and_then(|record| record.value.as_deref());
    ///         let next = number.map_or(0, |bytes| bytes[0]) + 1;
    ///         let version = newest.map(|record| record.offset);
    ///         let message = [Message::new(std::slice::from_ref(&next))];
    ///         match counter.expect_version(version).append(&message, Acks::All) {
    ///             Err(error) if error.conflict().is_some() => continue, // somebody was faster
    ///             outcome => return outcome.map(|_| ()),
    ///         }
    ///     }
    /// }
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("counters", TopicConfig::new().key_index(true))?;
    /// let counter = broker.stream("counters", "visits")?;
    /// increment(&counter)?;
    /// increment(&counter)?;
    /// let newest = broker.latest("counters", "visits")?.expect("it was counted");
    /// assert_eq!(newest.value, Some(vec![2]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn expect_version(&self, version: impl Into<ExpectedVersion>) -> ExpectVersion<'_> {
        ExpectVersion { stream: self, version: version.into() }
    }

    /// The messages with the stream's key.
    fn keyed<'a>(&'a self, messages: &[Message<'a>]) -> Result<Vec<Message<'a>>> {
        let keyed = |message: &Message<'a>| match message.key_bytes() {
            Some(key) if key != &*self.key => {
                let text = "a message that is appended to a stream has another key";
                Err(self.handle.named(Error::new(ErrorKind::InvalidInput, text)))
            }
            _ => Ok(message.clone().key(&self.key)),
        };
        messages.iter().map(keyed).collect()
    }
}

impl ExpectVersion<'_> {
    /// Appends the messages as one batch, if the stream's version is the expected one.
    ///
    /// # Durability
    /// As [`Stream::append`]. With `acks=all` also what the version was about is durable then.
    ///
    /// # Errors
    /// `Conflict` if the version is another, [`with`](crate::Error::conflict) the records of the key
    /// that are newer than the expected one; `InvalidInput` for a negative offset; those of
    /// [`Stream::append`].
    pub fn append(&self, messages: &[Message<'_>], acks: Acks) -> Result<Appended> {
        let stream = self.stream;
        let messages = stream.keyed(messages)?;
        let mut appender = stream.handle.appender(acks);
        let key = Arc::clone(&stream.key);
        appender.expect(Expect::Version { key, version: self.version }).append(&messages)
    }
}

impl Appender {
    /// Lets the next append, and only that, happen only if the newest record of `key` in this
    /// partition is still the expected one; see [`Stream::expect_version`]. The messages may have
    /// any keys.
    ///
    /// The topic needs a key index, else the append fails with `InvalidInput`.
    pub fn expect_version(
        &mut self,
        key: impl AsRef<[u8]>,
        version: impl Into<ExpectedVersion>,
    ) -> &mut Appender {
        self.expect(Expect::Version { key: Arc::from(key.as_ref()), version: version.into() })
    }
}

impl AtomicAppend {
    /// Lets the commit happen only if the newest record of `key` is still the expected one then;
    /// see [`Stream::expect_version`]. All conditions have to hold, of all streams; the batches of
    /// this append do not count.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for a negative offset, or if the topic has no key
    /// index.
    pub fn expect_version(
        &mut self,
        topic: &str,
        key: impl AsRef<[u8]>,
        version: impl Into<ExpectedVersion>,
    ) -> Result<()> {
        let key = key.as_ref();
        let topic = self.broker.engine.topic(topic)?;
        let expect = Expect::Version { key: Arc::from(key), version: version.into() };
        self.guards.push(Guard::new(partition_of_stream(&topic, key)?, expect)?);
        Ok(())
    }
}
