//! The faults against which Ottla promises something, and what it promises. Numbers and words are
//! those of docs/RELIABILITY.md; docs/DURABILITY.md says how each promise is kept.

/// A fault, and what is promised.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// `F0` ...
    pub id: &'static str,
    /// What goes wrong.
    pub fault: &'static str,
    /// What a user may rely on.
    pub promise: &'static str,
}

const fn fault(id: &'static str, fault: &'static str, promise: &'static str) -> Fault {
    Fault { id, fault, promise }
}

/// All of them.
pub const FAULTS: &[Fault] = &[
    fault(
        "F0",
        "none: an ordinary day",
        "each record once, in order, to each group; compaction keeps the newest of each key; tables and streams are what the log says",
    ),
    fault(
        "F1",
        "the process dies at any instruction",
        "what was acked with `acks` 1 or all is there, in order, byte for byte; what was not acked is a prefix or absent",
    ),
    fault(
        "F2",
        "power is lost: writes that were not synced are dropped, reordered, torn at 512 bytes, zeros",
        "what was acked with `acks=all` is there; the rest is a prefix; no hole, nothing invented",
    ),
    fault(
        "F3",
        "a name that was not synced is lost",
        "a new segment, a roll, a checkpoint, a topic made or deleted is there wholly or not at all",
    ),
    fault(
        "F4",
        "a crash during recovery, a cut, compaction, retention, a deletion",
        "opening again comes to the same result; of a compaction the old segments or the new ones",
    ),
    fault(
        "F5",
        "a sync fails, once or for ever",
        "all who wait for it are told; no retry makes it a success; writers refuse until the next open, readers go on",
    ),
    fault(
        "F6",
        "the disk is full, a quota or a file size limit is met",
        "an error, nothing half-written is seen; reads, deletions and opens work; appends go on once there is space",
    ),
    fault(
        "F7",
        "a read fails",
        "an error that names file and position; never taken for the end of a log, nothing is cut",
    ),
    fault(
        "F8",
        "calls are interrupted, reads and writes are short",
        "resumed without notice; a write of nothing is an error",
    ),
    fault(
        "F9",
        "bits of a log rot",
        "an error that names topic, partition, file and position, also by `verify`; never returned, never cut off; all else stays readable",
    ),
    fault(
        "F10",
        "bits of a derived file rot",
        "found by sums, made anew from the log, named in the report",
    ),
    fault(
        "F11",
        "a write lands in the wrong place, or not at all; files are swapped",
        "found by places, sums and lengths; never a wrong record",
    ),
    fault(
        "F12",
        "a file is cut short",
        "behind the recovery point a torn tail; in front of it damage, and nothing more is cut",
    ),
    fault(
        "F13",
        "a file is missing",
        "a derived one is made anew; a segment, a partition, a catalog is damage, never an empty log",
    ),
    fault(
        "F14",
        "the clock jumps",
        "offsets and durability do not care; nothing is deleted because of it; waits are as long as they were",
    ),
    fault(
        "F15",
        "two processes, or two handles of one, open a directory",
        "the second is refused at once, with the pid of the first; a lock never outlives its holder",
    ),
    fault(
        "F16",
        "a process forks while a directory is open",
        "the child has none of its parent's handles and writes nothing",
    ),
    fault(
        "F17",
        "the directory or its disk may only be read",
        "opening to read works and writes nothing; opening to write is an error that names the path",
    ),
    fault(
        "F18",
        "descriptors run out",
        "Ottla uses a bounded number; an error leaves everything as it was, trying again works",
    ),
    fault(
        "F19",
        "memory runs out",
        "what a file or a caller asks for is bounded, and an error if it is not to be had",
    ),
    fault(
        "F20",
        "bytes of a hostile file, batch or caller",
        "an error; no panic, no allocation beyond what the bytes can justify, never a wrong answer",
    ),
    fault("F21", "a decompression bomb", "an error at a limit; memory stays within it"),
    fault(
        "F22",
        "a callback panics, calls back, or never returns",
        "no lock is held meanwhile; the panic stays inside of its call; others go on",
    ),
    fault(
        "F23",
        "C code passes what it must not: NULL, freed and foreign handles, absurd lengths",
        "a code, as far as a library can know",
    ),
    fault(
        "F24",
        "names with `..`, `/`, NUL; links in the directory",
        "refused; nothing outside of the directory is touched",
    ),
    fault(
        "F25",
        "threads append, read, delete, compact and close at once",
        "each partition has one order; readers see no half of anything; no deadlock, no lost wake-up",
    ),
    fault(
        "F26",
        "a producer sends again, or out of order, or is fenced",
        "each batch once, through crashes too; an old epoch is refused",
    ),
    fault(
        "F27",
        "a transaction is interrupted at any step",
        "wholly there or wholly absent, its offsets included, on disk and in every view",
    ),
    fault(
        "F28",
        "a commit of offsets is interrupted",
        "what was acked or seen never goes back, and never lies beyond the end",
    ),
];

/// The fault of this number.
pub fn fault_of(id: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.id == id)
}
