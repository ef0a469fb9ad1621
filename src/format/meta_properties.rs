//! `meta.properties`: which cluster, node and directory this is. A broker refuses a directory whose
//! cluster or node is not its own.
//!
//! Java's properties: `#` and `!` start comments, `=`, `:` or blanks end a key, a backslash escapes
//! or continues the line, bytes are ISO 8859-1. Keys that are not known here are kept, in order.
//! Version 1 names `cluster.id`, `node.id` and maybe `directory.id`; version 0 is from before KRaft
//! and names `broker.id` and maybe `cluster.id`.

use std::fmt;

use crate::format::FormatError;
use crate::topic::TopicId;

const BYTES_MAX: usize = 1 << 16;

const VERSION: &str = "version";
const CLUSTER_ID: &str = "cluster.id";
const NODE_ID: &str = "node.id";
const BROKER_ID: &str = "broker.id";
const DIRECTORY_ID: &str = "directory.id";

/// The 16-byte id of a log directory, printed like a topic's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryId(pub [u8; 16]);

impl DirectoryId {
    /// No directory has been chosen yet.
    pub const UNASSIGNED: DirectoryId = DirectoryId([0; 16]);

    /// Parses the 22 characters of an id.
    pub fn parse(text: &str) -> Option<DirectoryId> {
        TopicId::parse(text).map(|id| DirectoryId(id.0))
    }

    /// Whether it may be a directory's: Kafka keeps the first hundred for itself, and an id that
    /// starts with `-` would look like an option.
    pub fn is_usable(self) -> bool {
        u128::from_be_bytes(self.0) >= 100 && !self.to_string().starts_with('-')
    }
}

impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&TopicId(self.0), f)
    }
}

impl fmt::Debug for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The id of the cluster; version 0 may leave it out.
    pub cluster_id: Option<String>,
    /// The id of the node; version 0 may leave it out.
    pub node_id: Option<i32>,
    /// The id of the directory; older files leave it out.
    pub directory_id: Option<DirectoryId>,
    version: i32,
    /// Keys and values as they stand in the file.
    entries: Vec<(String, String)>,
}

impl MetaProperties {
    /// The properties of a new directory.
    pub fn new(cluster_id: &str, node_id: i32, directory_id: DirectoryId) -> MetaProperties {
        MetaProperties {
            cluster_id: Some(cluster_id.to_owned()),
            node_id: Some(node_id),
            directory_id: Some(directory_id),
            version: 1,
            entries: Vec::new(),
        }
    }

    /// 1, or 0 for a file from before KRaft.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The value of any key of the file that was read.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|entry| entry.0 == key).map(|entry| entry.1.as_str())
    }

    /// The content of the file: the keys that were read in their order, then the others.
    pub fn encode(&self) -> Vec<u8> {
        let node_key = if self.version == 0 { BROKER_ID } else { NODE_ID };
        let known = [
            (VERSION, Some(self.version.to_string())),
            (CLUSTER_ID, self.cluster_id.clone()),
            (node_key, self.node_id.map(|id| id.to_string())),
            (DIRECTORY_ID, self.directory_id.map(|id| id.to_string())),
        ];
        let mut entries = self.entries.clone();
        for (key, value) in known {
            let Some(value) = value else { continue };
            match entries.iter_mut().rev().find(|entry| entry.0 == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key.to_owned(), value)),
            }
        }
        let mut out = String::from("#\n");
        for (key, value) in &entries {
            escape(&mut out, key, true);
            out.push('=');
            escape(&mut out, value, false);
            out.push('\n');
        }
        out.into_bytes()
    }

    /// Reads the content of the file.
    ///
    /// # Errors
    /// It is longer than 64 KiB, has a wrong escape, lacks a key, or its version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<MetaProperties, FormatError> {
        if bytes.len() > BYTES_MAX {
            return Err(FormatError::limit("meta.properties is too long", BYTES_MAX));
        }
        let mut properties = MetaProperties {
            cluster_id: None,
            node_id: None,
            directory_id: None,
            version: 0,
            entries: parse_entries(bytes)?,
        };
        properties.version = match properties.get(VERSION) {
            Some("0") => 0,
            Some("1") => 1,
            None => return Err(FormatError::corrupt("meta.properties has no version", 0)),
            Some(other) => {
                let what = format!("meta.properties has version {other:?}, known are 0 and 1");
                return Err(FormatError::unsupported(what, 0));
            }
        };
        let node_key = if properties.version == 0 { BROKER_ID } else { NODE_ID };
        let node_id = properties.get(node_key).map(|id| match id.parse::<i32>() {
            Ok(id) if id >= 0 => Ok(id),
            _ => Err(FormatError::corrupt(format!("meta.properties has {node_key} {id:?}"), 0)),
        });
        let directory_id = properties.get(DIRECTORY_ID).map(|id| {
            DirectoryId::parse(id).ok_or_else(|| {
                FormatError::corrupt(format!("meta.properties has {DIRECTORY_ID} {id:?}"), 0)
            })
        });
        properties.cluster_id = properties.get(CLUSTER_ID).map(str::to_owned);
        properties.node_id = node_id.transpose()?;
        properties.directory_id = directory_id.transpose()?;
        if properties.version == 1 {
            for (key, present) in [
                (CLUSTER_ID, properties.cluster_id.is_some()),
                (NODE_ID, properties.node_id.is_some()),
            ] {
                if !present {
                    return Err(FormatError::corrupt(format!("meta.properties has no {key}"), 0));
                }
            }
        }
        Ok(properties)
    }
}

fn parse_entries(bytes: &[u8]) -> Result<Vec<(String, String)>, FormatError> {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let mut entries = Vec::new();
    let mut lines = text.split(['\n', '\r']);
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut line = line.to_owned();
        while line.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1 {
            line.pop();
            line.push_str(lines.next().unwrap_or("").trim_start_matches(is_blank));
        }
        let (key, value) = split_entry(&line);
        entries.push((unescape(key)?, unescape(value)?));
    }
    Ok(entries)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Splits at the first `=`, `:` or blank that is not escaped.
fn split_entry(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (is_blank(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Result<String, FormatError> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let valid = digits.len() == 4 && digits.bytes().all(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| valid);
                match code.and_then(char::from_u32) {
                    Some(c) => out.push(c),
                    None => {
                        let what = format!("meta.properties has the escape \\u{digits}");
                        return Err(FormatError::corrupt(what, 0));
                    }
                }
            }
            Some(c) => out.push(c),
            None => {}
        }
    }
    Ok(out)
}

fn escape(out: &mut String, text: &str, is_key: bool) {
    for (index, c) in text.chars().enumerate() {
        match c {
            ' ' if is_key || index == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '=' | ':' | '#' | '!' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatErrorKind;

    const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/real-broker-kdata/meta.properties");

    #[test]
    fn the_file_of_a_broker_is_read_and_keeps_its_order() {
        let properties = MetaProperties::decode(FIXTURE).unwrap();
        assert_eq!(properties.version(), 1);
        assert_eq!(properties.cluster_id.as_deref(), Some("MilWqmI8Taa6hJR6vevlZA"));
        assert_eq!(properties.node_id, Some(1));
        assert_eq!(properties.directory_id.unwrap().to_string(), "x5o_zPYFfKDsaodAVcajBg");
        let expected = "#\nnode.id=1\ndirectory.id=x5o_zPYFfKDsaodAVcajBg\nversion=1\ncluster.id=MilWqmI8Taa6hJR6vevlZA\n";
        assert_eq!(String::from_utf8(properties.encode()).unwrap(), expected);
    }

    #[test]
    fn ours_reads_back_and_unknown_keys_are_kept() {
        let ours = MetaProperties::new("abc", 1, DirectoryId([9; 16]));
        let read = MetaProperties::decode(&ours.encode()).unwrap();
        assert_eq!((&read.cluster_id, read.node_id), (&ours.cluster_id, ours.node_id));
        assert_eq!(read.directory_id, ours.directory_id);

        let content = b"! note\r\n  a\\ b\\=c : x\\\n   y\\u0041\\tz\nversion 1\ncluster.id=old\ncluster.id = id=1\nnode.id:7\nempty\n";
        let mut read = MetaProperties::decode(content).unwrap();
        assert_eq!(read.get("a b=c"), Some("xyA\tz"));
        assert_eq!(read.get("empty"), Some(""));
        assert_eq!(read.cluster_id.as_deref(), Some("id=1"));
        assert_eq!(read.node_id, Some(7));
        read.directory_id = Some(DirectoryId([9; 16]));
        let again = MetaProperties::decode(&read.encode()).unwrap();
        assert_eq!(again.get("a b=c"), Some("xyA\tz"));
        assert_eq!(again.cluster_id.as_deref(), Some("id=1"));
        assert_eq!(again.directory_id, read.directory_id);
    }

    #[test]
    fn each_key_is_checked_and_nothing_panics() {
        let zookeeper = MetaProperties::decode(b"version=0\nbroker.id=3\n").unwrap();
        assert_eq!((zookeeper.node_id, zookeeper.cluster_id), (Some(3), None));
        for content in [
            "",
            "version=1",
            "version=1\ncluster.id=a",
            "version=1\nnode.id=1",
            "version=x\ncluster.id=a\nnode.id=1",
            "version=1\ncluster.id=a\nnode.id=-1",
            "version=1\ncluster.id=a\nnode.id=x",
            "version=1\ncluster.id=a\nnode.id=1\ndirectory.id=short",
            "version=1\ncluster.id=\\u12\nnode.id=1",
        ] {
            assert!(MetaProperties::decode(content.as_bytes()).is_err(), "{content:?}");
        }
        let newer = MetaProperties::decode(b"version=2\n").unwrap_err();
        assert_eq!(newer.kind, FormatErrorKind::Unsupported);
        assert!(MetaProperties::decode(&[b'#'; BYTES_MAX + 1]).is_err());
        for at in 0..FIXTURE.len() {
            let _ = MetaProperties::decode(&FIXTURE[..at]);
            for bit in 0..8 {
                let mut changed = FIXTURE.to_vec();
                changed[at] ^= 1 << bit;
                let _ = MetaProperties::decode(&changed);
            }
        }
    }
}
