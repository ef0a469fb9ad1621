//! Adding partitions to a topic: the checks, and the records that do it.

use crate::catalog::create::check_partition_count;
use crate::catalog::{Catalog, Place, encode_all};
use crate::error::{Error, ErrorKind, Result};

impl Catalog {
    /// The values of the records that bring the topic to `total` partitions: one batch.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`]; [`ErrorKind::InvalidInput`] if `total` is not above
    /// what the topic has: partitions are never taken away.
    pub(crate) fn add_partitions(
        &self,
        name: &str,
        total: i32,
        place: Place,
    ) -> Result<Vec<Vec<u8>>> {
        let topic = self.topic(name)?;
        let count = topic.partition_count();
        if total <= count {
            let message = format!(
                "topic {name} has {count} partitions: the new total must be above, not {total}"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        check_partition_count(&topic.name, total)?;
        let added = (count..total).map(|number| self.new_partition(topic.id, number, place));
        encode_all(&added.collect::<Vec<_>>())
    }
}
