//! Record batches in memory: built in place, checked, taken apart lazily, compressed.
//!
//! What is read may be of any magic (0, 1, 2); what is written is always magic 2. Nothing here
//! knows a file or a partition.

pub mod builder;
pub mod compression;
pub mod entry;
pub mod message;
pub mod records;
pub(crate) mod retain;
pub(crate) mod split;
pub(crate) mod topic_rules;

#[cfg(test)]
mod tests;
