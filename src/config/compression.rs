//! The codecs of record batches, and what a topic says about them. Words only: the codecs
//! themselves are in `batch`.

use std::fmt;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// All codecs, in the order of their ids.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The codec's number in the attributes of a batch.
    pub fn id(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// The codec of that number.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// Kafka's name of the codec.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The codec of that name.
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The codec of a topic's batches on the disk. Kafka's `compression.type` of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TopicCompression {
    /// As the producer sent them.
    #[default]
    Producer,
    /// Not compressed, whatever the producer sent.
    Uncompressed,
    /// This codec, whatever the producer sent.
    Codec(Compression),
}

impl TopicCompression {
    /// Kafka's name of the choice.
    pub fn name(self) -> &'static str {
        match self {
            TopicCompression::Producer => "producer",
            TopicCompression::Uncompressed | TopicCompression::Codec(Compression::None) => {
                "uncompressed"
            }
            TopicCompression::Codec(codec) => codec.name(),
        }
    }

    /// The choice of that name.
    pub fn from_name(name: &str) -> Option<TopicCompression> {
        match name {
            "producer" => Some(TopicCompression::Producer),
            "uncompressed" => Some(TopicCompression::Uncompressed),
            "none" => None,
            codec => Compression::from_name(codec).map(TopicCompression::Codec),
        }
    }
}

impl From<Compression> for TopicCompression {
    fn from(codec: Compression) -> TopicCompression {
        match codec {
            Compression::None => TopicCompression::Uncompressed,
            codec => TopicCompression::Codec(codec),
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
    fn codecs_read_back_by_id_and_name() {
        for codec in Compression::ALL {
            assert_eq!(Compression::from_id(codec.id()), Some(codec));
            assert_eq!(Compression::from_name(codec.name()), Some(codec));
            let choice = TopicCompression::from(codec);
            assert_eq!(TopicCompression::from_name(choice.name()), Some(choice));
        }
        assert_eq!(Compression::from_id(5), None);
        assert_eq!(TopicCompression::from_name("none"), None);
    }
}
