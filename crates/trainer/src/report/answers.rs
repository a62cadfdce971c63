//! What the runs made of each test image: which they misread, and which answers change with the arm.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    comparison::{ComparedRun, Comparison},
    run::Status,
};

/// An image that was taken for something else.
#[derive(Debug, PartialEq)]
pub struct Misread {
    /// Its number in the test split.
    pub image: usize,
    pub label: usize,
    /// The wrong answer that most was given for.
    pub predicted: usize,
    /// The mean probability that the runs which gave this answer gave it.
    pub probability: f64,
    /// Per arm: its name, and how many of its runs gave this answer, of how many. Arms without one are left out.
    pub by: Vec<(String, Votes)>,
}

/// So many runs of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Votes {
    pub runs: usize,
    pub of: usize,
}

/// An image that most runs of one arm read right and most runs of another read wrong.
#[derive(Debug, PartialEq)]
pub struct Changing {
    /// Its number in the test split.
    pub image: usize,
    pub label: usize,
    /// The answers, the right one first, with the arms whose runs gave it: an arm that is mostly
    /// wrong stands at the most frequent of its wrong answers.
    pub answers: Vec<(usize, Vec<(String, Votes)>)>,
}

/// The usable runs of each arm, arms as they are ranked.
pub struct Answers<'a> {
    arms: Vec<(&'a str, Vec<&'a ComparedRun>)>,
    images: usize,
}

impl<'a> Answers<'a> {
    /// Puts the runs in the order of the ranking.
    pub fn of(comparison: &'a Comparison, runs: &'a [ComparedRun]) -> Self {
        let usable = |arm: &str| {
            let of_arm = runs.iter().filter(|run| run.arm == arm && run.result.status == Status::Ok);
            of_arm.collect::<Vec<_>>()
        };
        let arms = comparison.scalings.iter().map(|arm| (arm.name.as_str(), usable(&arm.name)));
        let arms: Vec<_> = arms.filter(|(_, runs)| !runs.is_empty()).collect();
        let images =
            arms.iter().flat_map(|(_, runs)| runs).map(|run| run.predictions.len()).min().unwrap_or(0);
        Self { arms, images }
    }

    /// Images with a wrong answer, the one that most probability went to over all runs first.
    pub fn misread(&self) -> Vec<Misread> {
        let mut misread: Vec<(f64, Misread)> =
            (0..self.images).filter_map(|image| self.misread_image(image)).collect();
        misread.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        misread.into_iter().map(|(_, misread)| misread).collect()
    }

    fn misread_image(&self, image: usize) -> Option<(f64, Misread)> {
        // Per wrong answer: the sum of the probabilities, and how many gave it.
        let mut wrong: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        let predictions = self.arms.iter().flat_map(|(_, runs)| runs).map(|run| &run.predictions[image]);
        let mut label = 0;
        for prediction in predictions {
            label = prediction.label;
            if !prediction.is_correct() {
                let (sum, runs) = wrong.entry(prediction.predicted).or_default();
                *sum += f64::from(prediction.probability);
                *runs += 1;
            }
        }
        let (predicted, (sum, runs)) = wrong.into_iter().max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b))?;
        let votes = self.arms.iter().map(|(name, runs)| {
            let gave_it = runs.iter().filter(|run| run.predictions[image].predicted == predicted).count();
            ((*name).to_owned(), Votes { runs: gave_it, of: runs.len() })
        });
        let by = votes.filter(|(_, votes)| votes.runs > 0).collect();
        Some((sum, Misread { image, label, predicted, probability: sum / runs as f64, by }))
    }

    /// Images whose answer changes with the arm, those that arms differ most about first.
    pub fn changing(&self) -> Vec<Changing> {
        let mut changing: Vec<(f64, Changing)> =
            (0..self.images).filter_map(|image| self.changing_image(image)).collect();
        changing.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        changing.into_iter().map(|(_, changing)| changing).collect()
    }

    fn changing_image(&self, image: usize) -> Option<(f64, Changing)> {
        let mut shares = Vec::new();
        let mut answers: BTreeMap<usize, Vec<(String, Votes)>> = BTreeMap::new();
        let label = self.arms.first()?.1.first()?.predictions[image].label;
        for (name, runs) in &self.arms {
            let right = runs.iter().filter(|run| run.predictions[image].is_correct()).count();
            shares.push(right as f64 / runs.len() as f64);
            let (answer, votes) = answer_of_most(runs, image)?;
            answers
                .entry(answer)
                .or_default()
                .push(((*name).to_owned(), Votes { runs: votes, of: runs.len() }));
        }
        let most = shares.iter().copied().fold(0.0, f64::max);
        let least = shares.iter().copied().fold(1.0, f64::min);
        if most <= 0.5 || least >= 0.5 {
            return None;
        }
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.sort_by_key(|(answer, arms)| (*answer != label, Reverse(arms.len())));
        Some((most - least, Changing { image, label, answers }))
    }
}

/// The right answer, unless most runs gave a wrong one: then the most frequent of those, the smaller class
/// of equals; and how many gave it.
fn answer_of_most(runs: &[&ComparedRun], image: usize) -> Option<(usize, usize)> {
    let label = runs.first()?.predictions[image].label;
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for run in runs {
        *votes.entry(run.predictions[image].predicted).or_default() += 1;
    }
    let right = votes.remove(&label).unwrap_or(0);
    if right * 2 >= runs.len() {
        return Some((label, right));
    }
    votes.into_iter().max_by_key(|&(answer, votes)| (votes, Reverse(answer)))
}

#[cfg(test)]
mod tests;
