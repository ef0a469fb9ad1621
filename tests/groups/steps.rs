//! The steps of a run: each does one thing to the broker and the same to the model.

use std::sync::Arc;
use std::time::Duration;

use ottla::env::clock::Clock;
use ottla::env::sim::{CacheAfterFailedSync, Call, Effect, Fault};
use ottla::{Acks, ErrorKind, Message, OffsetReset, OffsetScope, TopicConfig, TopicName};

use crate::model::{
    Client, MAX_POLL_INTERVAL, NewClient, OFFSETS_RETENTION, SESSION_TIMEOUT, Standing,
    Subscription, Written, shown,
};
use crate::run::{GROUPS, Outcome, Run, group_name};
use crate::stage::{Event, Habits, Key, Place, Witness, failure};

const TOPICS: [&str; 4] = ["a-one", "a-two", "b-one", "b-two"];
const CLIENTS_MAX: usize = 6;

impl Run {
    pub(crate) fn a_client(&mut self) -> Option<Key> {
        let keys: Vec<Key> = self.model.clients.keys().copied().collect();
        self.random.choice(keys)
    }

    pub(crate) fn a_member(&mut self) -> Option<(Key, Client)> {
        let members = self.model.clients.iter();
        let members: Vec<_> =
            members.filter(|(_, client)| client.standing == Standing::Member).collect();
        self.random.choice(members).map(|(key, client)| (*key, client.clone()))
    }

    pub(crate) fn a_place(&mut self) -> Option<Place> {
        let places = self.model.places();
        self.random.choice(places)
    }

    /// A partition that the member reads.
    pub(crate) fn own_place(&mut self, client: &Client) -> Option<Place> {
        let places: Vec<Place> = client.positions.keys().cloned().collect();
        self.random.choice(places)
    }

    pub(crate) fn produce(&mut self) -> Outcome {
        let Some(place) = self.a_place() else { return self.create_topic() };
        let acks = self.random.choice([Acks::None, Acks::Leader, Acks::All]).unwrap_or_default();
        let count = self.random.u64(1..5);
        self.say(format!("{count} records to {} with acks={acks}", shown(&place)));
        let values: Vec<[u8; 8]> =
            (0..count).map(|number| (self.next_value + number).to_be_bytes()).collect();
        let messages: Vec<_> = values.iter().map(|value| Message::new(&value[..])).collect();
        let handle = self.broker().partition(&place.0, place.1).map_err(|e| e.to_string())?;
        handle.append(&messages, acks).map_err(|e| format!("it cannot be appended: {e}"))?;
        let log = self.model.log_mut(&place).ok_or("no such partition")?;
        log.extend((0..count).map(|number| Written {
            value: self.next_value + number,
            survives_kill: acks != Acks::None,
            survives_power_loss: acks == Acks::All,
        }));
        self.next_value += count;
        if handle.end_offset() != self.model.end(&place) {
            return Err(format!("{} ends at {}", shown(&place), handle.end_offset()));
        }
        Ok(())
    }

    pub(crate) fn poll_one(&mut self) -> Outcome {
        if let Some(key) = self.a_client() {
            self.poll(key);
        }
        Ok(())
    }

    pub(crate) fn poll(&mut self, key: Key) {
        self.say(format!("{key} polls"));
        self.stage.poll(key);
    }

    pub(crate) fn poll_all(&mut self) -> Outcome {
        for key in self.model.clients.keys().copied().collect::<Vec<_>>() {
            self.poll(key);
        }
        Ok(())
    }

    pub(crate) fn commit(&mut self) -> Outcome {
        let Some(key) = self.a_client() else { return Ok(()) };
        self.say(format!("{key} commits"));
        self.stage.call(key, |consumer| self.stage.commit(key, consumer));
        Ok(())
    }

    pub(crate) fn commit_later(&mut self) -> Outcome {
        let Some(key) = self.a_client() else { return Ok(()) };
        let id = self.next_commit;
        self.next_commit += 1;
        self.say(format!("{key} commits without waiting: commit {id}"));
        let stage = Arc::clone(&self.stage);
        self.stage.note(Event::CommitBegan { client: key, id, offsets: None });
        let began = self.stage.call(key, |consumer| {
            consumer.commit_async(move |_, outcome| {
                let outcome = outcome.map_err(failure);
                stage.note(Event::CommitEnded { client: key, id, outcome });
            })
        });
        began.unwrap_or(Ok(())).map_err(|e| format!("a commit cannot begin: {e}"))
    }

    /// Partitions change hands while a commit of them has no answer.
    pub(crate) fn commit_under_change(&mut self) -> Outcome {
        self.commit_later()?;
        self.look()?;
        self.join()?;
        self.look()?;
        self.resubscribe()?;
        self.poll_all()?;
        self.look()?;
        self.poll_all()
    }

    /// The disk fails under a commit: nobody knows what became of it until the next session, and
    /// until then nothing of it is shown.
    pub(crate) fn commit_with_a_failed_sync(&mut self) -> Outcome {
        let Some((key, _)) = self.a_member() else { return Ok(()) };
        self.say(format!("{key} commits, and a sync fails"));
        self.look()?;
        let nth = self.random.u64(1..3);
        let fails = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
        self.world.disk.plan(Fault::new(fails).on(Call::SyncData).nth(nth));
        let outcome = self.stage.call(key, |consumer| consumer.commit()).unwrap_or(Ok(()));
        self.world.disk.heal();
        let Err(error) = outcome else {
            // There was nothing to commit, or nothing to sync.
            self.stage.note(Event::Committed { client: key, offsets: None, outcome: Ok(()) });
            return Ok(());
        };
        // Making the topic of committed offsets may fail, too.
        if !matches!(error.kind(), ErrorKind::Poisoned | ErrorKind::Io) {
            return Err(format!("a failed sync is {error}"));
        }
        // What began before may have ended; of this one nothing is seen.
        self.model.disk_fails = true;
        self.look()?;
        self.model.disk_fails = false;
        let id = self.next_commit;
        self.next_commit += 1;
        self.stage.note(Event::CommitBegan { client: key, id, offsets: None });
        self.tell_model()?;
        let loses_power = self.random.bool();
        self.crash(loses_power)
    }

    /// A member commits whatever offset it likes.
    pub(crate) fn commit_made_up(&mut self) -> Outcome {
        let Some((key, client)) = self.a_member() else { return Ok(()) };
        let Some(place) = self.own_place(&client) else { return Ok(()) };
        let offset = self.random.i64(0..=self.model.end(&place) + 1);
        self.say(format!("{key} commits {offset} of {}", shown(&place)));
        self.commit_offset(key, &place, offset);
        Ok(())
    }

    /// A consumer commits a partition that may be another one's, or nobody's.
    pub(crate) fn commit_foreign(&mut self) -> Outcome {
        let (Some(key), Some(place)) = (self.a_client(), self.a_place()) else { return Ok(()) };
        let client = &self.model.clients[&key];
        if client.standing == Standing::Outside {
            return Ok(());
        }
        let offset = self.random.i64(0..=self.model.end(&place));
        self.say(format!("{key} commits {offset} of {}, whoever has it", shown(&place)));
        self.commit_offset(key, &place, offset);
        Ok(())
    }

    pub(crate) fn commit_offset(&mut self, key: Key, place: &Place, offset: i64) {
        let outcome = self
            .stage
            .call(key, |consumer| consumer.commit_offsets([((place.0.as_str(), place.1), offset)]));
        let outcome = outcome.unwrap_or(Ok(())).map_err(failure);
        let offsets = Some(vec![(place.clone(), offset)]);
        self.stage.note(Event::Committed { client: key, offsets, outcome });
    }

    pub(crate) fn join(&mut self) -> Outcome {
        if self.model.clients.len() >= CLIENTS_MAX {
            return self.poll_one();
        }
        let group = self.random.usize(0..GROUPS);
        let instance = (self.random.u8(..) < 80).then(|| format!("i{}", self.random.u8(0..2)));
        let Some(subscription) = self.a_subscription() else { return Ok(()) };
        let new = NewClient {
            instance,
            auto_commit: self.random.u8(..) < 80,
            evict: self.random.bool(),
            subscription,
        };
        let habits = Habits {
            commits: self.random.bool(),
            provokes: self.random.bool(),
            seeks: self.random.u8(..) < 40,
        };
        self.add_client(group, new, habits)
    }

    pub(crate) fn a_subscription(&mut self) -> Option<Subscription> {
        if self.random.u8(..) < 100 {
            let prefix = self.random.choice(["", "a-", "b-", "c-"])?;
            return Some(Subscription::Prefix(prefix.to_owned()));
        }
        let some: Vec<String> =
            self.model.topics.keys().filter(|_| self.random.u8(..) < 170).cloned().collect();
        (!some.is_empty()).then_some(Subscription::Names(some))
    }

    pub(crate) fn add_client(&mut self, group: usize, new: NewClient, habits: Habits) -> Outcome {
        let key = self.next_key;
        self.next_key += 1;
        self.say(format!("{key} joins group {group}: {new:?}"));
        let stage = Arc::clone(&self.stage);
        let witness = Witness { stage: Arc::clone(&stage), client: key, group, habits };
        let broker = self.broker();
        let builder = broker.consumer().group(group_name(group)).listener(witness);
        let builder = match &new.subscription {
            Subscription::Names(names) => builder.subscribe(names),
            Subscription::Prefix(prefix) => builder.subscribe_pattern(format!("{prefix}.*")),
        };
        let builder = builder.on_stall(move |stalled| {
            stage.note(Event::Stalled { client: key, evicted: stalled.evicted });
        });
        let (auto, evict) = (new.auto_commit.to_string(), new.evict.to_string());
        let millis = |of: Duration| of.as_millis().to_string();
        let mut builder = builder
            .max_poll_records(self.random.usize(1..8))
            .set("partition.assignment.strategy", self.strategies[group])
            .set("enable.auto.commit", &auto)
            .set("auto.commit.interval.ms", "1000")
            .set("max.poll.interval.ms", &millis(MAX_POLL_INTERVAL))
            .set("session.timeout.ms", &millis(SESSION_TIMEOUT))
            .set("ottla.max.poll.interval.evict", &evict);
        if let Some(instance) = &new.instance {
            builder = builder.group_instance_id(instance);
        }
        let consumer = builder.build().map_err(|e| format!("{key} cannot join: {e}"))?;
        self.stage.put(key, group, consumer);
        self.model.joined(key, group, new);
        Ok(())
    }

    pub(crate) fn close_one(&mut self) -> Outcome {
        let Some(key) = self.a_client() else { return Ok(()) };
        let is_dropped = self.random.bool();
        self.say(format!("{key} is {}", if is_dropped { "dropped" } else { "closed" }));
        self.close(key, is_dropped)
    }

    pub(crate) fn close(&mut self, key: Key, is_dropped: bool) -> Outcome {
        let Some((_, consumer)) = self.stage.take(key) else { return Ok(()) };
        self.stage.note(Event::Closing { client: key });
        let standing = self.model.clients[&key].standing;
        if is_dropped {
            drop(consumer);
        } else if let Err(error) = consumer.close() {
            // Whoever is fenced cannot commit any more.
            if error.kind() != ErrorKind::Fenced || standing == Standing::Member {
                return Err(format!("{key} cannot be closed: {error}"));
            }
        }
        self.tell_model()?;
        self.model.gone(key)
    }

    pub(crate) fn tell_model(&mut self) -> Outcome {
        for event in self.stage.take_events() {
            self.say(format!("    {event:?}"));
            self.model.apply(&event)?;
        }
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self) -> Outcome {
        let Some((key, _)) = self.a_member() else { return Ok(()) };
        self.say(format!("{key} unsubscribes"));
        self.stage.note(Event::Closing { client: key });
        let outcome = self.stage.call(key, ottla::Consumer::unsubscribe).unwrap_or(Ok(()));
        outcome.map_err(|e| format!("{key} cannot unsubscribe: {e}"))?;
        self.tell_model()?;
        if let Some(place) = self.model.owned_by(key).first() {
            return Err(format!("{key} left and told nobody of {}", shown(place)));
        }
        self.model.left(key);
        Ok(())
    }

    pub(crate) fn resubscribe(&mut self) -> Outcome {
        let Some(key) = self.a_client() else { return Ok(()) };
        let Some(subscription) = self.a_subscription() else { return Ok(()) };
        self.say(format!("{key} subscribes to {subscription:?}"));
        let outcome = self.stage.call(key, |consumer| match &subscription {
            Subscription::Names(names) => consumer.subscribe(names),
            Subscription::Prefix(prefix) => consumer.subscribe_pattern(&format!("{prefix}.*")),
        });
        let standing = self.model.clients[&key].standing;
        match (standing, outcome.unwrap_or(Ok(()))) {
            (Standing::Outside, Ok(())) => self.model.becomes_member(key),
            (Standing::Member, Ok(())) => {}
            (Standing::Evicted | Standing::Replaced, Err(e)) if e.kind() == ErrorKind::Fenced => {
                return Ok(());
            }
            (_, outcome) => return Err(format!("{key}, {standing:?}, subscribes: {outcome:?}")),
        }
        if let Some(client) = self.model.clients.get_mut(&key) {
            client.subscription = subscription;
        }
        Ok(())
    }

    pub(crate) fn seek(&mut self) -> Outcome {
        let Some((key, client)) = self.a_member() else { return Ok(()) };
        let Some(place) = self.own_place(&client) else { return Ok(()) };
        let offset = self.random.i64(0..=self.model.end(&place));
        self.say(format!("{key} goes to {offset} of {}", shown(&place)));
        let outcome = self.stage.call(key, |consumer| consumer.seek(&place.0, place.1, offset));
        outcome.unwrap_or(Ok(())).map_err(|e| format!("{key} cannot seek: {e}"))?;
        if offset > client.positions[&place] {
            self.model.excuse(client.group, &place, offset);
        }
        if let Some(client) = self.model.clients.get_mut(&key) {
            client.unsure.remove(&place);
            client.positions.insert(place, offset);
        }
        Ok(())
    }

    pub(crate) fn pause_or_resume(&mut self) -> Outcome {
        let Some((key, client)) = self.a_member() else { return Ok(()) };
        let Some(place) = self.own_place(&client) else { return Ok(()) };
        let pauses = !client.paused.contains(&place);
        self.say(format!("{key} {} {}", if pauses { "pauses" } else { "resumes" }, shown(&place)));
        self.set_paused(key, &place, pauses)
    }

    pub(crate) fn set_paused(&mut self, key: Key, place: &Place, pauses: bool) -> Outcome {
        let outcome = self.stage.call(key, |consumer| {
            let partition = [(place.0.as_str(), place.1)];
            if pauses { consumer.pause(partition) } else { consumer.resume(partition) }
        });
        outcome.unwrap_or(Ok(())).map_err(|e| format!("{key} cannot pause or resume: {e}"))?;
        if let Some(client) = self.model.clients.get_mut(&key) {
            if pauses {
                client.paused.insert(place.clone());
            } else {
                client.paused.remove(place);
            }
        }
        Ok(())
    }

    pub(crate) fn create_topic(&mut self) -> Outcome {
        let missing = TOPICS.iter().filter(|name| !self.model.topics.contains_key(**name));
        let Some(name) = self.random.choice(missing.copied().collect::<Vec<_>>()) else {
            return Ok(());
        };
        let partitions = self.random.i32(1..4);
        self.say(format!("{name} is made with {partitions} partitions"));
        let config = TopicConfig::new().partitions(partitions);
        let made = self.broker().create_topic(name, config);
        made.map_err(|e| format!("{name} cannot be made: {e}"))?;
        let logs = vec![Vec::new(); partitions as usize];
        self.model.topics.insert(name.to_owned(), logs);
        Ok(())
    }

    pub(crate) fn add_partition(&mut self) -> Outcome {
        let names: Vec<String> = self.model.topics.keys().cloned().collect();
        let Some(name) = self.random.choice(names) else { return Ok(()) };
        let logs = self.model.topics.entry(name.clone()).or_default();
        if logs.len() >= 5 {
            return Ok(());
        }
        logs.push(Vec::new());
        let total = logs.len() as i32;
        self.say(format!("{name} gets {total} partitions"));
        self.broker().add_partitions(&name, total).map_err(|e| format!("cannot grow: {e}"))
    }

    pub(crate) fn delete_topic(&mut self) -> Outcome {
        let names: Vec<String> = self.model.topics.keys().cloned().collect();
        let Some(name) = self.random.choice(names) else { return Ok(()) };
        self.say(format!("{name} is deleted"));
        self.broker().delete_topic(&name).map_err(|e| format!("cannot delete: {e}"))?;
        self.model.topic_deleted(&name);
        Ok(())
    }

    pub(crate) fn reset_offsets(&mut self) -> Outcome {
        let group = self.random.usize(0..GROUPS);
        let Some(place) = self.a_place() else { return Ok(()) };
        let offset = self.random.i64(0..=self.model.end(&place));
        self.say(format!("group {group} is set to {offset} in {}", shown(&place)));
        let topic = TopicName::new(&place.0).map_err(|e| e.to_string())?;
        let partition = ottla::TopicPartition::new(topic, place.1);
        let scope = OffsetScope::Partitions(vec![partition]);
        let to = OffsetReset::Offset(offset);
        let outcome = self.broker().reset_offsets(&group_name(group), &scope, to, false);
        match outcome {
            Ok(_) if !self.model.has_members(group) => {
                self.model.set_committed(group, &place, Some(offset));
                self.model.excuse(group, &place, offset);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::GroupNotEmpty && self.model.has_members(group) => {
                Ok(())
            }
            outcome => Err(format!("resetting the offsets of group {group}: {outcome:?}")),
        }
    }

    pub(crate) fn delete_offsets(&mut self) -> Outcome {
        let group = self.random.usize(0..GROUPS);
        self.say(format!("the offsets of group {group} are deleted"));
        let outcome = self.broker().delete_offsets(&group_name(group), &OffsetScope::Committed);
        self.was_deleted(group, outcome)
    }

    pub(crate) fn delete_group(&mut self) -> Outcome {
        let group = self.random.usize(0..GROUPS);
        self.say(format!("group {group} is deleted"));
        let outcome = self.broker().delete_group(&group_name(group));
        self.was_deleted(group, outcome)
    }

    /// Offsets are deleted of groups that have any, and no members.
    fn was_deleted(&mut self, group: usize, outcome: ottla::Result<()>) -> Outcome {
        let has_members = self.model.has_members(group);
        match outcome {
            Ok(()) if !has_members => {
                for committed in self.model.groups[group].committed.values_mut() {
                    committed.offset = None;
                }
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::GroupNotEmpty && has_members => Ok(()),
            Err(e) if e.kind() == ErrorKind::UnknownGroup && !has_members => {
                let mut committed = self.model.groups[group].committed.values();
                match committed.find(|committed| committed.offset.is_some()) {
                    Some(committed) => Err(format!("group {group} is unknown: {committed:?}")),
                    None => Ok(()),
                }
            }
            outcome => Err(format!("deleting from group {group}: {outcome:?}")),
        }
    }

    /// A consumer that chose its partition itself commits, in the name of a group.
    pub(crate) fn commit_from_outside(&mut self) -> Outcome {
        let group = self.random.usize(0..GROUPS);
        let Some(place) = self.a_place() else { return Ok(()) };
        let offset = self.random.i64(0..=self.model.end(&place));
        self.say(format!("somebody commits {offset} of {} for group {group}", shown(&place)));
        let builder = self.broker().consumer().group(group_name(group));
        let consumer = builder.assign([(place.0.as_str(), place.1)]).build();
        let mut consumer = consumer.map_err(|e| format!("it cannot be assigned: {e}"))?;
        match consumer.commit_offsets([((place.0.as_str(), place.1), offset)]) {
            Ok(()) if !self.model.has_members(group) => {
                self.model.set_committed(group, &place, Some(offset));
                self.model.excuse(group, &place, offset);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::GroupNotEmpty && self.model.has_members(group) => {
                Ok(())
            }
            outcome => Err(format!("a commit from outside of group {group}: {outcome:?}")),
        }
    }

    /// Time passes: a moment, a poll interval, a session, or as long as offsets are kept.
    pub(crate) fn tick(&mut self) -> Outcome {
        let by = match self.random.u32(0..20) {
            0..12 => Duration::from_millis(self.random.u64(0..1500)),
            12..16 => SESSION_TIMEOUT + Duration::from_secs(1),
            16..19 => MAX_POLL_INTERVAL + Duration::from_secs(1),
            _ => OFFSETS_RETENTION + Duration::from_secs(1),
        };
        if by > OFFSETS_RETENTION {
            // A commit that waits for hours expires at once: this tick ends all of them.
            self.let_pass(Duration::ZERO)?;
            self.look()?;
            self.model.nothing_is_under_way();
        }
        self.say(format!("{by:?} pass"));
        self.let_pass(by)
    }

    pub(crate) fn let_pass(&mut self, by: Duration) -> Outcome {
        self.world.clock.advance(by);
        self.model.now = self.world.clock.monotonic();
        self.broker().tick().map_err(|e| format!("the tick failed: {e}"))?;
        self.tell_model()?;
        self.model.ticked()
    }

    pub(crate) fn checkpoint(&mut self) -> Outcome {
        self.say("a checkpoint");
        self.broker().checkpoint().map_err(|e| format!("no checkpoint: {e}"))?;
        self.all_is_durable();
        Ok(())
    }

    pub(crate) fn all_is_durable(&mut self) {
        for written in self.model.topics.values_mut().flatten().flatten() {
            written.survives_kill = true;
            written.survives_power_loss = true;
        }
    }
}
