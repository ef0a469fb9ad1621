//! The fields of Kafka's messages: the flexible ("compact") encoding and the older one, read and
//! written through one pair of types. Metadata and coordinator records are made of these.
//!
//! | field | flexible | not flexible |
//! |---|---|---|
//! | string | unsigned varint length + 1, 0 = null | `i16` length, -1 = null |
//! | bytes | unsigned varint length + 1, 0 = null | `i32` length, -1 = null |
//! | array | unsigned varint count + 1, 0 = null | `i32` count, -1 = null |
//! | end of a struct | tagged fields | nothing |
//!
//! Tagged fields: unsigned varint count, then per field an unsigned varint tag, an unsigned varint
//! size and the payload, tags ascending, fields that have their default left out.
//!
//! Not here: which fields a message has. The invariant: a length or count is compared with the
//! bytes that are left before anything is allocated for it.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::FieldReader;
pub use writer::FieldWriter;

/// A 16-byte id as it stands in a record: a topic's, a directory's.
pub type UuidBytes = [u8; 16];
