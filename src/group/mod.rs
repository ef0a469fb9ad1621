//! Consumer groups: which member reads which partition, and how far each group has come.

pub(crate) mod assign;
pub(crate) mod offset;
