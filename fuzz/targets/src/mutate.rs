//! Inputs from inputs: a small mutator for compilers without a fuzzer. It knows no coverage; what
//! it finds are shallow faults, and that targets and corpus still fit each other.

use fastrand::Rng;

/// Numbers at which things break.
const ODD: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

/// The longest input.
const LENGTH_MAX: usize = 4096;

/// One of the corpus, changed in a few places.
pub fn mutated(random: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match random.choice(corpus) {
        Some(one) => one.clone(),
        None => (0..random.usize(..64)).map(|_| random.u8(..)).collect(),
    };
    bytes.truncate(LENGTH_MAX);
    for _ in 0..1 + random.usize(..4) {
        mutate_once(random, &mut bytes, corpus);
    }
    bytes.truncate(LENGTH_MAX);
    bytes
}

fn mutate_once(random: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.usize(..=bytes.len());
    match random.u8(..7) {
        0 => bytes.insert(at, random.u8(..)),
        1 => bytes.truncate(at),
        2 => {
            let end = (at + random.usize(..16)).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let odd = ODD[random.usize(..ODD.len())].to_be_bytes();
            let width = [1, 2, 4, 8][random.usize(..4)];
            for (byte, odd) in bytes.iter_mut().skip(at).zip(&odd[8 - width..]) {
                *byte = *odd;
            }
        }
        4 => {
            // A part of another one.
            if let Some(other) = random.choice(corpus).filter(|other| !other.is_empty()) {
                let start = random.usize(..other.len());
                let end = (start + random.usize(..64)).min(other.len());
                bytes.splice(at..at, other[start..end].iter().copied());
            }
        }
        5 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.u8(..);
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
    }
}
