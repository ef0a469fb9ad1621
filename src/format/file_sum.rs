//! Length and sum of a file that has none of its own, as the control file remembers them over a
//! clean close: Kafka's small files, the clean shutdown marker, the journal. Pure.
//!
//! Not here: which files those are, and when the sums are taken (`commit/closed_files.rs`).

use crate::format::FormatError;
use crate::format::control_file::Fields;

/// The longest path: two names of 255 bytes and what stands between them.
const PATH_BYTES_MAX: usize = 511;

/// The fewest bytes that one takes in the control file.
pub(super) const FILE_SUM_BYTES_MIN: usize = 2 + 8 + 4;

/// A file as it was when the directory was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSum {
    /// Its path below the data directory.
    pub path: String,
    /// Its length. Of a journal file, how much of it was ever written; behind that are zeros.
    pub length: u64,
    /// CRC-32C of so many bytes.
    pub sum: u32,
}

impl FileSum {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let path = self.path.as_bytes();
        let length = u16::try_from(path.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&path[..usize::from(length)]);
        bytes.extend_from_slice(&self.length.to_be_bytes());
        bytes.extend_from_slice(&self.sum.to_be_bytes());
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<FileSum, FormatError> {
        let length = usize::from(u16::from_be_bytes(fields.take()?));
        let path = fields.text(length.min(PATH_BYTES_MAX + 1))?;
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Err(fields.corrupt("a path is empty or too long"));
        }
        Ok(FileSum { path, length: fields.u64()?, sum: fields.u32()? })
    }
}
