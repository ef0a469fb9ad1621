//! A key's newest record, over all segments, the newest first.

use std::sync::Arc;

use super::super::Partition;
use super::super::writer::{Active, Writer};
use super::Wanted;
use super::read::KeyReader;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::{ErrorKind, Result};
use crate::format::key_index::KeyedRecord;
use crate::segment::Segment;
use crate::segment::key_index::SegmentKeys;
use crate::segment::key_index::sealed::SealedKeys;

/// How closely the log is looked at where the index of a sealed segment names a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// The record is read and its key compared.
    AtTheRecord,
    /// The header of its batch: under the partition's lock nothing is decompressed. That the
    /// record has the key is known from the sums, which tie the index to this very log, and from
    /// 128 bits of hash.
    AtTheBatch,
}

impl Partition {
    /// The offset of a key's newest record that readers may see, from the log start on.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk, where an index has to be read first.
    pub(crate) fn key_version(&self, key: &[u8]) -> Result<Option<i64>> {
        self.check_key_readable()?;
        // In this order: what is missing in these segments is superseded by what they have below the
        // end.
        let segments = self.segments.load_full();
        let end = self.end_offset();
        let wanted = Wanted::new(key);
        self.newest(segments.as_slice(), &wanted, end, Look::AtTheRecord, &mut |segment| {
            self.keys_of(segment)
        })
    }

    /// Has the indexes of all segments at hand, so that a lookup under the lock need not wait for
    /// the disk.
    ///
    /// # Errors
    /// As [`key_version`](Self::key_version).
    pub(crate) fn warm_keys(&self) -> Result<()> {
        self.check_key_readable()?;
        for segment in self.segments.load().as_slice() {
            if !segment.has_keys() {
                self.load_keys_of(segment)?;
            }
        }
        Ok(())
    }

    /// A partition that is damaged cannot tell what the newest record of a key is.
    pub(super) fn check_key_readable(&self) -> Result<()> {
        self.shared.check_held()?;
        self.check_not_deleted()?;
        self.damage.as_ref().map_or(Ok(()), |damage| Err(damage.clone()))
    }

    fn newest(
        &self,
        segments: &[Arc<Segment>],
        wanted: &Wanted<'_>,
        end: i64,
        look: Look,
        keys_of: &mut dyn FnMut(&Arc<Segment>) -> Result<Arc<SegmentKeys>>,
    ) -> Result<Option<i64>> {
        for segment in segments.iter().rev() {
            let below = u64::try_from(end.saturating_sub(segment.base_offset)).unwrap_or(0);
            if below == 0 {
                continue;
            }
            let keys = keys_of(segment)?;
            let newest = match &*keys {
                SegmentKeys::Growing(keys) => {
                    keys.newest(wanted.hash(keys.secret()), below).map(i64::from)
                }
                // Most segments have nothing of a key.
                SegmentKeys::Sealed(sealed) => match find(sealed, wanted, below) {
                    None => None,
                    Some(_) => self.newest_sealed(segment, keys, wanted, below, look)?,
                },
            };
            if let Some(relative) = newest {
                // What lies before it is older still.
                let offset = segment.base_offset.saturating_add(relative);
                return Ok((offset >= self.log_start_offset()).then_some(offset));
            }
        }
        Ok(None)
    }

    /// The newest record of a key in a sealed segment, compared with what lies there. An index that
    /// is not right is made anew once.
    fn newest_sealed(
        &self,
        segment: &Arc<Segment>,
        mut keys: Arc<SegmentKeys>,
        wanted: &Wanted<'_>,
        below: u64,
        look: Look,
    ) -> Result<Option<i64>> {
        let mut repaired = false;
        loop {
            let SegmentKeys::Sealed(sealed) = &*keys else { return Ok(None) };
            let Some(record) = find(sealed, wanted, below) else { return Ok(None) };
            let offset = segment.base_offset.saturating_add(i64::from(record.relative_offset));
            let checked = match look {
                Look::AtTheRecord => {
                    let mut reader = KeyReader::new(Arc::from(wanted.key));
                    reader.check(segment, record.position, offset)
                }
                Look::AtTheBatch => segment.check_batch(u64::from(record.position), offset),
            };
            match checked {
                _ if planted!("stale_key_index_trusted") => {}
                Ok(()) => {}
                Err(error) if repaired => return Err(self.name(error)),
                Err(_) => {
                    self.repair_keys(segment)?;
                    repaired = true;
                    keys = self.keys_of(segment)?;
                    continue;
                }
            }
            return Ok(Some(i64::from(record.relative_offset)));
        }
    }

    /// The key index of a segment; the first time, it is read.
    pub(super) fn keys_of(&self, segment: &Arc<Segment>) -> Result<Arc<SegmentKeys>> {
        match segment.loaded_keys() {
            Some(keys) => Ok(keys),
            None => self.load_keys_of(segment),
        }
    }

    #[cold]
    fn load_keys_of(&self, segment: &Arc<Segment>) -> Result<Arc<SegmentKeys>> {
        loop {
            if let Some(keys) = self.load_sealed_keys(segment)? {
                return Ok(keys);
            }
            let mut writer = self.lock();
            // Between the two looks it may have been loaded, or sealed.
            if let Some(keys) = segment.loaded_keys() {
                return Ok(keys);
            }
            if !segment.state().sealed {
                return writer.unsealed_keys(segment);
            }
        }
    }

    fn load_sealed_keys(&self, segment: &Arc<Segment>) -> Result<Option<Arc<SegmentKeys>>> {
        let (cache, secret) = (&self.shared.key_indexes, self.shared.key_secret);
        segment
            .sealed_keys(cache, secret, &|entry: &Entry<'_>| self.is_aborted(entry))
            .map_err(|error| self.name(error))
    }

    /// Makes the index of a sealed segment anew, because it said what is not true.
    pub(super) fn repair_keys(&self, segment: &Arc<Segment>) -> Result<()> {
        segment
            .replace_keys(self.shared.key_secret, &|entry: &Entry<'_>| self.is_aborted(entry))
            .map_err(|error| self.name(error))
    }

    /// Whether a batch belongs to a transaction that was aborted.
    pub(crate) fn is_aborted(&self, entry: &Entry<'_>) -> Result<bool> {
        let Some(producer) = entry.producer() else { return Ok(false) };
        let (first, last) = (entry.base_offset(), entry.last_offset());
        let aborted = self.aborted_transactions(first, last.saturating_add(1))?;
        Ok(aborted.iter().any(|transaction| {
            transaction.producer_id == producer.id
                && (transaction.first_offset..=transaction.last_offset).contains(&first)
        }))
    }
}

/// What an index says is the newest record of a key below a relative offset.
#[inline]
fn find(sealed: &SealedKeys, wanted: &Wanted<'_>, below: u64) -> Option<KeyedRecord> {
    let range = sealed.find(wanted.hash(sealed.secret()));
    let last = sealed.count_below(&range, below).checked_sub(1)?;
    sealed.record(range.start + last)
}

impl Writer<'_> {
    /// The offset of a key's newest record, those that are staged included.
    ///
    /// # Errors
    /// As [`Partition::key_version`].
    pub(crate) fn staged_key_version(&mut self, key: &[u8]) -> Result<Option<i64>> {
        self.check_keys_kept()?;
        self.load_keys()?;
        let partition = self.partition;
        partition.check_key_readable()?;
        let end = match planted!("version_without_staged") {
            true => partition.end_offset(),
            false => self.state.next_offset,
        };
        let wanted = Wanted::new(key);
        let Some(active) = &self.state.active else { return Err(self.not_prepared()) };
        let base_offset = active.segment.base_offset;
        let below = u64::try_from(end.saturating_sub(base_offset)).unwrap_or(0);
        if let Some(keys) = &active.keys
            && let Some(relative) = keys.newest(&wanted, below)
        {
            let offset = base_offset.saturating_add(i64::from(relative));
            return Ok((offset >= partition.log_start_offset()).then_some(offset));
        }
        let segments = partition.segments.load_full();
        let Some((_, sealed)) = segments.as_slice().split_last() else { return Ok(None) };
        // No other needs the lock.
        partition.newest(sealed, &wanted, end, Look::AtTheBatch, &mut |segment| match segment
            .loaded_keys()
        {
            Some(keys) => Ok(keys),
            None => partition.load_sealed_keys(segment)?.ok_or_else(|| self.not_prepared()),
        })
    }

    /// The key index of the last segment, in a partition that may have no active one.
    fn unsealed_keys(&mut self, segment: &Arc<Segment>) -> Result<Arc<SegmentKeys>> {
        self.check_keys_kept()?;
        let is_active = |active: &&Active| Arc::ptr_eq(&active.segment, segment);
        let mut state = segment.state();
        if let Some(active) = self.state.active.as_ref().filter(is_active) {
            active.tally.describe_in(&mut state);
        }
        self.partition.load_growing_keys(segment, &state)
    }

    /// What is not kept with every batch must not be made either.
    fn check_keys_kept(&self) -> Result<()> {
        if self.state.settings.key_index {
            return Ok(());
        }
        let message = "the topic has no streams: set ottla.key.index=true";
        Err(self.refuse(ErrorKind::InvalidInput, message.to_owned()))
    }
}
