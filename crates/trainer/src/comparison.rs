//! A comparison: what the runs of several scalings say together.

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{
    config::ComparisonConfig,
    curve::CurvePoint,
    evaluation::Prediction,
    folder,
    run::{self, RunResult, Status, Versions},
    significance::{confidence_interval, holm, mean, paired_t_test, sample_std},
};

/// A p-value below this counts as a difference.
const SIGNIFICANT: f64 = 0.05;

/// What a comparison found: its `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Comparison {
    /// The comparison's folder, as seen from where the program was called.
    #[serde(rename = "comparison")]
    pub folder: PathBuf,
    /// Best first.
    pub scalings: Vec<ScalingResult>,
    /// Every two scalings.
    pub pairs: Vec<Pair>,
    /// The answer in words.
    pub verdict: String,
    /// Trainings that the configuration asks for.
    pub planned: usize,
    /// Trainings that came to an end, diverged ones among them.
    pub finished: usize,
    /// Trainings whose loss was no longer a number.
    pub diverged: usize,
    /// Number of test images behind each accuracy.
    pub test_images: usize,
    /// Training time of all runs.
    pub seconds: f64,
    pub versions: Versions,
}

/// One training of a comparison, as its folder has it.
pub struct ComparedRun {
    /// The name of its [`Arm`](crate::config::Arm).
    pub arm: String,
    pub result: RunResult,
    /// Of all test images, in order; none if the training diverged.
    pub predictions: Vec<Prediction>,
    pub curve: Vec<CurvePoint>,
}

impl ComparedRun {
    /// Reads what else there is of a run in its folder.
    pub fn read(arm: &str, result: RunResult) -> Result<Self> {
        Ok(Self {
            arm: arm.to_owned(),
            curve: folder::read_csv(&result.run.join(run::CURVE))?,
            predictions: match result.status {
                Status::Ok => folder::read_csv(&result.run.join(run::PREDICTIONS))?,
                Status::Diverged => Vec::new(),
            },
            result,
        })
    }
}

/// One arm over all seeds: a scaling, with the learning rate and the batch size where those vary, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScalingResult {
    /// The arm's name, by which pairs refer to it: the scaling's, and what else varies.
    pub name: String,
    /// The scaling's name.
    pub scaling: String,
    pub learning_rate: f64,
    pub batch_size: u32,
    /// 1 for the best; those that cannot be told apart share it. None where nothing could be tested.
    pub rank: Option<usize>,
    pub accuracy: Accuracy,
    /// How soon some train accuracies were reached.
    pub milestones: Vec<Milestone>,
    pub runs: Vec<RunSummary>,
}

/// Test accuracy over the seeds whose training did not diverge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accuracy {
    pub mean: Option<f64>,
    /// Sample standard deviation; none with fewer than two seeds.
    pub std: Option<f64>,
    /// 95% confidence interval of the mean; none with fewer than two seeds.
    pub ci95: Option<[f64; 2]>,
}

/// How soon the runs of an arm reached a train accuracy, see [`first_reaching`](crate::curve::first_reaching).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Milestone {
    /// The train accuracy, a fraction.
    pub accuracy: f64,
    /// Runs that reached it.
    pub runs: usize,
    /// Median of their steps until then.
    pub steps: Option<f64>,
    /// Median of their training time until then.
    pub seconds: Option<f64>,
}

/// One run in short.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSummary {
    pub seed: u64,
    pub run: PathBuf,
    pub status: Status,
    pub accuracy: Option<f64>,
    pub loss: Option<f64>,
    pub seconds: f64,
}

/// Scaling `a` against scaling `b`, seed by seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pair {
    pub a: String,
    pub b: String,
    /// Seeds with which both came to a usable end.
    pub seeds: usize,
    /// Mean accuracy of `a` less that of `b`, over the seeds that both have.
    pub difference: Option<f64>,
    pub ci95: Option<[f64; 2]>,
    /// Of the paired t-test.
    pub p: Option<f64>,
    /// Adjusted for the number of pairs.
    pub p_holm: Option<f64>,
    /// The smallest difference that so many seeds would have shown with a probability of 80%.
    pub detectable: Option<f64>,
    /// Of the two models, where there is one seed.
    pub mcnemar: Option<McNemar>,
}

/// McNemar's exact test of two trained models on the same test images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct McNemar {
    /// Images that `a` alone classified correctly.
    pub only_a: usize,
    /// Images that `b` alone classified correctly.
    pub only_b: usize,
    pub p: f64,
    /// Adjusted for the number of pairs.
    pub p_holm: f64,
}

impl Comparison {
    /// Puts the runs together, ranked by mean accuracy. Arms without a run are left out.
    pub fn of(folder: PathBuf, config: &ComparisonConfig, runs: &[ComparedRun]) -> Self {
        let arms = config.arms();
        let mut scalings: Vec<ScalingResult> = arms
            .iter()
            .map(|arm| ScalingResult {
                name: arm.name.clone(),
                scaling: arm.scaling_name.clone(),
                learning_rate: arm.settings.learning_rate.get(),
                batch_size: arm.settings.batch_size.get(),
                rank: None,
                accuracy: Accuracy { mean: None, std: None, ci95: None },
                milestones: Vec::new(),
                runs: runs.iter().filter(|run| run.arm == arm.name).map(summary).collect(),
            })
            .filter(|result| !result.runs.is_empty())
            .collect();
        let test_images = runs.first().map_or(0, |run| run.result.test_images);
        for result in &mut scalings {
            let accuracies: Vec<f64> = result.runs.iter().filter_map(|run| run.accuracy).collect();
            result.accuracy = Accuracy {
                mean: mean(&accuracies),
                std: sample_std(&accuracies),
                ci95: confidence_interval(&accuracies),
            };
        }
        // Best first; a scaling without a usable run comes last.
        let rank = |result: &ScalingResult| result.accuracy.mean.unwrap_or(f64::NEG_INFINITY);
        scalings.sort_by(|a, b| rank(b).total_cmp(&rank(a)));

        let pairs = pairs(&scalings);
        Self {
            folder,
            verdict: verdict(&scalings, &pairs, test_images),
            scalings,
            pairs,
            planned: arms.len() * config.seeds.get() as usize,
            finished: runs.len(),
            diverged: runs.iter().filter(|run| run.result.status == Status::Diverged).count(),
            test_images,
            seconds: runs.iter().map(|run| run.result.seconds).sum(),
            versions: Versions::current(),
        }
    }
}

fn summary(run: &ComparedRun) -> RunSummary {
    let RunResult { seed, run: folder, status, test, seconds, .. } = &run.result;
    RunSummary {
        seed: *seed,
        run: folder.clone(),
        status: *status,
        accuracy: test.map(|test| test.accuracy),
        loss: test.map(|test| test.loss),
        seconds: *seconds,
    }
}

/// Every two scalings, the better one first.
fn pairs(scalings: &[ScalingResult]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (position, a) in scalings.iter().enumerate() {
        for b in &scalings[position + 1..] {
            let differences: Vec<f64> = a
                .runs
                .iter()
                .filter_map(|run| {
                    let partner = b.runs.iter().find(|partner| partner.seed == run.seed)?;
                    Some(run.accuracy? - partner.accuracy?)
                })
                .collect();
            pairs.push(Pair {
                a: a.name.clone(),
                b: b.name.clone(),
                seeds: differences.len(),
                difference: mean(&differences),
                ci95: confidence_interval(&differences),
                p: paired_t_test(&differences),
                p_holm: None,
                detectable: None,
                mcnemar: None,
            });
        }
    }
    let tested: Vec<f64> = pairs.iter().filter_map(|pair| pair.p).collect();
    let mut adjusted = holm(&tested).into_iter();
    for pair in pairs.iter_mut().filter(|pair| pair.p.is_some()) {
        pair.p_holm = adjusted.next();
    }
    pairs
}

/// The answer in one or two sentences.
fn verdict(scalings: &[ScalingResult], pairs: &[Pair], test_images: usize) -> String {
    let Some(best) = scalings.first().filter(|best| best.accuracy.mean.is_some()) else {
        return "No training came to a usable end.".into();
    };
    let against: Vec<&Pair> = pairs.iter().filter(|pair| pair.a == best.name).collect();
    let Some(runner_up) = against.first() else {
        return format!("{} was trained alone: there is nothing to compare it with.", best.name);
    };
    if best.accuracy.std.is_none() {
        let Some(difference) = runner_up.difference else {
            return format!("{} alone came to a usable end.", best.name);
        };
        let ahead = match (difference * test_images as f64).round() {
            0.0 => format!("{} and {} are level", best.name, runner_up.b),
            images => {
                format!("{} is ahead of {} by {images} images in {test_images}", best.name, runner_up.b)
            }
        };
        return format!(
            "On this one seed {ahead}. One seed cannot tell scalings apart: repeat with --seeds 5."
        );
    }
    let mut beaten: Vec<String> = Vec::new();
    let mut level: Vec<&str> = Vec::new();
    let mut unusable: Vec<&str> = Vec::new();
    for pair in against {
        let images = |fraction: f64| fraction * test_images as f64;
        match (pair.difference, pair.ci95, pair.p_holm) {
            (None, ..) => unusable.push(&pair.b),
            (Some(difference), Some([low, high]), Some(p)) if p < SIGNIFICANT => {
                let half_width = images(high - low) / 2.0;
                beaten.push(format!("{} by {:.0} ± {half_width:.0}", pair.b, images(difference)));
            }
            _ => level.push(&pair.b),
        }
    }
    let mut sentences = Vec::new();
    if !beaten.is_empty() {
        sentences.push(format!("{} beats {} images in {test_images}.", best.name, beaten.join(", ")));
    }
    if !level.is_empty() {
        sentences.push(format!(
            "{} cannot be told apart from {} by {} training seeds on this test set.",
            best.name,
            level.join(" or "),
            best.runs.len()
        ));
    }
    if !unusable.is_empty() {
        sentences.push(format!("{} came to no usable end.", unusable.join(", ")));
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests;
