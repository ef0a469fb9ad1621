//! The names of things: topics, partitions, topic ids. Pure words with their rules.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The longest topic name, in bytes: 255, the longest file name, less `-` and five digits.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The topic whose log holds the catalog.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// Topics that Kafka keeps for itself.
pub const INTERNAL_TOPICS: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", CLUSTER_METADATA_TOPIC];

/// A legal topic name: 1 to 249 of `[A-Za-z0-9._-]`, not `.` and not `..`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Checks Kafka's rules for topic names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] with the rule that was broken.
    pub fn new(name: &str) -> Result<TopicName> {
        let broken = if name.is_empty() {
            Some("it is empty".to_owned())
        } else if name == "." || name == ".." {
            Some("'.' and '..' are not allowed".to_owned())
        } else if name.len() > TOPIC_NAME_BYTES_MAX {
            Some(format!("it has {} bytes, {TOPIC_NAME_BYTES_MAX} are allowed", name.len()))
        } else {
            name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))).map(
                |c| format!("it contains {c:?}; letters, digits, '.', '_' and '-' are allowed"),
            )
        };
        match broken {
            None => Ok(TopicName(Arc::from(name))),
            Some(why) => {
                let shown: String = name.chars().take(60).collect();
                let message = format!("the topic name {shown:?} is not valid: {why}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether Kafka keeps a topic of this name for itself.
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.as_str())
    }

    /// What two names must not share: Kafka's metrics print `.` as `_`, so `a.b` and `a_b` collide.
    pub fn collision_key(&self) -> String {
        self.0.replace('.', "_")
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A topic and a partition number, printed as `orders-2`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A topic and a partition of it.
    pub fn new(topic: TopicName, partition: i32) -> TopicPartition {
        TopicPartition { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The 16-byte id of a topic, printed as Kafka prints it: URL-safe base64 without padding.
///
/// A deleted and re-created topic has the same name and another id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// No topic.
    pub const ZERO: TopicId = TopicId([0; 16]);
    /// The fixed id of `__cluster_metadata`.
    pub const CLUSTER_METADATA: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Parses the 22 characters of an id.
    pub fn parse(text: &str) -> Option<TopicId> {
        if text.len() != 22 {
            return None;
        }
        let mut bits: u128 = 0;
        for (index, c) in text.bytes().enumerate() {
            let value = u128::from(base64_value(c)?);
            if index < 21 {
                bits = bits << 6 | value;
            } else {
                // 22 characters carry 132 bits; the last four must be zero.
                if value & 0xf != 0 {
                    return None;
                }
                bits = bits << 2 | value >> 4;
            }
        }
        Some(TopicId(bits.to_be_bytes()))
    }

    /// Whether Kafka would hand out this id: not reserved, and not starting with `-`, which
    /// command lines would take for an option.
    pub fn is_usable(self) -> bool {
        self != TopicId::ZERO
            && self != TopicId::CLUSTER_METADATA
            && !self.to_string().starts_with('-')
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64_value(c: u8) -> Option<u8> {
    BASE64.iter().position(|&b| b == c).and_then(|index| u8::try_from(index).ok())
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(22);
        for index in 0..22u32 {
            let group = if index < 21 { bits >> (122 - 6 * index) } else { bits << 4 };
            text.push(char::from(BASE64[(group & 0x3f) as usize]));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        for good in ["a", "orders", "a.b_c-D9", &"x".repeat(249), "..."] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a\0b", "\u{e4}", "../x", &"x".repeat(250)] {
            let error = TopicName::new(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }

    #[test]
    fn topic_ids_read_back_as_printed() {
        assert_eq!(TopicId::CLUSTER_METADATA.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        for id in [
            TopicId::ZERO,
            TopicId::CLUSTER_METADATA,
            TopicId([0xff; 16]),
            TopicId(*b"0123456789abcdef"),
        ] {
            assert_eq!(TopicId::parse(&id.to_string()), Some(id));
        }
        for bad in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAR", "AAAAAAAAAAAAAAAAAAAA+/"]
        {
            assert_eq!(TopicId::parse(bad), None, "{bad}");
        }
    }
}
