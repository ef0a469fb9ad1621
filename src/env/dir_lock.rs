//! The lock on a data directory. Stub of the contract; see `Vfs::lock`.

/// Holds the directory's lock until dropped.
pub trait DirLock: Send + Sync + std::fmt::Debug {}
