//! What groups have committed: an offset is where it was put last, or where it was being put.

use std::collections::HashMap;

use super::protocol::Commit;

/// What is known of the offsets of one group in one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Offsets {
    /// By partition: where the offset may be; `None` if there may be none. In the order in
    /// which they were begun.
    possible: HashMap<i32, Vec<Option<i64>>>,
}

impl Offsets {
    pub(super) fn begin(&mut self, commit: Commit) {
        self.of(commit.partition).push(Some(commit.offset));
    }

    pub(super) fn end(&mut self, commit: Commit) {
        let possible = self.of(commit.partition);
        // What was begun behind it may have happened, too.
        let at = possible.iter().position(|offset| *offset == Some(commit.offset));
        possible.drain(..at.unwrap_or(possible.len()));
        if possible.is_empty() {
            possible.push(Some(commit.offset));
        }
    }

    fn of(&mut self, partition: i32) -> &mut Vec<Option<i64>> {
        self.possible.entry(partition).or_insert_with(|| vec![None])
    }

    /// From now on the offset is what was found.
    pub(super) fn check(&mut self, partition: i32, found: Option<i64>) -> Result<(), String> {
        let possible = self.of(partition);
        if possible.contains(&found) {
            *possible = vec![found];
            return Ok(());
        }
        Err(format!(
            "offsets: the group is at {found:?} in {partition}, put to one of {possible:?}"
        ))
    }
}
