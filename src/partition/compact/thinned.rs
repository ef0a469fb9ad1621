//! A cleaner for tests of what comes after it: leaves out the batches that it is told to, and makes
//! one segment out of every two. It knows no keys.

use std::sync::Arc;

use super::super::Partition;
use super::outcome::CompactionOutcome;
use super::output::Output;
use super::source::Source;
use super::{Cleaned, CleanedSegment};
use crate::error::Result;
use crate::segment::Segment;
use crate::segment::rebuild::facts_of;

impl Partition {
    /// The sealed segments, less the batches whose base offset `keep` does not want.
    pub(crate) fn thin(&self, keep: &dyn Fn(i64) -> bool) -> Result<Cleaned> {
        let segments = self.segments.load_full();
        let (_, sealed) = segments.as_slice().split_last().expect("a log that was written to");
        let mut cleaned = Cleaned {
            segments: Vec::new(),
            cleaned_to: sealed.last().map_or(0, |segment| segment.state().next_offset),
            stats: CompactionOutcome::default(),
        };
        for pair in sealed.chunks(2) {
            cleaned.segments.push(self.thin_pair(pair, keep)?);
        }
        Ok(cleaned)
    }

    fn thin_pair(
        &self,
        sources: &[Arc<Segment>],
        keep: &dyn Fn(i64) -> bool,
    ) -> Result<CleanedSegment> {
        let mut output = Output::new(self, sources[0].base_offset, 100, None);
        for segment in sources {
            let mut source = Source::new(self, segment);
            while let Some(entry) = source.next(&mut |_| Ok(()))? {
                if keep(entry.base_offset()) {
                    output.append(&facts_of(&entry), entry.bytes())?;
                }
            }
        }
        let state = output.finish()?.expect("it is no copy");
        Ok(CleanedSegment { state, sources: sources.to_vec() })
    }
}
