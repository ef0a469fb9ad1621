//! The steps of a campaign: which harness, how long in each length, and on how many cores.

/// How long a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Minutes: to see that every step works.
    Short,
    /// An evening on two cores.
    Evening,
    /// As long as it takes to reach the aims.
    Full,
}

/// One run of one harness.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its layer.
    pub layer: &'static str,
    /// The program and its arguments, from the root of the sources.
    pub command: &'static [&'static str],
    /// What the environment says, in each length.
    pub lengths: &'static [(&'static str, [&'static str; 3])],
    /// How many cores it keeps busy.
    pub cores: usize,
}

impl Step {
    /// The environment in this length.
    pub fn environment(&self, length: Length) -> Vec<(&'static str, &'static str)> {
        self.lengths.iter().map(|(name, values)| (*name, values[length as usize])).collect()
    }

    /// As a person would type it.
    pub fn line(&self, length: Length) -> String {
        let mut words: Vec<String> = self
            .environment(length)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        words.extend(self.command.iter().map(|word| (*word).to_owned()));
        words.join(" ")
    }
}

/// A test of a package, optimised and with all assertions.
macro_rules! proof {
    ($($word:literal),*) => {
        &["cargo", "test", "--locked", "--profile", "proof", $($word),*]
    };
}

/// All steps.
#[rustfmt::skip]
pub const STEPS: &[Step] = &[
    Step {
        layer: "c-abi",
        command: &[
            "cargo", "test", "--locked", "-p", "ottla-ffi", "--test", "misuse", "--test", "c_suite",
            "--", "--nocapture",
        ],
        lengths: &[],
        cores: 2,
    },
    Step {
        layer: "groups",
        command: proof!("--features", "sim", "--test", "groups", "--", "--nocapture"),
        lengths: &[("OTTLA_GROUP_RUNS", ["300", "20000", "200000"])],
        cores: 1,
    },
    Step {
        layer: "compaction",
        command: proof!("--lib", "--", "--nocapture", "compact::model::random"),
        lengths: &[("OTTLA_COMPACTIONS", ["200", "5000", "50000"])],
        cores: 1,
    },
    Step {
        layer: "flips",
        command: proof!("-p", "ottla-flips", "--", "--nocapture", "--test-threads", "1"),
        lengths: &[("OTTLA_FLIPS", ["200", "all", "all"])],
        cores: 2,
    },
    Step {
        layer: "errors",
        command: proof!("-p", "ottla-simulation", "--test", "errors", "--", "--nocapture"),
        lengths: &[
            ("OTTLA_ERRORS", ["", "all", "all"]),
            ("OTTLA_SWARM_RUNS", ["200", "20000", "500000"]),
        ],
        cores: 2,
    },
    Step {
        layer: "exhaustive",
        command: proof!("-p", "ottla-simulation", "--test", "exhaustive", "--", "--nocapture"),
        lengths: &[("OTTLA_EXHAUSTIVE_LENGTH", ["2", "3", "4"])],
        cores: 2,
    },
    Step {
        layer: "simulation",
        command: proof!("-p", "ottla-simulation", "--test", "simulation", "--", "--nocapture"),
        lengths: &[("OTTLA_SIM_STATES", ["3000", "5000000", "50000000"])],
        cores: 2,
    },
    Step {
        layer: "races",
        command: &[".ci/run", "races", "--nocapture"],
        lengths: &[("OTTLA_SCHEDULES", ["1000", "10000", "200000"])],
        cores: 2,
    },
    Step {
        layer: "stress",
        command: proof!("-p", "ottla-stress", "--", "--nocapture"),
        lengths: &[("OTTLA_STRESS_SECONDS", ["10", "300", "3600"])],
        cores: 2,
    },
    Step {
        layer: "tsan",
        command: &[".ci/run", "tsan"],
        lengths: &[("OTTLA_STRESS_SECONDS", ["10", "120", "1200"])],
        cores: 2,
    },
    Step {
        layer: "kill",
        command: &[
            "sh", "-c",
            "tests/outside/run kill --cycles $CYCLES --lanes 4 --life 4000 --opening 4000 --tool-every 200 --scratch /dev/shm",
        ],
        lengths: &[("CYCLES", ["200", "100000", "100000"])],
        cores: 2,
    },
    Step {
        layer: "power-ext4",
        command: &["sh", "-c", "tests/outside/run power-cut --file-system ext4 --cycles $CYCLES"],
        lengths: &[("CYCLES", ["20", "5000", "5000"])],
        cores: 1,
    },
    Step {
        layer: "power-xfs",
        command: &["sh", "-c", "tests/outside/run power-cut --file-system xfs --cycles $CYCLES"],
        lengths: &[("CYCLES", ["20", "2000", "2000"])],
        cores: 1,
    },
    Step {
        layer: "traces",
        command: &["sh", "-c", "tests/outside/run traces --runs $RUNS"],
        lengths: &[("RUNS", ["2", "100", "500"])],
        cores: 1,
    },
    Step {
        layer: "syscalls",
        command: &["sh", "-c", "tests/outside/run syscalls --runs $RUNS"],
        lengths: &[("RUNS", ["40", "3000", "22000"])],
        cores: 1,
    },
    Step {
        layer: "full-disk",
        command: &["sh", "-c", "tests/outside/run full-disk --rounds $ROUNDS"],
        lengths: &[("ROUNDS", ["1", "10", "50"])],
        cores: 1,
    },
    Step {
        layer: "read-only",
        command: &["tests/outside/run", "read-only"],
        lengths: &[],
        cores: 1,
    },
    Step {
        layer: "read-only",
        command: &["tests/outside/run", "names"],
        lengths: &[],
        cores: 1,
    },
    Step {
        layer: "descriptors",
        command: &["tests/outside/run", "descriptors", "--partitions", "2000"],
        lengths: &[],
        cores: 1,
    },
    Step {
        layer: "two-processes",
        command: &["sh", "-c", "tests/outside/run two-processes --races $RACES"],
        lengths: &[("RACES", ["5", "50", "200"])],
        cores: 1,
    },
    Step {
        layer: "clock",
        command: &["sh", "-c", "tests/outside/run clock --lives $LIVES"],
        lengths: &[("LIVES", ["16", "300", "3000"])],
        cores: 1,
    },
    Step {
        layer: "memory",
        command: &["tests/outside/run", "memory"],
        lengths: &[],
        cores: 1,
    },
    Step {
        layer: "memory",
        command: &["tests/outside/run", "recovery"],
        lengths: &[],
        cores: 2,
    },
    Step {
        layer: "fuzz",
        command: &["sh", "-c", "fuzz/run $SECONDS_EACH"],
        lengths: &[("SECONDS_EACH", ["5", "60", "3600"])],
        cores: 1,
    },
];
