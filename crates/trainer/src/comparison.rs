//! A comparison: what the runs of several scalings say together.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use statrs::statistics::{Data, OrderStatistics};

use crate::{
    config::{Arm, ComparisonConfig},
    curve::{CurvePoint, first_reaching},
    evaluation::Prediction,
    folder,
    run::{self, RunResult, Status, Versions},
    significance::{confidence_interval, mean, sample_std},
};

mod pairs;
mod ranks;
mod verdict;

/// Train accuracies whose first reaching is noted.
const MILESTONES: [f64; 2] = [0.98, 0.99];

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
        let (curve, predictions) = (result.run.join(run::CURVE), result.run.join(run::PREDICTIONS));
        let run = Self {
            arm: arm.to_owned(),
            curve: folder::read_csv(&curve)?,
            predictions: match result.status {
                Status::Ok => folder::read_csv(&predictions)?,
                Status::Diverged => Vec::new(),
            },
            result,
        };
        let (found, all) = (run.predictions.len(), run.result.test_images);
        if run.result.status == Status::Ok && found != all {
            bail!("{} is damaged: it has {found} of {all} images", predictions.display());
        }
        Ok(run)
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
    /// Its places, from 1, ascending: two arms share one exactly if they cannot be told apart (adjusted p not
    /// below 5%). None where none of its pairs could be tested.
    ///
    /// Not being told apart is not a kind of being equal: of three arms, the first may be better than the
    /// third while the second, in between, is told apart from neither. It then has the ranks of both.
    ///
    /// With one seed there is no rank: McNemar's test is of trained models, and ranks are of arms.
    pub ranks: Vec<usize>,
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
    /// 95% confidence interval of the mean; none with fewer than two seeds. Without a width where all seeds
    /// have the same accuracy, which a std of 0 tells.
    pub ci95: Option<[f64; 2]>,
}

/// How soon the runs of an arm reached a train accuracy, see [`first_reaching`](crate::curve::first_reaching).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Milestone {
    /// The train accuracy, a fraction.
    pub accuracy: f64,
    /// Runs that reached it, of those that came to a usable end.
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
    /// 95% confidence interval of the difference, by itself: not adjusted for the number of pairs.
    ///
    /// [0, 0] where both have equally many images right with every seed. None where `p` is: with fewer than
    /// two seeds, and where the difference is the same with every seed but not 0. An interval leaves out what
    /// the t-test rejects, so where the test has no spread to go by, the interval has none either; one without
    /// width would claim a certainty that so few seeds cannot give.
    pub ci95: Option<[f64; 2]>,
    /// Of the two-sided paired t-test; 1 where both have equally many images right with every seed.
    pub p: Option<f64>,
    /// Adjusted by Holm's method for the number of pairs that have a p-value.
    pub p_holm: Option<f64>,
    /// The smallest true difference that so many seeds, with the spread that they show, would have shown with
    /// a probability of 80%.
    ///
    /// Shown means: at the level 5% / number of pairs that have a p-value, the strictest that Holm's method
    /// asks of a pair. None without a spread. May be above 1: then so few seeds show no difference at all.
    pub detectable: Option<f64>,
    /// Of the two models, where one seed was asked for and both are usable.
    pub mcnemar: Option<McNemar>,
}

/// McNemar's exact test of two trained models on the same test images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct McNemar {
    /// Images that `a` alone classified correctly.
    pub only_a: usize,
    /// Images that `b` alone classified correctly.
    pub only_b: usize,
    /// Two-sided.
    pub p: f64,
    /// Adjusted by Holm's method for the number of pairs.
    pub p_holm: f64,
}

impl Comparison {
    /// Puts the runs together, sorted by mean accuracy. Arms without a run are left out.
    ///
    /// All that is said of accuracies is computed from numbers of images, which are whole: runs that are
    /// equally good differ by exactly 0, and equal differences have exactly no spread.
    pub fn of(folder: PathBuf, config: &ComparisonConfig, runs: &[ComparedRun]) -> Self {
        let arms = config.arms();
        let seeds = config.seeds.get() as usize;
        let test_images = runs.first().map_or(0, |run| run.result.test_images);
        let mut scalings: Vec<ScalingResult> = arms
            .iter()
            .map(|arm| ScalingResult::of(arm, runs, test_images))
            .filter(|result| !result.runs.is_empty())
            .collect();
        // Best first; a scaling without a usable run comes last.
        let order = |result: &ScalingResult| result.accuracy.mean.unwrap_or(f64::NEG_INFINITY);
        scalings.sort_by(|a, b| order(b).total_cmp(&order(a)));

        let mut pairs = pairs::tested(&scalings, test_images);
        pairs::add_detectable(&mut pairs, &scalings, test_images);
        if seeds == 1 {
            pairs::add_mcnemar(&mut pairs, runs);
        }
        let ranks = ranks::ranks(&scalings, &pairs);
        for (result, ranks) in scalings.iter_mut().zip(ranks) {
            result.ranks = ranks;
        }
        let mut comparison = Self {
            folder,
            scalings,
            pairs,
            verdict: String::new(),
            planned: arms.len() * seeds,
            finished: runs.len(),
            diverged: runs.iter().filter(|run| run.result.status == Status::Diverged).count(),
            test_images,
            seconds: runs.iter().map(|run| run.result.seconds).sum(),
            versions: Versions::current(),
        };
        comparison.verdict = verdict::verdict(&comparison, seeds);
        comparison
    }
}

impl ScalingResult {
    /// All but the ranks.
    fn of(arm: &Arm, runs: &[ComparedRun], test_images: usize) -> Self {
        let of_arm = || runs.iter().filter(|run| run.arm == arm.name);
        let curves: Vec<&[CurvePoint]> =
            of_arm().filter(|run| run.result.status == Status::Ok).map(|run| &run.curve[..]).collect();
        let runs: Vec<RunSummary> = of_arm().map(summary).collect();
        Self {
            name: arm.name.clone(),
            scaling: arm.scaling_name.clone(),
            learning_rate: arm.settings.learning_rate.get(),
            batch_size: arm.settings.batch_size.get(),
            ranks: Vec::new(),
            accuracy: Accuracy::over(&runs, test_images),
            milestones: MILESTONES.iter().map(|&accuracy| Milestone::of(accuracy, &curves)).collect(),
            runs,
        }
    }

    /// Whether there is anything to compare by.
    fn is_usable(&self) -> bool {
        self.accuracy.mean.is_some()
    }
}

impl Accuracy {
    fn over(runs: &[RunSummary], test_images: usize) -> Self {
        let correct: Vec<f64> = runs.iter().filter_map(|run| run.correct(test_images)).collect();
        let fraction = |images: f64| images / test_images as f64;
        Self {
            mean: mean(&correct).map(fraction),
            std: sample_std(&correct).map(fraction),
            ci95: confidence_interval(&correct).map(|bounds| bounds.map(fraction)),
        }
    }
}

impl RunSummary {
    /// Test images classified correctly, a whole number.
    fn correct(&self, test_images: usize) -> Option<f64> {
        Some((self.accuracy? * test_images as f64).round())
    }
}

impl Milestone {
    fn of(accuracy: f64, curves: &[&[CurvePoint]]) -> Self {
        let reached: Vec<&CurvePoint> =
            curves.iter().filter_map(|curve| first_reaching(curve, accuracy)).collect();
        Self {
            accuracy,
            runs: reached.len(),
            steps: median(reached.iter().map(|point| point.step as f64)),
            seconds: median(reached.iter().map(|point| point.seconds)),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| Data::new(values).median())
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

#[cfg(test)]
mod simulations;
#[cfg(test)]
pub mod tests;
