//! Which neighbouring segments become one: greedily from the oldest on, as long as the sum of
//! them is no larger than a segment may be. Pure.
//!
//! The bounds: bytes of the log, bytes of either index, and the span of offsets, because an index
//! holds offsets relative to the base as signed 32-bit numbers. The invariant: a bound is never
//! broken by putting segments together; one that breaks it alone is a group of its own.

use std::ops::Range;

/// What counts about one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) base_offset: i64,
    /// The offset after its last batch.
    pub(crate) next_offset: i64,
    pub(crate) log_bytes: u64,
    pub(crate) index_bytes: u64,
    pub(crate) time_index_bytes: u64,
}

/// What a group must not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) log_bytes: u64,
    /// Of either index.
    pub(crate) index_bytes: u64,
}

/// The groups, as ranges of `members`.
pub(crate) fn group(members: &[Member], bounds: &Bounds) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while let Some(first) = members.get(start) {
        let mut sum = *first;
        let mut end = start + 1;
        while let Some(next) = members.get(end).and_then(|next| joined(&sum, next, bounds)) {
            sum = next;
            end += 1;
        }
        groups.push(start..end);
        start = end;
    }
    groups
}

/// The sum of a group and the segment behind it, if that is within the bounds.
fn joined(group: &Member, next: &Member, bounds: &Bounds) -> Option<Member> {
    let sum = Member {
        base_offset: group.base_offset,
        next_offset: next.next_offset,
        log_bytes: group.log_bytes.checked_add(next.log_bytes)?,
        index_bytes: group.index_bytes.checked_add(next.index_bytes)?,
        time_index_bytes: group.time_index_bytes.checked_add(next.time_index_bytes)?,
    };
    // The last offset, one below the next, is what must fit.
    let span = sum.next_offset.checked_sub(1)?.checked_sub(sum.base_offset)?;
    let fits = sum.log_bytes <= bounds.log_bytes
        && sum.index_bytes <= bounds.index_bytes
        && sum.time_index_bytes <= bounds.index_bytes
        && span <= i64::from(i32::MAX);
    fits.then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { log_bytes: 100, index_bytes: 40 };

    fn member(base_offset: i64, next_offset: i64, log_bytes: u64) -> Member {
        Member { base_offset, next_offset, log_bytes, index_bytes: 8, time_index_bytes: 12 }
    }

    #[test]
    fn neighbours_are_put_together_up_to_the_bytes_of_a_segment() {
        let members = [
            member(0, 5, 50),
            member(5, 9, 50),
            member(9, 11, 1),
            member(11, 12, 200),
            member(12, 13, 1),
            member(13, 14, 0),
        ];
        assert_eq!(group(&members, &BOUNDS), [0..2, 2..3, 3..4, 4..6]);
        assert!(group(&[], &BOUNDS).is_empty());
    }

    #[test]
    fn either_index_bounds_a_group() {
        let many = [member(0, 1, 1), member(1, 2, 1), member(2, 3, 1), member(3, 4, 1)];
        assert_eq!(group(&many, &BOUNDS), [0..3, 3..4], "the time index");
        let offsets = many.map(|member| Member { index_bytes: 20, time_index_bytes: 0, ..member });
        assert_eq!(group(&offsets, &BOUNDS), [0..2, 2..4], "the offset index");
    }

    #[test]
    fn no_offset_gets_too_far_from_the_base() {
        let far = i64::from(i32::MAX);
        // The last offset is exactly the base and the largest relative one.
        let fits = [member(10, 20, 1), member(500, 10 + far + 1, 1)];
        assert_eq!(group(&fits, &BOUNDS), std::slice::from_ref(&(0..2)));
        let beyond = [member(10, 20, 1), member(500, 10 + far + 2, 1)];
        assert_eq!(group(&beyond, &BOUNDS), [0..1, 1..2]);
        // The span counts from the base of the group, not from that of its last member.
        let chain =
            [member(0, 10, 1), member(far / 2, far / 2 + 10, 1), member(far + 2, far + 3, 1)];
        assert_eq!(group(&chain, &BOUNDS), [0..2, 2..3]);
    }
}
