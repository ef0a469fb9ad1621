//! `quorum-state`, in the folder of the metadata log: which vote the Raft node cast and which
//! leader it knows, so that it never votes twice in one epoch.
//!
//! Version 0 (a fixed set of voters) and version 1 (voters in the log). One line of JSON:
//! `{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`

use crate::format::FormatError;
use crate::format::json::{Json, write_text};
use crate::format::meta_properties::DirectoryId;

/// The state of the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// The leader of the epoch, -1 when unknown.
    pub leader_id: i32,
    /// The epoch.
    pub leader_epoch: i32,
    /// For whom the node voted in that epoch, -1 for none.
    pub voted_id: i32,
    /// What the version of the file adds.
    pub voters: QuorumVoters,
}

/// How the file names the voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuorumVoters {
    /// Version 0: the voters are fixed by configuration and repeated here.
    Fixed {
        /// Not used by Kafka; empty.
        cluster_id: String,
        /// Not used by Kafka; 0.
        applied_offset: i64,
        /// The ids of the voters; `None` stands for JSON's null.
        voter_ids: Option<Vec<i32>>,
    },
    /// Version 1: the voters stand in the log.
    InLog {
        /// The directory of the voter that got the vote.
        voted_directory_id: DirectoryId,
    },
}

impl QuorumState {
    /// The state of a node that is the only voter and has been elected in `leader_epoch`.
    pub fn sole_leader(node_id: i32, leader_epoch: i32) -> QuorumState {
        QuorumState {
            leader_id: node_id,
            leader_epoch,
            voted_id: -1,
            voters: QuorumVoters::Fixed {
                cluster_id: String::new(),
                applied_offset: 0,
                voter_ids: Some(vec![node_id]),
            },
        }
    }

    /// The content of the file.
    pub fn encode(&self) -> Vec<u8> {
        let common = format!(
            "\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{}",
            self.leader_id, self.leader_epoch, self.voted_id
        );
        let mut text = String::from("{");
        match &self.voters {
            QuorumVoters::Fixed { cluster_id, applied_offset, voter_ids } => {
                text.push_str("\"clusterId\":");
                write_text(&mut text, cluster_id);
                let voters = voter_ids.as_ref().map(|ids| {
                    let ids: Vec<_> =
                        ids.iter().map(|id| format!("{{\"voterId\":{id}}}")).collect();
                    format!("[{}]", ids.join(","))
                });
                let voters = voters.as_deref().unwrap_or("null");
                text.push_str(&format!(
                    ",{common},\"appliedOffset\":{applied_offset},\"currentVoters\":{voters},\"data_version\":0}}"
                ));
            }
            QuorumVoters::InLog { voted_directory_id } => text.push_str(&format!(
                "{common},\"votedDirectoryId\":\"{voted_directory_id}\",\"data_version\":1}}"
            )),
        }
        text.into_bytes()
    }

    /// Reads the content of the file.
    ///
    /// # Errors
    /// It is no such JSON, a field is missing or no number, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<QuorumState, FormatError> {
        let json = Json::parse(bytes)?;
        let voters = match integer(&json, "data_version")? {
            0 => QuorumVoters::Fixed {
                cluster_id: json.get("clusterId").and_then(Json::as_text).unwrap_or("").to_owned(),
                applied_offset: json.get("appliedOffset").and_then(Json::as_integer).unwrap_or(0),
                voter_ids: voter_ids(&json)?,
            },
            1 => QuorumVoters::InLog { voted_directory_id: voted_directory_id(&json)? },
            version => {
                let what = format!("quorum-state has version {version}, known are 0 and 1");
                return Err(FormatError::unsupported(what, 0));
            }
        };
        Ok(QuorumState {
            leader_id: small(integer(&json, "leaderId")?, "leaderId")?,
            leader_epoch: small(integer(&json, "leaderEpoch")?, "leaderEpoch")?,
            voted_id: small(integer(&json, "votedId")?, "votedId")?,
            voters,
        })
    }
}

fn integer(json: &Json, name: &str) -> Result<i64, FormatError> {
    json.get(name)
        .and_then(Json::as_integer)
        .ok_or_else(|| FormatError::corrupt(format!("quorum-state has no number {name:?}"), 0))
}

fn small(number: i64, name: &str) -> Result<i32, FormatError> {
    match i32::try_from(number) {
        Ok(number) if number >= -1 => Ok(number),
        _ => Err(FormatError::corrupt(format!("quorum-state has {name:?} {number}"), 0)),
    }
}

fn voter_ids(json: &Json) -> Result<Option<Vec<i32>>, FormatError> {
    match json.get("currentVoters") {
        Some(Json::Array(voters)) => {
            let ids = voters.iter().map(|voter| small(integer(voter, "voterId")?, "voterId"));
            Ok(Some(ids.collect::<Result<_, _>>()?))
        }
        None | Some(Json::Null) => Ok(None),
        Some(_) => Err(FormatError::corrupt("quorum-state has no list of voters", 0)),
    }
}

fn voted_directory_id(json: &Json) -> Result<DirectoryId, FormatError> {
    json.get("votedDirectoryId")
        .and_then(Json::as_text)
        .and_then(DirectoryId::parse)
        .ok_or_else(|| FormatError::corrupt("quorum-state has no valid \"votedDirectoryId\"", 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &[u8] =
        include_bytes!("../../tests/fixtures/real-broker-kdata/__cluster_metadata-0/quorum-state");

    #[test]
    fn the_file_of_a_broker_reads_and_is_written_byte_for_byte() {
        let state = QuorumState::decode(FIXTURE).unwrap();
        assert_eq!(state, QuorumState::sole_leader(1, 1));
        assert_eq!(state.encode(), FIXTURE);
    }

    #[test]
    fn the_file_of_a_broker_with_voters_in_the_log_reads_and_is_written_byte_for_byte() {
        let file = include_bytes!("../../tests/fixtures/metadata-logs/dynamic-quorum/quorum-state");
        let state = QuorumState::decode(file).unwrap();
        let voted_directory_id = DirectoryId::UNASSIGNED;
        assert_eq!(state.voters, QuorumVoters::InLog { voted_directory_id });
        assert_eq!(state.encode(), file);
    }

    #[test]
    fn both_versions_read_back() {
        let no_voters =
            QuorumVoters::Fixed { cluster_id: "a\"b".into(), applied_offset: 7, voter_ids: None };
        let in_log = QuorumVoters::InLog { voted_directory_id: DirectoryId([7; 16]) };
        for voters in [no_voters, in_log] {
            let state = QuorumState { leader_id: -1, leader_epoch: 0, voted_id: 3, voters };
            assert_eq!(QuorumState::decode(&state.encode()).unwrap(), state);
        }
    }

    #[test]
    fn each_field_is_checked_and_no_change_panics() {
        let text = String::from_utf8(FIXTURE.to_vec()).unwrap();
        for (from, to) in [
            ("\"leaderId\":1", "\"leaderId\":-2"),
            ("\"leaderId\":1", "\"leaderId\":2147483648"),
            ("\"leaderEpoch\":1", "\"leaderEpoch\":\"1\""),
            ("\"votedId\":-1,", ""),
            ("\"currentVoters\":[{\"voterId\":1}]", "\"currentVoters\":[1]"),
            ("\"currentVoters\":[{\"voterId\":1}]", "\"currentVoters\":7"),
            ("\"data_version\":0", "\"data_version\":2"),
            ("\"data_version\":0", "\"data_version\":1"),
            (",\"data_version\":0", ""),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(QuorumState::decode(changed.as_bytes()).is_err(), "{changed}");
        }
        for at in 0..FIXTURE.len() {
            assert!(QuorumState::decode(&FIXTURE[..at]).is_err());
            let mut changed = FIXTURE.to_vec();
            for bit in 0..8 {
                changed[at] = FIXTURE[at] ^ 1 << bit;
                let _ = QuorumState::decode(&changed);
            }
        }
    }
}
