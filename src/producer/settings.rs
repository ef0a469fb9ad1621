//! The producer's and the topic's settings in the form in which a send wants them.

use std::time::Duration;

use super::ratio::CompressionRatio;
use crate::batch::compression::DECOMPRESSED_BYTES_MAX_DEFAULT;
use crate::batch::message::Message;
use crate::batch::topic_rules::TopicRules;
use crate::catalog::topic_handle::TopicHandle;
use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::producer::ProducerConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, TimestampType};
use crate::format::record::{HeaderList, RecordEncoder};
use crate::topic::TopicName;

/// What does not depend on the topic.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) acks: Acks,
    pub(crate) batch_size: usize,
    pub(crate) linger: Duration,
    pub(crate) buffer_memory: usize,
    pub(crate) max_block: Duration,
    pub(crate) max_request_size: usize,
    pub(crate) compression: Compression,
    pub(crate) compression_level: Option<i32>,
    pub(crate) delivery_timeout: Duration,
    pub(crate) ignore_keys: bool,
}

impl Settings {
    pub(crate) fn new(config: &ProducerConfig) -> Settings {
        Settings {
            acks: config.acks,
            batch_size: bytes(config.batch_size.into()),
            linger: config.linger,
            buffer_memory: bytes(config.buffer_memory),
            max_block: config.max_block,
            max_request_size: bytes(config.max_request_size.into()),
            compression: config.compression,
            compression_level: config.compression_level(),
            delivery_timeout: config.delivery_timeout,
            ignore_keys: config.partitioner_ignore_keys,
        }
    }
}

/// How batches for one topic are built.
#[derive(Clone, Debug)]
pub(crate) struct BatchRules {
    pub(crate) compression: Compression,
    pub(crate) level: Option<i32>,
    pub(crate) timestamp_type: TimestampType,
    /// A batch that would grow beyond this is closed first. Not compressed, header included.
    batch_bytes_max: usize,
    /// `max.message.bytes` of the topic: the log refuses a batch that is larger as it is written.
    pub(crate) message_bytes_max: usize,
    /// A record whose batch of one would be larger than this is refused.
    record_bytes_max: usize,
    /// The setting that `record_bytes_max` comes from.
    record_limit: &'static str,
    rules: TopicRules,
}

impl BatchRules {
    pub(crate) fn new(settings: &Settings, topic: &TopicHandle) -> BatchRules {
        let rules = TopicRules::new(&topic.name, &topic.config);
        // The topic's codec, or the producer's where the topic leaves it open.
        let own = (settings.compression, settings.compression_level);
        let (compression, level) = rules.compression.unwrap_or(own);
        let message_max = bytes(topic.config.values().max_message_bytes.into());
        let plain = compression == Compression::None;
        // A compressed record may yet fit; whether it did is seen when the batch is closed.
        let (record_bytes_max, record_limit) = if plain && message_max < settings.max_request_size {
            (message_max, "max.message.bytes of the topic")
        } else {
            (settings.max_request_size, "max.request.size of the producer")
        };
        // Whoever reads a compressed batch under the default limits must be able to.
        let readable_max = if plain { usize::MAX } else { DECOMPRESSED_BYTES_MAX_DEFAULT };
        let batch_bytes_max = settings.batch_size.min(settings.max_request_size).min(readable_max);
        BatchRules {
            compression,
            level,
            timestamp_type: rules.timestamp_type,
            batch_bytes_max,
            message_bytes_max: message_max,
            record_bytes_max,
            record_limit,
            rules,
        }
    }

    /// At how many bytes before compression a batch is closed, if it is compressed about as well
    /// as others were.
    pub(crate) fn plain_bytes_max(&self, ratio: CompressionRatio) -> usize {
        let fitting = match self.compression {
            Compression::None => self.message_bytes_max,
            _ => ratio.plain_bytes(self.message_bytes_max),
        };
        self.batch_bytes_max.min(fitting)
    }

    /// Refuses what the topic would refuse.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] for a record that is too large, [`ErrorKind::InvalidInput`] for a
    /// timestamp that the topic does not take, or no key where it wants one.
    #[inline]
    pub(crate) fn check(
        &self,
        topic: &TopicName,
        message: &Message<'_>,
        record_bytes: usize,
        now_ms: impl FnOnce() -> i64,
    ) -> Result<()> {
        if record_bytes.saturating_add(BATCH_HEADER_LEN) > self.record_bytes_max {
            self.check_size(topic, message)?;
        }
        self.rules.check(topic.as_str(), message, now_ms)
    }

    /// The exact check, for records that may or may not fit.
    #[cold]
    fn check_size(&self, topic: &TopicName, message: &Message<'_>) -> Result<()> {
        let headers = HeaderList::Pairs(message.headers());
        let encoder = RecordEncoder::new(0, 0, message.key_bytes(), message.value_bytes(), headers);
        let alone = encoder
            .map_or(usize::MAX, |encoder| encoder.encoded_len().saturating_add(BATCH_HEADER_LEN));
        if alone <= self.record_bytes_max {
            return Ok(());
        }
        let message = format!(
            "a record for topic {topic} takes {alone} bytes in a batch of its own, more than {} \
             ({})",
            self.record_bytes_max, self.record_limit
        );
        Err(Error::new(ErrorKind::Limit, message))
    }
}

fn bytes(of: u64) -> usize {
    usize::try_from(of).unwrap_or(usize::MAX)
}
