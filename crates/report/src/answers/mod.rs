//! Compares the runs' predictions image by image: confident errors, and images on which arms disagree.

use std::{cmp::Reverse, collections::BTreeMap};

use mnist_training::FinishedRun;

use crate::Findings;

/// An image that at least one run misclassified.
#[derive(Debug, Clone, PartialEq)]
pub struct Misclassified {
    /// The image's position in the test split, from 0.
    pub image: usize,
    /// Its true class.
    pub label: usize,
    /// The wrong class with the highest total probability over all runs that predicted it.
    pub predicted: usize,
    /// The mean probability of this class over the runs that predicted it.
    pub probability: f64,
    /// The arms whose runs predicted this class.
    pub by: Vec<(String, Votes)>,
}

/// The number of an arm's runs that made the same prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Votes {
    /// Number of runs with this prediction.
    pub runs: usize,
    /// Number of the arm's usable runs.
    pub of: usize,
}

/// An image that most runs of one arm classify correctly and most runs of another misclassify.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The image's position in the test split, from 0.
    pub image: usize,
    /// Its true class.
    pub label: usize,
    /// The predicted classes, the true one first, each with the arms that predicted it. If at least half of an arm's
    /// runs are correct, it is listed under the true class, otherwise under its most frequent wrong class.
    pub answers: Vec<(usize, Vec<(String, Votes)>)>,
}

/// What the runs of one arm predict for an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmAnswer {
    /// The index of the arm.
    pub arm: usize,
    /// The name of the arm.
    pub name: String,
    /// The most frequent prediction, see [`Disagreement::answers`].
    pub predicted: usize,
    /// The number of runs that made it.
    pub votes: Votes,
    /// The mean probability of this class over the runs that predicted it.
    pub probability: f64,
    /// The mean probability of the true class over all runs.
    pub label_probability: f64,
}

/// The predictions of all usable runs that have some, those of the best arm first.
#[derive(Debug)]
pub struct Answers<'a> {
    arms: Vec<(&'a str, Vec<&'a FinishedRun>)>,
    /// The indices of these arms.
    indices: Vec<usize>,
    images: usize,
}

impl<'a> Answers<'a> {
    /// Collects the predictions of a comparison's runs.
    pub fn of(findings: &'a Findings) -> Self {
        let (mut arms, mut indices) = (Vec::new(), Vec::new());
        for arm in &findings.comparison.scalings {
            let of_arm = findings.runs_of(arm);
            let runs: Vec<&FinishedRun> = of_arm.usable().filter(|run| !run.predictions.is_empty()).collect();
            if !runs.is_empty() {
                arms.push((of_arm.arm.name.as_str(), runs));
                indices.push(arm.arm_index);
            }
        }
        let images =
            arms.iter().flat_map(|(_, runs)| runs).map(|run| run.predictions.len()).min().unwrap_or(0);
        Self { arms, indices, images }
    }

    /// Returns whether there is no prediction.
    pub fn is_empty(&self) -> bool {
        self.images == 0
    }

    /// Returns what each arm predicts for an image, the best arm first.
    pub fn of_image(&self, image: usize) -> Vec<ArmAnswer> {
        let answer = |((name, runs), &arm): (&(&str, Vec<&FinishedRun>), &usize)| {
            let (predicted, votes) = majority_answer(runs, image)?;
            let predictions = || runs.iter().map(|run| &run.predictions[image]);
            let same = predictions().filter(|prediction| prediction.predicted == predicted);
            Some(ArmAnswer {
                arm,
                name: (*name).to_owned(),
                predicted,
                votes: Votes { runs: votes, of: runs.len() },
                probability: same.map(|prediction| f64::from(prediction.probability)).sum::<f64>()
                    / votes.max(1) as f64,
                label_probability: predictions()
                    .map(|prediction| f64::from(prediction.label_probability))
                    .sum::<f64>()
                    / runs.len() as f64,
            })
        };
        self.arms.iter().zip(&self.indices).filter_map(answer).collect()
    }

    /// Returns the images that at least one run misclassified, sorted by the total probability of the wrong class.
    pub fn misclassified(&self) -> Vec<Misclassified> {
        let mut images: Vec<(f64, Misclassified)> =
            (0..self.images).filter_map(|image| self.misclassified_image(image)).collect();
        images.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        images.into_iter().map(|(_, image)| image).collect()
    }

    fn misclassified_image(&self, image: usize) -> Option<(f64, Misclassified)> {
        // For each wrong class: its total probability and the number of runs that predicted it.
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
            let voted = runs.iter().filter(|run| run.predictions[image].predicted == predicted).count();
            ((*name).to_owned(), Votes { runs: voted, of: runs.len() })
        });
        let by = votes.filter(|(_, votes)| votes.runs > 0).collect();
        Some((sum, Misclassified { image, label, predicted, probability: sum / runs as f64, by }))
    }

    /// Returns the images on which arms disagree, sorted by the largest difference in the fraction of correct runs.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let mut images: Vec<(f64, Disagreement)> =
            (0..self.images).filter_map(|image| self.disagreement(image)).collect();
        images.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        images.into_iter().map(|(_, image)| image).collect()
    }

    fn disagreement(&self, image: usize) -> Option<(f64, Disagreement)> {
        let mut shares = Vec::new();
        let mut answers: BTreeMap<usize, Vec<(String, Votes)>> = BTreeMap::new();
        let label = self.arms.first()?.1.first()?.predictions[image].label;
        for (name, runs) in &self.arms {
            let correct = runs.iter().filter(|run| run.predictions[image].is_correct()).count();
            shares.push(correct as f64 / runs.len() as f64);
            let (answer, votes) = majority_answer(runs, image)?;
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
        Some((most - least, Disagreement { image, label, answers }))
    }
}

/// Returns the true class if at least half of the runs predicted it, otherwise the most frequent wrong class, and
/// the number of runs that predicted it. Among equally frequent wrong classes, it is the one with the smallest
/// number.
fn majority_answer(runs: &[&FinishedRun], image: usize) -> Option<(usize, usize)> {
    let label = runs.first()?.predictions[image].label;
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for run in runs {
        *votes.entry(run.predictions[image].predicted).or_default() += 1;
    }
    let correct = votes.remove(&label).unwrap_or(0);
    if correct * 2 >= runs.len() {
        return Some((label, correct));
    }
    votes.into_iter().max_by_key(|&(answer, votes)| (votes, Reverse(answer)))
}
