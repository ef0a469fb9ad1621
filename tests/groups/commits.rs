//! The laws of committed offsets: only a partition's owner commits; what was acked, or shown, never
//! goes back, and never lies behind the end; nothing moves by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla::ErrorKind;

use crate::model::{Client, Law, Model, OFFSETS_RETENTION, Pending, Standing, broken, shown};
use crate::stage::{Failure, Key, Place};

impl Model {
    /// What `commit` without offsets commits.
    fn positions_of(&self, key: Key) -> Vec<(Place, i64)> {
        let Some(client) = self.clients.get(&key) else { return Vec::new() };
        let there = client.positions.iter().filter(|(place, _)| !client.gone.contains(place));
        there.map(|(place, position)| (place.clone(), *position)).collect()
    }

    pub(crate) fn was_committed(
        &mut self,
        key: Key,
        offsets: Option<&[(Place, i64)]>,
        outcome: &Result<(), Failure>,
    ) -> Law {
        let client = self.client(key)?.clone();
        let is_position = offsets.is_none();
        let offsets = offsets.map_or_else(|| self.positions_of(key), <[_]>::to_vec);
        if let Err(failure) = outcome {
            return self.commit_refused(key, &offsets, failure);
        }
        // It may be that these have no position, and that nothing was left to be committed.
        let is_unsure = |place: &Place| is_position && client.unsure.contains(place);
        let (unsure, offsets): (Vec<_>, Vec<_>) =
            offsets.into_iter().partition(|(place, _)| is_unsure(place));
        self.check_may_commit(key, &offsets)?;
        for (place, offset) in unsure {
            self.groups[client.group].committed.entry(place).or_default().maybe.push(offset);
        }
        for (place, offset) in offsets {
            self.set_committed(client.group, &place, Some(offset));
            self.excuse_beyond(key, &place, offset);
        }
        Ok(())
    }

    /// An offset that the program made up passes over what was not delivered.
    fn excuse_beyond(&mut self, key: Key, place: &Place, offset: i64) {
        let Some(client) = self.clients.get(&key) else { return };
        let (group, position) = (client.group, client.positions.get(place).copied());
        if position.is_none_or(|position| offset > position) {
            self.excuse(group, place, offset);
        }
    }

    fn check_may_commit(&mut self, key: Key, offsets: &[(Place, i64)]) -> Law {
        let client = self.client(key)?.clone();
        for (place, offset) in offsets {
            if client.standing != Standing::Member {
                return broken(format!("{key} is {:?} and committed", client.standing));
            }
            if self.groups[client.group].owners.get(place) != Some(&key) {
                return broken(format!("{key} committed {}, not its own", shown(place)));
            }
            if !(0..=self.end(place)).contains(offset) {
                return broken(format!("{key} committed {offset} of {}", shown(place)));
            }
        }
        Ok(())
    }

    fn commit_refused(&mut self, key: Key, offsets: &[(Place, i64)], failure: &Failure) -> Law {
        if self.check_may_commit(key, offsets).is_ok() && !offsets.is_empty() {
            return broken(format!("{key} may commit {offsets:?}, and cannot: {failure:?}"));
        }
        let fenced = matches!(self.client(key)?.standing, Standing::Evicted | Standing::Replaced);
        if fenced && failure.0 != ErrorKind::Fenced {
            return broken(format!("{key} is fenced, and hears {failure:?}"));
        }
        Ok(())
    }

    pub(crate) fn commit_began(
        &mut self,
        key: Key,
        id: u64,
        offsets: Option<&[(Place, i64)]>,
    ) -> Law {
        let client = self.client(key)?.clone();
        let is_position = offsets.is_none();
        let offsets = offsets.map_or_else(|| self.positions_of(key), <[_]>::to_vec);
        if self.check_may_commit(key, &offsets).is_err() {
            return Ok(());
        }
        for (place, offset) in offsets {
            self.excuse_beyond(key, &place, offset);
            let known = self.groups[client.group].committed.entry(place.clone()).or_default();
            let is_unsure = is_position && client.unsure.contains(&place);
            known.pending.push(Pending { id, offset, is_unsure });
        }
        Ok(())
    }

    pub(crate) fn commit_ended(&mut self, key: Key, id: u64, outcome: &Result<(), Failure>) -> Law {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&key) else { return Ok(()) };
        if client.last_answer.replace(id) >= Some(id) {
            return broken(format!("the answer to commit {id} of {key} comes too late"));
        }
        let standing = client.standing;
        let client = client.clone();
        let mut was_begun = false;
        for committed in self.groups[client.group].committed.values_mut() {
            let Some(at) = committed.pending.iter().position(|known| known.id == id) else {
                continue;
            };
            was_begun = true;
            let Pending { offset, is_unsure, .. } = committed.pending[at];
            match outcome {
                Ok(()) if is_unsure => {
                    committed.maybe.push(offset);
                    committed.pending.drain(..=at);
                }
                Ok(()) => {
                    committed.offset = Some(offset);
                    committed.changed_at = now;
                    committed.pending.drain(..=at);
                }
                // Nobody knows; the next session tells.
                Err(failure) if failure.0 == ErrorKind::Poisoned => {}
                Err(_) => drop(committed.pending.remove(at)),
            }
        }
        match outcome {
            Err(_) if self.disturbed.contains(&id) => Ok(()),
            Err((ErrorKind::Poisoned | ErrorKind::Io, _)) if self.disk_fails => Ok(()),
            Err(failure) if was_begun && standing == Standing::Member => {
                broken(format!("the commit {id} of {key} failed: {failure:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Holds what readers are shown against what was acked.
    pub(crate) fn observe(&mut self, group: usize, seen: &BTreeMap<Place, i64>) -> Law {
        let places: BTreeSet<Place> =
            self.groups[group].committed.keys().chain(seen.keys()).cloned().collect();
        for place in places {
            let end = self.end(&place);
            let may_expire = self.may_expire(group, &place);
            let now = self.now;
            let known = self.groups[group].committed.entry(place.clone()).or_default();
            let seen = seen.get(&place).copied();
            let told = format!(
                "{} of group {group} shows {seen:?}, acked was {:?}, perhaps {:?} or {:?}",
                shown(&place),
                known.offset,
                known.pending,
                known.maybe
            );
            if seen.is_some_and(|seen| seen > end) {
                return broken(format!("committed behind the end {end}: {told}"));
            }
            match seen {
                _ if seen == known.offset => {}
                None if may_expire => known.offset = None,
                None => return broken(format!("a committed offset is gone: {told}")),
                Some(offset) => {
                    let pending = known.pending.iter().rposition(|other| other.offset == offset);
                    if let Some(at) = pending {
                        known.pending.drain(..=at);
                    } else if !known.maybe.contains(&offset) {
                        return broken(format!("a committed offset moved by itself: {told}"));
                    } else {
                        // Commits without waiting end before one that waits.
                        known.pending.clear();
                    }
                    known.offset = Some(offset);
                    known.changed_at = now;
                }
            }
            known.maybe.clear();
        }
        Ok(())
    }

    fn may_expire(&self, index: usize, place: &Place) -> bool {
        let group = &self.groups[index];
        let Some(known) = group.committed.get(place) else { return false };
        let is_old = |since: Duration| self.now - since >= OFFSETS_RETENTION;
        let is_wanted = |client: &Client| {
            let is_there = client.standing == Standing::Member;
            client.group == index && is_there && client.subscription.includes(&place.0)
        };
        let is_wanted = self.clients.values().any(is_wanted);
        let has_nobody = !self.has_members(index) && is_old(group.empty_since);
        is_old(known.changed_at) && (has_nobody || !is_wanted)
    }
}
