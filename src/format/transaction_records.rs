//! The records of `__transaction_state`. Ottla's own transactions need none; a directory that a
//! broker wrote may hold them, and says through them which transactions it left open.
//!
//! Key: `i16` 0, the transactional id. Value: `i16` version, 0 or 1 (flexible); null takes the
//! transactional id back.

use crate::format::FormatError;
use crate::format::compact::FieldReader;
use crate::format::group_records::read_version;

/// Reads the key of a record: the transactional id, or `None` for a kind that is not known.
///
/// # Errors
/// It is no key of its kind.
pub fn decode_key(key: &[u8]) -> Result<Option<String>, FormatError> {
    let mut reader = FieldReader::new(key, 0, false);
    if reader.i16("the kind of a transaction record")? != 0 {
        return Ok(None);
    }
    let transactional_id = reader.string("a transactional id")?.to_owned();
    reader.finish()?;
    Ok(Some(transactional_id))
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No transaction yet.
    Empty,
    /// Open.
    Ongoing,
    /// To be committed: the decision has fallen.
    PrepareCommit,
    /// To be aborted: the decision has fallen.
    PrepareAbort,
    /// Committed.
    CompleteCommit,
    /// Aborted.
    CompleteAbort,
    /// The transactional id is about to go.
    Dead,
    /// The producer is about to be fenced.
    PrepareEpochFence,
}

impl TransactionStatus {
    fn from_id(id: i8) -> Option<TransactionStatus> {
        Some(match id {
            0 => TransactionStatus::Empty,
            1 => TransactionStatus::Ongoing,
            2 => TransactionStatus::PrepareCommit,
            3 => TransactionStatus::PrepareAbort,
            4 => TransactionStatus::CompleteCommit,
            5 => TransactionStatus::CompleteAbort,
            6 => TransactionStatus::Dead,
            7 => TransactionStatus::PrepareEpochFence,
            _ => return None,
        })
    }
}

/// The state of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionValue {
    /// Its producer id.
    pub producer_id: i64,
    /// The producer id before, -1 for none.
    pub previous_producer_id: i64,
    /// The producer id that follows, -1 for none.
    pub next_producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// How long a transaction may last.
    pub timeout_ms: i32,
    /// How far the transaction is.
    pub status: TransactionStatus,
    /// The partitions it wrote to, by topic; `None` while there is no transaction.
    pub partitions: Option<Vec<(String, Vec<i32>)>>,
    /// When the state last changed.
    pub last_update_timestamp: i64,
    /// When the transaction began, -1 for none.
    pub start_timestamp: i64,
    /// The version of the protocol that the client speaks.
    pub client_version: i16,
}

impl TransactionValue {
    /// Reads the value of a record.
    ///
    /// # Errors
    /// The version or the status is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<TransactionValue, FormatError> {
        let mut reader = FieldReader::new(value, 0, false);
        let version = read_version(&mut reader, 1, "the state of a transaction")?;
        reader.set_flexible(version >= 1);
        let mut decoded = TransactionValue {
            producer_id: reader.i64("the producer id")?,
            previous_producer_id: -1,
            next_producer_id: -1,
            producer_epoch: reader.i16("the epoch of the producer")?,
            timeout_ms: reader.i32("the timeout of the transaction")?,
            status: read_status(&mut reader)?,
            partitions: reader.nullable_array("the topics", |reader| {
                let topic = reader.string("the name of a topic")?.to_owned();
                let partitions = reader.i32_array("the partitions")?;
                reader.end_of_struct()?;
                Ok((topic, partitions))
            })?,
            last_update_timestamp: reader.i64("the time of the last change")?,
            start_timestamp: reader.i64("the time of the start")?,
            client_version: 0,
        };
        reader.tagged_fields(|tag, field| {
            match tag {
                0 => decoded.previous_producer_id = field.i64("the previous producer id")?,
                1 => decoded.next_producer_id = field.i64("the next producer id")?,
                2 => decoded.client_version = field.i16("the version of the client")?,
                _ => {}
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(decoded)
    }
}

fn read_status(reader: &mut FieldReader<'_>) -> Result<TransactionStatus, FormatError> {
    let at = reader.at();
    let id = reader.i8("the status of a transaction")?;
    TransactionStatus::from_id(id)
        .ok_or_else(|| FormatError::unsupported(format!("the status of a transaction is {id}"), at))
}
