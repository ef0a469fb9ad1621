//! The two hashes that decide where things go: murmur2 over a key picks the partition of a record,
//! Java's string hash over a group's name picks the partition of its offsets.
//!
//! Both are part of the format: another hash would send a key to another partition than Kafka's
//! clients do.

/// MurmurHash2 (32 bits) with the seed of Kafka's clients, as a signed number.
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Kafka's length is an i32; the low 32 bits of ours are the same number.
    let mut hash = SEED ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = word.iter().rev().fold(0u32, |k, &byte| k << 8 | u32::from(byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        for (index, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ hash >> 15).cast_signed()
}

/// The partition of a keyed record among `partition_count`, which must be positive.
pub fn partition_of_key(key: &[u8], partition_count: i32) -> i32 {
    debug_assert!(partition_count > 0);
    (murmur2(key) & i32::MAX) % partition_count.max(1)
}

/// Java's `String.hashCode`: over UTF-16 code units.
pub fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// The partition of a group or of a transactional id among `partition_count`, which must be
/// positive: the absolute value of the hash, where the one number that has none counts as 0.
pub fn partition_of_group(name: &str, partition_count: i32) -> i32 {
    debug_assert!(partition_count > 0);
    java_string_hash(name).checked_abs().unwrap_or(0) % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Entry {
        kind: String,
        name: String,
        #[serde(default)]
        hex: String,
        #[serde(default)]
        hash_i32: i32,
        #[serde(default)]
        hash_code: i32,
        #[serde(default)]
        partition_of_10: i32,
        #[serde(default)]
        partition_of_50: i32,
    }

    #[test]
    fn murmur2_gives_kafkas_numbers() {
        let vectors: Vec<Entry> =
            serde_json::from_str(include_str!("../../tests/vectors/murmur2.json")).unwrap();
        assert!(vectors.len() > 30);
        for vector in vectors {
            let key: Vec<u8> = (0..vector.hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&vector.hex[at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(murmur2(&key), vector.hash_i32, "{}", vector.name);
            assert_eq!(partition_of_key(&key, 10), vector.partition_of_10, "{}", vector.name);
            assert_eq!(partition_of_key(&key, 50), vector.partition_of_50, "{}", vector.name);
        }
    }

    #[test]
    fn the_string_hash_gives_javas_numbers() {
        let vectors: Vec<Entry> =
            serde_json::from_str(include_str!("../../tests/vectors/partitions.json")).unwrap();
        let of_strings = vectors.iter().filter(|v| v.kind == "java_string_hash_partition");
        assert!(of_strings.clone().count() >= 4);
        for vector in of_strings {
            assert_eq!(java_string_hash(&vector.name), vector.hash_code, "{}", vector.name);
            let partition = partition_of_group(&vector.name, 50);
            assert_eq!(partition, vector.partition_of_50, "{}", vector.name);
        }
    }
}
