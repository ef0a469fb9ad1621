//! Randomness: topic ids, the journal's salt. Simulations replay it from a seed.

use std::fmt::Debug;

/// A source of random bytes.
pub trait Random: Send + Sync + Debug {
    /// Sixteen random bytes.
    fn bytes16(&self) -> [u8; 16];

    /// Sixty-four random bits.
    fn next_u64(&self) -> u64 {
        let bytes = self.bytes16();
        let mut half = [0; 8];
        half.copy_from_slice(&bytes[..8]);
        u64::from_be_bytes(half)
    }
}
