//! The codecs of record batches: names, ids and levels. The work is done in `batch/compression`.

use std::fmt;
use std::ops::RangeInclusive;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Snappy in blocks of 32 KiB.
    Snappy,
    /// LZ4 frames of independent blocks of 64 KiB.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Every codec, in the order of their ids.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The name in Kafka's configs.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The codec of that name.
    pub fn parse(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The number in bits 0 to 2 of a batch's attributes.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The codec with that number.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// Whether this build has the codec: each is a cargo feature of the same name.
    pub const fn is_available(self) -> bool {
        match self {
            Compression::None => true,
            Compression::Gzip => cfg!(feature = "gzip"),
            Compression::Snappy => cfg!(feature = "snappy"),
            Compression::Lz4 => cfg!(feature = "lz4"),
            Compression::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// The level used when none is asked for; `None` for codecs without levels.
    pub const fn level_default(self) -> Option<i32> {
        match self {
            Compression::None | Compression::Snappy => None,
            Compression::Gzip => Some(-1),
            Compression::Lz4 => Some(9),
            Compression::Zstd => Some(3),
        }
    }

    /// Kafka's range of levels; `None` for codecs without levels. gzip also knows -1 for "the
    /// library's default", and no 0. The levels of lz4 are accepted and have no effect.
    pub const fn level_range(self) -> Option<RangeInclusive<i32>> {
        match self {
            Compression::None | Compression::Snappy => None,
            Compression::Gzip => Some(-1..=9),
            Compression::Lz4 => Some(1..=17),
            Compression::Zstd => Some(-131_072..=22),
        }
    }

    /// Whether Kafka accepts `level` for this codec.
    pub fn is_level_valid(self, level: i32) -> bool {
        let in_range = self.level_range().is_some_and(|range| range.contains(&level));
        in_range && !(self == Compression::Gzip && level == 0)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The topic setting `compression.type`: what becomes of a batch that is appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TopicCompression {
    /// As the producer made it.
    #[default]
    Producer,
    /// Stored uncompressed.
    Uncompressed,
    /// Stored with this codec.
    Codec(Compression),
}

impl TopicCompression {
    /// The name in Kafka's configs.
    pub const fn name(self) -> &'static str {
        match self {
            TopicCompression::Producer => "producer",
            TopicCompression::Uncompressed | TopicCompression::Codec(Compression::None) => {
                "uncompressed"
            }
            TopicCompression::Codec(codec) => codec.name(),
        }
    }

    /// The setting of that name.
    pub fn parse(name: &str) -> Option<TopicCompression> {
        match name {
            "producer" => Some(TopicCompression::Producer),
            "uncompressed" => Some(TopicCompression::Uncompressed),
            "none" => None,
            _ => Compression::parse(name).map(TopicCompression::Codec),
        }
    }

    /// The codec a batch is stored with when its producer used `producer`.
    pub const fn resolve(self, producer: Compression) -> Compression {
        match self {
            TopicCompression::Producer => producer,
            TopicCompression::Uncompressed => Compression::None,
            TopicCompression::Codec(codec) => codec,
        }
    }
}

impl fmt::Display for TopicCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_lead_back_to_the_codec() {
        for (id, codec) in (0u8..).zip(Compression::ALL) {
            assert_eq!(codec.id(), id);
            assert_eq!(Compression::from_id(id), Some(codec));
            assert_eq!(Compression::parse(codec.name()), Some(codec));
        }
        assert_eq!(Compression::from_id(5), None);
        assert_eq!(Compression::parse("brotli"), None);
        for name in ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] {
            assert_eq!(TopicCompression::parse(name).map(TopicCompression::name), Some(name));
        }
        assert_eq!(TopicCompression::parse("none"), None);
    }

    #[test]
    fn levels_follow_kafkas_ranges() {
        assert!(Compression::Gzip.is_level_valid(-1) && !Compression::Gzip.is_level_valid(0));
        assert!(
            Compression::Zstd.is_level_valid(-131_072) && !Compression::Zstd.is_level_valid(23)
        );
        assert!(!Compression::Snappy.is_level_valid(1));
        for codec in Compression::ALL {
            assert!(codec.level_default().is_none_or(|level| codec.is_level_valid(level)));
        }
    }
}
