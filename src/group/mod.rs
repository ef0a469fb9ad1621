//! Consumer groups: which member reads which partition, and how far each group has come.
//!
//! A group lives in memory while the broker is open. A member is a handle
//! ([`GroupMember`](member::GroupMember)) whose owner calls it; there are no heartbeats and no
//! threads of groups. [`membership`] decides, as a pure state machine; [`coordinator`] puts a lock
//! around it and wakes those who wait; the committed offsets are durable.

pub(crate) mod assign;
pub(crate) mod coordinator;
pub(crate) mod member;
pub(crate) mod membership;
pub(crate) mod offset;
pub(crate) mod offsets;
pub(crate) mod subscription;
