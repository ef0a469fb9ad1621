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

/// All steps, the short ones first.
pub const STEPS: &[Step] = &[
    Step {
        layer: "c-abi",
        command: &[
            "cargo",
            "test",
            "--locked",
            "-p",
            "ottla-ffi",
            "--test",
            "misuse",
            "--test",
            "c_suite",
            "--",
            "--nocapture",
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
        layer: "races",
        command: &[".ci/run", "races"],
        lengths: &[("OTTLA_SCHEDULES", ["1000", "10000", "200000"])],
        cores: 2,
    },
    Step {
        layer: "simulation",
        command: proof!("-p", "ottla-simulation", "--test", "simulation", "--", "--nocapture"),
        lengths: &[("OTTLA_SIM_STATES", ["3000", "5000000", "50000000"])],
        cores: 2,
    },
];
