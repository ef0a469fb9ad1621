//! A run: a broker on a simulated disk, a few consumers in a few groups, and one random step after
//! the other. Everything follows from the seed; a run with fewer steps is the beginning of one with
//! more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ottla::env::clock::Clock;
use ottla::env::sim::{Choices, SimEnv};
use ottla::{
    Assignor, Broker, BrokerOptions, MemberSubscription, RangeAssignor, RoundRobinAssignor,
    TopicName,
};

use crate::model::{
    Client, Model, NewClient, OFFSETS_RETENTION, SESSION_TIMEOUT, Standing, Subscription, shown,
};
use crate::stage::{Habits, Key, Place, Stage, place_of};

pub(crate) const GROUPS: usize = 3;
/// More rounds than any group needs to come to rest.
const ROUNDS_MAX: usize = 60;

pub(crate) type Outcome = Result<(), String>;

/// What a run came to, to see that it is worth something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    pub(crate) assigned: u64,
    pub(crate) crashes: u64,
}

pub(crate) struct Run {
    pub(crate) random: fastrand::Rng,
    pub(crate) world: SimEnv,
    pub(crate) broker: Option<Broker>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) model: Model,
    /// The assignors of each group's members, for this session.
    pub(crate) strategies: Vec<&'static str>,
    pub(crate) next_key: Key,
    pub(crate) next_value: u64,
    pub(crate) next_commit: u64,
    crashes: u64,
    /// What was done, for the message of a failure.
    trace: Vec<String>,
}

pub(crate) fn options() -> BrokerOptions {
    BrokerOptions::new()
        .background(false)
        .journal_file_bytes(4096)
        .journal_files(2)
        .offsets_retention(OFFSETS_RETENTION)
}

/// Does so many steps and then looks whether everything was served.
pub(crate) fn run(seed: u64, steps: usize) -> Result<Tally, String> {
    let mut run = Run::new(seed);
    let mut whole = || {
        run.open()?;
        for _ in 0..steps {
            run.step()?;
        }
        run.finish()
    };
    match whole() {
        Ok(()) => Ok(Tally {
            delivered: run.model.delivered,
            assigned: run.model.assigned,
            crashes: run.crashes,
        }),
        Err(law) => {
            // A simulated crash is a crash of the consumers, too: nothing of them runs any more.
            run.stage.take_all().into_iter().for_each(std::mem::forget);
            let last = run.trace.len().saturating_sub(400);
            Err(format!("{law}\nthe last steps:\n{}", run.trace[last..].join("\n")))
        }
    }
}

impl Run {
    fn new(seed: u64) -> Run {
        Run {
            random: fastrand::Rng::with_seed(seed),
            world: SimEnv::new(seed),
            broker: None,
            stage: Arc::default(),
            model: Model { groups: vec![Default::default(); GROUPS], ..Model::default() },
            strategies: Vec::new(),
            next_key: 0,
            next_value: 0,
            next_commit: 0,
            crashes: 0,
            trace: Vec::new(),
        }
    }

    pub(crate) fn broker(&self) -> Broker {
        self.broker.clone().expect("the broker is open between steps")
    }

    pub(crate) fn say(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    fn open(&mut self) -> Outcome {
        let opened = options().open_in(self.world.env());
        self.broker = Some(opened.map_err(|e| format!("it does not open: {e}"))?);
        self.strategies = (0..GROUPS).map(|_| self.strategy()).collect();
        Ok(())
    }

    fn strategy(&mut self) -> &'static str {
        let all = ["range", "roundrobin", "sticky", "cooperative-sticky", "sticky,range"];
        self.random.choice(all).expect("there is a choice")
    }

    /// One random step, and what it must have led to.
    pub(crate) fn step(&mut self) -> Outcome {
        self.model.now = self.world.clock.monotonic();
        match self.random.u32(0..1000) {
            0..220 => self.produce(),
            220..480 => self.poll_one(),
            480..560 => self.poll_all(),
            560..630 => self.commit(),
            630..660 => self.commit_later(),
            660..670 => self.commit_under_change(),
            670..700 => self.commit_made_up(),
            700..710 => self.commit_foreign(),
            710..720 => self.commit_from_outside(),
            720..780 => self.join(),
            780..810 => self.close_one(),
            810..825 => self.unsubscribe(),
            825..845 => self.resubscribe(),
            845..865 => self.seek(),
            865..885 => self.pause_or_resume(),
            885..900 => self.create_topic(),
            900..910 => self.add_partition(),
            910..918 => self.delete_topic(),
            918..924 => self.reset_offsets(),
            924..926 => self.delete_offsets(),
            926..928 => self.delete_group(),
            928..958 => self.tick(),
            958..968 => self.checkpoint(),
            968..980 => self.close_and_open(),
            980..984 => self.crash(false),
            984..987 => self.commit_with_a_failed_sync(),
            987..994 => self.crash(true),
            _ => self.settle(),
        }?;
        self.look()
    }

    /// Tells the model what happened, and holds it against what is shown.
    pub(crate) fn look(&mut self) -> Outcome {
        for event in self.stage.take_events() {
            self.say(format!("    {event:?}"));
            self.model.apply(&event)?;
        }
        for group in 0..GROUPS {
            let seen = self.committed(group)?;
            self.model.observe(group, &seen)?;
        }
        Ok(())
    }

    fn committed(&self, group: usize) -> Result<BTreeMap<Place, i64>, String> {
        let offsets = self.broker().committed_offsets(&group_name(group));
        let offsets = offsets.map_err(|e| format!("committed offsets cannot be read: {e}"))?;
        Ok(offsets.iter().map(|(at, offset)| (place_of(at), offset.offset)).collect())
    }

    // Ends of sessions.

    pub(crate) fn close_and_open(&mut self) -> Outcome {
        self.say("the broker is closed and opened");
        self.look()?;
        let broker = self.broker.take().ok_or("no broker")?;
        broker.close().map_err(|e| format!("it does not close: {e}"))?;
        self.all_is_durable();
        self.reopen(broker, false)
    }

    pub(crate) fn crash(&mut self, loses_power: bool) -> Outcome {
        let what = if loses_power { "the power is lost" } else { "the process is killed" };
        self.say(what);
        self.look()?;
        self.crashes += 1;
        let broker = self.broker.take().ok_or("no broker")?;
        broker.clone().abandon();
        self.reopen(broker, loses_power)
    }

    /// The consumers go with the broker, and whatever they still try changes nothing.
    fn reopen(&mut self, broker: Broker, loses_power: bool) -> Outcome {
        let position = self.world.disk.position();
        drop(self.stage.take_all());
        drop(broker);
        if self.world.disk.position() != position {
            return Err("something was written after the end of the session".to_owned());
        }
        self.stage.take_events();
        self.model.session_ended();
        let disk = if loses_power {
            let mut choices = Choices::seeded(self.random.u64(..));
            self.world.disk.after_power_loss(&mut choices)
        } else {
            self.world.disk.after_kill()
        };
        self.world = self.world.with_disk(disk);
        self.open()?;
        let report = self.broker().recovery_report().to_string();
        self.say(format!("    {report}"));
        self.read_everything(loses_power)?;
        for group in 0..GROUPS {
            let seen = self.committed(group)?;
            self.model.observe(group, &seen)?;
        }
        self.model.nothing_is_under_way();
        Ok(())
    }

    fn read_everything(&mut self, lost_power: bool) -> Outcome {
        let broker = self.broker();
        let shown_topics: BTreeSet<String> = broker
            .list_topics()
            .iter()
            .filter(|topic| !topic.name.is_internal())
            .map(|topic| topic.name.as_str().to_owned())
            .collect();
        if !shown_topics.iter().eq(self.model.topics.keys()) {
            return Err(format!("the topics are {shown_topics:?}"));
        }
        for place in self.model.places() {
            let values = read_values(&broker, &place)?;
            self.model.found(&place, &values, lost_power)?;
        }
        Ok(())
    }

    // Coming to rest.

    /// Everybody polls until nothing moves; then everything subscribed is read by somebody.
    pub(crate) fn settle(&mut self) -> Outcome {
        self.say("all come to rest");
        let paused: Vec<(Key, Place)> = self
            .model
            .clients
            .iter()
            .flat_map(|(key, client)| client.paused.iter().map(|place| (*key, place.clone())))
            .collect();
        for (key, place) in paused {
            self.set_paused(key, &place, false)?;
        }
        let mut restless = 0;
        while restless < ROUNDS_MAX {
            let before = (self.model.delivered, self.model.moves);
            // Partitions whose commits are under way stay where they are until the tick.
            self.let_pass(Duration::ZERO)?;
            self.poll_all()?;
            self.look()?;
            let after = (self.model.delivered, self.model.moves);
            if before == after {
                return self.rests();
            }
            // Reading what is there takes as long as it takes; moving partitions does not.
            restless += usize::from(before.0 == after.0);
        }
        Err(format!("after {ROUNDS_MAX} rounds they do not rest"))
    }

    fn rests(&self) -> Outcome {
        for (group, known) in self.model.groups.iter().enumerate() {
            let members: Vec<&Client> = self
                .model
                .clients
                .values()
                .filter(|client| client.group == group && client.standing == Standing::Member)
                .collect();
            // What is kept for a member that is away is read by nobody.
            if members.is_empty() || !known.away.is_empty() {
                continue;
            }
            for place in self.model.places() {
                let wanted = members.iter().any(|member| member.subscription.includes(&place.0));
                let owner = known.owners.get(&place);
                if wanted != owner.is_some() {
                    return Err(format!(
                        "{} of group {group} is wanted: {wanted}, and {owner:?} has it",
                        shown(&place)
                    ));
                }
                if wanted {
                    self.model.all_served(group, &place)?;
                }
            }
            self.is_as_assigned(group)?;
            self.is_as_described(group)?;
        }
        Ok(())
    }

    /// Where it does not matter what members owned before, the target can be computed anew.
    fn is_as_assigned(&self, group: usize) -> Outcome {
        let assignor: &dyn Assignor = match self.strategies[group] {
            "range" => &RangeAssignor,
            "roundrobin" => &RoundRobinAssignor,
            _ => return Ok(()),
        };
        let name = |name: &str| TopicName::new(name).expect("a legal name");
        let topics: BTreeMap<TopicName, i32> = self
            .model
            .topics
            .iter()
            .map(|(topic, logs)| (name(topic), logs.len() as i32))
            .collect();
        let (mut keys, mut members) = (Vec::new(), Vec::new());
        for (key, client) in &self.model.clients {
            if client.group != group || client.standing != Standing::Member {
                continue;
            }
            let metadata = self.stage.call(*key, |consumer| consumer.group_metadata());
            let metadata = metadata.ok_or("a consumer is not there")?.map_err(|e| e.to_string())?;
            let subscribed =
                topics.keys().filter(|topic| client.subscription.includes(topic.as_str()));
            let mut member =
                MemberSubscription::new(metadata.member_id, subscribed.cloned().collect());
            member.instance_id.clone_from(&client.instance);
            keys.push(*key);
            members.push(member);
        }
        let target = assignor.assign(&topics, &members);
        for (key, list) in keys.into_iter().zip(target) {
            let target: BTreeSet<Place> = list.iter().map(place_of).collect();
            let owned = self.model.owned_by(key);
            if owned != target {
                return Err(format!("{key} owns {owned:?}, the assignor said {target:?}"));
            }
        }
        Ok(())
    }

    /// What an administrator is shown.
    fn is_as_described(&self, group: usize) -> Outcome {
        let described = self.broker().describe_group(&group_name(group));
        let described = described.map_err(|e| format!("group {group} cannot be described: {e}"))?;
        let owners = described.partitions.iter().filter(|shown| shown.member_id.is_some());
        let owned: BTreeSet<Place> = owners.map(|shown| place_of(&shown.partition)).collect();
        if !owned.iter().eq(self.model.groups[group].owners.keys()) {
            return Err(format!("group {group} is described as reading {owned:?}"));
        }
        for shown in &described.partitions {
            let place = place_of(&shown.partition);
            let end = self.model.end(&place);
            let committed = self.model.groups[group].committed.get(&place);
            let committed = committed.and_then(|committed| committed.offset);
            let lag = committed.map(|offset| end - offset);
            if shown.end_offset != Some(end) || lag.is_some() && shown.lag != lag {
                return Err(format!("{shown:?}: the end is {end}, the lag {lag:?}"));
            }
        }
        Ok(())
    }

    /// At the end everybody goes, and one newcomer per group reads what is left.
    fn finish(&mut self) -> Outcome {
        self.settle()?;
        for key in self.model.clients.keys().copied().collect::<Vec<_>>() {
            self.say(format!("{key} is closed at the end"));
            self.close(key, false)?;
            self.look()?;
        }
        self.let_pass(SESSION_TIMEOUT + Duration::from_secs(1))?;
        for group in 0..GROUPS {
            let new = NewClient {
                instance: None,
                auto_commit: false,
                evict: false,
                subscription: Subscription::Prefix(String::new()),
            };
            self.add_client(group, new, Habits::default())?;
        }
        self.settle()
    }
}

pub(crate) fn group_name(group: usize) -> String {
    format!("group-{group}")
}

fn read_values(broker: &Broker, place: &Place) -> Result<Vec<u64>, String> {
    let text = |e: ottla::Error| format!("{} cannot be read: {e}", shown(place));
    let mut consumer =
        broker.consumer().assign([(place.0.as_str(), place.1)]).build().map_err(text)?;
    let mut values = Vec::new();
    loop {
        let records = consumer.poll(Duration::ZERO).map_err(text)?;
        if records.is_empty() {
            return Ok(values);
        }
        for record in &records {
            let value = record.value().and_then(|value| value.try_into().ok());
            values.push(value.map_or(u64::MAX, u64::from_be_bytes));
        }
    }
}
