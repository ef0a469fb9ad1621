//! The laws of polls and listeners: a partition has one owner at a time, who has it until the
//! listener has ended; records come in order, each once per owner, and nothing that is there is
//! passed over.

use ottla::ErrorKind;

use crate::model::{Law, MAX_POLL_INTERVAL, Model, Standing, broken, shown};
use crate::stage::{Event, Failure, Key, Place};

impl Model {
    /// Tells the model what happened.
    pub(crate) fn apply(&mut self, event: &Event) -> Law {
        use Event::{Assigned, Lost, Revoked};
        self.moves += u64::from(matches!(event, Assigned { .. } | Revoked { .. } | Lost { .. }));
        match event {
            Event::PollBegan { client } => self.poll_began(*client),
            Event::PollEnded { client, outcome, assignment } => {
                self.poll_ended(*client, outcome, assignment)
            }
            Event::Closing { client } => self.may_commit_automatically(*client),
            Event::Assigned { client, positions } => self.was_assigned(*client, positions),
            Event::Rewound { client, places, outcome } => {
                self.was_rewound(*client, places, outcome)
            }
            Event::Revoked { client, places } => self.was_revoked(*client, places),
            Event::Lost { client, places } => self.was_lost(*client, places),
            Event::Committed { client, offsets, outcome } => {
                self.was_committed(*client, offsets.as_deref(), outcome)
            }
            Event::CommitBegan { client, id, offsets } => {
                self.commit_began(*client, *id, offsets.as_deref())
            }
            Event::CommitEnded { client, id, outcome } => self.commit_ended(*client, *id, outcome),
            Event::Stalled { client, evicted, .. } => self.was_stalled(*client, *evicted),
        }
    }

    fn poll_began(&mut self, key: Key) -> Law {
        let client = self.client(key)?;
        client.reconciled = false;
        client.began_replaced = client.standing == Standing::Replaced;
        self.may_commit_automatically(key)
    }

    pub(crate) fn may_commit_automatically(&mut self, key: Key) -> Law {
        let client = self.client(key)?.clone();
        if client.auto_commit && client.standing == Standing::Member {
            for place in self.owned_by(key) {
                let Some(&position) = client.positions.get(&place) else { continue };
                let committed = self.groups[client.group].committed.entry(place).or_default();
                committed.maybe.push(position);
            }
        }
        Ok(())
    }

    fn was_assigned(&mut self, key: Key, positions: &[(Place, Result<i64, Failure>)]) -> Law {
        // Whoever was put out joins again before it is assigned anything.
        if self.client(key)?.standing == Standing::Evicted {
            self.becomes_member(key);
        }
        for (place, position) in positions {
            self.assigned += 1;
            let client = self.client(key)?.clone();
            if client.standing != Standing::Member {
                return broken(format!("{key} is no member and was assigned {}", shown(place)));
            }
            if !client.subscription.includes(&place.0) {
                return broken(format!("{key} did not subscribe to {}", shown(place)));
            }
            let group = &mut self.groups[client.group];
            if let Some(owner) = group.owners.insert(place.clone(), key) {
                return broken(format!("{} has two owners: {owner} and {key}", shown(place)));
            }
            let committed = group.committed.entry(place.clone()).or_default();
            let expected = committed.offset.unwrap_or(0);
            let is_new = committed.offset.is_none();
            let position = match position {
                Ok(position) => *position,
                Err(error) => return broken(format!("no position in {}: {error:?}", shown(place))),
            };
            // Nobody is assigned what has a commit under way: these have ended.
            let ended = std::mem::take(&mut committed.pending);
            let is_possible = committed.maybe.contains(&position)
                || ended.iter().any(|pending| pending.offset == position);
            if position != expected && !is_possible {
                return broken(format!(
                    "{key} begins {} at {position}, the group committed {expected}",
                    shown(place)
                ));
            }
            // Also if it is 0, which may have been committed or be the beginning.
            if ended.iter().any(|pending| pending.offset == position) {
                committed.maybe.push(position);
            }
            let client = self.client(key)?;
            client.positions.insert(place.clone(), position);
            client.reconciled = true;
            if is_new {
                client.unsure.insert(place.clone());
            }
        }
        Ok(())
    }

    fn was_rewound(&mut self, key: Key, places: &[Place], outcome: &Result<(), Failure>) -> Law {
        if let Err(failure) = outcome {
            return broken(format!("the listener of {key} cannot seek: {failure:?}"));
        }
        for place in places {
            let client = self.client(key)?;
            client.positions.insert(place.clone(), 0);
            client.unsure.insert(place.clone());
        }
        Ok(())
    }

    fn was_revoked(&mut self, key: Key, places: &[Place]) -> Law {
        for place in places {
            let client = self.client(key)?;
            // It may have been replaced while its listener was called.
            let is_replaced = client.standing == Standing::Replaced && !client.began_replaced;
            if client.forget(place) || is_replaced {
                continue;
            }
            let group = client.group;
            if self.groups[group].owners.remove(place) != Some(key) {
                return broken(format!(
                    "{} was taken from {key} before its listener had ended",
                    shown(place)
                ));
            }
        }
        Ok(())
    }

    fn was_lost(&mut self, key: Key, places: &[Place]) -> Law {
        for place in places {
            let client = self.client(key)?;
            if !client.positions.contains_key(place) {
                return broken(format!("{key} lost {} and did not have it", shown(place)));
            }
            if client.forget(place) {
                continue;
            }
            let group = client.group;
            if self.groups[group].owners.get(place) == Some(&key) {
                return broken(format!("{key} lost {} and it is still there", shown(place)));
            }
        }
        Ok(())
    }

    fn poll_ended(
        &mut self,
        key: Key,
        outcome: &Result<Vec<(Place, i64, u64)>, Failure>,
        assignment: &[Place],
    ) -> Law {
        let now = self.now;
        let records = match outcome {
            Ok(records) => records,
            Err(failure) => return self.poll_failed(key, failure),
        };
        if self.client(key)?.standing == Standing::Evicted {
            self.becomes_member(key);
        }
        let client = self.client(key)?;
        client.last_poll = now;
        client.stall_reported = false;
        match client.standing {
            Standing::Replaced if client.began_replaced => {
                return broken(format!("{key} was replaced and goes on polling"));
            }
            // In the middle of this poll, by the poll of another one. It hears of it with the next.
            Standing::Replaced => return Ok(()),
            _ => {}
        }
        let owned = self.owned_by(key);
        if !owned.iter().eq(assignment) {
            return broken(format!("{key} owns {owned:?} and has assigned {assignment:?}"));
        }
        for (place, offset, value) in records {
            self.was_delivered(key, place, *offset, *value)?;
        }
        self.found_what_is_there(key, records.is_empty())
    }

    fn poll_failed(&mut self, key: Key, failure: &Failure) -> Law {
        let now = self.now;
        let client = self.client(key)?;
        client.last_poll = now;
        client.stall_reported = false;
        match client.standing {
            Standing::Replaced if failure.0 == ErrorKind::Fenced => Ok(()),
            _ => broken(format!("{key} cannot poll: {failure:?}")),
        }
    }

    fn was_delivered(&mut self, key: Key, place: &Place, offset: i64, value: u64) -> Law {
        let record = format!("{}@{offset}", shown(place));
        let written = self.log(place).and_then(|log| log.get(usize::try_from(offset).ok()?));
        match written {
            None => return broken(format!("{record} was delivered and never published")),
            Some(written) if written.value != value => {
                return broken(format!("{record} is {value}, {} was written", written.value));
            }
            Some(_) => {}
        }
        let client = self.client(key)?;
        let group = client.group;
        if client.paused.contains(place) {
            return broken(format!("{record} was delivered, though it is paused"));
        }
        match client.positions.get_mut(place) {
            None => return broken(format!("{record} was delivered to {key}, who has it not")),
            Some(position) if *position != offset => {
                return broken(format!("{record} was delivered to {key} in place of {position}"));
            }
            Some(position) => *position += 1,
        }
        client.unsure.remove(place);
        if self.groups[group].owners.get(place) != Some(&key) {
            return broken(format!("{record} was delivered to {key}, who does not own it"));
        }
        self.delivered += 1;
        let served = self.groups[group].served.entry(place.clone()).or_default();
        let index = offset as usize;
        if served.len() <= index {
            served.resize(index + 1, false);
        }
        served[index] = true;
        Ok(())
    }

    /// A poll that finds nothing, though there is something.
    fn found_what_is_there(&mut self, key: Key, is_empty: bool) -> Law {
        let client = self.client(key)?.clone();
        if !is_empty || client.reconciled {
            return Ok(());
        }
        for (place, position) in &client.positions {
            if !client.paused.contains(place) && *position < self.end(place) {
                return broken(format!(
                    "{key} polled and got nothing of {}, it is at {position} of {}",
                    shown(place),
                    self.end(place)
                ));
            }
        }
        Ok(())
    }

    fn was_stalled(&mut self, key: Key, evicted: bool) -> Law {
        let now = self.now;
        let client = self.client(key)?;
        if client.standing != Standing::Member || now - client.last_poll <= MAX_POLL_INTERVAL {
            return broken(format!("{key} is not stuck, and was reported"));
        }
        if client.stall_reported {
            return broken(format!("{key} was reported twice"));
        }
        if client.evict != evicted {
            return broken(format!("{key} was put out: {evicted}, it wants {}", client.evict));
        }
        client.stall_reported = true;
        let group = client.group;
        if evicted {
            client.standing = Standing::Evicted;
            self.groups[group].owners.retain(|_, owner| *owner != key);
            self.note_empty(group);
        }
        Ok(())
    }
}
