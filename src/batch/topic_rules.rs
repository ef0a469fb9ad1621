//! What a topic's settings ask of the batches that are appended to it.

use crate::batch::builder::BatchOptions;
use crate::batch::message::Message;
use crate::config::compression::{Compression, TopicCompression};
use crate::config::topic::TopicConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::TimestampType;
use crate::topic::TopicName;

/// A topic's settings in the form in which an append wants them.
#[derive(Clone, Debug)]
pub(crate) struct TopicRules {
    /// The codec and its level, unless the topic leaves them to the producer.
    pub(crate) compression: Option<(Compression, Option<i32>)>,
    /// Whose time the records bear.
    pub(crate) timestamp_type: TimestampType,
    /// The topic keeps what the library itself writes: offsets that a program forged would count.
    is_internal: bool,
    needs_keys: bool,
    before_max_ms: i64,
    after_max_ms: i64,
}

impl TopicRules {
    /// The rules of the topic of this name, with these settings.
    pub(crate) fn new(name: &TopicName, config: &TopicConfig) -> TopicRules {
        let values = config.values();
        let compression = match values.compression {
            TopicCompression::Producer => None,
            TopicCompression::Uncompressed => Some((Compression::None, None)),
            TopicCompression::Codec(codec) => Some((
                codec,
                match codec {
                    Compression::None | Compression::Snappy => None,
                    Compression::Gzip => Some(values.compression_gzip_level),
                    Compression::Lz4 => Some(values.compression_lz4_level),
                    Compression::Zstd => Some(values.compression_zstd_level),
                },
            )),
        };
        TopicRules {
            compression,
            timestamp_type: values.message_timestamp_type,
            is_internal: name.is_internal(),
            needs_keys: values.cleanup_policy.compact,
            before_max_ms: values.message_timestamp_before_max_ms,
            after_max_ms: values.message_timestamp_after_max_ms,
        }
    }

    /// How batches for the topic are built by somebody who prefers no codec.
    pub(crate) fn batch_options(&self) -> BatchOptions {
        let (compression, level) = self.compression.unwrap_or((Compression::None, None));
        BatchOptions {
            compression,
            level,
            timestamp_type: self.timestamp_type,
            ..BatchOptions::default()
        }
    }

    /// Refuses a message that the topic does not take. `now_ms` is asked only if it matters.
    ///
    /// # Errors
    /// `InvalidInput`, with the setting that is in the way.
    #[inline]
    pub(crate) fn check(
        &self,
        topic: &str,
        message: &Message<'_>,
        now_ms: impl FnOnce() -> i64,
    ) -> Result<()> {
        if self.is_internal {
            let message =
                format!("topic {topic} is the library's own: programs do not write to it");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.needs_keys && message.key_bytes().is_none() {
            let message = format!("topic {topic} is compacted: it takes no record without a key");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        match message.timestamp_ms() {
            Some(timestamp) if self.timestamp_type == TimestampType::CreateTime => {
                check_timestamp(self, topic, timestamp, now_ms())
            }
            _ => Ok(()),
        }
    }
}

fn check_timestamp(rules: &TopicRules, topic: &str, timestamp: i64, now_ms: i64) -> Result<()> {
    let (limit, name) = if now_ms.saturating_sub(timestamp) > rules.before_max_ms {
        (rules.before_max_ms, "message.timestamp.before.max.ms")
    } else if timestamp.saturating_sub(now_ms) > rules.after_max_ms {
        (rules.after_max_ms, "message.timestamp.after.max.ms")
    } else {
        return Ok(());
    };
    let message = format!(
        "the timestamp {timestamp} of a record for topic {topic} is too far from now ({now_ms}): \
         {name} is {limit}"
    );
    Err(Error::new(ErrorKind::InvalidInput, message))
}
