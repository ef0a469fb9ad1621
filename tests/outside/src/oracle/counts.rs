//! What was looked at, for the last line of a harness and for its evidence.

use std::fmt;

use ottla_proof::Evidence;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How many records were acked in all.
    pub(crate) records_acked: u64,
    /// How many acked records were looked up and found.
    pub(crate) records_checked: u64,
    /// How many acked records had been deleted before they were looked up.
    pub(crate) records_retired: u64,
    /// How many were acked at a level that does not survive what happened, and went.
    pub(crate) records_lost: u64,
    /// How many records were seen at least once.
    pub(crate) records_seen: u64,
    /// How many records of the compacted topic are gone.
    pub(crate) records_superseded: u64,
    /// How many topics were made, reported as done.
    pub(crate) topics_created: u64,
    /// How many topics were deleted, reported as done.
    pub(crate) topics_deleted: u64,
    /// How many deletions of records were reported as done.
    pub(crate) cuts: u64,
    /// Transactions that were reported as committed.
    pub(crate) transactions: u64,
    /// Commits of offsets that were reported as done.
    pub(crate) commits: u64,
    /// Lives that began by sending again what was there.
    pub(crate) retries: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.records_acked += other.records_acked;
        self.records_checked += other.records_checked;
        self.records_retired += other.records_retired;
        self.records_lost += other.records_lost;
        self.records_seen += other.records_seen;
        self.records_superseded += other.records_superseded;
        self.topics_created += other.topics_created;
        self.topics_deleted += other.topics_deleted;
        self.cuts += other.cuts;
        self.transactions += other.transactions;
        self.commits += other.commits;
        self.retries += other.retries;
    }

    /// What came since then.
    pub(crate) fn since(&self, before: &Counts) -> Counts {
        Counts {
            records_acked: self.records_acked - before.records_acked,
            records_checked: self.records_checked - before.records_checked,
            records_retired: self.records_retired - before.records_retired,
            records_lost: self.records_lost - before.records_lost,
            records_seen: self.records_seen - before.records_seen,
            records_superseded: self.records_superseded - before.records_superseded,
            topics_created: self.topics_created - before.topics_created,
            topics_deleted: self.topics_deleted - before.topics_deleted,
            cuts: self.cuts - before.cuts,
            transactions: self.transactions - before.transactions,
            commits: self.commits - before.commits,
            retries: self.retries - before.retries,
        }
    }

    /// What every harness of this oracle tells.
    pub(crate) fn tell(&self, evidence: Evidence) -> Evidence {
        evidence
            .count("records acked", self.records_acked)
            .count("acks looked up", self.records_checked)
            .count("records seen", self.records_seen)
            .count("topics made", self.topics_created)
            .count("topics deleted", self.topics_deleted)
            .count("logs cut", self.cuts)
            .count("records compacted away", self.records_superseded)
            .fault("F26", self.retries, 0)
            .fault("F27", self.transactions, 0)
            .fault("F28", self.commits, 0)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records acked, {} of them looked up, {} deleted since, {} gone as their level \
             allows, the rest in deleted topics, 0 lost; {} records seen, in order; {} went in \
             compactions, all with newer ones of their keys; {} transactions, {} commits of \
             offsets, {} batches sent again; {} topics made, {} deleted, {} logs cut",
            self.records_acked,
            self.records_checked,
            self.records_retired,
            self.records_lost,
            self.records_seen,
            self.records_superseded,
            self.transactions,
            self.commits,
            self.retries,
            self.topics_created,
            self.topics_deleted,
            self.cuts,
        )
    }
}
