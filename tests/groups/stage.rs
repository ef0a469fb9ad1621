//! The consumers of a run, and the log of what happens to them. Listeners stand on the stage, too:
//! in the middle of a revocation they let another consumer poll, which must not get anything that
//! is being revoked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla::{Consumer, Error, ErrorKind, RebalanceListener, Records, TopicPartition};

/// A consumer's number in its run.
pub(crate) type Key = usize;

/// A partition.
pub(crate) type Place = (String, i32);

/// What went wrong with a call.
pub(crate) type Failure = (ErrorKind, String);

/// What happened, in order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    PollBegan {
        client: Key,
    },
    PollEnded {
        client: Key,
        outcome: Result<Vec<(Place, i64, u64)>, Failure>,
        assignment: Vec<Place>,
    },
    /// Is going to be closed, dropped or taken from its topics.
    Closing {
        client: Key,
    },
    Assigned {
        client: Key,
        positions: Vec<(Place, Result<i64, Failure>)>,
    },
    /// The listener went to the beginning.
    Rewound {
        client: Key,
        places: Vec<Place>,
        outcome: Result<(), Failure>,
    },
    /// The listener has ended.
    Revoked {
        client: Key,
        places: Vec<Place>,
    },
    Lost {
        client: Key,
        places: Vec<Place>,
    },
    /// Without offsets: the positions.
    Committed {
        client: Key,
        offsets: Option<Vec<(Place, i64)>>,
        outcome: Result<(), Failure>,
    },
    CommitBegan {
        client: Key,
        id: u64,
        offsets: Option<Vec<(Place, i64)>>,
    },
    CommitEnded {
        client: Key,
        id: u64,
        outcome: Result<(), Failure>,
    },
    Stalled {
        client: Key,
        evicted: bool,
    },
}

/// What listeners and the run share.
#[derive(Default)]
pub(crate) struct Stage {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Those that are within a call are not here.
    consumers: BTreeMap<Key, (usize, Consumer)>,
    log: Vec<Event>,
}

impl Stage {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn note(&self, event: Event) {
        self.with(|inner| inner.log.push(event));
    }

    pub(crate) fn take_events(&self) -> Vec<Event> {
        self.with(|inner| std::mem::take(&mut inner.log))
    }

    pub(crate) fn put(&self, key: Key, group: usize, consumer: Consumer) {
        self.with(|inner| inner.consumers.insert(key, (group, consumer)));
    }

    pub(crate) fn take(&self, key: Key) -> Option<(usize, Consumer)> {
        self.with(|inner| inner.consumers.remove(&key))
    }

    pub(crate) fn take_all(&self) -> Vec<Consumer> {
        let all = self.with(|inner| std::mem::take(&mut inner.consumers));
        all.into_values().map(|(_, consumer)| consumer).collect()
    }

    /// Lends a consumer for a call; none if it is within one.
    pub(crate) fn call<T>(&self, key: Key, call: impl FnOnce(&mut Consumer) -> T) -> Option<T> {
        let (group, mut consumer) = self.take(key)?;
        let outcome = call(&mut consumer);
        self.put(key, group, consumer);
        Some(outcome)
    }

    pub(crate) fn poll(&self, key: Key) {
        self.call(key, |consumer| {
            self.note(Event::PollBegan { client: key });
            let outcome = consumer.poll(Duration::ZERO);
            let outcome = match outcome.map(|records| values_of(&records)).map_err(failure) {
                // Refused without a subscription; to the model a poll that finds nothing.
                Err((_, message)) if message.contains("reads nothing") => Ok(Vec::new()),
                outcome => outcome,
            };
            let assignment = places_of(&consumer.assignment());
            self.note(Event::PollEnded { client: key, outcome, assignment });
        });
    }

    pub(crate) fn commit(&self, key: Key, consumer: &mut Consumer) {
        let outcome = consumer.commit().map_err(failure);
        self.note(Event::Committed { client: key, offsets: None, outcome });
    }

    /// Another consumer of the group that is not within a call.
    fn rival(&self, key: Key, group: usize) -> Option<Key> {
        self.with(|inner| {
            let mut others = inner.consumers.iter();
            others.find(|(other, (of, _))| **other != key && *of == group).map(|(other, _)| *other)
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands behind map_err")]
pub(crate) fn failure(error: Error) -> Failure {
    (error.kind(), error.to_string())
}

pub(crate) fn place_of(partition: &TopicPartition) -> Place {
    (partition.topic.as_str().to_owned(), partition.partition)
}

pub(crate) fn places_of(partitions: &[TopicPartition]) -> Vec<Place> {
    partitions.iter().map(place_of).collect()
}

fn values_of(records: &Records) -> Vec<(Place, i64, u64)> {
    let value = |bytes: Option<&[u8]>| {
        bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?)))
    };
    records
        .iter()
        .map(|record| {
            let place = place_of(record.topic_partition());
            (place, record.offset(), value(record.value()).unwrap_or(u64::MAX))
        })
        .collect()
}

/// Writes everything down, and makes the most of a revocation.
pub(crate) struct Witness {
    pub(crate) stage: Arc<Stage>,
    pub(crate) client: Key,
    pub(crate) group: usize,
    pub(crate) habits: Habits,
}

/// What a listener does beside writing things down.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// Commits before partitions go.
    pub(crate) commits: bool,
    /// Lets another member poll while partitions come or go.
    pub(crate) provokes: bool,
    /// Begins every partition anew.
    pub(crate) seeks: bool,
}

impl Witness {
    fn provoke(&self) {
        if self.habits.provokes
            && let Some(rival) = self.stage.rival(self.client, self.group)
        {
            self.stage.poll(rival);
        }
    }
}

impl RebalanceListener for Witness {
    fn on_partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        self.provoke();
        if self.habits.commits {
            self.stage.commit(self.client, consumer);
        }
        let places = places_of(partitions);
        self.stage.note(Event::Revoked { client: self.client, places });
    }

    fn on_partitions_assigned(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        let position = |partition: &TopicPartition| {
            let position = consumer.position(partition.topic.as_str(), partition.partition);
            (place_of(partition), position.map_err(failure))
        };
        let positions = partitions.iter().map(position).collect();
        self.stage.note(Event::Assigned { client: self.client, positions });
        if self.habits.seeks {
            let outcome = consumer.seek_all_to_beginning(partitions).map_err(failure);
            let places = places_of(partitions);
            self.stage.note(Event::Rewound { client: self.client, places, outcome });
        }
        self.provoke();
    }

    fn on_partitions_lost(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        let places = places_of(partitions);
        self.stage.note(Event::Lost { client: self.client, places });
    }
}
