//! The ways in which promises are attacked, in words: what each sees that others do not.

/// What a layer does, for the table. The order is that of the table.
pub const LAYERS: &[(&str, &str)] = &[
    (
        "simulation",
        "fixed and random workloads on the simulated disk, crashed at every position, and again while they recover",
    ),
    (
        "exhaustive",
        "every workload of a few operations, crashed at every position, every state that power may leave",
    ),
    (
        "errors",
        "each call of the disk fails in turn, in every way, once and from then on; then a crash",
    ),
    ("allocations", "each allocation whose size comes from a file or a caller fails in turn"),
    ("flips", "each bit of a closed directory flipped"),
    ("files", "files cut at every byte, missing, swapped, replaced by older ones"),
    ("fuzz", "decoders, directories and calls, led by coverage"),
    ("differential", "the same bytes through a decoder of somebody else"),
    ("kill", "real processes, signal 9 at random moments; trusts what was printed before"),
    (
        "power-ext4",
        "a real ext4 that loses its power through the shutdown call; trusts what was printed before",
    ),
    ("power-xfs", "the same on a real xfs"),
    ("traces", "states that a power loss may leave, made from traced system calls alone"),
    ("syscalls", "system calls of a real process made to fail, or to be its last"),
    ("full-disk", "small file systems that fill up, limits on file sizes"),
    ("read-only", "mounts and owners that forbid writing"),
    ("descriptors", "few descriptors"),
    ("two-processes", "who gets a directory, and what the other is told"),
    ("clock", "a system clock that jumps"),
    ("memory", "little memory, decompression bombs, long recoveries"),
    ("races", "threads under chosen schedules, on the simulated disk"),
    ("orders", "the weakest memory orders that the language allows"),
    ("tsan", "ThreadSanitizer"),
    ("stress", "real threads, all verbs at once, against a model"),
    ("groups", "consumer groups step by step against a model"),
    ("compaction", "compaction, tables and streams against plain lists"),
    ("components", "single parts beside their code"),
    ("c-abi", "C programs under sanitizers, misuse of every function, forks"),
];

/// What it does; `None` for a name that is no layer.
pub fn about(layer: &str) -> Option<&'static str> {
    LAYERS.iter().find(|(name, _)| *name == layer).map(|(_, about)| *about)
}
