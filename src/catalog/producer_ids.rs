//! Handing out producer ids: a block at a time, so that no id is ever given twice, whether by
//! Ottla or by a broker that opens the directory later.

use std::ops::Range;

use crate::catalog::{Catalog, encode_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::metadata_records::{MetadataRecord, ProducerIdsRecord};

/// How many ids are taken at a time, as Kafka does.
pub(crate) const PRODUCER_ID_BLOCK_SIZE: i64 = 1000;

impl Catalog {
    /// The next block of ids, all above `known`, and the values of the records that take it: one
    /// batch. The ids may be used once that is committed.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] when all ids are taken.
    pub(crate) fn take_producer_ids(
        &self,
        node_id: i32,
        known: i64,
    ) -> Result<(Range<i64>, Vec<Vec<u8>>)> {
        let first = self.next_producer_id.max(known.saturating_add(1));
        let Some(next_producer_id) = first.checked_add(PRODUCER_ID_BLOCK_SIZE) else {
            return Err(Error::new(ErrorKind::Limit, "all producer ids are taken"));
        };
        let record = ProducerIdsRecord {
            broker_id: node_id,
            broker_epoch: self.broker_epoch(node_id),
            next_producer_id,
        };
        Ok((first..next_producer_id, encode_all(&[MetadataRecord::ProducerIds(record)])?))
    }
}
