//! Whole comparisons of a network of one's own on small made-up images.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use mnist_comparison::{
    Comparison, ComparisonError, ComparisonFolder, ComparisonSettings, FittedScalings, Reporter, compare,
    plan::{Plan, PlannedRun},
};
use mnist_data::source::FileSum;
use mnist_model::ModelConfig;
use mnist_training::{
    ExperimentData, Network, Observer, TrainingError,
    files::Existing,
    observer::{Task, TaskProgress},
    settings::Overrides,
};
use tempfile::{TempDir, tempdir};

use crate::support::{MlpNetwork, write_digits};

const MLP: MlpNetwork = MlpNetwork { fails_with_seed: None };

/// A folder with images in `data`; comparisons go beside it.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        write_digits(&folder.path().join("data"));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Two scalings × two seeds × two epochs of six steps; `more` comes first.
    fn settings(&self, more: &str) -> ComparisonSettings {
        let data = self.path("data");
        let base: Overrides = toml::from_str(&format!(
            "dataset = 'idx'\ndata_dir = '{}'\nscalings = ['normalize', 'standardize']\nseeds = 2\nepochs = 2\nbatch_size = 16",
            data.display()
        ))
        .unwrap();
        ComparisonSettings::resolve(&toml::from_str::<Overrides>(more).unwrap().over(base)).unwrap()
    }

    /// Compares in this folder, resuming what is there.
    fn compare_in(
        &self,
        name: &str,
        settings: &ComparisonSettings,
        observer: &dyn Observer,
        reporter: &mut (dyn Reporter + Send),
    ) -> Result<Comparison, ComparisonError> {
        self.compare_with(&MLP, name, settings, observer, reporter)
    }

    fn compare_with(
        &self,
        network: &impl Network,
        name: &str,
        settings: &ComparisonSettings,
        observer: &dyn Observer,
        reporter: &mut (dyn Reporter + Send),
    ) -> Result<Comparison, ComparisonError> {
        let destination = ComparisonFolder::destination(self.path(name), Existing::Resume)?;
        compare(network, settings, destination, None, observer, reporter)
    }
}

/// Checksums of the data files.
fn sums(settings: &ComparisonSettings) -> Vec<FileSum> {
    ExperimentData::open(&settings.training, &settings.scalings, &MLP, &()).unwrap().files
}

/// Weights and test scores of every finished run.
fn outcomes(comparison: &Path) -> Vec<(String, u64, String, String)> {
    let folder = ComparisonFolder::open(comparison).unwrap();
    let outcome = |run: &PlannedRun| {
        let result = &folder.run(run).unwrap().result;
        (run.arm.clone(), run.seed, result.weights_sha256.clone().unwrap(), format!("{:?}", result.test))
    };
    folder.plan().runs.iter().map(outcome).collect()
}

/// Remembers what it is told.
#[derive(Default)]
struct Told {
    begun: usize,
    runs: Vec<(String, u64)>,
    finished: Vec<usize>,
    left: Vec<Option<Duration>>,
    concluded: Vec<String>,
}

impl Reporter for Told {
    fn begin(&mut self, data: &ExperimentData, fitted: &FittedScalings, folder: &ComparisonFolder) {
        assert_eq!(data.image(), [1, 12, 12]);
        for index in 0..folder.settings().scalings.len() {
            assert!(fitted.get(index).is_some(), "scaling {index}");
        }
        self.begun += 1;
    }

    fn run_finished(&mut self, folder: &ComparisonFolder, run: &PlannedRun, left: Option<Duration>) {
        assert!(folder.run(run).is_some(), "it is recorded already");
        self.runs.push((run.arm.clone(), run.seed));
        self.finished.push(folder.finished());
        self.left.push(left);
    }

    fn conclude(&mut self, folder: &ComparisonFolder, comparison: &Comparison) {
        assert!(folder.is_finished() && !folder.path().join("result.json").exists());
        self.concluded.push(comparison.verdict.clone());
    }
}

/// Wants to stop after this many steps of all trainings together.
struct StopAfter {
    left: AtomicUsize,
}

impl StopAfter {
    fn steps(steps: usize) -> Self {
        Self { left: AtomicUsize::new(steps) }
    }
}

impl Observer for StopAfter {
    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        match task {
            Task::Training { .. } => Box::new(Steps(self)),
            _ => Box::new(()),
        }
    }

    fn wants_stop(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

struct Steps<'a>(&'a StopAfter);

impl TaskProgress for Steps<'_> {
    fn at(&mut self, _: u64, _: Option<u64>, _: &str) {
        let _ = self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    }
}

#[test]
fn every_run_is_trained_once_and_reported() {
    let bench = Bench::new();
    let mut told = Told::default();
    let comparison = bench.compare_in("compared", &bench.settings(""), &(), &mut told).unwrap();
    assert_eq!((comparison.planned, comparison.finished, comparison.diverged), (4, 4, 0));
    assert_eq!((comparison.test_images, comparison.scalings.len(), comparison.pairs.len()), (50, 2, 1));
    assert_eq!((told.begun, &told.finished[..]), (1, &[1, 2, 3, 4][..]));
    assert_eq!(told.concluded, [comparison.verdict.as_str()]);
    assert!(
        told.left[0].is_some() && told.left[3].is_none(),
        "nothing is left after the last: {:?}",
        told.left
    );
    told.runs.sort();
    let runs: Vec<(&str, u64)> = told.runs.iter().map(|(arm, seed)| (arm.as_str(), *seed)).collect();
    assert_eq!(runs, [("normalize", 1), ("normalize", 2), ("standardize", 1), ("standardize", 2)]);
    assert!(bench.path("compared/result.json").exists());

    // A training would stop at its first step.
    let (before, mut told) = (outcomes(&bench.path("compared")), Told::default());
    let again = bench.compare_in("compared", &bench.settings(""), &StopAfter::steps(1), &mut told).unwrap();
    assert_eq!((told.begun, told.runs, told.concluded.len()), (1, Vec::new(), 1));
    assert_eq!((again.finished, again.verdict), (4, comparison.verdict));
    assert_eq!(outcomes(&bench.path("compared")), before);
}

#[test]
fn runs_of_one_scaling_differ_by_seed_and_share_it_with_the_other_scaling() {
    let bench = Bench::new();
    bench.compare_in("compared", &bench.settings(""), &(), &mut ()).unwrap();
    let outcomes = outcomes(&bench.path("compared"));
    let mut weights: Vec<&String> = outcomes.iter().map(|(_, _, weights, _)| weights).collect();
    weights.sort();
    weights.dedup();
    assert_eq!(weights.len(), 4);
    let arms: Vec<(&str, u64)> = outcomes.iter().map(|(arm, seed, ..)| (arm.as_str(), *seed)).collect();
    assert_eq!(arms, [("normalize", 1), ("standardize", 1), ("normalize", 2), ("standardize", 2)]);
}

#[test]
fn interrupted_comparison_resumes_to_the_bits_of_an_undisturbed_one() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let destination = ComparisonFolder::destination(bench.path("undisturbed"), Existing::Refuse).unwrap();
    // One training at a time; the others run as many as there are threads.
    compare(&MLP, &settings, destination, NonZeroU32::new(1), &(), &mut ()).unwrap();
    let undisturbed = outcomes(&bench.path("undisturbed"));

    // Of 48: in the first epoch of the first trainings, and in the last trainings.
    for steps in [3, 33] {
        let name = format!("interrupted-{steps}");
        let (mut before, mut after) = (Told::default(), Told::default());
        let error = bench.compare_in(&name, &settings, &StopAfter::steps(steps), &mut before).unwrap_err();
        assert!(error.is_interrupt(), "{error}");
        let folder = bench.path(&name);
        assert!(
            matches!(&error, ComparisonError::Training(TrainingError::Resumable(path)) if *path == folder),
            "{error}"
        );
        assert!(before.runs.len() < 4 && before.concluded.is_empty());
        assert!(!folder.join("result.json").exists());

        bench.compare_in(&name, &settings, &(), &mut after).unwrap();
        assert_eq!(before.runs.len() + after.runs.len(), 4, "no run is trained twice");
        assert_eq!(outcomes(&folder), undisturbed, "stopped after {steps} steps");
    }
}

#[test]
fn resumed_comparison_grows_by_what_is_missing_and_never_shrinks() {
    let bench = Bench::new();
    bench.compare_in("grown", &bench.settings("seeds = 1"), &(), &mut ()).unwrap();
    let mut told = Told::default();
    let comparison = bench.compare_in("grown", &bench.settings(""), &(), &mut told).unwrap();
    told.runs.sort();
    assert_eq!(told.runs, [("normalize".to_owned(), 2), ("standardize".to_owned(), 2)]);
    assert_eq!(comparison.finished, 4);

    let error = bench.compare_in("grown", &bench.settings("seeds = 1"), &(), &mut ()).unwrap_err();
    assert!(matches!(error, ComparisonError::Shrinks("seeds")), "{error}");
    let error = bench.compare_in("grown", &bench.settings("epochs = 3"), &(), &mut ()).unwrap_err();
    assert!(error.is_bad_setting() && error.to_string().starts_with("`epochs` differs"), "{error}");
}

#[test]
fn comparison_of_another_network_is_not_resumed() {
    let bench = Bench::new();
    let settings = bench.settings("seeds = 1");
    bench.compare_in("compared", &settings, &(), &mut ()).unwrap();
    let saved = Overrides::read(&bench.path("compared/config.toml")).unwrap();
    assert_eq!(saved.network.as_deref(), Some("mlp"));
    let error = bench.compare_with(&ModelConfig::new(), "compared", &settings, &(), &mut ()).unwrap_err();
    assert!(error.is_bad_setting() && error.to_string().starts_with("`network` differs"), "{error}");
}

#[test]
fn earlier_comparison_is_replaced_where_that_is_asked_for() {
    let bench = Bench::new();
    bench.compare_in("replaced", &bench.settings("epochs = 1"), &(), &mut ()).unwrap();
    let destination = ComparisonFolder::destination(bench.path("replaced"), Existing::Replace).unwrap();
    let mut told = Told::default();
    compare(&MLP, &bench.settings("seeds = 1"), destination, None, &(), &mut told).unwrap();
    assert_eq!(told.runs.len(), 2);
    assert_eq!(outcomes(&bench.path("replaced")).len(), 2);
}

#[test]
fn training_that_fails_ends_the_comparison_with_its_error_and_keeps_the_others() {
    let bench = Bench::new();
    let broken = MlpNetwork { fails_with_seed: Some(2) };
    let error = bench.compare_with(&broken, "failed", &bench.settings(""), &(), &mut ()).unwrap_err();
    assert!(!error.is_interrupt() && !error.is_bad_setting());
    assert_eq!(error.to_string(), "no network for seed 2");
    let mut told = Told::default();
    bench.compare_in("failed", &bench.settings(""), &(), &mut told).unwrap();
    assert!(told.runs.iter().filter(|(_, seed)| *seed == 2).count() == 2, "{:?}", told.runs);
    assert_eq!(outcomes(&bench.path("failed")).len(), 4);
}

#[test]
fn more_trainings_at_a_time_than_threads_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    let destination = ComparisonFolder::destination(bench.path("crowded"), Existing::Refuse).unwrap();
    let jobs = NonZeroU32::new(5000);
    let error = compare(&MLP, &bench.settings(""), destination, jobs, &(), &mut ()).unwrap_err();
    assert!(error.is_bad_setting());
    assert!(matches!(error, ComparisonError::TooManyJobs { jobs: 5000, .. }), "{error}");
    assert!(!bench.path("crowded").exists());
}

#[test]
fn folder_that_is_no_comparison_is_not_opened() {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(
        matches!(ComparisonFolder::open(&missing), Err(ComparisonError::NoComparison(path)) if path == missing)
    );
    let error = ComparisonFolder::open(folder.path()).unwrap_err();
    assert!(matches!(error, ComparisonError::NotAComparison(_)), "{error}");
}

#[test]
fn finished_comparison_opens_with_its_runs_and_scalings() {
    let bench = Bench::new();
    let comparison = bench.compare_in("compared", &bench.settings(""), &(), &mut ()).unwrap();
    let folder = ComparisonFolder::open(&bench.path("compared")).unwrap();
    assert!(folder.is_finished() && folder.is_current().unwrap());
    assert_eq!(folder.comparison().verdict, comparison.verdict);
    let fitted = FittedScalings::of_finished(&folder).unwrap();
    let names: Vec<&str> = (0..2).map(|index| fitted.get(index).unwrap().scaling().name()).collect();
    assert_eq!(names, ["normalize", "standardize"]);
    assert!(fitted.get(2).is_none());
    let seeds: Vec<Vec<u64>> =
        folder.arms().iter().map(|arm| arm.runs.iter().map(|run| run.result.seed).collect()).collect();
    assert_eq!(seeds, [[1, 2], [1, 2]]);
}

#[test]
fn settings_that_were_not_resolved_are_checked_too() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let twice = vec![settings.scalings[0].clone(), settings.scalings[0].clone()];
    for (scalings, message) in
        [(Vec::new(), "`scalings` names none"), (twice, "`scalings` has `normalize` twice")]
    {
        let wrong = ComparisonSettings { scalings, ..settings.clone() };
        let error = bench.compare_in("wrong", &wrong, &(), &mut ()).unwrap_err();
        assert!(error.is_bad_setting() && error.to_string().starts_with(message), "{error}");
    }
    assert!(!bench.path("wrong").exists());
}

#[test]
fn runs_that_another_process_has_finished_are_recorded() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let mut begun = {
        let plan = Plan::new(&settings.for_network(&MLP.name()).unwrap(), &sums(&settings)).unwrap();
        let destination = ComparisonFolder::destination(bench.path("shared"), Existing::Refuse).unwrap();
        ComparisonFolder::begin(destination, &settings.for_network(&MLP.name()).unwrap(), plan).unwrap()
    };
    assert_eq!(begun.finished(), 0);
    bench.compare_in("shared", &settings, &(), &mut ()).unwrap();
    begun.record_others(|_| false).unwrap();
    assert!(begun.is_finished(), "{} of 4", begun.finished());
}
