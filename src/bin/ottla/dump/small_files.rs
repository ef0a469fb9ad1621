//! Checkpoints, markers and properties: small files, a line per entry.

use std::fmt::Write as _;
use std::io::Write;

use ottla::format::checkpoint::CHECKPOINT_BYTES_MAX;
use ottla::format::clean_shutdown::CleanShutdown;
use ottla::format::control_file::ControlFile;
use ottla::format::meta_properties::MetaProperties;
use ottla::format::quorum_state::{QuorumState, QuorumVoters};
use ottla::format::{FormatError, checkpoint, leader_epochs, partition_metadata};

use super::source::Source;
use crate::exit::Failure;

/// The control file of a directory with a million segments.
const CONTROL_BYTES_MAX: u64 = 256 << 20;

/// Decodes a whole file and prints the text of it.
fn whole(
    source: &mut Source,
    show: impl Fn(&[u8]) -> Result<String, FormatError>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let bytes = source.read_whole(CONTROL_BYTES_MAX.max(CHECKPOINT_BYTES_MAX as u64))?;
    let text = show(&bytes).map_err(|error| source.damaged(error, 0))?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Prints a checkpoint of offsets by partition.
pub(super) fn offset_checkpoint(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(
        source,
        |bytes| {
            let mut text = String::new();
            for entry in checkpoint::decode(bytes)? {
                let (partition, offset) = (&entry.partition, entry.offset);
                let (topic, number) = (&partition.topic, partition.partition);
                let _ = writeln!(text, "topic: {topic} partition: {number} offset: {offset}");
            }
            Ok(text)
        },
        out,
    )
}

/// Prints a `leader-epoch-checkpoint`.
pub(super) fn leader_epochs(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(
        source,
        |bytes| {
            let mut text = String::new();
            for entry in leader_epochs::decode(bytes)? {
                let _ =
                    writeln!(text, "epoch: {} startOffset: {}", entry.epoch, entry.start_offset);
            }
            Ok(text)
        },
        out,
    )
}

/// Prints a `partition.metadata`.
pub(super) fn partition_metadata(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(source, |bytes| Ok(format!("topicId: {}\n", partition_metadata::decode(bytes)?)), out)
}

/// Prints a `meta.properties`.
pub(super) fn meta_properties(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(
        source,
        |bytes| {
            let properties = MetaProperties::decode(bytes)?;
            let mut text = format!("version: {}\n", properties.version());
            if let Some(cluster_id) = &properties.cluster_id {
                let _ = writeln!(text, "clusterId: {cluster_id}");
            }
            if let Some(node_id) = properties.node_id {
                let _ = writeln!(text, "nodeId: {node_id}");
            }
            if let Some(directory_id) = properties.directory_id {
                let _ = writeln!(text, "directoryId: {directory_id}");
            }
            Ok(text)
        },
        out,
    )
}

/// Prints a `.kafka_cleanshutdown`.
pub(super) fn clean_shutdown(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(
        source,
        |bytes| {
            let marker = CleanShutdown::decode(bytes);
            let mut text = format!("brokerEpoch: {}", marker.broker_epoch);
            if let Some(nonce) = marker.nonce {
                let _ = write!(text, " nonce: {nonce:016x}");
            }
            text.push('\n');
            Ok(text)
        },
        out,
    )
}

/// Prints a `quorum-state`.
pub(super) fn quorum_state(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(
        source,
        |bytes| {
            let state = QuorumState::decode(bytes)?;
            let (leader, epoch, voted) = (state.leader_id, state.leader_epoch, state.voted_id);
            let mut text = format!("leaderId: {leader} leaderEpoch: {epoch} votedId: {voted}");
            match state.voters {
                QuorumVoters::Fixed { voter_ids, .. } => {
                    let _ = write!(text, " currentVoters: {:?}", voter_ids.unwrap_or_default());
                }
                QuorumVoters::InLog { voted_directory_id } => {
                    let _ = write!(text, " votedDirectoryId: {voted_directory_id}");
                }
            }
            text.push('\n');
            Ok(text)
        },
        out,
    )
}

/// Prints an `ottla.control`.
pub(super) fn control(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    whole(source, |bytes| Ok(control_text(&ControlFile::decode(bytes)?)), out)
}

fn control_text(control: &ControlFile) -> String {
    let journal = &control.journal;
    let mut text = format!(
        "closed: {} nonce: {:016x} wallMsMax: {}\n\
         journal salt: {:016x} file: {} position: {} lsn: {} crc: {}\n",
        control.closed,
        control.nonce,
        control.wall_ms_max,
        journal.salt,
        journal.file,
        journal.position,
        journal.lsn,
        journal.crc,
    );
    for partition in &control.partitions {
        let _ = writeln!(
            text,
            "topicId: {} partition: {} logStartOffset: {} recoveryPoint: {} hasProducers: {}",
            partition.topic_id,
            partition.partition,
            partition.log_start_offset,
            partition.recovery_point,
            partition.has_producers,
        );
        for segment in &partition.segments {
            let _ = writeln!(
                text,
                "| baseOffset: {} nextOffset: {} sealed: {} logBytes: {} logSum: {} \
                 indexBytes: {} indexSum: {} timeIndexBytes: {} timeIndexSum: {} \
                 txnIndexBytes: {} txnIndexSum: {} maxTimestamp: {} maxTimestampOffset: {} \
                 firstTimestamp: {}",
                segment.base_offset,
                segment.next_offset,
                segment.sealed,
                segment.log_bytes,
                segment.log_sum,
                segment.index_bytes,
                segment.index_sum,
                segment.time_index_bytes,
                segment.time_index_sum,
                segment.txn_index_bytes,
                segment.txn_index_sum,
                segment.max_timestamp,
                segment.max_timestamp_offset,
                segment.first_timestamp,
            );
        }
    }
    for file in &control.files {
        let _ = writeln!(text, "file: {} bytes: {} sum: {}", file.path, file.length, file.sum);
    }
    text
}
