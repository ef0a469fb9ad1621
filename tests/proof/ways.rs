//! The harnesses that planted bugs are shown to, and the bugs that each is known to see.

use crate::sightings::Way;

/// A test in an optimised build that holds the bugs.
macro_rules! planted {
    ($($word:literal),*) => {
        &[
            "cargo", "test", "--locked", "--profile", "proof", "--target-dir", "target/plant",
            $($word),*
        ]
    };
}

/// All of them.
pub const WAYS: &[Way] = &[
    Way {
        layer: "simulation",
        command: planted!("-p", "ottla-simulation", "--", "--nocapture", "planted"),
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "groups",
        command: planted!("--features", "sim", "--test", "groups", "--", "--nocapture", "planted"),
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "compaction",
        command: planted!(
            "--lib",
            "--",
            "--nocapture",
            "--test-threads=1",
            "compact::model::planted",
            "planted_bugs_of_tables",
            "stream::tests::model::planted"
        ),
        environment: &[],
        bugs: &[],
    },
    Way {
        layer: "races",
        command: &[".ci/run", "races", "--nocapture", "planted"],
        environment: &[],
        bugs: &[],
    },
];
