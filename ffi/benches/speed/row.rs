//! A row: the same work by Rust and by others, in turns.
//!
//! The invariant: all sides of a row do their turns one after the other in one run, so that what
//! disturbs the machine disturbs all of them.

use std::time::Instant;

use ottla::{Broker, TopicConfig};
use tempfile::TempDir;

/// A turn is so many calls of so many records of so many bytes; `c/speed.h` says the same.
pub(crate) const CALLS: usize = 100;
pub(crate) const COUNT: usize = 1000;
pub(crate) const SIZE: usize = 100;

/// How often each side has its turn, after one that does not count.
const TURNS: usize = 21;

/// One who does the work.
pub(crate) struct Side {
    name: &'static str,
    turn: Box<dyn FnMut()>,
    /// What its rate is to be of Rust's, if not what the row says.
    goal: Option<f64>,
}

impl Side {
    pub(crate) fn new(name: &'static str, turn: impl FnMut() + 'static) -> Side {
        Side { name, turn: Box::new(turn), goal: None }
    }

    pub(crate) fn with_goal(self, goal: f64) -> Side {
        Side { goal: Some(goal), ..self }
    }
}

/// The same work by several sides, of which Rust is the first.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What the others' rates are to be of Rust's, at least.
    pub(crate) goal: f64,
    /// How many records a turn has.
    pub(crate) records: usize,
    /// Makes the sides, when the row is measured.
    pub(crate) sides: fn() -> Vec<Side>,
}

impl Row {
    /// Measures and prints the row.
    pub(crate) fn measure(&self) {
        let mut sides = (self.sides)();
        sides.iter_mut().for_each(|side| (side.turn)());
        let mut rates = vec![Vec::new(); sides.len()];
        for turn in 0..TURNS {
            for at in 0..sides.len() {
                // Whoever is first in one turn is not in the next one.
                let index = (turn + at) % sides.len();
                let begun = Instant::now();
                (sides[index].turn)();
                rates[index].push(self.records as f64 / begun.elapsed().as_secs_f64());
            }
        }
        let rust = rates[0].clone();
        for (side, rates) in sides.iter().zip(rates) {
            let ratios = rates.iter().zip(&rust).map(|(rate, rust)| rate / rust).collect();
            let (rate, ratio) = (median(rates) / 1e6, median(ratios));
            let verdict =
                if ratio >= side.goal.unwrap_or(self.goal) { "" } else { "  BELOW THE GOAL" };
            let (row, name) = (self.name, side.name);
            println!("{row:<32} {name:<12} {rate:8.2} M records/s  {ratio:5.2} of Rust{verdict}");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A directory with the topic "speed" of two partitions, closed.
pub(crate) fn fresh_directory() -> TempDir {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder");
    let broker = Broker::open(directory.path()).expect("a new directory");
    broker.create_topic("speed", TopicConfig::new().partitions(2)).expect("a new topic");
    broker.close().expect("nothing is open");
    directory
}

/// A directory as [`fresh_directory`], open.
pub(crate) fn fresh_broker() -> (TempDir, Broker) {
    let directory = fresh_directory();
    let broker = Broker::open(directory.path()).expect("it was closed");
    (directory, broker)
}
