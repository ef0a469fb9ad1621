//! Transactions: records and offsets of groups that are staged, and committed as one.
//!
//! Nothing of a transaction is in the log before its commit; the commit is one ticket of the
//! commit group: one frame, one sync, and all its ends and offsets are shown together. So there is
//! nothing to take back in the log, and no reader ever waits for a transaction that is open.
