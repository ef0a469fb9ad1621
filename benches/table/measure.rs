//! How a figure comes about: interleaved rounds, medians, ratios of neighbours in time.
//!
//! The machine drifts and other programs disturb it, so the sides of a ratio take turns
//! (A B A B ...), each round gives one ratio, and the median of those is reported together with
//! the smallest and the largest.

use std::time::{Duration, Instant};

/// One side of a comparison: runs once and returns its rate (more is better).
pub type Side<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// The rates of all sides, round by round.
pub struct Rounds(Vec<Vec<f64>>);

/// A ratio with its spread over the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

/// Lets the sides take turns for `rounds` rounds, after one round that nobody counts.
pub fn interleaved(rounds: usize, sides: &mut [Side<'_>]) -> Rounds {
    for side in sides.iter_mut() {
        side();
    }
    let mut rates = vec![Vec::with_capacity(rounds); sides.len()];
    for _ in 0..rounds {
        for (side, rates) in sides.iter_mut().zip(&mut rates) {
            rates.push(side());
        }
    }
    Rounds(rates)
}

impl Rounds {
    /// The median rate of one side.
    pub fn rate(&self, side: usize) -> f64 {
        median(&self.0[side])
    }

    /// The rate of `side` over that of `baseline`, by rounds.
    pub fn ratio(&self, side: usize, baseline: usize) -> Ratio {
        let ratios: Vec<f64> =
            self.0[side].iter().zip(&self.0[baseline]).map(|(ours, raw)| ours / raw).collect();
        Ratio {
            median: median(&ratios),
            least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            most: ratios.iter().copied().fold(0.0, f64::max),
        }
    }
}

/// The middle of `values`.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Things done per second, timed as a whole.
pub fn rate_of(things: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    things as f64 / start.elapsed().as_secs_f64()
}

/// The median time of single calls, in microseconds.
pub fn p50_us(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut times: Vec<Duration> = Vec::with_capacity(calls);
    for index in 0..calls {
        let start = Instant::now();
        call(index);
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// A rate in readable form.
pub fn human_rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 9.95e6 => format!("{:.1} M/s", rate / 1e6),
        rate if rate >= 1e6 => format!("{:.2} M/s", rate / 1e6),
        rate if rate >= 1e5 => format!("{:.0} k/s", rate / 1e3),
        rate => format!("{:.1} k/s", rate / 1e3),
    }
}
