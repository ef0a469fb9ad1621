//! Opening a topic as a table.

use std::sync::Arc;

use crate::broker::Broker;
use crate::consumer::source::Source;
use crate::consumer::table::Table;
use crate::error::Result;

impl Broker {
    /// A topic as a table: the newest value of each key, over all partitions. Meant for compacted
    /// topics, though any will do. Records without a key are passed over; a tombstone takes its
    /// key out. The topic is read now, and the directory stays open while the table lives.
    ///
    /// A key lives in one partition, where producers put it; of one that was put into several, the
    /// value that is read last counts. Records that *retention* takes away stay in a table that
    /// has seen them.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ottla::{Broker, CleanupPolicy, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// let compacted = TopicConfig::new().partitions(4).cleanup_policy(CleanupPolicy::COMPACT);
    /// broker.create_topic("users", compacted)?;
    /// let producer = broker.producer().build()?;
    /// producer.send(Record::new("users", "alice@example.org").key("alice"))?;
    /// producer.send(Record::new("users", "bob@example.org").key("bob"))?;
    /// producer.flush()?;
    ///
    /// let mut users = broker.table("users")?;
    /// assert_eq!(users.get("alice"), Some("alice@example.org".as_bytes()));
    ///
    /// producer.send(Record::new("users", "alice@example.com").key("alice"))?;
    /// producer.send(Record::tombstone("users", "bob"))?;
    /// producer.flush()?;
    /// users.catch_up()?; // or poll(timeout), to wait for news
    /// assert_eq!(users.get("alice"), Some("alice@example.com".as_bytes()));
    /// assert_eq!(users.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`](crate::ErrorKind::UnknownTopicOrPartition), `Closed`;
    /// what reading says.
    pub fn table(&self, topic: &str) -> Result<Table> {
        let source: Arc<dyn Source> = self.engine.clone();
        Table::open(source, &self.engine.env, topic)
    }
}
