//! Where the decisions of a crash come from: a seed, or all of them one after the other.

use crate::env::random::mix;

/// A source of decisions. The same source makes the same decisions.
#[derive(Clone, Debug)]
pub struct Choices(Source);

#[derive(Clone, Debug)]
enum Source {
    Seeded(u64),
    /// The decisions of this round, each with the number of its alternatives, and how many of
    /// them were taken already.
    Enumerated {
        decisions: Vec<(u32, u32)>,
        taken: usize,
    },
}

impl Choices {
    /// Decisions that depend on `seed` alone.
    pub fn seeded(seed: u64) -> Choices {
        Choices(Source::Seeded(seed))
    }

    /// All decisions in turn: call [`next_round`](Self::next_round) after each round.
    pub fn enumerated() -> Choices {
        Choices(Source::Enumerated { decisions: Vec::new(), taken: 0 })
    }

    /// Whether every alternative is to be visited.
    pub(super) fn is_enumerated(&self) -> bool {
        matches!(self.0, Source::Enumerated { .. })
    }

    /// One of `count` alternatives (at least one), as a number below `count`.
    pub fn choose(&mut self, count: u32) -> u32 {
        match &mut self.0 {
            Source::Seeded(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                below(mix(*state), count)
            }
            Source::Enumerated { decisions, taken } => {
                if *taken == decisions.len() {
                    decisions.push((0, count));
                }
                let (choice, _) = decisions[*taken];
                *taken += 1;
                choice
            }
        }
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: u32) -> bool {
        self.choose(count) == 0
    }

    /// Goes on to the next combination of decisions; false when all were visited. A seeded source
    /// goes on for ever.
    pub fn next_round(&mut self) -> bool {
        let Source::Enumerated { decisions, taken } = &mut self.0 else { return true };
        *taken = 0;
        while let Some((choice, count)) = decisions.pop() {
            if choice + 1 < count {
                decisions.push((choice + 1, count));
                return true;
            }
        }
        false
    }
}

fn below(random: u64, count: u32) -> u32 {
    let scaled = (random >> 32) * u64::from(count);
    u32::try_from(scaled >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_visited_once() {
        let mut choices = Choices::enumerated();
        let mut seen = Vec::new();
        loop {
            let first = choices.choose(2);
            let second = if first == 0 { choices.choose(3) } else { 9 };
            seen.push((first, second));
            if !choices.next_round() {
                break;
            }
        }
        assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 9)]);
    }

    #[test]
    fn a_seed_reaches_every_alternative_and_repeats() {
        let (mut one, mut same) = (Choices::seeded(5), Choices::seeded(5));
        let mut seen = [0; 6];
        for _ in 0..600 {
            let choice = one.choose(6);
            assert_eq!(choice, same.choose(6));
            seen[choice as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }
}
