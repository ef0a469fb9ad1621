//! Which partition a record goes to: the one that was named, else the one that the user's
//! [`Partitioner`] chooses, else the one that the key hashes to (the same as with Kafka's own
//! clients), else the topic's sticky partition of the moment.
//!
//! The sticky partition changes when about one batch of bytes went there, so that batches fill
//! and, over time, each partition gets the same number of bytes.

use std::sync::Arc;

use crate::batch::message::Message;
use crate::catalog::topic_handle::{TopicHandle, partition_of};
use crate::env::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;

/// Chooses the partition of records that name none: Kafka's `partitioner.class`. See
/// [`ProducerBuilder::partitioner`](super::builder::ProducerBuilder::partitioner).
///
/// ```
/// use ottla::{Broker, Message, Partitioner, Record, TopicConfig};
///
/// /// The first partition is for those who cannot wait.
/// struct UrgentFirst;
///
/// impl Partitioner for UrgentFirst {
///     fn partition(&self, _: &str, message: &Message<'_>, _: i32) -> Option<i32> {
///         let is_urgent = message.headers().iter().any(|(name, _)| *name == "urgent");
///         is_urgent.then_some(0)
///     }
/// }
///
/// # fn main() -> ottla::Result<()> {
/// let broker = Broker::in_memory()?;
/// broker.create_topic("orders", TopicConfig::new().partitions(4))?;
/// let producer = broker.producer().partitioner(UrgentFirst).build()?;
/// let record = Record::new("orders", "one burger").key("john").header("urgent", "yes");
/// assert_eq!(producer.send(record)?.wait()?.partition, 0);
/// # Ok(())
/// # }
/// ```
///
/// A closure that says the types of its arguments is one, too:
/// `|_: &str, message: &Message<'_>, partition_count: i32| Some(0)`.
pub trait Partitioner: Send + Sync {
    /// The partition of a message for `topic`, from 0 to `partition_count - 1`; `None` leaves it
    /// to the producer: by the key, or sticky without one. Any other number fails the send.
    ///
    /// Called on the sending thread, under no lock. The same answer to the same key keeps the
    /// order of the key's records.
    fn partition(&self, topic: &str, message: &Message<'_>, partition_count: i32) -> Option<i32>;
}

impl<F> Partitioner for F
where
    F: Fn(&str, &Message<'_>, i32) -> Option<i32> + Send + Sync,
{
    fn partition(&self, topic: &str, message: &Message<'_>, partition_count: i32) -> Option<i32> {
        self(topic, message, partition_count)
    }
}

/// The seed of Kafka's MurmurHash2.
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// Kafka's 32-bit MurmurHash2 of a key.
pub(crate) fn murmur2(key: &[u8]) -> u32 {
    // Only the low 32 bits of the length enter, as in Kafka, where it is an int.
    let mut hash = SEED ^ (key.len() as u32);
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        for (index, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}

/// The partition of a key among `partition_count` (at least 1), as Kafka's clients choose it.
pub(crate) fn partition_of_key(key: &[u8], partition_count: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partition_count.max(1)
}

/// The partition that has the stream of a key, if the topic keeps streams.
///
/// # Errors
/// `InvalidInput` if it has no key index.
pub(crate) fn partition_of_stream<'a>(
    topic: &'a TopicHandle,
    key: &[u8],
) -> Result<&'a Arc<Partition>> {
    check_key_index(topic)?;
    let partition = partition_of_key(key, topic.partitions.len());
    partition_of(topic, i32::try_from(partition).unwrap_or(i32::MAX))
}

/// Whether the topic keeps streams.
///
/// # Errors
/// `InvalidInput` that says how to have them.
pub(crate) fn check_key_index(topic: &TopicHandle) -> Result<()> {
    if topic.config.values().key_index {
        return Ok(());
    }
    let message =
        format!("the topic {} has no streams: alter it to ottla.key.index=true", topic.name);
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// The partition of a topic to which records without a key go for now.
#[derive(Debug)]
pub(super) struct Sticky {
    current: AtomicUsize,
    random: AtomicU64,
}

impl Sticky {
    /// Starts at a random partition; `seed` makes the choices repeatable.
    pub(super) fn new(seed: u64, partition_count: usize) -> Sticky {
        let sticky = Sticky { current: AtomicUsize::new(0), random: AtomicU64::new(seed) };
        sticky.current.store(sticky.draw(partition_count), Ordering::Relaxed);
        sticky
    }

    /// The partition of the moment.
    pub(super) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Leaves `from`, unless another thread has done so already, and says where to go now.
    pub(super) fn leave(&self, from: usize, partition_count: usize) -> usize {
        let next = self.draw(partition_count);
        match self.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => next,
            Err(chosen_by_another) => chosen_by_another,
        }
    }

    /// A uniformly random partition (SplitMix64: any thread may draw, none waits).
    fn draw(&self, partition_count: usize) -> usize {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The high half of a 64 x 64 bit product: uniform without a division.
        ((u128::from(z) * partition_count.max(1) as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn keys_hash_as_with_kafkas_clients() {
        let text = include_str!("../../tests/vectors/murmur2.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        let mut checked = 0;
        for vector in vectors.iter().filter(|vector| vector["kind"] == "murmur2") {
            let key = bytes_of(vector["hex"].as_str().unwrap());
            let hash = i64::from(murmur2(&key) as i32);
            assert_eq!(hash, vector["hash_i32"].as_i64().unwrap(), "{vector}");
            for count in [10, 50] {
                let expected = vector[format!("partition_of_{count}")].as_u64();
                let Some(expected) = expected else { continue };
                assert_eq!(partition_of_key(&key, count) as u64, expected, "{vector}");
            }
            checked += 1;
        }
        assert!(checked >= 8, "only {checked} vectors");
    }

    #[test]
    fn the_sticky_partition_visits_all_evenly() {
        let sticky = Sticky::new(7, 8);
        let mut visits = [0u32; 8];
        for _ in 0..8000 {
            let from = sticky.current();
            visits[sticky.leave(from, 8)] += 1;
        }
        assert!(visits.iter().all(|count| (800..1200).contains(count)), "{visits:?}");
    }

    #[test]
    fn only_one_of_two_threads_moves_the_sticky_partition() {
        let sticky = Sticky::new(1, 1000);
        let from = sticky.current();
        let first = sticky.leave(from, 1000);
        assert_eq!(sticky.leave(from, 1000), first);
    }
}
