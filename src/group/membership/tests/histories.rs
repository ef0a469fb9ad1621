//! Random histories of a group, checked against what must hold at every step and at the end.
//!
//! The test keeps books of its own: who has taken what and not released it, and whose commits are
//! under way. A step is anything that a member, a tick or the broker can do, in any order: looking
//! and putting the target in place are two steps, and so are being told to let go and doing so.
//! At the end some members are stuck. All others reconcile until there is nothing to do, and then
//! everything must be where the assignor wants it, but for what the stuck ones hold.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::env::sim::seed;
use crate::group::assign::{
    CooperativeStickyAssignor, MemberSubscription, RoundRobinAssignor, StickyAssignor,
};
use crate::group::membership::rebalance::Planned;

const HISTORIES: u64 = 3_000;
const TOPICS: [&str; 4] = ["orders", "orders-eu", "payments", "views"];

/// Ranges, unless its mood says otherwise.
struct Moody(Arc<AtomicU32>);

impl Assignor for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn assign(
        &self,
        topics: &PartitionCounts,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        let mut lists = RangeAssignor.assign(topics, members);
        let some = || TopicPartition::new(name("orders"), 0);
        match self.0.load(Ordering::Relaxed) {
            1 => lists.push(Vec::new()),
            2 => lists.clear(),
            3 => lists[0].push(TopicPartition::new(name("nowhere"), 0)),
            4 => lists[0].extend([some(), some()]),
            5 => lists[0].push(TopicPartition::new(name("orders"), -1)),
            6 => panic!("in a bad mood"),
            7 => lists.iter_mut().for_each(Vec::clear),
            _ => {}
        }
        lists
    }
}

struct Actor {
    slot: MemberSlot,
    is_static: bool,
    /// Told to let go of these, and has not yet.
    revoked: Vec<TopicPartition>,
    /// What the test's own books say that it may read.
    reads: BTreeSet<TopicPartition>,
}

struct History {
    random: fastrand::Rng,
    members: Membership,
    topics: PartitionCounts,
    actors: Vec<Actor>,
    /// Commits that were begun: by whom, of what.
    commits: Vec<(MemberSlot, Vec<TopicPartition>)>,
    answer: Option<Planned>,
    holds: usize,
    assignors: Vec<Arc<dyn Assignor>>,
    mood: Arc<AtomicU32>,
    now: Duration,
    joined: u32,
    /// Somebody may be assigned by the moody one.
    is_moody: bool,
    generation: i32,
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = fastrand::Rng::with_seed(seed);
        let mood = Arc::new(AtomicU32::new(0));
        let moody: Arc<dyn Assignor> = Arc::new(Moody(Arc::clone(&mood)));
        let mut all: Vec<Arc<dyn Assignor>> = vec![
            Arc::new(RangeAssignor),
            Arc::new(RoundRobinAssignor),
            Arc::new(StickyAssignor),
            Arc::new(CooperativeStickyAssignor),
            moody,
        ];
        let first = random.usize(..all.len());
        all.swap(0, first);
        let generation = random.i32(0..5);
        History {
            members: Membership::new(generation),
            topics: topics(&[("orders", random.i32(1..9)), ("views", random.i32(1..4))]),
            actors: Vec::new(),
            commits: Vec::new(),
            answer: None,
            holds: 0,
            assignors: all,
            mood,
            now: Duration::ZERO,
            joined: 0,
            is_moody: false,
            generation,
            random,
        }
    }

    fn step(&mut self) {
        match self.random.u32(..100) {
            0..10 => self.join(),
            10..13 => self.go(),
            13..15 => self.pass_time(),
            15..19 => self.resubscribe(),
            19..26 => self.change_topics(),
            26..29 => self.mood.store(self.random.u32(..9), Ordering::Relaxed),
            29..31 => self.hold(),
            31..45 => self.plan(),
            45..57 => self.install(),
            57..67 => self.with_some_actor(|history, index| history.be_told(index)),
            67..77 => self.with_some_actor(|history, index| history.let_go(index)),
            77..87 => self.with_some_actor(|history, index| history.take(index)),
            87..93 => self.with_some_actor(|history, index| history.begin_commit(index)),
            _ => self.end_commit(),
        }
        self.check();
    }

    fn with_some_actor(&mut self, act: impl FnOnce(&mut History, usize)) {
        if !self.actors.is_empty() {
            let index = self.random.usize(..self.actors.len());
            act(self, index);
        }
    }

    fn some_subscription(&mut self) -> Subscription {
        if self.random.u8(..4) == 0 {
            let pattern = ["orders.*", ".*", "v.*|p.*"][self.random.usize(..3)];
            return Subscription::pattern(pattern).unwrap();
        }
        let all = self.random.bool();
        let chosen: Vec<&str> =
            TOPICS.iter().filter(|_| all || self.random.bool()).copied().collect();
        Subscription::topics(chosen).unwrap()
    }

    fn join(&mut self) {
        self.joined += 1;
        let instance = (self.random.u8(..3) == 0).then(|| format!("i{}", self.random.u8(..4)));
        // All support the first; what else they like differs.
        let mut assignors = self.assignors[..1 + self.random.usize(..3)].to_vec();
        self.random.shuffle(&mut assignors);
        self.is_moody |= assignors.iter().any(|assignor| assignor.name() == "moody");
        let subscription = self.some_subscription();
        let joined = self.members.join(NewMember {
            instance_id: instance.clone(),
            subscription,
            ..new_member(&format!("m{:03}", self.joined), assignors)
        });
        let joined = joined.unwrap();
        if let Some(fenced) = joined.fenced {
            assert!(self.members.begin_commit(fenced, [].iter()).is_err());
            self.actors.retain(|actor| actor.slot != fenced);
        }
        self.actors.push(Actor {
            slot: joined.slot,
            is_static: instance.is_some(),
            revoked: Vec::new(),
            reads: BTreeSet::new(),
        });
    }

    /// Leaves, is evicted, or closes: the handle is gone in any case.
    fn go(&mut self) {
        if self.actors.is_empty() {
            return;
        }
        let actor = self.actors.swap_remove(self.random.usize(..self.actors.len()));
        if self.random.bool() {
            self.members.go_away(actor.slot, self.now);
            assert_eq!(self.members.member(actor.slot).is_some(), actor.is_static);
        } else {
            self.members.remove(actor.slot);
        }
    }

    fn pass_time(&mut self) {
        self.now += SESSION / 2;
        self.members.expire_away(self.now);
        assert!(self.members.next_expiry().is_none_or(|next| next > self.now));
    }

    fn resubscribe(&mut self) {
        let subscription = self.some_subscription();
        self.with_some_actor(|history, index| {
            history.members.resubscribe(history.actors[index].slot, subscription);
        });
    }

    fn change_topics(&mut self) {
        let topic = name(TOPICS[self.random.usize(..TOPICS.len())]);
        match self.topics.get_mut(&topic) {
            None => drop(self.topics.insert(topic, self.random.i32(1..9))),
            Some(count) if self.random.bool() => *count += self.random.i32(1..3),
            Some(_) => {
                self.topics.remove(&topic);
                self.members.topic_deleted(&topic);
                for actor in &mut self.actors {
                    actor.reads.retain(|partition| partition.topic != topic);
                    actor.revoked.retain(|partition| partition.topic != topic);
                }
                if self.random.bool() {
                    return;
                }
                self.topics.insert(topic, self.random.i32(1..9));
            }
        }
        self.members.topics_changed(&self.topics);
    }

    fn hold(&mut self) {
        if self.holds > 0 {
            self.holds -= 1;
            self.members.unhold();
        } else if self.members.hold().is_ok() {
            assert!(self.actors.is_empty());
            self.holds += 1;
        }
    }

    fn plan(&mut self) {
        if let Some(plan) = self.members.plan(&self.topics) {
            assert!(self.answer.is_none(), "one computes at a time");
            self.answer = Some(plan.run());
        }
    }

    fn install(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        let before = self.members.generation();
        if let Installed::Target(affected) = self.members.install(answer) {
            assert_eq!(self.members.generation(), before + 1);
            for actor in &self.actors {
                assert_eq!(affected.contains(&actor.slot), self.members.is_pending(actor.slot));
            }
        }
    }

    fn be_told(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        // What an assignor did wrong is told first, and once.
        let told = self.members.revocations(actor.slot);
        let told = told.or_else(|_| self.members.revocations(actor.slot)).unwrap();
        assert!(told.lost.iter().all(|partition| !actor.reads.contains(partition)));
        assert!(told.revoked.iter().all(|partition| actor.reads.contains(partition)));
        actor.revoked = told.revoked;
    }

    fn let_go(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let revoked = std::mem::take(&mut actor.revoked);
        actor.reads.retain(|partition| !revoked.contains(partition));
        let before: Vec<bool> = self.pending();
        let affected = self.members.release(self.actors[index].slot, &revoked);
        for (at, was_pending) in before.into_iter().enumerate() {
            let slot = self.actors[at].slot;
            let has_more = self.members.is_pending(slot) && !was_pending;
            assert!(!has_more || affected.contains(&slot), "somebody is not told");
        }
    }

    fn pending(&self) -> Vec<bool> {
        self.actors.iter().map(|actor| self.members.is_pending(actor.slot)).collect()
    }

    fn take(&mut self, index: usize) {
        let slot = self.actors[index].slot;
        let taken = self.members.take(slot);
        assert!(taken.is_empty() || self.holds == 0, "taken while the offsets change from outside");
        for partition in taken {
            for other in &self.actors {
                assert!(!other.reads.contains(&partition), "{partition} was not released");
            }
            for (committer, partitions) in &self.commits {
                let is_late = partitions.contains(&partition);
                assert!(!is_late, "a commit of {committer:?} of {partition} is under way");
            }
            self.actors[index].reads.insert(partition);
        }
    }

    fn begin_commit(&mut self, index: usize) {
        let actor = &self.actors[index];
        let mut partitions: Vec<_> =
            actor.reads.iter().filter(|_| self.random.bool()).cloned().collect();
        let generation = self.members.begin_commit(actor.slot, partitions.iter()).unwrap();
        assert_eq!(generation, self.members.generation());
        self.commits.push((actor.slot, partitions.clone()));
        let foreign = TopicPartition::new(name("orders"), self.random.i32(..10));
        if !actor.reads.contains(&foreign) {
            partitions.push(foreign);
            let refused = self.members.begin_commit(actor.slot, partitions.iter()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        }
    }

    fn end_commit(&mut self) {
        if self.commits.is_empty() {
            return;
        }
        let (slot, partitions) = self.commits.swap_remove(self.random.usize(..self.commits.len()));
        self.members.end_commit(slot, partitions.iter());
    }

    /// What holds at every moment.
    fn check(&mut self) {
        assert!(self.members.generation() >= self.generation, "the generation went back");
        self.generation = self.members.generation();
        let mut owned: BTreeMap<TopicPartition, MemberSlot> = BTreeMap::new();
        for (slot, member) in self.members.members() {
            for partition in member.owned() {
                assert_eq!(owned.insert(partition.clone(), slot), None, "{partition} has two");
                assert_eq!(self.members.owner_of(partition), Some(slot));
                let count = self.topics.get(&partition.topic).copied().unwrap_or(0);
                assert!(partition.partition < count, "{partition} does not exist");
            }
        }
        for (slot, member) in self.members.members().filter(|(_, member)| member.is_away()) {
            assert!(member.owned.is_subset(&member.target), "{slot:?} is away and keeps too much");
        }
        for actor in &self.actors {
            let member = self.members.member(actor.slot).expect("a living one is a member");
            assert_eq!(*member.owned(), actor.reads, "the books differ");
        }
        let is_empty = self.members.is_empty();
        assert_eq!(is_empty, self.members.state() == GroupState::Empty);
    }

    /// Everything under way ends, and all but the stuck ones reconcile.
    fn settle(&mut self, stuck: &BTreeSet<MemberSlot>) {
        self.mood.store(0, Ordering::Relaxed);
        while !self.commits.is_empty() {
            self.end_commit();
        }
        while self.holds > 0 {
            self.hold();
        }
        self.install();
        // Whatever the assignor refused before, it is asked again when something changes.
        if self.is_moody {
            for topic in TOPICS {
                self.topics.entry(name(topic)).and_modify(|count| *count += 1).or_insert(1);
            }
            self.members.topics_changed(&self.topics);
        }
        for round in 0.. {
            assert!(round < 20, "the members do not come to rest");
            let mut idle = true;
            for index in 0..self.actors.len() {
                let slot = self.actors[index].slot;
                if stuck.contains(&slot) {
                    continue;
                }
                while self.members.wants_plan() {
                    idle = false;
                    self.plan();
                    self.install();
                }
                idle &= !self.members.is_pending(slot);
                self.be_told(index);
                self.let_go(index);
                self.take(index);
                self.check();
            }
            if idle {
                return;
            }
        }
    }

    fn check_rest(&self, stuck: &BTreeSet<MemberSlot>) {
        if self.actors.iter().all(|actor| stuck.contains(&actor.slot)) {
            return;
        }
        assert!(!self.members.wants_plan());
        let excused = |slot: MemberSlot| {
            stuck.contains(&slot) || self.members.member(slot).unwrap().is_away()
        };
        let anybody_is_excused = self.members.members().any(|(slot, _)| excused(slot));
        for (slot, member) in self.members.members() {
            if excused(slot) {
                continue;
            }
            for missing in member.target.difference(&member.owned) {
                let owner =
                    self.members.owner_of(missing).expect("nobody holds it, nobody reads it");
                assert!(excused(owner), "{missing} is with {owner:?}, who is not stuck");
            }
            assert!(member.owned.is_subset(&member.target), "{slot:?} kept too much");
        }
        for (topic, &count) in self.members.topics() {
            for number in 0..count {
                let partition = TopicPartition::new(topic.clone(), number);
                let target = self.members.target.get(&partition).copied();
                let reader = self.members.owner_of(&partition);
                let is_read = reader.is_some() || target.is_some_and(excused);
                assert!(is_read, "nobody reads {partition}");
            }
        }
        if !anybody_is_excused {
            assert_eq!(self.members.state(), GroupState::Stable);
            self.check_target();
        }
    }

    /// Asked once more, the assignor answers the same.
    fn check_target(&self) {
        let subscription = |member: &Member| {
            let names = member.subscription.resolve(&self.topics);
            let mut subscription = MemberSubscription::new(member.member_id.clone(), names);
            subscription.instance_id.clone_from(&member.instance_id);
            let owned = member.owned.iter().cloned().collect();
            subscription.owned(owned, self.members.generation())
        };
        let subscriptions: Vec<_> =
            self.members.members().map(|(_, member)| subscription(member)).collect();
        let Some(assignor) = &self.members.assignor else { return };
        let lists = assignor.assignor.assign(self.members.topics(), &subscriptions);
        for ((_, member), list) in self.members.members().zip(lists) {
            assert_eq!(member.owned, list.into_iter().collect(), "by {}", assignor.name);
        }
    }
}

fn run(seed: u64) {
    let mut history = History::new(seed);
    for _ in 0..history.random.usize(10..150) {
        history.step();
    }
    let stuck_one_in = history.random.usize(2..9);
    let mut stuck = BTreeSet::new();
    if history.random.bool() {
        for actor in &history.actors {
            if history.random.usize(..stuck_one_in) == 0 {
                stuck.insert(actor.slot);
            }
        }
    }
    history.settle(&stuck);
    history.check_rest(&stuck);
}

#[test]
fn random_histories_keep_the_invariants_and_come_to_rest() {
    let seed = seed();
    for history in 0..HISTORIES {
        let seed = seed.wrapping_add(history);
        let outcome = std::panic::catch_unwind(|| run(seed));
        if let Err(panic) = outcome {
            println!("the history of OTTLA_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
