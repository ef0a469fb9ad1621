//! An assignor of the program: who of a group reads what, decided by a function.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::Arc;

use ottla::{Assignor, MemberSubscription, TopicName, TopicPartition};

use super::callbacks::{Callbacks, UserData};
use crate::entry::{Failure, enter};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::lock::Mutex;
use crate::pointer::{at, text};
use crate::status::ottla_status;
use crate::topic_partition::{PartitionArray, ottla_topic_partition};

/// A topic, as an assignor sees it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_assignor_topic {
    /// Its name.
    pub topic: *const c_char,
    /// How many partitions it has.
    pub partition_count: i32,
    /// Zero.
    pub reserved: u32,
}

/// A member of a group, as an assignor sees it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_assignor_member {
    /// Its id, unique within the group.
    pub member_id: *const c_char,
    /// Its group.instance.id; NULL if it has none.
    pub instance_id: *const c_char,
    /// The topics that it subscribed to, patterns resolved. A topic need not exist.
    pub topics: *const *const c_char,
    /// How many topics these are.
    pub topic_count: usize,
    /// The partitions that it has at the moment; NULL if there are none.
    pub owned: *const ottla_topic_partition,
    /// How many partitions these are.
    pub owned_count: usize,
    /// The generation in which it came to have them; -1 if it never had any.
    pub generation: i32,
    /// Zero.
    pub reserved: u32,
}

/// Where an assignor puts its answer: see ottla_assignment_add.
///
/// Ownership: the library's, and gone when the assignor returns.
/// Threads: the one that the assignor was called on.
pub struct ottla_assignment {
    _opaque: [u8; 0],
}

/// Decides which member of a group reads which partition, and says so with ottla_assignment_add.
/// Nothing but the arguments may matter. It runs on the thread of whichever member's poll noticed
/// that members, subscriptions or topics changed, for several groups maybe at the same time, and
/// must not use any consumer. A partition that is given to nobody is read by nobody.
///
/// Ownership: what the arguments lead to is the library's, and gone when the callback returns.
pub type ottla_assign_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        topics: *const ottla_assignor_topic,
        topic_count: usize,
        members: *const ottla_assignor_member,
        member_count: usize,
        assignment: *mut ottla_assignment,
    ),
>;

/// An assignor of the program.
///
/// Ownership: the program's; copied during the call. What `user_data` leads to has to stay until
/// the consumer was freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_assignor {
    /// The name under which members agree on an assignor. Two of one name must decide alike.
    pub name: *const c_char,
    /// Not NULL.
    pub assign: ottla_assign_callback,
    /// Passed to `assign`.
    pub user_data: *mut c_void,
}

/// An assignor, once looked at.
pub(super) struct CustomAssignor {
    name: String,
    assign: AssignFunction,
    user_data: UserData,
}

type AssignFunction = unsafe extern "C" fn(
    *mut c_void,
    *const ottla_assignor_topic,
    usize,
    *const ottla_assignor_member,
    usize,
    *mut ottla_assignment,
);

impl CustomAssignor {
    /// # Safety
    /// Its name is text.
    pub(super) unsafe fn of(assignor: &ottla_assignor) -> Result<CustomAssignor, Failure> {
        // SAFETY: the caller's promise.
        let name = unsafe { text(assignor.name, "the name of an assignor") }?.to_owned();
        let Some(assign) = assignor.assign else {
            return Err(Failure::invalid(format!("the function of the assignor {name} is NULL")));
        };
        Ok(CustomAssignor { name, assign, user_data: UserData(assignor.user_data) })
    }

    /// Called no more once the consumer of these callbacks is freed.
    pub(super) fn shared(self, callbacks: &Arc<Callbacks>) -> Arc<dyn Assignor> {
        Arc::new(Guarded { assignor: self, callbacks: Arc::clone(callbacks) })
    }
}

struct Guarded {
    assignor: CustomAssignor,
    callbacks: Arc<Callbacks>,
}

impl Assignor for Guarded {
    fn name(&self) -> &str {
        &self.assignor.name
    }

    fn assign(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        let answer = self.callbacks.elsewhere().run(|| self.assignor.ask(topics, members));
        // Its consumer was freed, so the members changed, and another one is asked.
        answer.unwrap_or_else(|| vec![Vec::new(); members.len()])
    }
}

/// An answer in the making.
struct AssignmentHandle {
    topics: Vec<(TopicName, i32)>,
    answer: Mutex<Vec<Vec<TopicPartition>>>,
}

impl Handle for AssignmentHandle {
    const KIND: u8 = 14;
    const NAME: &'static str = "an assignment";
}

/// What the pointers of an ottla_assignor_member lead to.
struct MemberTexts {
    member_id: CString,
    instance_id: Option<CString>,
    _topics: Vec<CString>,
    topics: Vec<*const c_char>,
    owned: PartitionArray,
}

impl MemberTexts {
    fn of(member: &MemberSubscription) -> MemberTexts {
        let names: Vec<_> = member.topics.iter().map(|topic| c_text(topic.as_str())).collect();
        MemberTexts {
            member_id: c_text(&member.member_id),
            instance_id: member.instance_id.as_deref().map(c_text),
            topics: names.iter().map(|name| name.as_ptr()).collect(),
            _topics: names,
            owned: PartitionArray::of(&member.owned),
        }
    }

    fn shown(&self, generation: i32) -> ottla_assignor_member {
        ottla_assignor_member {
            member_id: self.member_id.as_ptr(),
            instance_id: self.instance_id.as_ref().map_or(ptr::null(), |id| id.as_ptr()),
            topics: self.topics.as_ptr(),
            topic_count: self.topics.len(),
            owned: self.owned.first(),
            owned_count: self.owned.count(),
            generation,
            reserved: 0,
        }
    }
}

impl CustomAssignor {
    fn ask(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        let names: Vec<_> = topics.keys().map(|topic| c_text(topic.as_str())).collect();
        let shown: Vec<_> = names
            .iter()
            .zip(topics.values())
            .map(|(name, &partition_count)| ottla_assignor_topic {
                topic: name.as_ptr(),
                partition_count,
                reserved: 0,
            })
            .collect();
        let texts: Vec<_> = members.iter().map(MemberTexts::of).collect();
        let shown_members: Vec<_> = texts
            .iter()
            .zip(members)
            .map(|(texts, member)| texts.shown(member.generation))
            .collect();
        let nothing = vec![Vec::new(); members.len()];
        let topics = topics.iter().map(|(topic, &count)| (topic.clone(), count)).collect();
        let making = AssignmentHandle { topics, answer: Mutex::new(nothing.clone()) };
        let Ok(assignment) = handle::give::<_, ottla_assignment>(making) else { return nothing };
        // SAFETY: the program promises a function of this type that takes this user data.
        unsafe {
            (self.assign)(
                self.user_data.0,
                shown.as_ptr(),
                shown.len(),
                shown_members.as_ptr(),
                shown_members.len(),
                assignment,
            );
        }
        let made = handle::take::<AssignmentHandle, _>(assignment);
        made.map_or(nothing, |made| std::mem::take(&mut *made.answer.lock()))
    }
}

/// Gives a partition to a member: `member` and `topic` are their places, from 0, among those that
/// the assignor got.
///
/// Threads: the one that the assignor was called on.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such member or partition.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_assignment_add(
    assignment: *mut ottla_assignment,
    member: usize,
    topic: usize,
    partition: i32,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let making = handle::get::<AssignmentHandle, _>(assignment)?;
        let (name, count) = at(&making.topics, topic, "topics")?;
        if !(0..*count).contains(&partition) {
            let message = format!("topic {name} has no partition {partition}: it has {count}");
            return Err(Failure::invalid(message));
        }
        let mut answer = making.answer.lock();
        at(&answer, member, "members")?;
        answer[member].push(TopicPartition::new(name.clone(), partition));
        Ok(())
    })
}
