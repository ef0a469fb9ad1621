//! What a reader of the documentation expects, as plain values: which records lie where, who owns
//! which partition, what each group has committed and seen. Here is what a run itself does to that;
//! `polls` and `commits` hold what happens against it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::stage::{Key, Place};

/// What a member waits for at most, its place is kept for, and offsets are kept for.
pub(crate) const MAX_POLL_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const OFFSETS_RETENTION: Duration = Duration::from_secs(7200);

/// A record, by its unique value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) value: u64,
    /// It survives the death of the process, and a loss of power.
    pub(crate) survives_kill: bool,
    pub(crate) survives_power_loss: bool,
}

/// One partition's log, from offset 0.
pub(crate) type Log = Vec<Written>;

/// How a handle stands in its group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Standing {
    /// It subscribed to nothing.
    Outside,
    Member,
    Evicted,
    Replaced,
}

/// A consumer, as it should be.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) group: usize,
    pub(crate) instance: Option<String>,
    pub(crate) auto_commit: bool,
    pub(crate) evict: bool,
    pub(crate) standing: Standing,
    /// The topics, or the beginning of their names.
    pub(crate) subscription: Subscription,
    /// Where it reads on in what it believes to own.
    pub(crate) positions: BTreeMap<Place, i64>,
    pub(crate) paused: BTreeSet<Place>,
    /// Assigned without a committed offset, and not looked at yet: has no position to commit.
    pub(crate) unsure: BTreeSet<Place>,
    /// Deleted since, and not told yet.
    pub(crate) gone: BTreeSet<Place>,
    pub(crate) last_poll: Duration,
    pub(crate) stall_reported: bool,
    /// The last of its commits that had an answer.
    pub(crate) last_answer: Option<u64>,
    /// It was replaced already when the poll began that is going on.
    pub(crate) began_replaced: bool,
    /// Something was assigned or taken within the poll that is going on.
    pub(crate) reconciled: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Subscription {
    Names(Vec<String>),
    Prefix(String),
}

impl Subscription {
    pub(crate) fn includes(&self, topic: &str) -> bool {
        match self {
            Subscription::Names(names) => names.iter().any(|name| name == topic),
            Subscription::Prefix(prefix) => topic.starts_with(prefix.as_str()),
        }
    }
}

/// What is known of a committed offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Committed {
    /// What readers were shown last: it never goes back behind this.
    pub(crate) offset: Option<i64>,
    /// Commits without an answer, oldest first.
    pub(crate) pending: Vec<Pending>,
    /// What may have been committed during this step, without anybody saying so.
    pub(crate) maybe: Vec<i64>,
    pub(crate) changed_at: Duration,
}

/// A commit without an answer.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: u64,
    pub(crate) offset: i64,
    /// It may be that there was nothing to commit.
    pub(crate) is_unsure: bool,
}

/// One group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) owners: BTreeMap<Place, Key>,
    pub(crate) committed: BTreeMap<Place, Committed>,
    /// Which records were delivered to it, or were passed over at its wish.
    pub(crate) served: BTreeMap<Place, Vec<bool>>,
    /// Places that are kept for static members: until when.
    pub(crate) away: BTreeMap<String, Duration>,
    pub(crate) empty_since: Duration,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: Duration,
    pub(crate) topics: BTreeMap<String, Vec<Log>>,
    pub(crate) clients: BTreeMap<Key, Client>,
    pub(crate) groups: Vec<Group>,
    /// Commits that were under way when a topic in them was deleted: they may fail.
    pub(crate) disturbed: BTreeSet<u64>,
    /// A sync is failing on purpose.
    pub(crate) disk_fails: bool,
    /// Statistics, to see that runs are worth something.
    pub(crate) delivered: u64,
    pub(crate) assigned: u64,
    /// How often anything came or went.
    pub(crate) moves: u64,
}

pub(crate) type Law = Result<(), String>;

pub(crate) fn broken<T>(law: impl Into<String>) -> Result<T, String> {
    Err(law.into())
}

pub(crate) fn shown(place: &Place) -> String {
    format!("{}-{}", place.0, place.1)
}

impl Model {
    pub(crate) fn log(&self, place: &Place) -> Option<&Log> {
        self.topics.get(&place.0)?.get(usize::try_from(place.1).ok()?)
    }

    pub(crate) fn log_mut(&mut self, place: &Place) -> Option<&mut Log> {
        self.topics.get_mut(&place.0)?.get_mut(usize::try_from(place.1).ok()?)
    }

    pub(crate) fn end(&self, place: &Place) -> i64 {
        self.log(place).map_or(0, |log| log.len() as i64)
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        let of = |(name, logs): (&String, &Vec<Log>)| {
            (0..logs.len()).map(|number| (name.clone(), number as i32)).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(of).collect()
    }

    pub(crate) fn client(&mut self, key: Key) -> Result<&mut Client, String> {
        self.clients.get_mut(&key).ok_or_else(|| format!("consumer {key} is not there any more"))
    }

    pub(crate) fn owned_by(&self, key: Key) -> BTreeSet<Place> {
        let Some(client) = self.clients.get(&key) else { return BTreeSet::new() };
        let owners = self.groups[client.group].owners.iter();
        owners.filter(|(_, owner)| **owner == key).map(|(place, _)| place.clone()).collect()
    }

    pub(crate) fn has_members(&self, group: usize) -> bool {
        let is_member =
            |client: &Client| client.group == group && client.standing == Standing::Member;
        !self.groups[group].away.is_empty() || self.clients.values().any(is_member)
    }

    // What the run does.

    pub(crate) fn joined(&mut self, key: Key, group: usize, of: NewClient) {
        let client = Client {
            group,
            instance: of.instance,
            auto_commit: of.auto_commit,
            evict: of.evict,
            standing: Standing::Outside,
            subscription: of.subscription,
            positions: BTreeMap::new(),
            paused: BTreeSet::new(),
            unsure: BTreeSet::new(),
            gone: BTreeSet::new(),
            last_poll: self.now,
            stall_reported: false,
            last_answer: None,
            began_replaced: false,
            reconciled: false,
        };
        self.clients.insert(key, client);
        self.becomes_member(key);
    }

    /// It is a member from now on; whoever had the same lasting name is none.
    pub(crate) fn becomes_member(&mut self, key: Key) {
        let now = self.now;
        self.moves += 1;
        let Some(client) = self.clients.get_mut(&key) else { return };
        client.standing = Standing::Member;
        client.last_poll = now;
        client.stall_reported = false;
        let (group, instance) = (client.group, client.instance.clone());
        let Some(instance) = instance else { return };
        self.groups[group].away.remove(&instance);
        let same = |(other, client): (&Key, &mut Client)| {
            let same = *other != key
                && client.group == group
                && client.standing == Standing::Member
                && client.instance.as_ref() == Some(&instance);
            same.then(|| {
                client.standing = Standing::Replaced;
                *other
            })
        };
        let replaced: Vec<Key> = self.clients.iter_mut().filter_map(same).collect();
        self.groups[group].owners.retain(|_, owner| !replaced.contains(owner));
    }

    /// The handle is gone. A static member's place is kept.
    pub(crate) fn gone(&mut self, key: Key) -> Law {
        let Some(client) = self.clients.remove(&key) else { return Ok(()) };
        let group = &mut self.groups[client.group];
        if let Some((place, _)) = group.owners.iter().find(|(_, owner)| **owner == key) {
            return broken(format!("{} was closed and told nobody of {}", key, shown(place)));
        }
        if client.standing == Standing::Member {
            if let Some(instance) = client.instance {
                group.away.insert(instance, self.now + SESSION_TIMEOUT);
            }
            self.note_empty(client.group);
        }
        Ok(())
    }

    pub(crate) fn left(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let group = client.group;
        client.standing = Standing::Outside;
        client.positions.clear();
        client.paused.clear();
        client.unsure.clear();
        client.gone.clear();
        self.note_empty(group);
    }

    pub(crate) fn note_empty(&mut self, group: usize) {
        if !self.has_members(group) {
            self.groups[group].empty_since = self.now;
        }
    }

    /// A tick: places that were kept for too long are given up.
    pub(crate) fn ticked(&mut self) -> Law {
        let now = self.now;
        for group in 0..self.groups.len() {
            let before = self.groups[group].away.len();
            self.groups[group].away.retain(|_, until| *until > now);
            if self.groups[group].away.len() < before {
                self.note_empty(group);
            }
        }
        for (key, client) in &self.clients {
            let stuck = now - client.last_poll > MAX_POLL_INTERVAL;
            if client.standing == Standing::Member && stuck && !client.stall_reported {
                return broken(format!("{key} is stuck, and nobody was told"));
            }
        }
        Ok(())
    }

    pub(crate) fn topic_deleted(&mut self, topic: &str) {
        self.topics.remove(topic);
        for client in self.clients.values_mut() {
            let gone = client.positions.keys().filter(|place| place.0 == topic);
            client.gone.extend(gone.cloned());
        }
        for group in &mut self.groups {
            let deleted = group.committed.iter().filter(|(place, _)| place.0 == topic);
            let pending = deleted.flat_map(|(_, committed)| &committed.pending);
            self.disturbed.extend(pending.map(|pending| pending.id));
            group.owners.retain(|place, _| place.0 != topic);
            group.committed.retain(|place, _| place.0 != topic);
            group.served.retain(|place, _| place.0 != topic);
        }
    }

    /// Everything below `offset` counts as served: the program wanted to go on there.
    pub(crate) fn excuse(&mut self, group: usize, place: &Place, offset: i64) {
        let served = self.groups[group].served.entry(place.clone()).or_default();
        let offset = usize::try_from(offset).unwrap_or(0);
        if served.len() < offset {
            served.resize(offset, false);
        }
        served[..offset].fill(true);
    }

    pub(crate) fn set_committed(&mut self, group: usize, place: &Place, offset: Option<i64>) {
        let now = self.now;
        let committed = self.groups[group].committed.entry(place.clone()).or_default();
        *committed = Committed { offset, pending: Vec::new(), maybe: Vec::new(), changed_at: now };
    }

    // Ends of sessions.

    /// All handles are gone with the broker.
    pub(crate) fn session_ended(&mut self) {
        self.clients.clear();
        for group in &mut self.groups {
            group.owners.clear();
            group.away.clear();
            group.empty_since = self.now;
            for committed in group.committed.values_mut() {
                committed.changed_at = self.now;
            }
        }
    }

    /// No answer comes any more to what was under way; it may have happened.
    pub(crate) fn nothing_is_under_way(&mut self) {
        for committed in self.groups.iter_mut().flat_map(|group| group.committed.values_mut()) {
            committed.pending.clear();
            committed.maybe.clear();
        }
    }

    /// After a crash: what must be there is there, and is the truth from now on.
    pub(crate) fn found(&mut self, place: &Place, values: &[u64], lost_power: bool) -> Law {
        let committed: Vec<i64> =
            self.groups.iter().filter_map(|group| group.committed.get(place)?.offset).collect();
        let Some(log) = self.log_mut(place) else {
            return broken(format!("{} came from nowhere", shown(place)));
        };
        let survives = |written: &Written| {
            if lost_power { written.survives_power_loss } else { written.survives_kill }
        };
        let least = log.iter().rposition(survives).map_or(0, |last| last + 1);
        let least = committed.iter().map(|offset| *offset as usize).fold(least, usize::max);
        let expected: Vec<u64> = log.iter().map(|written| written.value).collect();
        if !expected.starts_with(values) {
            return broken(format!("{} holds {values:?} of {expected:?}", shown(place)));
        }
        if values.len() < least {
            return broken(format!(
                "{} ends at {}, {least} records must survive",
                shown(place),
                values.len()
            ));
        }
        log.truncate(values.len());
        for written in log {
            // What recovery shows is synced, whatever it was before.
            written.survives_kill = true;
            written.survives_power_loss = true;
        }
        for group in &mut self.groups {
            if let Some(served) = group.served.get_mut(place) {
                served.truncate(values.len());
            }
        }
        Ok(())
    }

    /// Every record of these topics was delivered to the group, or passed over at its wish.
    pub(crate) fn all_served(&self, group: usize, place: &Place) -> Law {
        let served = self.groups[group].served.get(place);
        for offset in 0..self.end(place) {
            let is_served = served.and_then(|served| served.get(offset as usize)).copied();
            if is_served != Some(true) {
                return broken(format!(
                    "{}@{offset} was never delivered to group {group}",
                    shown(place)
                ));
            }
        }
        Ok(())
    }
}

impl Client {
    /// Whether the topic was deleted.
    pub(crate) fn forget(&mut self, place: &Place) -> bool {
        self.positions.remove(place);
        self.paused.remove(place);
        self.unsure.remove(place);
        self.reconciled = true;
        self.gone.remove(place)
    }
}

/// What a new consumer is told.
#[derive(Clone, Debug)]
pub(crate) struct NewClient {
    pub(crate) instance: Option<String>,
    pub(crate) auto_commit: bool,
    pub(crate) evict: bool,
    pub(crate) subscription: Subscription,
}
