//! Rows and the ways to print them: for the terminal and as markdown.

use std::fmt::Write;

use crate::measure::{Ratio, Rounds, human_rate};

/// One line of the table.
pub struct Row {
    pub work: String,
    pub figure: Figure,
}

impl Row {
    /// The rates of the sides `ours` and `baseline`, and the one over the other.
    pub fn of_rates(
        work: impl Into<String>,
        rounds: &Rounds,
        ours: usize,
        baseline: usize,
        goal: Option<f64>,
    ) -> Row {
        let figure = Figure::Ratio {
            baseline: human_rate(rounds.rate(baseline)),
            ours: human_rate(rounds.rate(ours)),
            ratio: rounds.ratio(ours, baseline),
            goal,
        };
        Row { work: work.into(), figure }
    }
}

/// What a row says.
pub enum Figure {
    /// Ours over a baseline of the same run; at least `goal` is wanted, if there is a goal.
    Ratio { baseline: String, ours: String, ratio: Ratio, goal: Option<f64> },
    /// An absolute figure that must not exceed `limit`.
    Limit { baseline: String, ours: f64, limit: f64, unit: &'static str },
}

impl Figure {
    /// Whether the goal is met; rows without a goal meet it.
    pub fn meets_goal(&self) -> bool {
        match self {
            Figure::Ratio { ratio, goal, .. } => goal.is_none_or(|goal| ratio.median >= goal),
            Figure::Limit { ours, limit, .. } => ours <= limit,
        }
    }
}

/// The cells of a row: work, baseline, ours, ratio, spread, goal, verdict.
pub fn cells(row: &Row) -> [String; 7] {
    let verdict = if row.figure.meets_goal() { "" } else { "missed" };
    match &row.figure {
        Figure::Ratio { baseline, ours, ratio, goal } => [
            row.work.clone(),
            baseline.clone(),
            ours.clone(),
            format!("{:.2}", ratio.median),
            format!("{:.2} - {:.2}", ratio.least, ratio.most),
            goal.map_or_else(|| "-".to_owned(), |goal| format!(">= {goal:.2}")),
            verdict.to_owned(),
        ],
        Figure::Limit { baseline, ours, limit, unit } => [
            row.work.clone(),
            baseline.clone(),
            format!("{} {unit}", short(*ours)),
            "-".to_owned(),
            "-".to_owned(),
            format!("<= {} {unit}", short(*limit)),
            verdict.to_owned(),
        ],
    }
}

pub(crate) fn short(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// The heads of the columns.
pub const HEADS: [&str; 7] = ["work", "baseline", "Ottla", "ratio", "rounds", "goal", ""];

/// The whole table as GitHub's markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "| {} |", HEADS.join(" | "));
    let _ = writeln!(text, "|---|---:|---:|---:|---:|---:|---|");
    for row in rows {
        let _ = writeln!(text, "| {} |", cells(row).join(" | "));
    }
    text
}

/// One row for the terminal.
pub fn line(cells: &[String; 7]) -> String {
    let [work, baseline, ours, ratio, spread, goal, verdict] = cells;
    format!("{work:<58} {baseline:>16} {ours:>16} {ratio:>6} {spread:>13} {goal:>12} {verdict}")
}
