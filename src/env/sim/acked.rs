//! What a run was told is safe, and since when.

use super::crash_disk::SimDisk;
use super::explorer::CrashState;

/// Acks in the order in which they came, each with the position of the disk at that moment.
#[derive(Clone, Debug)]
pub struct Acked<T> {
    acks: Vec<(usize, T)>,
}

impl<T> Default for Acked<T> {
    fn default() -> Acked<T> {
        Acked { acks: Vec::new() }
    }
}

impl<T> Acked<T> {
    /// Notes an ack that has just come. A crash from now on must not lose it.
    pub fn note(&mut self, disk: &SimDisk, what: T) {
        self.acks.push((disk.position(), what));
    }

    /// What was acked before the crash, oldest first: all of it must be there.
    pub fn at(&self, crash: &CrashState) -> impl DoubleEndedIterator<Item = &T> {
        let count = self.acks.partition_point(|(position, _)| *position <= crash.position());
        self.acks[..count].iter().map(|(_, what)| what)
    }

    /// All acks of the run, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.acks.iter().map(|(_, what)| what)
    }
}
