//! Chooses the next runs of a comparison that trains until every pair is decided.
//!
//! The decision depends only on the accuracies, in the order of the seeds. So an interrupted comparison, and several
//! processes that share one, end with the same runs and the same verdict.

use crate::{
    arms::{ArmAccuracies, SeedAccuracy},
    decision::Decision,
    design::Design,
    looks::FIRST_LOOK,
    statistics::Statistics,
};

/// The default for the most seeds.
pub const MOST_SEEDS: u32 = 50;

/// Returns the missing runs of the next look, as pairs of arm and seed; empty once the comparison has ended.
///
/// After each seed from [`FIRST_LOOK`] on, an arm stops when all of its pairs are decided, or when all of its runs
/// diverged. The pairs of a stopped arm keep the seeds that they have. An arm that has more seeds already, because the
/// comparison was planned for them, stops at the last of them at the earliest: the result is computed from all. The
/// comparison ends when no arm is left, or at `most_seeds`.
pub fn next_runs(arms: &[ArmAccuracies], design: Design, most_seeds: usize) -> Vec<(usize, u64)> {
    let find = |arm: usize, seed: u64| arms[arm].runs.iter().find(|run| run.seed == seed);
    // Answers are not needed for the decisions, and are costly to copy.
    let cut: &mut [ArmAccuracies] = &mut arms
        .iter()
        .map(|arm| ArmAccuracies { name: arm.name.clone(), runs: Vec::new() })
        .collect::<Vec<_>>();
    let mut training: Vec<usize> = (0..arms.len()).collect();
    let mut seeds = 0;
    for look in FIRST_LOOK.min(most_seeds)..=most_seeds {
        let new = seeds as u64 + 1..=look as u64;
        let mut missing = Vec::new();
        for seed in new {
            for &arm in &training {
                match find(arm, seed) {
                    None => missing.push((arm, seed)),
                    Some(&SeedAccuracy { seed, accuracy, .. }) => {
                        cut[arm].runs.push(SeedAccuracy { seed, accuracy, answers: None });
                    }
                }
            }
        }
        if !missing.is_empty() {
            return missing;
        }
        seeds = look;
        let open = open_arms(cut, design);
        let has_more = |arm: usize| arms[arm].runs.iter().any(|run| run.seed > look as u64);
        training.retain(|&arm| open.contains(&arm) || has_more(arm));
        if training.is_empty() {
            return Vec::new();
        }
    }
    Vec::new()
}

/// Returns the positions of the arms with an undecided pair.
fn open_arms(arms: &[ArmAccuracies], design: Design) -> Vec<usize> {
    let Statistics { arms, pairs, .. } = Statistics::of_checked(arms, design);
    let is_open = |place: usize| {
        pairs.iter().any(|pair| {
            pair.decision == Decision::Undecided
                && pair.places.contains(&place)
                && pair.places.iter().all(|&place| arms[place].is_usable())
        })
    };
    (0..arms.len()).filter(|&place| is_open(place)).map(|place| arms[place].index).collect()
}
