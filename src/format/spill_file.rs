//! A spill file's bytes, and the entry of a journal frame that names a batch in one. Pure;
//! `commit/spill.rs` does the rest. docs/FORMAT.md, chapter "Spill files", has the picture.
//!
//! A spill file is a header and record batches, back to back, as their producer made them: without
//! offsets and epoch. The frame that commits such a batch carries the batch's own header as it goes
//! into the `.log`, stamped, with the batch's CRC in it. So nothing in the spill has to be changed
//! for the commit, and what lies there is taken for that batch only if the CRC of the frame says so.
//! The header's sum covers the header alone; each batch has its CRC.

use crate::format::FormatError;
use crate::format::batch_header::{BATCH_HEADER_LEN, BatchHeader};
use crate::format::checksum::crc32c;

/// Bytes before the first batch of a spill file.
pub const SPILL_HEADER_BYTES: usize = CRC_AT + 4;

const MAGIC: &[u8; 8] = b"OTTLASPL";
const VERSION: u32 = 1;
const VERSION_AT: usize = 8;
const NUMBER_AT: usize = VERSION_AT + 4;
const SALT_AT: usize = NUMBER_AT + 8;
const CRC_AT: usize = SALT_AT + 8;
const _: () = assert!(SPILL_HEADER_BYTES == 32);

/// The bytes of an entry that names a batch in a spill file: number, position, batch header.
pub const SPILLED_ENTRY_BYTES: usize = 8 + 8 + BATCH_HEADER_LEN;

/// What the first bytes of a spill file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillHeader {
    /// The number in the file's name.
    pub number: u64,
    /// The salt of the session that wrote it.
    pub salt: u64,
}

/// What the first bytes of a file with the name of a spill file show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpillStart {
    /// A sound header.
    Header(SpillHeader),
    /// Nothing, zeros, or a header of ours that is cut short or damaged.
    Unfinished,
    /// Somebody else's bytes.
    Foreign,
}

impl SpillHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; SPILL_HEADER_BYTES] {
        let mut bytes = [0; SPILL_HEADER_BYTES];
        bytes[..VERSION_AT].copy_from_slice(MAGIC);
        bytes[VERSION_AT..NUMBER_AT].copy_from_slice(&VERSION.to_be_bytes());
        bytes[NUMBER_AT..SALT_AT].copy_from_slice(&self.number.to_be_bytes());
        bytes[SALT_AT..CRC_AT].copy_from_slice(&self.salt.to_be_bytes());
        let crc = crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Looks at the first bytes of a file, all of them if it is shorter than a header.
    ///
    /// # Errors
    /// `Unsupported` for a sound header of a version that a later Ottla wrote.
    pub fn decode(bytes: &[u8]) -> Result<SpillStart, FormatError> {
        let Some(header) = bytes.first_chunk::<SPILL_HEADER_BYTES>() else {
            let is_ours = bytes.iter().zip(MAGIC).all(|(byte, magic)| byte == magic);
            let is_zeros = bytes.iter().all(|&byte| byte == 0);
            return Ok(if is_ours || is_zeros {
                SpillStart::Unfinished
            } else {
                SpillStart::Foreign
            });
        };
        if !header.starts_with(MAGIC) {
            let is_zeros = header.iter().all(|&byte| byte == 0);
            return Ok(if is_zeros { SpillStart::Unfinished } else { SpillStart::Foreign });
        }
        if u32::from_be_bytes(field(header, CRC_AT)) != crc32c(&header[..CRC_AT]) {
            return Ok(SpillStart::Unfinished);
        }
        let version = u32::from_be_bytes(field(header, VERSION_AT));
        if version != VERSION {
            let message = format!("the spill has version {version}, this library knows {VERSION}");
            return Err(FormatError::unsupported(message, VERSION_AT));
        }
        Ok(SpillStart::Header(SpillHeader {
            number: u64::from_be_bytes(field(header, NUMBER_AT)),
            salt: u64::from_be_bytes(field(header, SALT_AT)),
        }))
    }
}

/// Where a frame says that a batch lies, and what it says of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpilledEntry<'a> {
    /// The number of the spill file.
    pub spill: u64,
    /// Where the batch starts in it.
    pub position: u64,
    /// The batch's header as it goes into the `.log`.
    pub head: &'a [u8; BATCH_HEADER_LEN],
}

impl<'a> SpilledEntry<'a> {
    /// The bytes of such an entry behind its topic, partition, offset and length.
    pub fn encode(&self) -> [u8; SPILLED_ENTRY_BYTES] {
        let mut bytes = [0; SPILLED_ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.spill.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_be_bytes());
        bytes[16..].copy_from_slice(self.head);
        bytes
    }

    /// Reads such an entry.
    ///
    /// # Errors
    /// `Corrupt` if it has another length, or its batch header makes no sense.
    pub fn decode(bytes: &'a [u8]) -> Result<SpilledEntry<'a>, FormatError> {
        let malformed = || FormatError::corrupt("an entry of a spilled batch is malformed", 0);
        let (numbers, head) = bytes.split_first_chunk::<16>().ok_or_else(malformed)?;
        let head = <&[u8; BATCH_HEADER_LEN]>::try_from(head).map_err(|_| malformed())?;
        BatchHeader::decode(head).map_err(|error| error.shifted(16))?;
        Ok(SpilledEntry {
            spill: u64::from_be_bytes(field(numbers, 0)),
            position: u64::from_be_bytes(field(numbers, 8)),
            head,
        })
    }

    /// The header of the batch.
    ///
    /// # Errors
    /// None for an entry that was decoded.
    pub fn header(&self) -> Result<BatchHeader, FormatError> {
        BatchHeader::decode(self.head)
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SpillHeader = SpillHeader { number: 7, salt: 99 };

    #[test]
    fn a_header_reads_back_and_no_flipped_bit_passes() {
        let bytes = HEADER.encode();
        assert_eq!(SpillHeader::decode(&bytes).unwrap(), SpillStart::Header(HEADER));
        for bit in 0..SPILL_HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let is_magic = bit / 8 < VERSION_AT;
            let expected = if is_magic { SpillStart::Foreign } else { SpillStart::Unfinished };
            assert_eq!(SpillHeader::decode(&flipped).unwrap(), expected, "bit {bit}");
        }
    }

    #[test]
    fn what_a_crash_leaves_is_told_from_what_others_wrote() {
        let bytes = HEADER.encode();
        for length in 0..SPILL_HEADER_BYTES {
            let start = SpillHeader::decode(&bytes[..length]).unwrap();
            assert_eq!(start, SpillStart::Unfinished, "{length}");
        }
        assert_eq!(SpillHeader::decode(&[0; 500]).unwrap(), SpillStart::Unfinished);
        for text in [&b"my dear diary"[..], b"my dear diary, today I have learnt that"] {
            assert_eq!(SpillHeader::decode(text).unwrap(), SpillStart::Foreign);
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut newer = HEADER.encode();
        newer[VERSION_AT + 3] = 2;
        let crc = crc32c(&newer[..CRC_AT]);
        newer[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        assert!(SpillHeader::decode(&newer).unwrap_err().to_string().contains("version 2"));
    }

    #[test]
    fn an_entry_reads_back_and_a_malformed_one_is_an_error() {
        let mut head = [0; BATCH_HEADER_LEN];
        let header = BatchHeader {
            base_offset: 5,
            batch_length: 100,
            partition_leader_epoch: 0,
            magic: 2,
            crc: 17,
            attributes: 0,
            last_offset_delta: 2,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 3,
        };
        header.encode(&mut head);
        let entry = SpilledEntry { spill: 3, position: 1 << 40, head: &head };
        let bytes = entry.encode();
        assert_eq!(SpilledEntry::decode(&bytes).unwrap(), entry);
        assert_eq!(entry.header().unwrap(), header);
        for length in 0..SPILLED_ENTRY_BYTES {
            assert!(SpilledEntry::decode(&bytes[..length]).is_err(), "{length}");
        }
        let mut other_magic = bytes;
        other_magic[16 + 16] = 1;
        assert!(SpilledEntry::decode(&other_magic).is_err());
    }
}
