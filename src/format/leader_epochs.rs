//! `leader-epoch-checkpoint`, in the folder of a partition: at which offset each leader epoch began.
//!
//! A text checkpoint (see `checkpoint`) whose entries are `<epoch> <start offset>`. Both ascend
//! strictly; a file where they do not is refused and can be rebuilt from the batches.

use crate::format::FormatError;
use crate::format::checkpoint::{decode_lines, encode_lines};

/// A leader epoch and the first offset that was written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderEpoch {
    /// The epoch.
    pub epoch: i32,
    /// Its first offset.
    pub start_offset: i64,
}

/// The content of the file.
pub fn encode(epochs: &[LeaderEpoch]) -> Vec<u8> {
    encode_lines(epochs.iter().map(|entry| format!("{} {}", entry.epoch, entry.start_offset)))
}

/// Reads the content of the file.
///
/// # Errors
/// It is no checkpoint of this kind, or epochs or offsets do not ascend.
pub fn decode(bytes: &[u8]) -> Result<Vec<LeaderEpoch>, FormatError> {
    let epochs = decode_lines(bytes, |line| {
        let (epoch, start_offset) = line.split_once(char::is_whitespace)?;
        let epoch = epoch.parse().ok().filter(|&epoch: &i32| epoch >= 0)?;
        let start_offset = start_offset.trim().parse().ok().filter(|&offset: &i64| offset >= 0)?;
        Some(LeaderEpoch { epoch, start_offset })
    })?;
    for pair in epochs.windows(2) {
        let [before, after] = pair else { continue };
        if after.epoch <= before.epoch || after.start_offset <= before.start_offset {
            let what = format!("{after:?} follows {before:?}");
            return Err(FormatError::corrupt(what, 0));
        }
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_kafka_reads_and_is_written_byte_for_byte() {
        let file = include_bytes!("../../tests/fixtures/golden/golden-0/leader-epoch-checkpoint");
        let epochs = decode(file).unwrap();
        assert_eq!(epochs.len(), 2);
        assert_eq!(encode(&epochs), file);
        assert_eq!(encode(&[]), b"0\n0\n");
        assert_eq!(decode(b"").unwrap(), []);
    }

    #[test]
    fn order_and_numbers_are_checked() {
        for content in [
            "0\n2\n1 0\n1 5\n",
            "0\n2\n1 5\n2 5\n",
            "0\n2\n2 0\n1 5\n",
            "0\n1\n-1 0\n",
            "0\n1\n0 -1\n",
            "0\n1\n0\n",
            "0\n1\n0 1 2\n",
            "0\n1\n2147483648 0\n",
            "0\n2\n0 0\n",
        ] {
            assert!(decode(content.as_bytes()).is_err(), "{content:?}");
        }
    }
}
