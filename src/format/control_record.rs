//! The one record of a control batch: its key tells the kind, its value the details.
//!
//! Key: version (i16, 0) and type (i16). The value of a transaction marker: version (i16, 0) and
//! coordinator epoch (i32). Readers ignore bytes behind these, and higher versions.

use crate::format::FormatError;

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// The transaction of the batch's producer was aborted.
    Abort,
    /// The transaction of the batch's producer was committed.
    Commit,
    /// A new leader of the metadata quorum.
    LeaderChange,
    /// The start of a metadata snapshot.
    SnapshotHeader,
    /// The end of a metadata snapshot.
    SnapshotFooter,
    /// The version of the quorum's protocol.
    KraftVersion,
    /// The voters of the quorum.
    KraftVoters,
    /// A type that is not known; readers pass over it.
    Unknown(i16),
}

impl ControlType {
    /// The type with that number.
    pub const fn from_id(id: i16) -> ControlType {
        match id {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KraftVersion,
            6 => ControlType::KraftVoters,
            _ => ControlType::Unknown(id),
        }
    }

    /// The number in the key.
    pub const fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KraftVersion => 5,
            ControlType::KraftVoters => 6,
            ControlType::Unknown(id) => id,
        }
    }

    /// Whether it ends a transaction.
    pub const fn ends_transaction(self) -> bool {
        matches!(self, ControlType::Abort | ControlType::Commit)
    }

    /// Reads the key of a control record.
    ///
    /// # Errors
    /// Corrupt if it is too short or its version is negative.
    pub fn decode_key(key: &[u8]) -> Result<ControlType, FormatError> {
        let Some([a, b, c, d]) = key.first_chunk() else {
            return Err(FormatError::truncated("the key of a control record", key.len()));
        };
        check_version(i16::from_be_bytes([*a, *b]), "key")?;
        Ok(ControlType::from_id(i16::from_be_bytes([*c, *d])))
    }

    /// The key of a control record.
    pub fn encode_key(self) -> [u8; 4] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }
}

/// The value of a commit or abort marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// The epoch of the coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads the value of a marker.
    ///
    /// # Errors
    /// Corrupt if it is too short or its version is negative.
    pub fn decode(value: &[u8]) -> Result<EndTransactionMarker, FormatError> {
        let Some([a, b, c, d, e, f]) = value.first_chunk() else {
            return Err(FormatError::truncated("the value of a marker", value.len()));
        };
        check_version(i16::from_be_bytes([*a, *b]), "value")?;
        Ok(EndTransactionMarker { coordinator_epoch: i32::from_be_bytes([*c, *d, *e, *f]) })
    }

    /// The value of a marker.
    pub fn encode(self) -> [u8; 6] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }
}

fn check_version(version: i16, what: &str) -> Result<(), FormatError> {
    if version >= 0 {
        return Ok(());
    }
    let what = format!("the {what} of a control record has the version {version}");
    Err(FormatError::corrupt(what, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_markers_read_back() {
        for id in -1..9 {
            let kind = ControlType::from_id(id);
            assert_eq!(ControlType::decode_key(&kind.encode_key()), Ok(kind));
        }
        let marker = EndTransactionMarker { coordinator_epoch: 11 };
        assert_eq!(marker.encode(), [0, 0, 0, 0, 0, 11]);
        assert_eq!(EndTransactionMarker::decode(&marker.encode()), Ok(marker));
    }

    #[test]
    fn longer_and_newer_is_accepted_shorter_and_negative_is_not() {
        assert_eq!(ControlType::decode_key(&[0, 9, 0, 1, 7, 7]), Ok(ControlType::Commit));
        assert!(ControlType::decode_key(&[0, 0, 0]).is_err());
        assert!(ControlType::decode_key(&[0xff, 0xff, 0, 1]).is_err());
        assert!(EndTransactionMarker::decode(&[0, 1, 0, 0, 0, 5, 9]).is_ok());
        assert!(EndTransactionMarker::decode(&[0, 0, 0, 0, 0]).is_err());
        assert!(EndTransactionMarker::decode(&[0x80, 0, 0, 0, 0, 0]).is_err());
    }
}
