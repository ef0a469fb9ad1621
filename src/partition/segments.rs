//! The segments of a partition as readers see them: an immutable list that the writer replaces.

use std::sync::Arc;

use crate::segment::Segment;

/// The segments in order of their base offsets; the last one is active.
#[derive(Debug, Default)]
pub(crate) struct Segments(Vec<Arc<Segment>>);

impl Segments {
    pub(crate) fn new(segments: Vec<Arc<Segment>>) -> Segments {
        debug_assert!(segments.is_sorted_by_key(|segment| segment.base_offset));
        Segments(segments)
    }

    pub(crate) fn as_slice(&self) -> &[Arc<Segment>] {
        &self.0
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Segment>> {
        self.0.get(index)
    }

    pub(crate) fn last(&self) -> Option<&Arc<Segment>> {
        self.0.last()
    }

    /// The index of the last segment that does not start above `offset`; else the first.
    #[inline]
    pub(crate) fn floor(&self, offset: i64) -> usize {
        self.0.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1)
    }

    /// The list with one more.
    pub(crate) fn with(&self, segment: Arc<Segment>) -> Segments {
        let mut segments = self.0.clone();
        segments.push(segment);
        Segments::new(segments)
    }

    /// How many hold only records below `offset`: the next one starts at or below it.
    pub(crate) fn count_below(&self, offset: i64) -> usize {
        self.0
            .windows(2)
            .take_while(|pair| pair.last().is_some_and(|next| next.base_offset <= offset))
            .count()
    }

    /// Splits those off.
    pub(crate) fn split_below(&self, offset: i64) -> (Vec<Arc<Segment>>, Segments) {
        let gone = self.count_below(offset);
        (self.0[..gone].to_vec(), Segments::new(self.0[gone..].to_vec()))
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.0.iter().map(|segment| segment.published()).sum()
    }
}
