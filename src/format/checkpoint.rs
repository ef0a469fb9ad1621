//! Kafka's text checkpoints: an offset per partition, or a start offset per leader epoch.
//!
//! Line 1 is the version, 0; line 2 the count of entries; then an entry a line, its fields
//! separated by blanks. An empty file has no entries: Kafka creates it so. Nothing in these files is
//! checksummed; recovery points and log starts stand in our control file as well, with a sum.
//!
//! Not here: what the offsets mean. The invariant: the count equals the lines, or nothing is read.

use crate::format::FormatError;
use crate::topic::{TopicName, TopicPartition};

/// The longest file that is read: some 100,000 partitions with the longest names.
pub const CHECKPOINT_BYTES_MAX: usize = 32 << 20;

const VERSION: &str = "0";

/// An offset of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Whose offset it is.
    pub partition: TopicPartition,
    /// The offset.
    pub offset: i64,
}

/// The content of a checkpoint that holds an offset per partition.
pub fn encode(entries: &[PartitionOffset]) -> Vec<u8> {
    let lines = entries.iter().map(|entry| {
        format!("{} {} {}", entry.partition.topic, entry.partition.partition, entry.offset)
    });
    encode_lines(lines)
}

/// Reads a checkpoint that holds an offset per partition.
///
/// # Errors
/// The version is unknown, the count is not the number of entries, or an entry is malformed.
pub fn decode(bytes: &[u8]) -> Result<Vec<PartitionOffset>, FormatError> {
    decode_lines(bytes, |line| {
        let mut fields = line.split_whitespace();
        let topic = TopicName::new(fields.next()?).ok()?;
        let partition = fields.next()?.parse().ok().filter(|&number: &i32| number >= 0)?;
        let offset = fields.next()?.parse().ok().filter(|&offset: &i64| offset >= 0)?;
        if fields.next().is_some() {
            return None;
        }
        Some(PartitionOffset { partition: TopicPartition::new(topic, partition), offset })
    })
}

/// The content of a checkpoint with these entries.
pub(crate) fn encode_lines(lines: impl ExactSizeIterator<Item = String>) -> Vec<u8> {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.into_bytes()
}

/// Reads a checkpoint; `entry` gives `None` for a malformed line.
pub(crate) fn decode_lines<T>(
    bytes: &[u8],
    entry: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, FormatError> {
    if bytes.len() > CHECKPOINT_BYTES_MAX {
        let what = format!("the checkpoint has {} bytes", bytes.len());
        return Err(FormatError::limit(what, CHECKPOINT_BYTES_MAX));
    }
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        FormatError::corrupt("the checkpoint is not UTF-8", error.valid_up_to())
    })?;
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').map(|line| {
        at += line.len();
        (at - line.len(), line.trim_end_matches(['\n', '\r']))
    });
    let version = lines.next().map_or("", |line| line.1);
    if version != VERSION {
        let what = format!("the checkpoint has version {version:?}, known is {VERSION}");
        return Err(match version.parse::<u16>() {
            Ok(_) => FormatError::unsupported(what, 0),
            Err(_) => FormatError::corrupt(what, 0),
        });
    }
    let count = lines.next().and_then(|line| line.1.parse::<u32>().ok()).ok_or_else(|| {
        FormatError::corrupt("the checkpoint has no count of entries", VERSION.len() + 1)
    })?;
    let mut entries = Vec::new();
    for (position, line) in lines {
        match entry(line) {
            Some(value) => entries.push(value),
            None => {
                let shown: String = line.chars().take(80).collect();
                let what = format!("the checkpoint has the entry {shown:?}");
                return Err(FormatError::corrupt(what, position));
            }
        }
    }
    if entries.len() != usize::try_from(count).unwrap_or(usize::MAX) {
        let what = format!("the checkpoint says {count} entries and has {}", entries.len());
        return Err(FormatError::corrupt(what, VERSION.len() + 1));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatErrorKind;

    #[test]
    fn the_files_of_a_broker_are_read() {
        let recovery_points = include_bytes!(
            "../../tests/fixtures/real-broker-kdata/recovery-point-offset-checkpoint"
        );
        let entries = decode(recovery_points).unwrap();
        assert_eq!(entries.len(), 121);
        assert_eq!(encode(&entries), recovery_points);
        let js = entries.iter().find(|entry| entry.partition.topic.as_str() == "js").unwrap();
        assert_eq!((js.partition.partition, js.offset), (0, 11));
        let empty =
            include_bytes!("../../tests/fixtures/real-broker-kdata/cleaner-offset-checkpoint");
        assert_eq!(decode(empty).unwrap(), []);
        assert_eq!(decode(b"0\n0\n").unwrap(), []);
        assert_eq!(encode(&[]), b"0\n0\n");
    }

    #[test]
    fn each_line_is_checked() {
        assert_eq!(decode(b"0\n1\na \t 1  7\r\n").unwrap()[0].offset, 7);
        for content in [
            "\n",
            "0",
            "0\n",
            "0\nx\n",
            "0\n-1\n",
            "x\n0\n",
            "0\n1\n",
            "0\n0\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 1 2\n",
            "0\n1\na x 1\n",
            "0\n1\na -1 1\n",
            "0\n1\na 0 -1\n",
            "0\n1\na 0 9223372036854775808\n",
            "0\n1\n../x 0 1\n",
            "0\n1\n\n",
            "0\n1\na 0 1\n\n",
        ] {
            let error = decode(content.as_bytes()).unwrap_err();
            assert_eq!(error.kind, FormatErrorKind::Corrupt, "{content:?}");
        }
        assert_eq!(decode(b"1\n0\n").unwrap_err().kind, FormatErrorKind::Unsupported);
        assert!(decode(b"0\n0\n\xff").is_err());
        assert_eq!(decode(b"0\n2\na 0 1\nb x 1\n").unwrap_err().at, 10);
    }

    #[test]
    fn no_cut_and_no_changed_bit_panics() {
        let content = b"0\n2\norders 0 17\na.b-c 12 9223372036854775807\n";
        for at in 0..content.len() {
            let _ = decode(&content[..at]);
            for bit in 0..8 {
                let mut changed = content.to_vec();
                changed[at] ^= 1 << bit;
                let _ = decode(&changed);
            }
        }
    }
}
