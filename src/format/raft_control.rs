//! The values of the control records of a metadata log: who leads, where a snapshot starts and
//! ends, which Raft protocol is spoken, who votes. (Their keys: `control_record`.)
//!
//! All are flexible messages that start with their version as an `i16`. What the voters look like
//! matters to one question: is this node the only one?

use crate::format::FormatError;
use crate::format::compact::{FieldReader, FieldWriter};
use crate::format::meta_properties::DirectoryId;

/// A node that takes part in elections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The node's id.
    pub node_id: i32,
    /// The directory of its metadata log; `None` before version 1.
    pub directory_id: Option<DirectoryId>,
}

/// `LEADER_CHANGE`: opens the epoch of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// The node that leads.
    pub leader_id: i32,
    /// All voters.
    pub voters: Vec<Voter>,
    /// Those that voted for the leader.
    pub granting_voters: Vec<Voter>,
}

impl LeaderChange {
    /// What a node writes that is the only voter.
    pub fn sole(node_id: i32) -> LeaderChange {
        let voters = vec![Voter { node_id, directory_id: None }];
        LeaderChange { leader_id: node_id, voters: voters.clone(), granting_voters: voters }
    }

    /// The value of the control record: version 0, or 1 if a voter has a directory.
    ///
    /// # Errors
    /// There are more voters than a count can say.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut all = self.voters.iter().chain(&self.granting_voters);
        let version = i16::from(all.any(|voter| voter.directory_id.is_some()));
        let mut writer = FieldWriter::new(true);
        writer.i16(version);
        writer.i32(self.leader_id);
        for voters in [&self.voters, &self.granting_voters] {
            writer.array(voters, "the voters", |writer, voter| {
                writer.i32(voter.node_id);
                if version >= 1 {
                    writer.uuid(voter.directory_id.unwrap_or(DirectoryId::UNASSIGNED).0);
                }
                writer.end_of_struct();
                Ok(())
            })?;
        }
        writer.end_of_struct();
        Ok(writer.into_bytes())
    }

    /// Reads the value of the control record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<LeaderChange, FormatError> {
        let mut reader = FieldReader::new(value, 0, true);
        let version = read_version(&mut reader, 1, "a leader change")?;
        let voter = |reader: &mut FieldReader<'_>| {
            let node_id = reader.i32("the id of a voter")?;
            let directory_id = match version {
                0 => None,
                _ => Some(DirectoryId(reader.uuid("the directory of a voter")?)),
            };
            reader.end_of_struct()?;
            Ok(Voter { node_id, directory_id })
        };
        let change = LeaderChange {
            leader_id: reader.i32("the id of the leader")?,
            voters: reader.array("the voters", voter)?,
            granting_voters: reader.array("the granting voters", voter)?,
        };
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(change)
    }
}

/// `SNAPSHOT_HEADER`: the first record of a metadata snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The append time of the last batch of the log that the snapshot contains.
    pub last_contained_log_timestamp: i64,
}

impl SnapshotHeader {
    /// The value of the control record.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = FieldWriter::new(true);
        writer.i16(0);
        writer.i64(self.last_contained_log_timestamp);
        writer.end_of_struct();
        writer.into_bytes()
    }

    /// Reads the value of the control record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<SnapshotHeader, FormatError> {
        let mut reader = FieldReader::new(value, 0, true);
        read_version(&mut reader, 0, "a snapshot header")?;
        let last_contained_log_timestamp = reader.i64("the time of the last contained batch")?;
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(SnapshotHeader { last_contained_log_timestamp })
    }
}

/// `SNAPSHOT_FOOTER`: the last record of a metadata snapshot; without it the snapshot is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFooter;

impl SnapshotFooter {
    /// The value of the control record.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = FieldWriter::new(true);
        writer.i16(0);
        writer.end_of_struct();
        writer.into_bytes()
    }

    /// Reads the value of the control record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<SnapshotFooter, FormatError> {
        let mut reader = FieldReader::new(value, 0, true);
        read_version(&mut reader, 0, "a snapshot footer")?;
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(SnapshotFooter)
    }
}

/// `KRAFT_VERSION`: which Raft protocol is spoken from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KraftVersion {
    /// 0: voters by configuration; 1: voters in the log.
    pub kraft_version: i16,
}

impl KraftVersion {
    /// The value of the control record.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = FieldWriter::new(true);
        writer.i16(0);
        writer.i16(self.kraft_version);
        writer.end_of_struct();
        writer.into_bytes()
    }

    /// Reads the value of the control record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<KraftVersion, FormatError> {
        let mut reader = FieldReader::new(value, 0, true);
        read_version(&mut reader, 0, "a KRaft version")?;
        let kraft_version = reader.i16("the KRaft version")?;
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(KraftVersion { kraft_version })
    }
}

/// `KRAFT_VOTERS`: who votes from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KraftVoters {
    /// The voters; where they listen is passed over.
    pub voters: Vec<Voter>,
}

impl KraftVoters {
    /// Reads the value of the control record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<KraftVoters, FormatError> {
        let mut reader = FieldReader::new(value, 0, true);
        read_version(&mut reader, 0, "the KRaft voters")?;
        let voters = reader.array("the voters", |reader| {
            let node_id = reader.i32("the id of a voter")?;
            let directory_id = Some(DirectoryId(reader.uuid("the directory of a voter")?));
            reader.array("the endpoints of a voter", |reader| {
                reader.string("the name of an endpoint")?;
                reader.string("the host of an endpoint")?;
                reader.u16("the port of an endpoint")?;
                reader.end_of_struct()
            })?;
            reader.i16("the lowest supported version")?;
            reader.i16("the highest supported version")?;
            reader.end_of_struct()?;
            reader.end_of_struct()?;
            Ok(Voter { node_id, directory_id })
        })?;
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(KraftVoters { voters })
    }
}

fn read_version(
    reader: &mut FieldReader<'_>,
    version_max: i16,
    what: &str,
) -> Result<i16, FormatError> {
    match reader.i16("the version of a control record")? {
        version if (0..=version_max).contains(&version) => Ok(version),
        version if version < 0 => {
            Err(FormatError::corrupt(format!("{what} has version {version}"), 0))
        }
        version => {
            let what = format!("{what} has version {version}, the newest known is {version_max}");
            Err(FormatError::unsupported(what, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatErrorKind;

    fn check<T: PartialEq + std::fmt::Debug>(
        value: &[u8],
        expected: &T,
        decode: fn(&[u8]) -> Result<T, FormatError>,
    ) {
        assert_eq!(&decode(value).unwrap(), expected);
        for at in 0..value.len() {
            assert!(decode(&value[..at]).is_err(), "cut to {at}");
            for bit in 0..8 {
                let mut changed = value.to_vec();
                changed[at] ^= 1 << bit;
                let _ = decode(&changed);
            }
        }
        let mut newer = value.to_vec();
        newer[1] = 9;
        assert_eq!(decode(&newer).unwrap_err().kind, FormatErrorKind::Unsupported);
        newer[0] = 0x80;
        assert_eq!(decode(&newer).unwrap_err().kind, FormatErrorKind::Corrupt);
        let longer = [value, &[0]].concat();
        assert_eq!(decode(&longer).unwrap_err().at, value.len());
    }

    #[test]
    fn what_a_broker_wrote_is_read_and_written_byte_for_byte() {
        let leader_change = [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0];
        check(&leader_change, &LeaderChange::sole(1), LeaderChange::decode);
        assert_eq!(LeaderChange::sole(1).encode().unwrap(), leader_change);
        let header = SnapshotHeader { last_contained_log_timestamp: 0 };
        check(&[0; 11], &header, SnapshotHeader::decode);
        assert_eq!(header.encode(), [0; 11]);
        check(&[0; 3], &SnapshotFooter, SnapshotFooter::decode);
        assert_eq!(SnapshotFooter.encode(), [0; 3]);
        let version = KraftVersion { kraft_version: 1 };
        check(&[0, 0, 0, 1, 0], &version, KraftVersion::decode);
        assert_eq!(version.encode(), [0, 0, 0, 1, 0]);
    }

    #[test]
    fn voters_with_directories_are_read() {
        let voter = Voter { node_id: 7, directory_id: Some(DirectoryId([9; 16])) };
        let change =
            LeaderChange { leader_id: 7, voters: vec![voter.clone()], granting_voters: vec![] };
        check(&change.encode().unwrap(), &change, LeaderChange::decode);

        let mut writer = FieldWriter::new(true);
        writer.i16(0);
        writer
            .array(&[7], "voters", |writer, node_id| {
                writer.i32(*node_id);
                writer.uuid([9; 16]);
                writer.array(&["CONTROLLER"], "endpoints", |writer, name| {
                    writer.string(name, "name")?;
                    writer.string("localhost", "host")?;
                    writer.u16(9093);
                    writer.end_of_struct();
                    Ok(())
                })?;
                writer.i16(0);
                writer.i16(1);
                writer.end_of_struct();
                writer.end_of_struct();
                Ok(())
            })
            .unwrap();
        writer.end_of_struct();
        check(&writer.into_bytes(), &KraftVoters { voters: vec![voter] }, KraftVoters::decode);
    }
}
