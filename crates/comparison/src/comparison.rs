//! The result of a comparison, computed from the finished runs of its arms.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use mnist_training::{
    FinishedRun,
    curve::{CurvePoint, first_reaching},
    prediction::LabelledPrediction,
    run::{Status, Versions},
};
use serde::Serialize;
use statrs::statistics::{Data, OrderStatistics};

use crate::{
    Arm,
    arms::{Accuracy, ArmAccuracies, SeedAccuracy},
    basis::Basis,
    design::{Design, default_margin},
    looks::Looks,
    pairs::{self, Pair},
    statistics::Statistics,
    verdict::Extent,
};

/// The training accuracies whose time to accuracy may be reported.
const MILESTONES: [f64; 9] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999];

/// Maximum number of training accuracies whose time to accuracy is reported.
const MOST_MILESTONES: usize = 2;

/// An accuracy is reported if at least one of this many runs reached it.
const RUNS_PER_MILESTONE: usize = 4;

/// An arm with its finished runs.
#[derive(Debug, Clone)]
pub struct ArmRuns {
    /// The configuration that the runs were trained with.
    pub arm: Arm,
    /// The runs, by ascending seed.
    pub runs: Vec<FinishedRun>,
}

impl ArmRuns {
    /// Returns the runs with a usable model.
    pub fn usable(&self) -> impl Iterator<Item = &FinishedRun> {
        self.runs.iter().filter(|run| run.is_usable())
    }

    /// Returns the accuracies of the runs, without their answers.
    pub(crate) fn accuracies(&self) -> ArmAccuracies {
        let run = |run: &FinishedRun| SeedAccuracy {
            seed: run.result.seed,
            accuracy: run.result.test.map(|test| test.accuracy),
            answers: None,
        };
        ArmAccuracies { name: self.arm.name.clone(), runs: self.runs.iter().map(run).collect() }
    }

    /// Returns the accuracies of the runs, with the answers of those that have predictions.
    fn answers(&self) -> ArmAccuracies {
        let mut accuracies = self.accuracies();
        for (accuracy, run) in accuracies.runs.iter_mut().zip(&self.runs) {
            let answers = || run.predictions.iter().map(LabelledPrediction::is_correct).collect();
            accuracy.answers = (!run.predictions.is_empty()).then(answers);
        }
        accuracies
    }
}

/// What was planned, and how much of it is finished.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Number of seeds planned for each arm, or the most.
    pub seeds: usize,
    /// Whether the comparison runs until it is decided.
    pub is_until_decided: bool,
    /// Number of missing runs: all of a plan, or those of the next seed if the comparison runs until it is decided.
    pub missing: usize,
    /// When the comparison is tested.
    pub basis: Basis,
    /// Margin of equivalence in images; `None` for the default.
    pub margin: Option<f64>,
}

impl Terms {
    /// Returns the design for this number of test images.
    pub fn design(&self, test_images: usize) -> Design {
        let margin = self.margin.unwrap_or_else(|| default_margin(test_images));
        Design { margin, ..Design::new(test_images, self.basis.looks()) }
    }
}

/// The result of a comparison, saved as `result.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The comparison's folder, relative to the working directory.
    #[serde(rename = "comparison")]
    pub folder: PathBuf,
    /// The arms, best mean accuracy first.
    pub scalings: Vec<ArmResult>,
    /// Every pair of arms.
    pub pairs: Vec<Pair>,
    /// The answer in at most 25 words, with a next step.
    pub headline: String,
    /// The result in a few sentences.
    pub verdict: String,
    /// Two arms are equivalent if their difference is certainly smaller than this number of test images.
    pub margin: f64,
    /// How often the accuracies may be looked at.
    pub looks: Looks,
    /// The most seeds, if the comparison runs until it is decided.
    pub most_seeds: Option<usize>,
    /// Number of planned runs. If the comparison runs until it is decided, the finished ones and those of the next seed.
    pub planned: usize,
    /// Number of finished runs, including diverged ones.
    pub finished: usize,
    /// Number of diverged runs: their loss became infinite or NaN.
    pub diverged: usize,
    /// Number of test images behind each accuracy.
    pub test_images: usize,
    /// Total training time of all runs, in seconds.
    pub seconds: f64,
    /// Whether the training times can be compared: all runs had the same CPU and the same number of threads.
    pub comparable_times: bool,
    /// Seeds whose arms were trained on hardware that rounds differently. This adds to the differences between the arms.
    pub mixed_seeds: BTreeSet<u64>,
    /// The [hardware](mnist_training::RunResult::rounding) of these seeds.
    pub mixed_hardware: BTreeSet<String>,
    /// Versions of the programs that computed the result.
    pub versions: Versions,
}

/// The result of an arm: a scaling with a learning rate and a batch size, trained with several seeds.
#[derive(Debug, Clone, Serialize)]
pub struct ArmResult {
    /// The arm's unique name, to which pairs refer: the scaling's name, plus the values of the grid.
    pub name: String,
    /// Position of the arm in [`ComparisonSettings::arms`](crate::ComparisonSettings::arms).
    #[serde(skip)]
    pub arm_index: usize,
    /// The scaling's name.
    pub scaling: String,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Images per step.
    pub batch_size: u32,
    /// See [`ArmStatistics::ranks`](crate::ArmStatistics::ranks).
    pub ranks: Vec<usize>,
    /// Mean, standard deviation and interval of the test accuracy.
    pub accuracy: Accuracy,
    /// Time to the highest training accuracies that at least a quarter of all runs reached, such as 98% and 99%: at most
    /// two, the same for all arms.
    pub milestones: Vec<Milestone>,
    /// The runs, by ascending seed.
    pub runs: Vec<RunSummary>,
}

/// The time that the runs of an arm took to reach a training accuracy, as [`first_reaching`] defines it.
#[derive(Debug, Clone, Serialize)]
pub struct Milestone {
    /// The training accuracy, a fraction.
    pub accuracy: f64,
    /// Number of runs with a usable model that reached it.
    pub runs: usize,
    /// Median number of steps until these runs reached it.
    pub steps: Option<f64>,
    /// Median training time until these runs reached it, in seconds.
    pub seconds: Option<f64>,
}

/// The summary of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// The seed.
    pub seed: u64,
    /// The run's folder, relative to the working directory.
    pub run: PathBuf,
    /// Whether the model is usable.
    pub status: Status,
    /// Test accuracy, a fraction; `None` if the run diverged.
    pub accuracy: Option<f64>,
    /// Mean test loss; `None` if the run diverged.
    pub loss: Option<f64>,
    /// Training time in seconds.
    pub seconds: f64,
}

impl Comparison {
    /// Compares the finished runs of all arms. Arms without a run are left out.
    pub fn of(folder: PathBuf, terms: &Terms, arms: &[ArmRuns]) -> Self {
        let runs = || arms.iter().flat_map(|arm| &arm.runs);
        let test_images = runs().next().map_or(0, |run| run.result.test_images);
        let accuracies: Vec<ArmAccuracies> = arms.iter().map(ArmRuns::answers).collect();
        let design = terms.design(test_images);
        let mut statistics = Statistics::of_checked(&accuracies, design);
        if terms.seeds == 1 {
            statistics = statistics.with_mcnemar(|a, b| only_one_is_correct(&arms[a], &arms[b]));
        }
        let finished = runs().count();
        let planned = finished + terms.missing;
        let is_open = terms.is_until_decided && terms.missing > 0;
        let extent = Extent {
            planned: (!is_open).then_some(planned),
            finished,
            seeds: terms.seeds,
            basis: terms.basis,
        };
        let (headline, verdict) = (statistics.headline_so_far(&extent), statistics.verdict_so_far(&extent));
        let Statistics { arms: ranked, pairs, .. } = statistics;
        let milestones = milestones(arms);
        let mixed = mixed_seeds(arms);
        let scalings = ranked.into_iter().map(|ranked| {
            let (index, arm) = (ranked.index, &arms[ranked.index]);
            ArmResult::of(index, arm, ranked.accuracy, ranked.ranks, &milestones)
        });
        Self {
            folder,
            scalings: scalings.collect(),
            pairs,
            headline,
            verdict,
            margin: design.margin,
            looks: design.looks,
            most_seeds: terms.is_until_decided.then_some(terms.seeds),
            planned,
            finished,
            diverged: runs().filter(|run| !run.is_usable()).count(),
            test_images,
            seconds: runs().map(|run| run.result.seconds).sum(),
            comparable_times: runs().zip(runs().skip(1)).all(|(a, b)| conditions(a) == conditions(b)),
            mixed_seeds: mixed.keys().copied().collect(),
            mixed_hardware: mixed.into_values().flatten().map(str::to_owned).collect(),
            versions: Versions::current(),
        }
    }

    /// Returns whether any arm has more than one run with a usable model.
    pub fn has_several_seeds(&self) -> bool {
        self.scalings.iter().any(|arm| arm.usable_runs().count() > 1)
    }

    /// Returns whether the arm that the headline recommends is better than each other usable arm, or equivalent to it.
    pub fn is_decided(&self) -> bool {
        let usable = self.scalings.iter().filter(|arm| arm.accuracy.mean.is_some()).count();
        pairs::is_decided(&self.pairs, usable)
    }

    /// Returns whether the pairs compare trained models by McNemar's test, not arms over several seeds.
    pub fn compares_models(&self) -> bool {
        self.pairs.iter().any(|pair| pair.mcnemar.is_some())
    }
}

/// Returns what the training time of a run depends on, besides its settings.
fn conditions(run: &FinishedRun) -> (&str, &str, usize) {
    (&run.result.machine.cpu, &run.result.device, run.result.threads)
}

/// Returns the seeds whose arms were trained on hardware that rounds differently, with this hardware.
fn mixed_seeds(arms: &[ArmRuns]) -> BTreeMap<u64, BTreeSet<&str>> {
    let mut hardware = BTreeMap::<u64, BTreeSet<&str>>::new();
    for run in arms.iter().flat_map(ArmRuns::usable) {
        hardware.entry(run.result.seed).or_default().extend(run.result.rounding());
    }
    hardware.retain(|_, hardware| hardware.len() > 1);
    hardware
}

/// Returns the number of images that only the model of `a` classified correctly, and the number for `b`. `None`
/// if a run diverged or the numbers of test images differ.
fn only_one_is_correct(a: &ArmRuns, b: &ArmRuns) -> Option<[usize; 2]> {
    let (a, b) = (&a.runs.first()?.predictions, &b.runs.first()?.predictions);
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    let alone = |is_a: bool| {
        let models = a.iter().zip(b).map(|(a, b)| [a.is_correct(), b.is_correct()]);
        models.filter(|&correct| correct == [is_a, !is_a]).count()
    };
    Some([alone(true), alone(false)])
}

/// Returns the training accuracies whose time to accuracy suits these runs, in ascending order.
fn milestones(arms: &[ArmRuns]) -> Vec<f64> {
    let curves: Vec<&[CurvePoint]> =
        arms.iter().flat_map(ArmRuns::usable).map(|run| &run.curve[..]).collect();
    let is_reached = |accuracy: &&f64| {
        let reached = curves.iter().filter(|curve| first_reaching(curve, **accuracy).is_some()).count();
        reached > 0 && reached * RUNS_PER_MILESTONE >= curves.len()
    };
    let reached: Vec<f64> = MILESTONES.iter().filter(is_reached).copied().collect();
    reached[reached.len().saturating_sub(MOST_MILESTONES)..].to_vec()
}

impl ArmResult {
    fn of(
        arm_index: usize,
        arm: &ArmRuns,
        accuracy: Accuracy,
        ranks: Vec<usize>,
        milestones: &[f64],
    ) -> Self {
        let ArmRuns { arm: Arm { name, scaling_name, training, .. }, runs } = arm;
        let curves: Vec<&[CurvePoint]> = arm.usable().map(|run| &run.curve[..]).collect();
        Self {
            name: name.clone(),
            arm_index,
            scaling: scaling_name.clone(),
            learning_rate: training.learning_rate.get(),
            batch_size: training.batch_size.get(),
            ranks,
            accuracy,
            milestones: milestones.iter().map(|&accuracy| Milestone::of(accuracy, &curves)).collect(),
            runs: runs.iter().map(RunSummary::of).collect(),
        }
    }

    /// Returns the runs with a usable model.
    pub fn usable_runs(&self) -> impl Iterator<Item = &RunSummary> {
        self.runs.iter().filter(|run| run.status == Status::Ok)
    }
}

impl RunSummary {
    fn of(run: &FinishedRun) -> Self {
        let result = &run.result;
        Self {
            seed: result.seed,
            run: result.run.clone(),
            status: result.status,
            accuracy: result.test.map(|test| test.accuracy),
            loss: result.test.map(|test| test.loss),
            seconds: result.seconds,
        }
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
