//! Changing the settings of a topic: the checks, and the records that do it.

use crate::catalog::{Catalog, encode_all};
use crate::error::Result;
use crate::format::metadata_records::{ConfigRecord, MetadataRecord, RESOURCE_TOPIC};

impl Catalog {
    /// The values of the records that make these settings, `None` taking one back: one batch, or
    /// nothing if all is as wished already. Whether the settings are valid the caller has checked.
    ///
    /// # Errors
    /// [`UnknownTopicOrPartition`](crate::error::ErrorKind::UnknownTopicOrPartition), and
    /// [`Limit`](crate::error::ErrorKind::Limit) for a setting that is too long.
    pub(crate) fn alter_topic(
        &self,
        name: &str,
        changes: &[(&str, Option<&str>)],
    ) -> Result<Vec<Vec<u8>>> {
        let topic = self.topic(name)?;
        let changed = changes.iter().enumerate().filter(|&(index, &(setting, value))| {
            let is_last = !changes[index + 1..].iter().any(|later| later.0 == setting);
            is_last && topic.overrides.get(setting).map(String::as_str) != value
        });
        let records = changed.map(|(_, &(setting, value))| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: RESOURCE_TOPIC,
                resource_name: name.to_owned(),
                name: setting.to_owned(),
                value: value.map(str::to_owned),
            })
        });
        encode_all(&records.collect::<Vec<_>>())
    }
}
