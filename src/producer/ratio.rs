//! How well a partition's records have been compressed lately, to guess how many fit into a batch
//! that must not be larger than `max.message.bytes` when it is written.
//!
//! The guess goes down slowly and up at once, as with Kafka's clients: a batch that turns out too
//! large has to be split, one that could have been larger costs little.

/// The most by which one batch lowers the guess.
const BETTER_STEP: f64 = 0.005;
/// The least by which a worse batch raises it.
const WORSE_STEP: f64 = 0.05;
/// A batch is filled as if it were compressed this much worse than guessed.
const CAUTION: f64 = 1.05;

/// Bytes after compression per byte before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CompressionRatio(f64);

impl Default for CompressionRatio {
    fn default() -> CompressionRatio {
        CompressionRatio(1.0)
    }
}

impl CompressionRatio {
    /// Learns from a batch.
    pub(crate) fn observe(&mut self, plain_bytes: usize, compressed_bytes: usize) {
        let seen = compressed_bytes as f64 / plain_bytes.max(1) as f64;
        self.0 = if seen > self.0 {
            seen.max(self.0 + WORSE_STEP)
        } else {
            seen.max(self.0 - BETTER_STEP)
        };
    }

    /// A batch had to be split: starts again from no compression at all.
    pub(crate) fn start_again(&mut self) {
        self.0 = self.0.max(1.0);
    }

    /// How many bytes before compression fit into so many after it.
    pub(crate) fn plain_bytes(self, compressed_bytes: usize) -> usize {
        // A float beyond the range becomes the end of the range.
        (compressed_bytes as f64 / (self.0.max(BETTER_STEP) * CAUTION)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guess_improves_slowly_and_worsens_at_once() {
        let mut ratio = CompressionRatio::default();
        assert_eq!(ratio.plain_bytes(1050), 1000);
        for _ in 0..100 {
            ratio.observe(1000, 100);
        }
        assert!((0.49..0.51).contains(&ratio.0), "{ratio:?}");
        for _ in 0..200 {
            ratio.observe(1000, 100);
        }
        assert!((0.1..0.101).contains(&ratio.0), "it does not fall below what was seen: {ratio:?}");
        ratio.observe(1000, 101);
        assert!(ratio.0 >= 0.15);
        ratio.observe(1000, 900);
        assert!(ratio.0 >= 0.9);
        ratio.start_again();
        assert_eq!(ratio, CompressionRatio::default());
        assert_eq!(ratio.plain_bytes(usize::MAX), CompressionRatio(1.0).plain_bytes(usize::MAX));
    }
}
