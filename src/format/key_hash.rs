//! The keyed hash by which the key index knows a key: SipHash-2-4 with 128 bits.
//!
//! Keyed with random bits, so that nobody who chooses keys can make two of them meet; with 128
//! bits, so that two never do by chance.

/// The secret that goes into every hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSecret(u64, u64);

impl HashSecret {
    /// A secret from random bytes, or as it lies in a file.
    pub fn of_bytes(bytes: [u8; 16]) -> HashSecret {
        let bits = u128::from_le_bytes(bytes);
        HashSecret(bits as u64, (bits >> 64) as u64)
    }

    /// The bytes that it was made of.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.0) | u128::from(self.1) << 64).to_le_bytes()
    }

    /// The hash of a key.
    pub fn hash(self, key: &[u8]) -> u128 {
        let mut state = State {
            a: self.0 ^ 0x736f_6d65_7073_6575,
            b: self.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            c: self.0 ^ 0x6c79_6765_6e65_7261,
            d: self.1 ^ 0x7465_6462_7974_6573,
        };
        let (words, tail) = key.as_chunks::<8>();
        for word in words {
            state.take_in(u64::from_le_bytes(*word));
        }
        // The last word has what is left, and the low byte of the length on top.
        let mut last = (key.len() as u64) << 56;
        for (index, &byte) in tail.iter().enumerate() {
            last |= u64::from(byte) << (8 * index);
        }
        state.take_in(last);
        state.c ^= 0xee;
        let low = state.give_out();
        state.b ^= 0xdd;
        let high = state.give_out();
        u128::from(low) | u128::from(high) << 64
    }
}

struct State {
    a: u64,
    b: u64,
    c: u64,
    d: u64,
}

impl State {
    #[inline(always)]
    fn round(&mut self) {
        self.a = self.a.wrapping_add(self.b);
        self.c = self.c.wrapping_add(self.d);
        self.b = self.b.rotate_left(13) ^ self.a;
        self.d = self.d.rotate_left(16) ^ self.c;
        self.a = self.a.rotate_left(32);
        self.c = self.c.wrapping_add(self.b);
        self.a = self.a.wrapping_add(self.d);
        self.b = self.b.rotate_left(17) ^ self.c;
        self.d = self.d.rotate_left(21) ^ self.a;
        self.c = self.c.rotate_left(32);
    }

    #[inline(always)]
    fn take_in(&mut self, word: u64) {
        self.d ^= word;
        self.round();
        self.round();
        self.a ^= word;
    }

    #[inline(always)]
    fn give_out(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.a ^ self.b ^ self.c ^ self.d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published with the function: the secret 0, 1 .. 15, the keys of that many such bytes.
    #[test]
    fn the_published_vectors() {
        let secret = HashSecret::of_bytes(std::array::from_fn(|index| index as u8));
        let expected: [(usize, u128); 4] = [
            (0, 0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293),
            (1, 0xda87_c1d8_6b99_af44_3476_5911_9b22_fc45),
            (2, 0x8177_228d_a4a4_5dc7_fca3_8bde_f60a_ffe4),
            (3, 0x9c70_b60c_5267_a94e_5f33_b6b0_2985_ed51),
        ];
        for (length, expected) in expected {
            let key: Vec<u8> = (0..length as u8).collect();
            assert_eq!(secret.hash(&key).to_le_bytes(), expected.to_be_bytes(), "{length}");
        }
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let secret = HashSecret::of_bytes([7; 16]);
        let mut seen = std::collections::BTreeSet::new();
        for length in 0..40 {
            assert!(seen.insert(secret.hash(&vec![0; length])));
            for at in 0..length {
                let mut key = vec![0; length];
                key[at] = 1;
                assert!(seen.insert(secret.hash(&key)), "byte {at} of {length}");
            }
        }
        assert_ne!(HashSecret::of_bytes([8; 16]).hash(b"x"), secret.hash(b"x"));
        assert_eq!(HashSecret::of_bytes(secret.to_bytes()), secret);
    }
}
