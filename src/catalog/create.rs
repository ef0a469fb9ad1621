//! Creating a topic: the checks, and the records that do it.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Place, encode_all};
use crate::config::topic::TOPIC_PARTITIONS_MAX;
use crate::error::{Error, ErrorKind, Result};
use crate::format::metadata_records::{ConfigRecord, MetadataRecord, RESOURCE_TOPIC, TopicRecord};
use crate::topic::{CLUSTER_METADATA_TOPIC, TopicId, TopicName};

/// A topic that is wished for.
#[derive(Clone, Debug)]
pub(crate) struct NewTopic<'a> {
    /// Its name.
    pub(crate) name: &'a TopicName,
    /// Its id, chosen at random by the caller.
    pub(crate) id: TopicId,
    /// How many partitions it gets.
    pub(crate) partition_count: i32,
    /// Its settings under Kafka's names, checked by the caller.
    pub(crate) overrides: &'a BTreeMap<String, String>,
}

impl Catalog {
    /// The values of the records that create the topic: one batch.
    ///
    /// # Errors
    /// [`ErrorKind::TopicExists`]; [`ErrorKind::InvalidInput`] for a name that collides with
    /// another, a count out of bounds or an id that is no new one; [`ErrorKind::Limit`] for a
    /// setting that is too long.
    pub(crate) fn create_topic(&self, new: &NewTopic<'_>, place: Place) -> Result<Vec<Vec<u8>>> {
        self.check_name(new.name)?;
        check_partition_count(new.name, new.partition_count)?;
        let known = self.names.contains_key(&new.id) || self.removed.contains(&new.id);
        if known || !new.id.is_usable() {
            let message = format!("the topic id {} cannot be given to {}", new.id, new.name);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut records = vec![MetadataRecord::Topic(TopicRecord {
            name: new.name.as_str().to_owned(),
            topic_id: new.id,
        })];
        records.extend(new.overrides.iter().map(|(name, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: RESOURCE_TOPIC,
                resource_name: new.name.as_str().to_owned(),
                name: name.clone(),
                value: Some(value.clone()),
            })
        }));
        let partitions = 0..new.partition_count;
        records.extend(partitions.map(|number| self.new_partition(new.id, number, place)));
        encode_all(&records)
    }

    fn check_name(&self, name: &TopicName) -> Result<()> {
        if self.topics.contains_key(name) {
            return Err(Error::new(ErrorKind::TopicExists, format!("topic {name} exists already")));
        }
        if name.as_str() == CLUSTER_METADATA_TOPIC {
            let message = format!("the topic name {name} is taken by the catalog itself");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        // Names that collide have keys of equal length, so few are compared in earnest.
        let key = name.collision_key();
        let same_length = |other: &&TopicName| other.as_str().len() == key.len();
        let mut others = self.topics.keys().filter(same_length);
        match others.find(|other| other.collision_key() == key) {
            None => Ok(()),
            Some(other) => {
                let message = format!(
                    "the topic name {name} collides with {other}: '.' and '_' count as the same"
                );
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

/// Checks how many partitions a topic is to have.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] with the bounds.
pub(super) fn check_partition_count(name: &TopicName, count: i32) -> Result<()> {
    if (1..=TOPIC_PARTITIONS_MAX).contains(&count) {
        return Ok(());
    }
    let message =
        format!("topic {name} cannot have {count} partitions: 1 to {TOPIC_PARTITIONS_MAX}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}
