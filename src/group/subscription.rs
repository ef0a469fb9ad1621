//! What a member wants to read: topics by name, or every topic whose name matches a pattern.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};

use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicName;

/// The existing topics and how many partitions each has.
pub(crate) type PartitionCounts = BTreeMap<TopicName, i32>;

/// The memory that a compiled pattern may take. Names are short, and so are patterns of them.
const PATTERN_BYTES_MAX: usize = 256 << 10;

/// What a member subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    /// Topics by name, sorted, each once. They need not exist yet.
    Topics(Vec<TopicName>),
    /// Every topic whose name matches.
    Pattern(TopicPattern),
}

impl Subscription {
    /// A subscription to topics by name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a name that no topic can have.
    pub(crate) fn topics<T: AsRef<str>>(
        names: impl IntoIterator<Item = T>,
    ) -> Result<Subscription> {
        let names = names.into_iter().map(|name| TopicName::new(name.as_ref()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        names.dedup();
        Ok(Subscription::Topics(names))
    }

    /// A subscription to the topics whose whole name matches `pattern`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a pattern that is none.
    pub(crate) fn pattern(pattern: &str) -> Result<Subscription> {
        TopicPattern::new(pattern).map(Subscription::Pattern)
    }

    /// Whether it wants that topic.
    pub(crate) fn includes(&self, topic: &TopicName) -> bool {
        match self {
            Subscription::Topics(names) => names.binary_search(topic).is_ok(),
            Subscription::Pattern(pattern) => pattern.matches(topic),
        }
    }

    /// The names for an assignor: those that were asked for, existing or not; of a pattern, the
    /// existing topics that match.
    pub(crate) fn resolve(&self, topics: &PartitionCounts) -> Vec<TopicName> {
        match self {
            Subscription::Topics(names) => names.clone(),
            Subscription::Pattern(pattern) => {
                topics.keys().filter(|topic| pattern.matches(topic)).cloned().collect()
            }
        }
    }
}

/// A regular expression that the whole name of a topic has to match. Topics that Kafka keeps for
/// itself never do. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TopicPattern {
    text: Arc<str>,
    whole_name: Arc<Regex>,
}

impl TopicPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is none, or one that is too large.
    pub(crate) fn new(text: &str) -> Result<TopicPattern> {
        let refused = |error: regex_lite::Error| {
            let shown: String = text.chars().take(60).collect();
            let message = format!("the pattern of topics {shown:?} is not valid: {error}");
            Error::new(ErrorKind::InvalidInput, message)
        };
        if text.len() > PATTERN_BYTES_MAX {
            let message = format!("the pattern of topics has {} bytes", text.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let compile = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
        // Alone first: `a)|(b` is no pattern, and would be one within the group.
        compile(text).map_err(refused)?;
        let whole_name = compile(&format!(r"\A(?:{text})\z")).map_err(refused)?;
        Ok(TopicPattern { text: Arc::from(text), whole_name: Arc::new(whole_name) })
    }

    /// Whether the pattern matches the whole name.
    pub(crate) fn matches(&self, topic: &TopicName) -> bool {
        !topic.is_internal() && self.whole_name.is_match(topic.as_str())
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &TopicPattern) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> TopicName {
        TopicName::new(name).unwrap()
    }

    #[test]
    fn a_pattern_matches_whole_names_and_nothing_internal() {
        let check = |pattern: &str, topic: &str, expected: bool| {
            let found = TopicPattern::new(pattern).unwrap().matches(&name(topic));
            assert_eq!(found, expected, "{pattern} on {topic}");
        };
        check("ord.*", "orders", true);
        check("ord", "orders", false);
        check("rders", "orders", false);
        check("a|ab", "ab", true);
        check("a|b", "ab", false);
        check("^orders$", "orders", true);
        check(".*", "__consumer_offsets", false);
        check("__consumer_offsets", "__consumer_offsets", false);
        check("(?i)ORDERS", "orders", true);
        check("", "orders", false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["(", "a)|(b", "*", "a{5000}{5000}", "[z-a]", &"(".repeat(10_000)] {
            let error = TopicPattern::new(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }

    #[test]
    fn names_are_sorted_and_resolve_to_themselves() {
        let subscription = Subscription::topics(["b", "a", "b"]).unwrap();
        assert_eq!(subscription, Subscription::topics(["a", "b"]).unwrap());
        assert!(subscription.includes(&name("b")) && !subscription.includes(&name("c")));
        let topics = BTreeMap::from([(name("a"), 1), (name("ab"), 2)]);
        assert_eq!(subscription.resolve(&topics), [name("a"), name("b")]);
        let pattern = Subscription::pattern("a.*").unwrap();
        assert_eq!(pattern.resolve(&topics), [name("a"), name("ab")]);
        assert!(Subscription::topics(["no/name"]).is_err());
    }
}
