//! Entries of a fixed size, one after the other, sorted: what `.index` and `.timeindex` have in
//! common once they were read. The bytes lie in memory or in a map.
//!
//! The invariant: the bytes matched the sum that was remembered, or were rebuilt from the log.

use crate::env::vfs::Mapping;

/// The bytes of an index file.
pub(crate) enum IndexBytes {
    Memory(Box<[u8]>),
    Mapped { mapping: Mapping, length: usize },
}

impl IndexBytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            IndexBytes::Memory(bytes) => bytes,
            IndexBytes::Mapped { mapping, length } => {
                let bytes: &[u8] = (**mapping).as_ref();
                &bytes[..*length]
            }
        }
    }
}

impl std::fmt::Debug for IndexBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of an index", self.as_slice().len())
    }
}

/// How many of `len` sorted entries are not above the target, as `is_above` says of an index.
#[inline]
pub(crate) fn count_not_above(len: usize, is_above: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_above(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
