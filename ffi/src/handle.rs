//! Handles: what a program holds instead of a pointer into the library.
//!
//! A handle looks like a pointer and is a number: which entry of one table, how often the entry was
//! used before, which kind of thing, and which process. Nobody follows it. A NULL, a freed, a
//! foreign, an invented one and one from before a fork are all told apart by looking it up; the
//! numbers are no addresses that any program may read, so following one by mistake faults.
//!
//! The invariant: an entry's thing is reached only by the handle that it was given last, and lives
//! until the handle is freed and every call that uses it has returned.

use std::any::Any;
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;
use std::time::Duration;

use crate::entry::Failure;
use crate::fork;
use crate::lock::{Condvar, Mutex};
use crate::slots::{SLOTS_MAX, Slots};
use crate::status::{OTTLA_E_FORKED, OTTLA_E_INVALID_HANDLE, OTTLA_E_LIMIT};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the handles of the C interface need 64 bits");

/// Something that a program can hold.
pub(crate) trait Handle: Any + Send + Sync {
    /// A number from 1 to 62 of its own, never used twice. (63 is what all ones would have.)
    const KIND: u8;
    /// With its article, for messages: "a consumer".
    const NAME: &'static str;

    /// Names this one for a close that it holds up: "a consumer of the group kitchen".
    fn describe(&self) -> String {
        Self::NAME.to_owned()
    }
}

// From the highest bit: kind 6, process 12, generation 22, index 24. A kind is never 0, so that no
// handle is a small number, and user space ends far below.
const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 22;
const PROCESS_BITS: u32 = 12;
const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;

/// More handles at a time are a leak.
const HANDLES_MAX: u32 = 1 << 24;
const _: () = assert!(HANDLES_MAX <= SLOTS_MAX && HANDLES_MAX <= 1 << INDEX_BITS);

/// So many forks, each in the child of the one before, are told apart.
pub(crate) const PROCESSES: u16 = 1 << PROCESS_BITS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    kind: u8,
    process: u16,
    generation: u32,
    index: u32,
}

impl Key {
    fn of_bits(bits: u64) -> Key {
        let take = |shift: u32, width: u32| (bits >> shift) & ((1 << width) - 1);
        Key {
            index: take(0, INDEX_BITS) as u32,
            generation: take(INDEX_BITS, GENERATION_BITS) as u32,
            process: take(INDEX_BITS + GENERATION_BITS, PROCESS_BITS) as u16,
            kind: (bits >> (INDEX_BITS + GENERATION_BITS + PROCESS_BITS)) as u8,
        }
    }

    fn bits(self) -> u64 {
        let kind = u64::from(self.kind) << (INDEX_BITS + GENERATION_BITS + PROCESS_BITS);
        let process = u64::from(self.process) << (INDEX_BITS + GENERATION_BITS);
        kind | process | u64::from(self.generation) << INDEX_BITS | u64::from(self.index)
    }
}

/// All handles of a process. A child begins with an empty table: see [`fork`].
pub(crate) struct Table {
    process: u16,
    /// The parent's table, in a child. Never looked into; it is here so that leak checkers find it.
    _inherited: AtomicPtr<Table>,
    entries: Slots<Entry>,
    free: Mutex<Free>,
    /// Told whenever something was freed.
    freed: (Mutex<()>, Condvar),
}

/// Which entries can be given away.
#[derive(Default)]
struct Free {
    /// All entries below this were used before.
    used: u32,
    /// Oldest first: an entry rests as long as it can before it is used again.
    rested: VecDeque<u32>,
}

#[derive(Default)]
struct Entry {
    kind: u8,
    generation: u32,
    thing: Option<Thing>,
}

struct Thing {
    value: Arc<dyn Any + Send + Sync>,
    /// The broker that has to outlive it; 0 for none.
    parent: u64,
    describe: fn(&(dyn Any + Send + Sync)) -> String,
}

impl Entry {
    fn is_of(&self, key: &Key) -> bool {
        self.kind == key.kind && self.generation == key.generation
    }

    /// Takes out what `key` stands for, which stands for nothing from now on; and whether the entry
    /// is used up: its generations are never given out twice.
    fn take(&mut self, key: &Key) -> Option<(Thing, bool)> {
        if !self.is_of(key) {
            return None;
        }
        let thing = self.thing.take()?;
        let is_used_up = self.generation >= GENERATION_MAX;
        if !is_used_up {
            self.generation += 1;
        }
        Some((thing, is_used_up))
    }
}

impl Table {
    pub(crate) fn new(process: u16) -> Table {
        Table::inheriting(process, ptr::null_mut())
    }

    /// The table of a child, whose parent's is `inherited`.
    pub(crate) fn inheriting(process: u16, inherited: *mut Table) -> Table {
        let _inherited = AtomicPtr::new(inherited);
        Table {
            process,
            _inherited,
            entries: Slots::new(),
            free: Mutex::default(),
            freed: Default::default(),
        }
    }

    pub(crate) fn process(&self) -> u16 {
        self.process
    }

    fn insert<T: Handle>(&self, value: Arc<T>, parent: u64) -> Result<u64, Failure> {
        let describe = |value: &(dyn Any + Send + Sync)| match value.downcast_ref::<T>() {
            Some(value) => value.describe(),
            None => T::NAME.to_owned(),
        };
        let thing = Some(Thing { value, parent, describe });
        let index = self.free_index()?;
        // Nobody else has the index, so that nobody but a guesser wants this lock.
        let Some(slot) = self.entries.make(index) else { return Err(too_many()) };
        let mut entry = slot.write();
        entry.kind = T::KIND;
        entry.thing = thing;
        let generation = entry.generation;
        Ok(Key { kind: T::KIND, process: self.process, generation, index }.bits())
    }

    /// The index of an entry that nobody has.
    fn free_index(&self) -> Result<u32, Failure> {
        let mut free = self.free.lock();
        if let Some(rested) = free.rested.pop_front() {
            return Ok(rested);
        }
        if free.used >= HANDLES_MAX {
            return Err(too_many());
        }
        free.used += 1;
        Ok(free.used - 1)
    }

    fn get<T: Handle>(&self, bits: u64) -> Result<Arc<T>, Failure> {
        let key = self.key_of::<T>(bits)?;
        let value = self.entries.get(key.index).and_then(|slot| {
            let entry = slot.read();
            let thing = entry.thing.as_ref().filter(|_| entry.is_of(&key))?;
            Some(Arc::clone(&thing.value))
        });
        match value.and_then(|value| value.downcast::<T>().ok()) {
            Some(value) => Ok(value),
            None => Err(not_a::<T>("was freed already, or never made")),
        }
    }

    fn remove<T: Handle>(&self, bits: u64) -> Result<Arc<T>, Failure> {
        // What is dropped runs the program's callbacks and waits: under no lock.
        let value = self.get::<T>(bits)?;
        let key = Key::of_bits(bits);
        let taken = self.entries.get(key.index).and_then(|slot| slot.write().take(&key));
        let Some((thing, is_used_up)) = taken else {
            return Err(not_a::<T>("is being freed by another thread"));
        };
        if !is_used_up {
            self.free.lock().rested.push_back(key.index);
        }
        drop(thing);
        let _told = self.freed.0.lock();
        self.freed.1.notify_all();
        Ok(value)
    }

    fn key_of<T: Handle>(&self, bits: u64) -> Result<Key, Failure> {
        let key = Key::of_bits(bits);
        if bits == 0 {
            return Err(not_a::<T>("is NULL"));
        }
        if key.kind != T::KIND {
            return Err(not_a::<T>("is something else"));
        }
        if key.process != self.process {
            let message = format!("{} was made before the fork: it is the parent's", T::NAME);
            return Err(Failure::new(OTTLA_E_FORKED, message));
        }
        Ok(key)
    }

    /// What `look` finds in the entries that are given away.
    fn of_each<F>(&self, look: impl Fn(&Thing) -> Option<F>) -> Vec<F> {
        let used = self.free.lock().used;
        let slots = (0..used).filter_map(|index| self.entries.get(index));
        slots.filter_map(|slot| slot.read().thing.as_ref().and_then(&look)).collect()
    }

    fn children(&self, parent: u64) -> Vec<String> {
        let of_parent = self.of_each(|thing| {
            (thing.parent == parent).then(|| (Arc::clone(&thing.value), thing.describe))
        });
        of_parent.into_iter().map(|(value, describe)| describe(&*value)).collect()
    }

    fn count(&self) -> usize {
        self.of_each(|_| Some(())).len()
    }

    fn wait_until_freed(&self, at_most: Duration) {
        let guard = self.freed.0.lock();
        drop(self.freed.1.wait_for(guard, at_most));
    }
}

fn too_many() -> Failure {
    let message = format!("{HANDLES_MAX} handles are open: free those not needed");
    Failure::new(OTTLA_E_LIMIT, message)
}

fn not_a<T: Handle>(why: &str) -> Failure {
    Failure::new(OTTLA_E_INVALID_HANDLE, format!("the handle of {} {why}", T::NAME))
}

/// Gives the program a handle of `value`, which belongs to no broker.
pub(crate) fn give<T: Handle, C>(value: T) -> Result<*mut C, Failure> {
    fork::table().insert(Arc::new(value), 0).map(|bits| bits as usize as *mut C)
}

/// Gives the program a handle of `value`, which the broker with the handle `parent` cannot be
/// closed before.
pub(crate) fn give_child<T: Handle, C>(value: T, parent: u64) -> Result<*mut C, Failure> {
    fork::table().insert(Arc::new(value), parent).map(|bits| bits as usize as *mut C)
}

/// What the program's handle stands for.
pub(crate) fn get<T: Handle, C>(handle: *const C) -> Result<Arc<T>, Failure> {
    fork::table().get(handle as usize as u64)
}

/// Takes the handle back. What it stood for goes when the last call that uses it returns.
pub(crate) fn take<T: Handle, C>(handle: *const C) -> Result<Arc<T>, Failure> {
    fork::table().remove(handle as usize as u64)
}

/// The handle as the number that children name their parent by.
pub(crate) fn number<C>(handle: *const C) -> u64 {
    handle as usize as u64
}

/// What is open of a broker, as its parts describe themselves.
pub(crate) fn children(parent: u64) -> Vec<String> {
    fork::table().children(parent)
}

/// How many handles were given and not taken back.
pub(crate) fn count() -> usize {
    fork::table().count()
}

/// Waits until some handle is freed, or until the time is up.
pub(crate) fn wait_until_freed(at_most: Duration) {
    fork::table().wait_until_freed(at_most);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Apple;
    impl Handle for Apple {
        const KIND: u8 = 62;
        const NAME: &'static str = "an apple";
    }
    #[derive(Debug)]
    struct Pear;
    impl Handle for Pear {
        const KIND: u8 = 61;
        const NAME: &'static str = "a pear";
    }

    fn code<T>(outcome: Result<T, Failure>) -> i32 {
        outcome.err().map_or(0, |failure| failure.status())
    }

    #[test]
    fn only_the_last_handle_of_an_entry_reaches_it() {
        let table = Table::new(0);
        let apple = table.insert(Arc::new(Apple), 0).unwrap();
        assert!(table.get::<Apple>(apple).is_ok());
        assert_eq!(code(table.get::<Pear>(apple)), OTTLA_E_INVALID_HANDLE);
        assert!(table.remove::<Apple>(apple).is_ok());
        assert_eq!(code(table.get::<Apple>(apple)), OTTLA_E_INVALID_HANDLE);
        assert_eq!(code(table.remove::<Apple>(apple)), OTTLA_E_INVALID_HANDLE);
        let again = table.insert(Arc::new(Apple), 0).unwrap();
        assert_ne!(apple, again, "the same entry has another generation");
        assert_eq!(code(table.get::<Apple>(apple)), OTTLA_E_INVALID_HANDLE);
        assert!(table.get::<Apple>(again).is_ok());
    }

    #[test]
    fn invented_handles_are_refused() {
        let table = Table::new(3);
        let pear = table.insert(Arc::new(Pear), 0).unwrap();
        for bits in [0, 1, 8, u64::MAX, pear ^ 1, pear ^ (1 << 40), pear ^ (1 << 60)] {
            assert_eq!(code(table.get::<Pear>(bits)), OTTLA_E_INVALID_HANDLE, "{bits:x}");
        }
        let other = Table::new(4);
        assert_eq!(code(other.get::<Pear>(pear)), OTTLA_E_FORKED);
    }

    #[test]
    fn entries_whose_generations_are_used_up_rest_for_ever() {
        let table = Table::new(0);
        let first = table.insert(Arc::new(Apple), 0).unwrap();
        table.entries.get(0).unwrap().write().generation = GENERATION_MAX;
        let last = Key { generation: GENERATION_MAX, ..Key::of_bits(first) }.bits();
        assert!(table.remove::<Apple>(last).is_ok());
        let next = Key::of_bits(table.insert(Arc::new(Apple), 0).unwrap());
        assert_eq!(next.index, 1);
    }

    #[test]
    fn children_are_found_by_their_parent() {
        let table = Table::new(0);
        let parent = table.insert(Arc::new(Apple), 0).unwrap();
        let child = table.insert(Arc::new(Pear), parent).unwrap();
        assert_eq!(table.children(parent), ["a pear"]);
        assert!(table.remove::<Pear>(child).is_ok());
        assert!(table.children(parent).is_empty());
    }
}
