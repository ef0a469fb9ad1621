//! The commit journal's bytes: a file header and frames. Pure; `commit/journal.rs` does the rest.
//!
//! A journal file is a header block of 512 bytes followed by frames, each on a 512-byte boundary.
//! All numbers are big-endian. docs/FORMAT.md, chapter "The commit journal", has the picture.
//!
//! The header's checksum covers the frame's header alone, so that a frame can be recognised
//! without what came before it; the payload's checksum is seeded with the previous frame's, so
//! that a frame is only ever replayed behind the frame that it was written behind. Neither covers
//! the padding up to the next boundary, which nobody reads.

use crate::format::FormatError;
use crate::format::checksum::{crc32c, crc32c_append};
use crate::format::spill_file::{SPILLED_ENTRY_BYTES, SpilledEntry};
use crate::topic::TopicId;

/// Frames and the file header start on multiples of this, the unit in which a disk tears.
pub const BLOCK_BYTES: usize = 512;

const FILE_MAGIC: &[u8; 8] = b"OTTLAJNL";
const FILE_VERSION: u32 = 1;
const FILE_VERSION_AT: usize = 8;
const FILE_NUMBER_AT: usize = 12;
const FILE_SALT_AT: usize = 20;
const FILE_FIRST_LSN_AT: usize = 28;
const FILE_CRC_AT: usize = 36;
const FILE_HEADER_BYTES: usize = 40;
const _: () = assert!(FILE_HEADER_BYTES <= BLOCK_BYTES);

const FRAME_MAGIC: &[u8; 4] = b"OTJF";
const FRAME_LENGTH_AT: usize = 4;
const FRAME_SALT_AT: usize = 8;
const FRAME_LSN_AT: usize = 16;
const FRAME_SYNCED_LSN_AT: usize = 24;
const FRAME_ENTRIES_AT: usize = 32;
const FRAME_PAYLOAD_CRC_AT: usize = 36;
const FRAME_HEADER_CRC_AT: usize = 40;
/// Bytes before the first entry of a frame.
pub const FRAME_HEADER_BYTES: usize = 44;

/// Bytes before an entry's batch: topic id, partition, base offset, length.
pub const ENTRY_HEADER_BYTES: usize = 16 + 4 + 8 + 4;

/// In an entry's length: its batch lies in a spill file, and these bytes say where. A library that
/// does not know of spill files takes it for a length that cannot be, and refuses the frame.
const SPILLED_BIT: u32 = 1 << 31;

/// What the first block of a journal file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The file's place in the sequence of files of its session.
    pub number: u64,
    /// The session's random salt.
    pub salt: u64,
    /// The LSN of the file's first frame.
    pub first_lsn: u64,
}

impl FileHeader {
    /// The header block.
    pub fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..8].copy_from_slice(FILE_MAGIC);
        block[FILE_VERSION_AT..FILE_NUMBER_AT].copy_from_slice(&FILE_VERSION.to_be_bytes());
        block[FILE_NUMBER_AT..FILE_SALT_AT].copy_from_slice(&self.number.to_be_bytes());
        block[FILE_SALT_AT..FILE_FIRST_LSN_AT].copy_from_slice(&self.salt.to_be_bytes());
        block[FILE_FIRST_LSN_AT..FILE_CRC_AT].copy_from_slice(&self.first_lsn.to_be_bytes());
        let crc = crc32c(&block[..FILE_CRC_AT]);
        block[FILE_CRC_AT..FILE_HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
        block
    }

    /// Reads a header block; `Ok(None)` if there is none (zeros, or never completed).
    ///
    /// # Errors
    /// `Unsupported` for a sound header of a version that a later Ottla wrote.
    pub fn decode(block: &[u8]) -> Result<Option<FileHeader>, FormatError> {
        if block.len() < FILE_HEADER_BYTES
            || &block[..8] != FILE_MAGIC
            || u32_at(block, FILE_CRC_AT) != crc32c(&block[..FILE_CRC_AT])
        {
            return Ok(None);
        }
        let version = u32_at(block, FILE_VERSION_AT);
        if version != FILE_VERSION {
            return Err(FormatError::unsupported(
                format!("the journal has version {version}, this library knows {FILE_VERSION}"),
                FILE_VERSION_AT,
            ));
        }
        Ok(Some(FileHeader {
            number: u64_at(block, FILE_NUMBER_AT),
            salt: u64_at(block, FILE_SALT_AT),
            first_lsn: u64_at(block, FILE_FIRST_LSN_AT),
        }))
    }
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Header and payload, without the padding.
    pub length: u32,
    /// The session's salt.
    pub salt: u64,
    /// The frame's number; consecutive within a session.
    pub lsn: u64,
    /// The newest LSN that was known to be synced when the frame was written.
    pub synced_lsn: u64,
    /// How many batches it carries.
    pub entries: u32,
    /// Checksum of the payload, seeded with the previous frame's.
    pub payload_crc: u32,
}

impl FrameHeader {
    /// Reads a frame's header at the start of `bytes`; `None` if there is none.
    pub fn decode(bytes: &[u8]) -> Option<FrameHeader> {
        if bytes.len() < FRAME_HEADER_BYTES
            || &bytes[..4] != FRAME_MAGIC
            || u32_at(bytes, FRAME_HEADER_CRC_AT) != crc32c(&bytes[..FRAME_HEADER_CRC_AT])
        {
            return None;
        }
        let header = FrameHeader {
            length: u32_at(bytes, FRAME_LENGTH_AT),
            salt: u64_at(bytes, FRAME_SALT_AT),
            lsn: u64_at(bytes, FRAME_LSN_AT),
            synced_lsn: u64_at(bytes, FRAME_SYNCED_LSN_AT),
            entries: u32_at(bytes, FRAME_ENTRIES_AT),
            payload_crc: u32_at(bytes, FRAME_PAYLOAD_CRC_AT),
        };
        (header.length as usize >= FRAME_HEADER_BYTES).then_some(header)
    }

    /// The bytes that the frame takes in its file, padding included.
    pub fn padded_length(&self) -> u64 {
        padded(u64::from(self.length))
    }

    /// The payload of the frame that starts `bytes`, if it is all there and follows a frame whose
    /// payload checksum was `previous_crc`.
    pub fn payload<'a>(&self, bytes: &'a [u8], previous_crc: u32) -> Option<&'a [u8]> {
        let payload = bytes.get(FRAME_HEADER_BYTES..self.length as usize)?;
        (crc32c_append(previous_crc, payload) == self.payload_crc).then_some(payload)
    }
}

/// `length` rounded up to whole blocks.
pub fn padded(length: u64) -> u64 {
    length.next_multiple_of(BLOCK_BYTES as u64)
}

/// Builds frames in one reused buffer.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    buffer: Vec<u8>,
    entries: u32,
}

impl FrameBuilder {
    /// Starts a new frame.
    pub fn start(&mut self) {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEADER_BYTES, 0);
        self.entries = 0;
    }

    /// Adds a batch that already carries its offsets.
    pub fn push(&mut self, topic_id: TopicId, partition: i32, base_offset: i64, batch: &[u8]) {
        let length = i32::try_from(batch.len()).expect("a batch is shorter than 2 GiB");
        let length = length.cast_unsigned();
        self.push_entry(topic_id, partition, base_offset, (length, batch));
    }

    /// Adds a batch that lies in a spill file.
    pub fn push_spilled(
        &mut self,
        topic_id: TopicId,
        partition: i32,
        base_offset: i64,
        entry: &SpilledEntry<'_>,
    ) {
        let length = SPILLED_BIT | SPILLED_ENTRY_BYTES as u32;
        self.push_entry(topic_id, partition, base_offset, (length, &entry.encode()));
    }

    fn push_entry(
        &mut self,
        topic_id: TopicId,
        partition: i32,
        base_offset: i64,
        (length, content): (u32, &[u8]),
    ) {
        self.buffer.extend_from_slice(&topic_id.0);
        self.buffer.extend_from_slice(&partition.to_be_bytes());
        self.buffer.extend_from_slice(&base_offset.to_be_bytes());
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(content);
        self.entries += 1;
    }

    /// Whether no batch was added.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Completes the frame: its bytes, padded to whole blocks, and its payload checksum.
    pub fn finish(
        &mut self,
        salt: u64,
        lsn: u64,
        synced_lsn: u64,
        previous_crc: u32,
    ) -> (&[u8], u32) {
        let length = u32::try_from(self.buffer.len()).expect("a frame is shorter than 4 GiB");
        let payload_crc = crc32c_append(previous_crc, &self.buffer[FRAME_HEADER_BYTES..]);
        let header = &mut self.buffer[..FRAME_HEADER_BYTES];
        header[..4].copy_from_slice(FRAME_MAGIC);
        header[FRAME_LENGTH_AT..FRAME_SALT_AT].copy_from_slice(&length.to_be_bytes());
        header[FRAME_SALT_AT..FRAME_LSN_AT].copy_from_slice(&salt.to_be_bytes());
        header[FRAME_LSN_AT..FRAME_SYNCED_LSN_AT].copy_from_slice(&lsn.to_be_bytes());
        header[FRAME_SYNCED_LSN_AT..FRAME_ENTRIES_AT].copy_from_slice(&synced_lsn.to_be_bytes());
        header[FRAME_ENTRIES_AT..FRAME_PAYLOAD_CRC_AT].copy_from_slice(&self.entries.to_be_bytes());
        header[FRAME_PAYLOAD_CRC_AT..FRAME_HEADER_CRC_AT]
            .copy_from_slice(&payload_crc.to_be_bytes());
        let header_crc = crc32c(&header[..FRAME_HEADER_CRC_AT]);
        header[FRAME_HEADER_CRC_AT..].copy_from_slice(&header_crc.to_be_bytes());
        self.buffer.resize(self.buffer.len().next_multiple_of(BLOCK_BYTES), 0);
        (&self.buffer, payload_crc)
    }
}

/// One batch in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEntry<'a> {
    /// The topic that it belongs to.
    pub topic_id: TopicId,
    /// The partition of that topic.
    pub partition: i32,
    /// The batch's base offset.
    pub base_offset: i64,
    /// The batch.
    pub batch: EntryBatch<'a>,
}

/// Where the batch of an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryBatch<'a> {
    /// In the frame, as it is in the segment.
    Here(&'a [u8]),
    /// In a spill file.
    Spilled(SpilledEntry<'a>),
}

/// The entries of a checked payload.
///
/// # Errors
/// A payload whose lengths do not add up; its checksum was right, so it was written that way.
pub fn decode_entries(payload: &[u8], count: u32) -> Result<Vec<JournalEntry<'_>>, FormatError> {
    let mut entries = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let header = payload
            .get(at..at + ENTRY_HEADER_BYTES)
            .ok_or_else(|| FormatError::corrupt("a journal entry is cut short", at))?;
        let mut topic_id = [0; 16];
        topic_id.copy_from_slice(&header[..16]);
        let is_spilled = u32_at(header, 28) & SPILLED_BIT != 0;
        let length = (u32_at(header, 28) & !SPILLED_BIT) as usize;
        let start = at + ENTRY_HEADER_BYTES;
        let content = start
            .checked_add(length)
            .and_then(|end| payload.get(start..end))
            .ok_or_else(|| FormatError::corrupt("a batch in the journal is cut short", start))?;
        let batch = match is_spilled {
            false => EntryBatch::Here(content),
            true => EntryBatch::Spilled(
                SpilledEntry::decode(content).map_err(|error| error.shifted(start))?,
            ),
        };
        entries.push(JournalEntry {
            topic_id: TopicId(topic_id),
            partition: u32_at(header, 16).cast_signed(),
            base_offset: u64_at(header, 20).cast_signed(),
            batch,
        });
        at = start + length;
    }
    if at != payload.len() {
        return Err(FormatError::corrupt("bytes are left over behind a frame's last batch", at));
    }
    Ok(entries)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::batch_header::{BATCH_HEADER_LEN, MAGIC_AT};

    const TOPIC: TopicId = TopicId(*b"0123456789abcdef");

    fn frame() -> (Vec<u8>, u32) {
        let mut builder = FrameBuilder::default();
        builder.start();
        builder.push(TOPIC, 3, 17, b"first batch");
        builder.push(TOPIC, 4, 0, b"");
        let (bytes, crc) = builder.finish(99, 7, 6, 1234);
        (bytes.to_vec(), crc)
    }

    #[test]
    fn a_frame_reads_back() {
        let (bytes, crc) = frame();
        assert_eq!(bytes.len(), BLOCK_BYTES);
        let header = FrameHeader::decode(&bytes).unwrap();
        assert_eq!((header.salt, header.lsn, header.synced_lsn), (99, 7, 6));
        assert_eq!((header.entries, header.payload_crc), (2, crc));
        let payload = header.payload(&bytes, 1234).unwrap();
        let entries = decode_entries(payload, header.entries).unwrap();
        assert_eq!(entries[0].batch, EntryBatch::Here(b"first batch"));
        assert_eq!(
            (entries[0].topic_id, entries[0].partition, entries[0].base_offset),
            (TOPIC, 3, 17)
        );
        assert_eq!(entries[1].partition, 4);
    }

    #[test]
    fn a_spilled_batch_reads_back_and_has_a_length_that_is_none() {
        let mut head = [0; BATCH_HEADER_LEN];
        head[MAGIC_AT] = 2;
        head[8..12].copy_from_slice(&49_i32.to_be_bytes());
        let entry = SpilledEntry { spill: 8, position: 32, head: &head };
        let mut builder = FrameBuilder::default();
        builder.start();
        builder.push_spilled(TOPIC, 3, 17, &entry);
        builder.push(TOPIC, 4, 0, b"beside it");
        let (bytes, _) = builder.finish(99, 7, 6, 1234);
        let header = FrameHeader::decode(bytes).unwrap();
        let payload = header.payload(bytes, 1234).unwrap();
        let entries = decode_entries(payload, header.entries).unwrap();
        assert_eq!(entries[0].batch, EntryBatch::Spilled(entry));
        assert_eq!((entries[0].partition, entries[0].base_offset), (3, 17));
        assert_eq!(entries[1].batch, EntryBatch::Here(b"beside it"));
        assert!(u32_at(payload, 28) as usize > payload.len());
        let mut shorter = payload.to_vec();
        shorter[31] -= 1;
        assert!(decode_entries(&shorter, header.entries).is_err());
    }

    #[test]
    fn a_frame_is_refused_behind_another_frame_than_its_own() {
        let (bytes, _) = frame();
        let header = FrameHeader::decode(&bytes).unwrap();
        assert!(header.payload(&bytes, 1235).is_none());
    }

    #[test]
    fn no_flipped_bit_before_the_padding_goes_unnoticed() {
        let (bytes, _) = frame();
        let length = FrameHeader::decode(&bytes).unwrap().length as usize;
        for bit in 0..length * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = FrameHeader::decode(&flipped)
                .and_then(|header| header.payload(&flipped, 1234).map(<[u8]>::to_vec));
            assert!(read.is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_file_header_reads_back_and_a_newer_version_is_named() {
        let header = FileHeader { number: 5, salt: 6, first_lsn: 7 };
        let block = header.encode();
        assert_eq!(FileHeader::decode(&block).unwrap(), Some(header));
        for bit in 0..FILE_HEADER_BYTES * 8 {
            let mut flipped = block;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&flipped).unwrap(), None, "bit {bit}");
        }
        let mut newer = block;
        newer[FILE_VERSION_AT + 3] = 2;
        let crc = crc32c(&newer[..FILE_CRC_AT]);
        newer[FILE_CRC_AT..FILE_HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
        assert!(FileHeader::decode(&newer).unwrap_err().to_string().contains("version 2"));
    }

    #[test]
    fn entries_that_do_not_add_up_are_errors() {
        let (bytes, _) = frame();
        let header = FrameHeader::decode(&bytes).unwrap();
        let payload = &bytes[FRAME_HEADER_BYTES..header.length as usize];
        for (payload, count) in
            [(payload, 1), (payload, 3), (&payload[..20], 1), (&payload[..40], 1)]
        {
            assert!(decode_entries(payload, count).is_err());
        }
        assert!(decode_entries(payload, u32::MAX).is_err());
    }
}
