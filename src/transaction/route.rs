//! A topic as a transaction sends to it, and finding it by name.

use std::sync::Arc;

use crate::catalog::topic_handle::{TopicHandle, Topics};
use crate::env::Env;
use crate::env::sync::Mutex;
use crate::error::Result;
use crate::partition::Partition;
use crate::producer::chooser::Chooser;
use crate::producer::partitioner::Partitioner;
use crate::producer::settings::{BatchRules, Settings};
use crate::topic::TopicId;

/// A topic: its rules, and which partition is next. Never changes: another one takes its place.
pub(super) struct Route {
    pub(super) handle: Arc<TopicHandle>,
    pub(super) rules: BatchRules,
    pub(super) chooser: Chooser,
}

/// The topics that a transaction has sent to.
pub(super) struct Routes {
    settings: Settings,
    partitioner: Option<Arc<dyn Partitioner>>,
    known: Mutex<Known>,
}

struct Known {
    /// [`Topics::version`] before they were looked up.
    version: u64,
    routes: Vec<Arc<Route>>,
}

impl Route {
    pub(super) fn id(&self) -> TopicId {
        self.handle.id
    }

    /// # Errors
    /// `UnknownTopicOrPartition`.
    pub(super) fn partition(&self, index: usize) -> Result<&Arc<Partition>> {
        let partition = self.handle.partitions.get(index);
        partition.ok_or_else(|| self.chooser.unknown_partition(index as i64))
    }
}

impl Routes {
    pub(super) fn new(settings: Settings, partitioner: Option<Arc<dyn Partitioner>>) -> Routes {
        let known = Known { version: 0, routes: Vec::new() };
        Routes { settings, partitioner, known: Mutex::new(known) }
    }

    /// The topic of that name as it is now.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`.
    pub(super) fn find(&self, topics: &dyn Topics, env: &Env, name: &str) -> Result<Arc<Route>> {
        let version = topics.version();
        let mut known = self.known.lock();
        if known.version != version {
            // Whatever changed: looking topics up again is cheap, and seldom.
            known.routes.clear();
            known.version = version;
        }
        let found = known.routes.iter().find(|route| route.handle.name.as_str() == name);
        if let Some(route) = found {
            return Ok(Arc::clone(route));
        }
        let handle = topics.topic(name)?;
        let rules = BatchRules::new(&self.settings, &handle);
        let seed = env.random.next_u64();
        let partitioner = self.partitioner.as_ref();
        let chooser = Chooser::new(&handle, partitioner, self.settings.ignore_keys, seed);
        let route = Arc::new(Route { handle, rules, chooser });
        known.routes.push(Arc::clone(&route));
        Ok(route)
    }
}
