//! `partition.metadata`, in the folder of a partition: the id of its topic. A broker takes a folder
//! whose id is not the one of its catalog for a stray.
//!
//! Two lines without a last line end, 43 bytes: `version: 0` and `topic_id: <22 characters>`.

use crate::format::FormatError;
use crate::topic::TopicId;

const BYTES_MAX: usize = 4096;

/// The content of the file.
pub fn encode(topic_id: TopicId) -> Vec<u8> {
    format!("version: 0\ntopic_id: {topic_id}").into_bytes()
}

/// Reads the content of the file.
///
/// # Errors
/// A line is missing, unknown or wrong, the version is not 0, or the id is that of no topic.
pub fn decode(bytes: &[u8]) -> Result<TopicId, FormatError> {
    if bytes.len() > BYTES_MAX {
        return Err(FormatError::limit("partition.metadata is too long", BYTES_MAX));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        FormatError::corrupt("partition.metadata is not UTF-8", error.valid_up_to())
    })?;
    let mut lines = text.lines();
    let version = field(lines.next(), "version")?;
    match version.parse::<u16>() {
        Ok(0) => {}
        Ok(_) => {
            let what = format!("partition.metadata has version {version}, known is 0");
            return Err(FormatError::unsupported(what, 0));
        }
        Err(_) => {
            let what = format!("partition.metadata has version {version:?}");
            return Err(FormatError::corrupt(what, 0));
        }
    }
    let id = field(lines.next(), "topic_id")?;
    if lines.next().is_some() {
        return Err(FormatError::corrupt("partition.metadata has more than two lines", 0));
    }
    match TopicId::parse(id) {
        Some(id) if id != TopicId::ZERO => Ok(id),
        _ => Err(FormatError::corrupt(format!("{id:?} is no id of a topic"), 0)),
    }
}

fn field<'a>(line: Option<&'a str>, name: &str) -> Result<&'a str, FormatError> {
    line.and_then(|line| line.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix(':'))
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map(str::trim)
        .ok_or_else(|| FormatError::corrupt(format!("partition.metadata has no {name}"), 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatErrorKind;

    const FIXTURE: &[u8] =
        include_bytes!("../../tests/fixtures/real-broker-kdata/t-none-0/partition.metadata");

    #[test]
    fn the_file_of_a_broker_reads_and_is_written_byte_for_byte() {
        let id = decode(FIXTURE).unwrap();
        assert_eq!(encode(id), FIXTURE);
        assert_eq!(FIXTURE.len(), 43);
        let metadata_log = include_bytes!(
            "../../tests/fixtures/real-broker-kdata/__cluster_metadata-0/partition.metadata"
        );
        assert_eq!(decode(metadata_log).unwrap(), TopicId::CLUSTER_METADATA);
    }

    #[test]
    fn each_line_is_checked() {
        for content in [
            "",
            "version: 0",
            "version: 0\ntopic_id: ",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
            "version: 0\ntopic_id: short",
            "version: x\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg",
            "version: -1\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg",
            "version:0\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg",
            "topic_id: AAAAAAAAAAEAAAAAAAAAAg\nversion: 0",
            "version: 0\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg\nmore: 1",
        ] {
            assert!(decode(content.as_bytes()).is_err(), "{content:?}");
        }
        let newer = decode(b"version: 1\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg").unwrap_err();
        assert_eq!(newer.kind, FormatErrorKind::Unsupported);
        assert!(decode(b"version: 0\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg\n").is_ok());
        assert!(decode(&[b' '; BYTES_MAX + 1]).is_err());
        for at in 0..FIXTURE.len() {
            assert!(decode(&FIXTURE[..at]).is_err());
            for bit in 0..8 {
                let mut changed = FIXTURE.to_vec();
                changed[at] ^= 1 << bit;
                let _ = decode(&changed);
            }
        }
    }
}
