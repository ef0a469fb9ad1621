//! Topics for the tests of the clients: real partitions in memory, without a broker around them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::entry::Entry;
use crate::catalog::topic_handle::{TopicHandle, Topics};
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::poison::Poison;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicU64, Ordering};
use crate::env::vfs::{OpenHow, read_exact_at, write_all_at};
use crate::error::{Error, ErrorKind, Result};
use crate::format::file_names::log_file;
use crate::partition::Partition;
use crate::partition::id::PartitionId;
use crate::partition::shared::{Shared, SharedOptions};
use crate::partition::writer::Appended;
use crate::topic::{TopicId, TopicName};

/// A set of topics that tests change as they like.
pub(crate) struct KnownTopics {
    pub(crate) env: Env,
    shared: Arc<Shared>,
    handles: Mutex<HashMap<String, Arc<TopicHandle>>>,
    version: AtomicU64,
}

impl Default for KnownTopics {
    fn default() -> KnownTopics {
        let env = Env::memory();
        let poison = Arc::new(Poison::new());
        KnownTopics {
            shared: Shared::new(env.clone(), poison, SharedOptions::default()),
            env,
            handles: Mutex::default(),
            version: AtomicU64::new(0),
        }
    }
}

impl KnownTopics {
    pub(crate) fn create(&self, name: &str, count: usize, config: TopicConfig) -> Arc<TopicHandle> {
        let version = self.version.load(Ordering::Relaxed);
        let id = TopicId([u8::try_from(version + 1).unwrap(); 16]);
        self.put(name, id, Vec::new(), count, config)
    }

    pub(crate) fn grow(&self, name: &str, by: usize) -> Arc<TopicHandle> {
        let before = self.topic(name).unwrap();
        let (partitions, config) = (before.partitions.clone(), (*before.config).clone());
        self.put(name, before.id, partitions, by, config)
    }

    pub(crate) fn alter(&self, name: &str, config: TopicConfig) {
        let before = self.topic(name).unwrap();
        for partition in &before.partitions {
            partition.set_config(&config);
        }
        self.put(name, before.id, before.partitions.clone(), 0, config);
    }

    pub(crate) fn delete(&self, name: &str) {
        let gone = self.handles.lock().remove(name).unwrap();
        for partition in &gone.partitions {
            let from = partition.id().directory();
            let to = format!("{from}.gone{}", self.version());
            self.env.vfs.rename(from, &to).unwrap();
            partition.mark_deleted();
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    fn put(
        &self,
        name: &str,
        id: TopicId,
        mut partitions: Vec<Arc<Partition>>,
        more: usize,
        config: TopicConfig,
    ) -> Arc<TopicHandle> {
        let name = TopicName::new(name).unwrap();
        for _ in 0..more {
            let number = i32::try_from(partitions.len()).unwrap();
            let id = PartitionId::new(name.clone(), number, id);
            self.env.vfs.create_dir(id.directory()).unwrap();
            partitions.push(Partition::create(&self.shared, id, &config).unwrap());
        }
        let config = Arc::new(config);
        let handle = Arc::new(TopicHandle { name: name.clone(), id, partitions, config });
        self.handles.lock().insert(name.to_string(), Arc::clone(&handle));
        self.version.fetch_add(1, Ordering::Release);
        handle
    }

    /// Changes a bit of the batch at `offset`, which is in the first segment, as a bad disk would.
    pub(crate) fn damage(&self, partition: &Partition, offset: i64) {
        let path = format!("{}/{}", partition.id().directory(), log_file(0));
        let file = self.env.vfs.open(&path, OpenHow::Write).unwrap();
        let mut bytes = vec![0; usize::try_from(partition.size_bytes()).unwrap()];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        let mut at = 0;
        loop {
            let entry = Entry::decode_first(&bytes[at..]).unwrap();
            at += entry.bytes().len();
            if entry.base_offset() == offset {
                break;
            }
        }
        write_all_at(&*file, &[bytes[at - 1] ^ 1], at as u64 - 1).unwrap();
    }
}

impl Topics for KnownTopics {
    fn topic(&self, name: &str) -> Result<Arc<TopicHandle>> {
        self.handles.lock().get(name).cloned().ok_or_else(|| {
            Error::new(ErrorKind::UnknownTopicOrPartition, format!("there is no topic {name}"))
        })
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// Appends a finished batch, `acks=1`.
pub(crate) fn append(partition: &Partition, batch: &mut [u8]) -> Result<Appended> {
    partition.lock().append_written(batch)
}
