//! What a transaction has staged, and where it stands: open, being committed, or over.
//!
//! Shared by the handle and by whoever ticks: a transaction that is open for too long is aborted
//! under its handle. Its lock is held for one record at most, and for what that spills; no code of
//! the program and no commit runs under it, and nobody wants it who holds any other lock. The
//! invariant: what is over holds nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::topic_handle::partition_of;
use crate::commit::ticket::Guard;
use crate::consumer::Consumer;
use crate::env::planted::planted;
use crate::env::sync::Mutex;
use crate::error::conflict::ExpectedVersion;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::staged::StagedOffsets;
use crate::group::offset::OffsetAndMetadata;
use crate::partition::expect::Expect;
use crate::producer::partitioner::{Partitioner, partition_of_stream};
use crate::producer::record::Record;
use crate::producer::settings::Settings;
use crate::topic::TopicPartition;
use crate::transaction::batches::{Addition, Batches, Surroundings};
use crate::transaction::host::TransactionHost;
use crate::transaction::open_transactions::Holder;
use crate::transaction::route::Routes;

/// A transaction.
pub(crate) struct Staging {
    pub(super) number: u64,
    timeout: Duration,
    /// On the monotonic clock.
    deadline: Duration,
    routes: Routes,
    /// The transactional id that it was begun under.
    pub(super) holder: Option<Holder>,
    pub(super) state: Mutex<State>,
}

/// Where it stands.
pub(super) enum State {
    Open(Staged),
    /// A thread has what was staged, and brings it back or ends the transaction.
    Committing,
    Over(Ending),
}

/// What is to be committed.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) batches: Batches,
    pub(super) offsets: Vec<StagedOffsets>,
    /// What has to hold when it commits.
    pub(super) guards: Vec<Guard>,
}

/// How a transaction ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Committed,
    Aborted,
    TimedOut,
    /// Somebody newer has its transactional id.
    Fenced,
    /// The broker was closed.
    Closed,
    /// Its commit failed for good.
    Failed(Error),
}

/// What a transaction is made with.
pub(super) struct StagingOptions {
    pub(super) timeout: Duration,
    pub(super) settings: Settings,
    pub(super) partitioner: Option<Arc<dyn Partitioner>>,
    pub(super) holder: Option<Holder>,
}

impl Staging {
    /// Begins a transaction.
    ///
    /// # Errors
    /// `ReadOnly`, `Closed`.
    pub(super) fn begin(
        host: &dyn TransactionHost,
        options: StagingOptions,
    ) -> Result<Arc<Staging>> {
        host.check_writable()?;
        let now = host.env().clock.monotonic();
        let StagingOptions { timeout, settings, partitioner, holder } = options;
        Ok(host.transactions().add(|number| Staging {
            number,
            timeout,
            deadline: now.saturating_add(timeout),
            routes: Routes::new(settings, partitioner),
            holder,
            state: Mutex::new(State::Open(Staged::default())),
        }))
    }

    /// Stages a record.
    ///
    /// # Errors
    /// As [`Transaction::send`](super::Transaction::send).
    pub(super) fn send(&self, host: &dyn TransactionHost, record: &Record<'_>) -> Result<()> {
        let env = host.env();
        let message = record.message();
        let bytes = message.size_bytes_max();
        let prepare = || {
            let route = self.routes.find(host, env, record.topic())?;
            let now = || env.clock.wall_ms();
            route.rules.check(&route.handle.name, message, bytes, now)?;
            // May call code of the program: no lock is held.
            let (index, sticky) = route.chooser.choose(record)?;
            Ok((route, index, sticky))
        };
        let (route, index, sticky) = match prepare() {
            Ok(prepared) => prepared,
            // That it is over says more.
            Err(error) => return Err(self.check_open().err().unwrap_or(error)),
        };
        if env.clock.monotonic() >= self.deadline {
            self.end(Ending::TimedOut);
        }
        let now_ms = env.clock.wall_ms_coarse();
        let addition = Addition { message, bytes, now_ms, index, sticky };
        let mut state = self.state.lock();
        let staged = self.staged(&mut state)?;
        staged.batches.add(&route, &addition, Surroundings::of(host))
    }

    /// Stages the positions of a consumer.
    ///
    /// # Errors
    /// As [`Transaction::commit_offsets`](super::Transaction::commit_offsets).
    pub(super) fn stage_positions(
        &self,
        host: &dyn TransactionHost,
        consumer: &Consumer,
    ) -> Result<()> {
        self.check_open()?;
        self.stage_offsets(host, consumer.stage_positions(host.coordinator())?)
    }

    fn stage_offsets(&self, host: &dyn TransactionHost, later: StagedOffsets) -> Result<()> {
        let mut state = self.state.lock();
        let staged = self.staged(&mut state)?;
        let bytes_max = host.transactions().limits.bytes_max;
        let offsets = &mut staged.offsets;
        let bytes: usize = offsets.iter().map(StagedOffsets::size_bytes).sum();
        if (bytes.saturating_add(later.size_bytes())) as u64 > bytes_max {
            let message = format!(
                "the transaction would have more offsets than ottla.transaction.max.bytes allows, \
                 which is {bytes_max}"
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let left = offsets.iter_mut().try_fold(later, |later, own| own.absorb(later));
        offsets.extend(left.filter(|left| !left.is_empty()));
        Ok(())
    }

    /// Adds a condition.
    ///
    /// # Errors
    /// As [`Transaction::expect_end`](super::Transaction::expect_end).
    pub(super) fn expect_end(
        &self,
        host: &dyn TransactionHost,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<()> {
        self.check_open()?;
        let topic = host.topic(topic)?;
        self.expect(Guard::new(partition_of(&topic, partition)?, Expect::End(offset))?)
    }

    /// Adds the condition that the newest record of a key is still the expected one.
    pub(super) fn expect_version(
        &self,
        host: &dyn TransactionHost,
        topic: &str,
        key: &[u8],
        version: ExpectedVersion,
    ) -> Result<()> {
        self.check_open()?;
        let topic = host.topic(topic)?;
        let expect = Expect::Version { key: Arc::from(key), version };
        self.expect(Guard::new(partition_of_stream(&topic, key)?, expect)?)
    }

    fn expect(&self, guard: Guard) -> Result<()> {
        let mut state = self.state.lock();
        self.staged(&mut state)?.guards.push(guard);
        Ok(())
    }

    /// Stages offsets of a group without members.
    ///
    /// # Errors
    /// As [`Transaction::commit_offsets_of`](super::Transaction::commit_offsets_of).
    pub(super) fn stage_offsets_of(
        &self,
        host: &dyn TransactionHost,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        self.check_open()?;
        let staged = host.coordinator().stage_offsets(host, group, offsets)?;
        self.stage_offsets(host, staged)
    }

    fn staged<'a>(&self, state: &'a mut State) -> Result<&'a mut Staged> {
        match state {
            State::Open(staged) => Ok(staged),
            State::Committing => Err(being_committed()),
            State::Over(ending) => Err(self.over(ending)),
        }
    }

    /// # Errors
    /// Why it takes nothing any more.
    pub(super) fn check_open(&self) -> Result<()> {
        self.staged(&mut self.state.lock()).map(drop)
    }

    /// Whether it takes nothing any more, for ever.
    pub(super) fn is_over(&self) -> bool {
        matches!(&*self.state.lock(), State::Over(_))
    }

    /// Takes what is to be committed.
    ///
    /// # Errors
    /// If it is not open, or its time is up at `now`.
    pub(super) fn take(&self, now: Duration) -> Result<Staged> {
        self.tick(now);
        let mut state = self.state.lock();
        self.staged(&mut state)?;
        match std::mem::replace(&mut *state, State::Committing) {
            State::Open(staged) => Ok(staged),
            other => {
                *state = other;
                Err(being_committed())
            }
        }
    }

    /// Brings back what could not be committed now.
    pub(super) fn put_back(&self, staged: Staged) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Committing) {
            *state = State::Open(staged);
        }
    }

    /// The thread that commits says how it ended.
    pub(super) fn decided(&self, ending: Ending) {
        *self.state.lock() = State::Over(ending);
    }

    /// Ends an open transaction. One that is being committed is left alone, and so is one that is
    /// over; `false` then.
    pub(super) fn end(&self, ending: Ending) -> bool {
        let ended = {
            let mut state = self.state.lock();
            let may_end = match &*state {
                State::Open(_) => true,
                State::Committing => planted!("ended_under_its_commit"),
                State::Over(_) => false,
            };
            may_end.then(|| std::mem::replace(&mut *state, State::Over(ending)))
        };
        // What it held is freed outside of the lock.
        ended.is_some()
    }

    /// Aborts it if its time is up; else says when that is, if it is open.
    pub(super) fn tick(&self, now: Duration) -> Option<Duration> {
        if now >= self.deadline {
            self.end(Ending::TimedOut);
            return None;
        }
        (!self.is_over()).then_some(self.deadline)
    }

    /// Somebody newer has its transactional id.
    pub(super) fn fence(&self, newer: &Holder) {
        if self.holder.as_ref().is_some_and(|holder| holder.is_fenced_by(newer)) {
            self.end(Ending::Fenced);
        }
    }

    /// Aborts it.
    ///
    /// # Errors
    /// `InvalidTransactionState` if it was committed, or is being committed.
    pub(super) fn abort(&self) -> Result<()> {
        if self.end(Ending::Aborted) {
            return Ok(());
        }
        match &*self.state.lock() {
            State::Over(ending @ Ending::Committed) => Err(self.over(ending)),
            State::Over(_) => Ok(()),
            State::Open(_) | State::Committing => Err(being_committed()),
        }
    }

    /// Its handle is gone.
    pub(super) fn forget(&self, host: &dyn TransactionHost) {
        self.end(Ending::Aborted);
        host.transactions().remove(self.number);
    }

    #[cold]
    fn over(&self, ending: &Ending) -> Error {
        let message = match ending {
            Ending::Committed => "the transaction was committed already".to_owned(),
            Ending::Aborted => "the transaction was aborted".to_owned(),
            Ending::TimedOut => format!(
                "the transaction was open for longer than its transaction.timeout.ms, which is \
                 {}, and was aborted",
                self.timeout.as_millis()
            ),
            Ending::Failed(error) => format!("the transaction is over, its commit failed: {error}"),
            Ending::Closed => return Error::new(ErrorKind::Closed, "the broker was closed"),
            Ending::Fenced => match &self.holder {
                Some(holder) => return holder.fenced(),
                None => "the transaction was fenced".to_owned(),
            },
        };
        Error::new(ErrorKind::InvalidTransactionState, message)
    }
}

#[cold]
fn being_committed() -> Error {
    let message = "the transaction is being committed";
    Error::new(ErrorKind::InvalidTransactionState, message)
}
