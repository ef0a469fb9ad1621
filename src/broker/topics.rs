//! The open topics by name, as an immutable map that changes hold a new version of.

use std::collections::HashMap;
use std::sync::Arc;

use crate::broker::{Engine, Held};
pub(crate) use crate::catalog::topic_handle::partition_of;
use crate::catalog::topic_handle::{TopicHandle, Topics};
use crate::consumer::source::Source;
use crate::env::sync::ArcSwap;
use crate::env::sync::atomic::{AtomicU64, Ordering};
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::GroupHost;
use crate::group::subscription::PartitionCounts;
use crate::partition::waiters::Waiters;

/// Finds open topics without a lock.
#[derive(Default)]
pub(crate) struct TopicMap {
    map: ArcSwap<HashMap<Arc<str>, Arc<TopicHandle>>>,
    version: AtomicU64,
}

impl TopicMap {
    /// Puts topics in, replacing those of the same names.
    pub(crate) fn put(&self, topics: &[Arc<TopicHandle>]) {
        self.map.rcu(|map| {
            let mut map = HashMap::clone(map);
            for topic in topics {
                map.insert(Arc::from(topic.name.as_str()), Arc::clone(topic));
            }
            map
        });
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a topic out.
    pub(crate) fn remove(&self, name: &str) {
        self.map.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.remove(name);
            map
        });
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// The topic of that name, if there is one.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<TopicHandle>> {
        self.map.load().get(name).cloned()
    }

    /// All topics and how many partitions each has.
    pub(crate) fn partition_counts(&self) -> PartitionCounts {
        let count = |topic: &TopicHandle| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let map = self.map.load();
        map.values().map(|topic| (topic.name.clone(), count(topic))).collect()
    }

    /// Calls `look` with each topic, in no order.
    pub(crate) fn each(&self, look: impl FnMut(&Arc<TopicHandle>)) {
        self.map.load().values().for_each(look);
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<TopicHandle>> {
        let mut topics: Vec<_> = self.map.load().values().cloned().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }
}

/// The error for a name that no topic has.
pub(crate) fn unknown_topic(name: &str) -> Error {
    let shown: String = name.chars().take(60).collect();
    let message = format!("there is no topic {shown:?}");
    Error::new(ErrorKind::UnknownTopicOrPartition, message)
}

impl Topics for Engine {
    fn topic(&self, name: &str) -> Result<Arc<TopicHandle>> {
        self.topics.get(name).ok_or_else(|| unknown_topic(name))
    }

    fn version(&self) -> u64 {
        self.topics.version.load(Ordering::Acquire)
    }
}

impl Topics for Held {
    fn topic(&self, name: &str) -> Result<Arc<TopicHandle>> {
        Engine::topic(self, name)
    }

    fn version(&self) -> u64 {
        Engine::version(self)
    }
}

impl Source for Held {
    fn read_section(&self, collect: &mut dyn FnMut()) {
        self.committer.read_section(collect);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn closing(&self) -> &Waiters {
        &self.closing
    }

    fn settle(&self) {
        self.committer.settle();
    }
}

impl GroupHost for Engine {
    fn partition_counts(&self) -> PartitionCounts {
        self.topics.partition_counts()
    }
}

impl GroupHost for Held {
    fn partition_counts(&self) -> PartitionCounts {
        self.topics.partition_counts()
    }
}
