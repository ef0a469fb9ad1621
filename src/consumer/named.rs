//! The ways to name a partition in a call.

use crate::topic::TopicPartition;

/// What names a partition: `("orders", 2)`, a [`TopicPartition`], or a reference to either.
///
/// ```
/// # fn main() -> ottla::Result<()> {
/// let broker = ottla::Broker::in_memory()?;
/// broker.create_topic("orders", ottla::TopicConfig::new().partitions(4))?;
/// let mut consumer = broker.consumer().assign([("orders", 0), ("orders", 1)]).build()?;
/// consumer.pause([("orders", 1)])?;
/// consumer.seek_all_to_end(consumer.assignment())?;
/// # Ok(())
/// # }
/// ```
pub trait NamesPartition {
    /// The topic's name.
    fn topic(&self) -> &str;

    /// The partition's number.
    fn partition(&self) -> i32;
}

impl<T: AsRef<str>> NamesPartition for (T, i32) {
    fn topic(&self) -> &str {
        self.0.as_ref()
    }

    fn partition(&self) -> i32 {
        self.1
    }
}

impl NamesPartition for TopicPartition {
    fn topic(&self) -> &str {
        self.topic.as_str()
    }

    fn partition(&self) -> i32 {
        self.partition
    }
}

impl<P: NamesPartition + ?Sized> NamesPartition for &P {
    fn topic(&self) -> &str {
        (**self).topic()
    }

    fn partition(&self) -> i32 {
        (**self).partition()
    }
}
