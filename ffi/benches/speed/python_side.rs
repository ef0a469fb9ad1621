//! Python's sides of a row: processes that take a turn when they are told to.
//!
//! There are none unless `OTTLA_PYTHON` names an interpreter that has a release build of the package.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::row::Side;

/// What Python is to reach of Rust's rate.
const GOAL: f64 = 0.1;

/// The sides of a row of `python/benches/speed.py`: Ottla's, and those that it is held against.
pub(crate) fn python_sides(row: &'static str, others: &[&'static str]) -> Vec<Side> {
    let Some(python) = std::env::var_os("OTTLA_PYTHON") else {
        return Vec::new();
    };
    let begin = |side: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/benches/speed.py");
        let mut command = Command::new(&python);
        command.arg(script).args(["--serve", row, side]);
        command.env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
        Serving(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python"))
    };
    let own = Side::new("Python", turns_of(begin("ottla"))).with_goal(GOAL);
    let others = others.iter().map(|&side| Side::new(side, turns_of(begin(side))).with_goal(0.0));
    std::iter::once(own).chain(others).collect()
}

fn turns_of(mut serving: Serving) -> impl FnMut() {
    let mut answers = BufReader::new(serving.0.stdout.take().expect("a pipe"));
    move || {
        let mut orders = serving.0.stdin.as_ref().expect("a pipe");
        orders.write_all(b"turn\n").expect("it reads");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, "done\n");
    }
}

/// A process that ends when its orders do.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("a child of this process");
    }
}
