//! Deciding the transactions that another program left open, as its coordinator would.
//!
//! Ottla's own transactions enter the log only when they commit, so only a directory that a broker
//! wrote holds open ones. One whose commit had been decided (its state in `__transaction_state` is
//! "prepare commit") is committed; every other one is aborted: its producer is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::compression::DecodeLimits;
use crate::broker::report::RecoveryReport;
use crate::catalog::topic_handle::TopicHandle;
use crate::commit::Committer;
use crate::commit::ticket::Part;
use crate::env::Env;
use crate::error::Result;
use crate::format::control_record::{ControlType, EndTransactionMarker};
use crate::format::producer_snapshot::ProducerEntry;
use crate::format::transaction_records::{self, TransactionStatus, TransactionValue};
use crate::partition::Partition;
use crate::topic::TopicPartition;

const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
/// Writes the missing markers, and reports each.
///
/// # Errors
/// If a marker cannot be written; the next open tries again.
pub(crate) fn finish_transactions(
    env: &Env,
    committer: &Committer,
    topics: &[Arc<TopicHandle>],
    report: &mut RecoveryReport,
) -> Result<()> {
    let mut parts = Vec::new();
    let mut finished = Vec::new();
    let mut decided = None;
    for topic in topics.iter().filter(|topic| topic.name.as_str() != TRANSACTION_STATE_TOPIC) {
        for partition in topic.partitions.iter().filter(|p| p.damage().is_none()) {
            for open in partition.open_transactions()? {
                if decided.is_none() {
                    decided = Some(prepared_commits(topics)?);
                }
                let commits = decided.as_ref().is_some_and(|ids| ids.contains(&open.producer_id));
                let batch = marker(&open, commits, env.clock.wall_ms())?;
                parts.push(Part { partition: Arc::clone(partition), batch: batch.into() });
                let id = partition.id();
                let name = TopicPartition::new(id.topic().clone(), id.partition());
                finished.push((name, open.producer_id, commits));
            }
        }
    }
    if parts.is_empty() {
        return Ok(());
    }
    committer.commit(parts).0?;
    report.transactions_finished = finished;
    Ok(())
}

/// A commit or abort marker for an open transaction.
fn marker(open: &ProducerEntry, commits: bool, now_ms: i64) -> Result<Vec<u8>> {
    let control = if commits { ControlType::Commit } else { ControlType::Abort };
    let value = EndTransactionMarker { coordinator_epoch: open.coordinator_epoch.max(0) };
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions {
        control: true,
        transactional: true,
        producer: Some(BatchProducer {
            id: open.producer_id,
            epoch: open.producer_epoch,
            base_sequence: -1,
        }),
        ..BatchOptions::default()
    });
    builder.push(now_ms, Some(&control.encode_key()), Some(&value.encode()), &[])?;
    builder.take()
}

/// The producer ids of transactions whose commit was decided and not finished.
fn prepared_commits(topics: &[Arc<TopicHandle>]) -> Result<BTreeSet<i64>> {
    let mut newest: BTreeMap<String, TransactionValue> = BTreeMap::new();
    let state = topics.iter().find(|topic| topic.name.as_str() == TRANSACTION_STATE_TOPIC);
    for partition in state.iter().flat_map(|topic| &topic.partitions) {
        read_states(partition, &mut newest)?;
    }
    let prepared = newest.values().filter(|v| v.status == TransactionStatus::PrepareCommit);
    Ok(prepared.map(|value| value.producer_id).collect())
}

/// Reads one partition of the coordinator's log; a record that is not understood is passed over.
fn read_states(
    partition: &Partition,
    newest: &mut BTreeMap<String, TransactionValue>,
) -> Result<()> {
    let mut scratch = Vec::new();
    partition.walk(|entry| {
        if entry.is_control() {
            return Ok(());
        }
        for record in entry.records(&DecodeLimits::default(), &mut scratch)? {
            let record = record?;
            let id = record.key.and_then(|key| transaction_records::decode_key(key).ok());
            let Some(id) = id.flatten() else { continue };
            match record.value.map(TransactionValue::decode) {
                Some(Ok(value)) => drop(newest.insert(id, value)),
                Some(Err(_)) => {}
                None => drop(newest.remove(&id)),
            }
        }
        Ok(())
    })
}
