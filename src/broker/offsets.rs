//! The broker's part in committed offsets: their topic, the open, the close, the tick.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::{Engine, Held};
use crate::catalog::topic_handle::{TopicHandle, Topics};
use crate::commit::Committer;
use crate::config::broker::BrokerOptions;
use crate::config::topic::TopicConfig;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::group::offsets::{OffsetsHost, OffsetsOptions};

/// The topic that holds the committed offsets.
pub(crate) const CONSUMER_OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What the store of offsets wants to know of the broker's options.
pub(crate) fn offsets_options(options: &BrokerOptions) -> OffsetsOptions {
    OffsetsOptions {
        retention: options.offsets_retention,
        metadata_bytes_max: options.offset_metadata_bytes_max as usize,
        commit_bytes_max: options.commit_bytes_max as usize,
    }
}

/// The settings with which a broker makes the topic.
fn offsets_topic_config(options: &BrokerOptions) -> TopicConfig {
    let settings = BTreeMap::from([
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", options.offsets_topic_segment_bytes.to_string()),
    ]);
    TopicConfig::from_overrides(settings).partitions(options.offsets_topic_partitions)
}

impl Engine {
    /// Reads the committed offsets when the directory was not left cleanly by us: then what they
    /// say has to be held against what is there, before anybody writes.
    pub(crate) fn load_offsets_after_unclean_end(&mut self) {
        if self.report.clean || self.report.created {
            return;
        }
        let found = self.offsets.load_each(&*self);
        self.report.offsets_clamped = found.clamped;
        self.report.offsets_dropped = found.dropped;
        self.report.offset_records_skipped = found.skipped;
        self.report.damaged.extend(found.unreadable);
        if let Some(error) = found.not_written {
            let why = format!("committed offsets could not be set right: {error}");
            self.report.read_only_because = Some(why.clone());
            self.read_only = Some(why);
        }
    }

    /// Takes back the offsets that expired.
    pub(crate) fn expire_offsets(&self) -> Result<u64> {
        let topics = self.topics.partition_counts();
        let expired = self.offsets.expire(self, &|group| self.groups.activity(group, &topics));
        self.groups.forget_empty();
        expired
    }
}

impl OffsetsHost for Engine {
    fn offsets_topic(&self) -> Option<Arc<TopicHandle>> {
        self.topics.get(CONSUMER_OFFSETS_TOPIC)
    }

    fn create_offsets_topic(&self) -> Result<Arc<TopicHandle>> {
        let config = offsets_topic_config(&self.options);
        match self.create_topic(CONSUMER_OFFSETS_TOPIC, &config) {
            // Somebody else was first.
            Err(error) if error.kind() != ErrorKind::TopicExists => return Err(error),
            _ => {}
        }
        self.topic(CONSUMER_OFFSETS_TOPIC)
    }

    fn check_writable(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        Engine::check_writable(self)
    }

    fn committer(&self) -> &Committer {
        &self.committer
    }
}

impl OffsetsHost for Held {
    fn offsets_topic(&self) -> Option<Arc<TopicHandle>> {
        Engine::offsets_topic(self)
    }

    fn create_offsets_topic(&self) -> Result<Arc<TopicHandle>> {
        Engine::create_offsets_topic(self)
    }

    fn check_writable(&self) -> Result<()> {
        <Engine as OffsetsHost>::check_writable(self)
    }

    fn committer(&self) -> &Committer {
        &self.committer
    }
}
