//! Randomness: topic ids, the journal's salt. Simulations replay it from a seed.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .expect("the system's random source cannot fail once the system has started");
        bytes
    }
}

/// A sequence that depends on nothing but its seed. Not for anything that must not be guessed.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes
    }

    fn next_u64(&self) -> u64 {
        let state = self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA);
        mix(state)
    }
}

/// The step of the splitmix64 generator.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of splitmix64: every bit of the result depends on every bit of `state`.
pub(crate) fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let (one, same, other) = (SeededRandom::new(1), SeededRandom::new(1), SeededRandom::new(2));
        let first = one.bytes16();
        assert_eq!(first, same.bytes16());
        assert_ne!(first, other.bytes16());
        assert_ne!(first, one.bytes16());
        // The published first output of splitmix64 for seed 0.
        assert_eq!(SeededRandom::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        assert_ne!(SystemRandom.bytes16(), SystemRandom.bytes16());
    }
}
