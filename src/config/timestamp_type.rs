//! Whose time records bear: a word of the topics' settings and of the headers of batches.

use std::fmt;

/// Whose clock a timestamp is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's: `CreateTime`.
    #[default]
    CreateTime,
    /// The log's, at the append: `LogAppendTime`.
    LogAppendTime,
}

impl TimestampType {
    /// The name in Kafka's configs.
    pub const fn name(self) -> &'static str {
        match self {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        }
    }

    /// The type of that name.
    pub fn parse(name: &str) -> Option<TimestampType> {
        [TimestampType::CreateTime, TimestampType::LogAppendTime]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl fmt::Display for TimestampType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
