//! Coming into a group, and coming back: a static member takes over the place of its instance id.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::Assignor;
use crate::group::membership::{Member, MemberSlot, Membership};
use crate::group::subscription::Subscription;

/// Who wants to join.
pub(crate) struct NewMember {
    pub(crate) member_id: String,
    /// The lasting name of a static member.
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) subscription: Subscription,
    /// What it may be assigned by, the best first.
    pub(crate) assignors: Vec<NamedAssignor>,
    /// How long its place is kept while it is away, if it is a static one.
    pub(crate) session_timeout: Duration,
}

/// An assignor whose name was asked for once, so that no code of a program runs where the members
/// are changed.
#[derive(Clone)]
pub(crate) struct NamedAssignor {
    pub(super) name: Arc<str>,
    pub(super) assignor: Arc<dyn Assignor>,
}

impl NamedAssignor {
    pub(crate) fn new(assignor: Arc<dyn Assignor>) -> NamedAssignor {
        NamedAssignor { name: Arc::from(assignor.name()), assignor }
    }
}

/// What a join did.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) slot: MemberSlot,
    /// The living member of the same instance id, which is none any more.
    pub(crate) fenced: Option<MemberSlot>,
    /// Whether it got the place of an earlier member of its instance id.
    pub(crate) took_over: bool,
    /// Who has something to do now.
    pub(crate) affected: Vec<MemberSlot>,
}

impl Membership {
    /// Adds a member. One whose instance id is known takes over that place: the target stays, and
    /// so does the generation, unless it subscribes to something else.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if no assignor is supported by all members.
    pub(crate) fn join(&mut self, new: NewMember) -> Result<Joined> {
        let same =
            |member: &Member| new.instance_id.is_some() && member.instance_id == new.instance_id;
        let earlier = self.members.iter().find(|(_, member)| same(member)).map(|(slot, _)| *slot);
        self.check_assignors(&new, earlier)?;
        let slot = MemberSlot(self.next_slot);
        self.next_slot += 1;
        let mut joined = Joined { slot, fenced: None, took_over: false, affected: Vec::new() };
        let mut member = Member {
            member_id: new.member_id,
            instance_id: new.instance_id,
            client_id: new.client_id,
            subscription: new.subscription,
            assignors: new.assignors,
            session_timeout: new.session_timeout,
            owned: BTreeSet::new(),
            target: BTreeSet::new(),
            lost: BTreeSet::new(),
            refusal: None,
            away_since: None,
        };
        match earlier.and_then(|earlier| self.members.remove(&earlier).map(|old| (earlier, old))) {
            None => self.stale = true,
            Some((earlier, old)) => {
                joined.took_over = true;
                joined.fenced = old.away_since.is_none().then_some(earlier);
                self.stale |= old.subscription != member.subscription;
                self.retired.extend(old.assignors);
                member.target = old.target;
                for partition in &member.target {
                    self.target.insert(partition.clone(), slot);
                }
                self.members.insert(slot, member);
                joined.affected = self.free_all(earlier, old.owned);
                return Ok(joined);
            }
        }
        self.members.insert(slot, member);
        Ok(joined)
    }

    fn check_assignors(&self, new: &NewMember, replaced: Option<MemberSlot>) -> Result<()> {
        let others: Vec<&Member> = self
            .members
            .iter()
            .filter(|(slot, _)| Some(**slot) != replaced)
            .map(|(_, member)| member)
            .collect();
        let supported = |name: &str| others.iter().all(|member| member.supports(name));
        if new.assignors.iter().any(|assignor| supported(&assignor.name)) {
            return Ok(());
        }
        let names = |assignors: &[NamedAssignor]| {
            let names: Vec<&str> = assignors.iter().map(|assignor| &*assignor.name).collect();
            names.join(", ")
        };
        let message = match others.first() {
            None => "a member needs at least one assignor".to_owned(),
            Some(other) => format!(
                "no assignor is supported by all members: this one has {}, {} has {}",
                names(&new.assignors),
                other.member_id,
                names(&other.assignors),
            ),
        };
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}
