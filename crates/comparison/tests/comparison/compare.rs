//! Complete comparisons that train a custom network on small synthetic images.

use std::{
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use mnist_comparison::{
    Comparison, ComparisonError, ComparisonFolder, ComparisonSettings, FittedScalings, Reporter, compare,
    plan::{Plan, PlannedRun},
    work,
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

/// A folder with images in `data`, and with comparisons beside it.
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

    /// Returns settings of two scalings × two seeds × two epochs of six steps. `more` overrides them.
    fn settings(&self, more: &str) -> ComparisonSettings {
        let data = self.path("data");
        let base: Overrides = toml::from_str(&format!(
            "dataset = 'idx'\ndata_dir = '{}'\nscalings = ['normalize', 'standardize']\nseeds = 2\nepochs = 2\nbatch_size = 16",
            data.display()
        ))
        .unwrap();
        ComparisonSettings::resolve(&toml::from_str::<Overrides>(more).unwrap().over(base)).unwrap()
    }

    /// Compares in this folder. Resumes the comparison if there is one.
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

/// Returns the checksums of the data files.
fn sums(settings: &ComparisonSettings) -> Vec<FileSum> {
    ExperimentData::open(&settings.training, &settings.scalings, &MLP, &()).unwrap().files
}

/// Returns the weights' checksum and the test scores of every run.
fn outcomes(comparison: &Path) -> Vec<(String, u64, String, String)> {
    let folder = ComparisonFolder::open(comparison).unwrap();
    let outcome = |run: &PlannedRun| {
        let result = &folder.run(run).unwrap().result;
        (run.arm.clone(), run.seed, result.weights_sha256.clone().unwrap(), format!("{:?}", result.test))
    };
    folder.plan().runs.iter().map(outcome).collect()
}

/// Records the events of a comparison.
#[derive(Default)]
struct Events {
    begun: usize,
    runs: Vec<(String, u64)>,
    finished: Vec<usize>,
    concluded: Vec<String>,
    /// Whether there was a result when the report was written.
    had_result: bool,
}

impl Reporter for Events {
    fn begin(&mut self, data: &ExperimentData, fitted: &FittedScalings, folder: &ComparisonFolder) {
        assert_eq!(data.image(), [1, 12, 12]);
        for index in 0..folder.settings().scalings.len() {
            assert!(fitted.get(index).is_some(), "scaling {index}");
        }
        self.begun += 1;
    }

    fn run_finished(&mut self, folder: &ComparisonFolder, run: &PlannedRun) {
        assert!(folder.run(run).is_some(), "the run is already recorded");
        self.runs.push((run.arm.clone(), run.seed));
        self.finished.push(folder.finished());
    }

    fn conclude(&mut self, folder: &ComparisonFolder, comparison: &Comparison) {
        assert!(folder.is_finished());
        self.had_result = folder.path().join("result.json").exists();
        self.concluded.push(comparison.verdict.clone());
    }
}

/// Asks to stop after this many steps of all runs together.
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

/// Records the names of the trainings.
#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Observer for Names {
    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        if let Task::Training { name, .. } = task {
            self.0.lock().unwrap().push(name.clone());
        }
        Box::new(())
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
    let mut events = Events::default();
    let comparison = bench.compare_in("compared", &bench.settings(""), &(), &mut events).unwrap();
    assert_eq!((comparison.planned, comparison.finished, comparison.diverged), (4, 4, 0));
    assert_eq!((comparison.test_images, comparison.scalings.len(), comparison.pairs.len()), (50, 2, 1));
    assert_eq!((events.begun, &events.finished[..]), (1, &[1, 2, 3, 4][..]));
    assert_eq!(events.concluded, [comparison.verdict.as_str()]);
    assert!(!events.had_result, "the result comes last");
    events.runs.sort();
    let runs: Vec<(&str, u64)> = events.runs.iter().map(|(arm, seed)| (arm.as_str(), *seed)).collect();
    assert_eq!(runs, [("normalize", 1), ("normalize", 2), ("standardize", 1), ("standardize", 2)]);
    assert!(bench.path("compared/result.json").exists());

    // If anything were trained again, it would stop after its first step.
    let (before, mut events) = (outcomes(&bench.path("compared")), Events::default());
    let again = bench.compare_in("compared", &bench.settings(""), &StopAfter::steps(1), &mut events).unwrap();
    assert_eq!((events.begun, events.runs, events.concluded.len()), (1, Vec::new(), 1));
    assert!(events.had_result, "the result of a finished comparison stays");
    assert_eq!((again.finished, again.verdict), (4, comparison.verdict));
    assert_eq!(outcomes(&bench.path("compared")), before);
}

#[test]
fn trainings_are_named_after_their_arms() {
    let (bench, names) = (Bench::new(), Names::default());
    let settings =
        "scalings = ['center']\nseeds = 1\nepochs = 1\nbatch_size = 16\n[grid]\nlearning_rate = [0.1, 0.01]";
    bench.compare_in("compared", &bench.settings(settings), &names, &mut ()).unwrap();
    let mut names = names.0.into_inner().unwrap();
    names.sort();
    assert_eq!(names, ["center, learning rate 0.01 seed 1", "center, learning rate 0.1 seed 1"]);
}

#[test]
fn each_scaling_is_trained_with_each_seed_and_all_weights_differ() {
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
fn interrupted_comparison_ends_with_the_same_bits_as_an_uninterrupted_one() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let destination = ComparisonFolder::destination(bench.path("uninterrupted"), Existing::Refuse).unwrap();
    // One run at a time; the interrupted comparisons train as many as there are threads.
    compare(&MLP, &settings, destination, NonZeroU32::new(1), &(), &mut ()).unwrap();
    let uninterrupted = outcomes(&bench.path("uninterrupted"));

    // There are 48 steps: stop in the first epoch of the first runs, and during the last runs.
    for steps in [3, 33] {
        let name = format!("interrupted-{steps}");
        let (mut before, mut after) = (Events::default(), Events::default());
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
        assert_eq!(outcomes(&folder), uninterrupted, "stopped after {steps} steps");
    }
}

#[test]
fn resumed_comparison_trains_missing_runs_and_cannot_shrink() {
    let bench = Bench::new();
    bench.compare_in("grown", &bench.settings("seeds = 1"), &(), &mut ()).unwrap();
    let mut events = Events::default();
    let comparison = bench.compare_in("grown", &bench.settings(""), &(), &mut events).unwrap();
    events.runs.sort();
    assert_eq!(events.runs, [("normalize".to_owned(), 2), ("standardize".to_owned(), 2)]);
    assert_eq!(comparison.finished, 4);

    let error = bench.compare_in("grown", &bench.settings("seeds = 1"), &(), &mut ()).unwrap_err();
    assert!(matches!(error, ComparisonError::Shrinks { key: "seeds", .. }), "{error}");
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
fn earlier_comparison_is_replaced_on_request() {
    let bench = Bench::new();
    bench.compare_in("replaced", &bench.settings("epochs = 1"), &(), &mut ()).unwrap();
    let destination = ComparisonFolder::destination(bench.path("replaced"), Existing::Replace).unwrap();
    let mut events = Events::default();
    compare(&MLP, &bench.settings("seeds = 1"), destination, None, &(), &mut events).unwrap();
    assert_eq!(events.runs.len(), 2);
    assert_eq!(outcomes(&bench.path("replaced")).len(), 2);
}

#[test]
fn failed_run_ends_the_comparison_with_its_error_and_keeps_the_finished_runs() {
    let bench = Bench::new();
    let broken = MlpNetwork { fails_with_seed: Some(2) };
    let error = bench.compare_with(&broken, "failed", &bench.settings(""), &(), &mut ()).unwrap_err();
    assert!(!error.is_interrupt() && !error.is_bad_setting());
    assert_eq!(error.to_string(), "no network for seed 2");
    let mut events = Events::default();
    bench.compare_in("failed", &bench.settings(""), &(), &mut events).unwrap();
    assert!(events.runs.iter().filter(|(_, seed)| *seed == 2).count() == 2, "{:?}", events.runs);
    assert_eq!(outcomes(&bench.path("failed")).len(), 4);
}

#[test]
fn more_jobs_than_threads_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    let destination = ComparisonFolder::destination(bench.path("crowded"), Existing::Refuse).unwrap();
    let jobs = NonZeroU32::new(5000);
    let error = compare(&MLP, &bench.settings(""), destination, jobs, &(), &mut ()).unwrap_err();
    assert!(error.is_bad_setting());
    assert!(matches!(error, ComparisonError::TooManyJobs { jobs: 5000, .. }), "{error}");
    assert!(!bench.path("crowded").exists());
}

#[test]
fn folder_without_a_comparison_is_not_opened() {
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
fn settings_built_by_hand_are_checked() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let twice = vec![settings.scalings[0].clone(), settings.scalings[0].clone()];
    for (scalings, message) in
        [(Vec::new(), "`scalings` is empty"), (twice, "`scalings` contains `normalize` twice")]
    {
        let wrong = ComparisonSettings { scalings, ..settings.clone() };
        let error = bench.compare_in("wrong", &wrong, &(), &mut ()).unwrap_err();
        assert!(error.is_bad_setting() && error.to_string().starts_with(message), "{error}");
    }
    assert!(!bench.path("wrong").exists());
}

#[test]
fn runs_finished_by_another_process_are_recorded() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let mut begun = {
        let plan = Plan::new(&settings.for_network(&MLP.name()).unwrap(), &sums(&settings)).unwrap();
        let destination = ComparisonFolder::destination(bench.path("shared"), Existing::Refuse).unwrap();
        let settings = settings.for_network(&MLP.name()).unwrap();
        ComparisonFolder::begin(destination, &settings, plan, &()).unwrap()
    };
    assert_eq!(begun.finished(), 0);
    bench.compare_in("shared", &settings, &(), &mut ()).unwrap();
    begun.record_others(|_| false).unwrap();
    assert!(begun.is_finished(), "{} of 4", begun.finished());
}

/// Records notes.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn worker_fits_only_the_scalings_of_unfinished_runs() {
    let bench = Bench::new();
    let settings = bench.settings("scalings = ['normalize', 'zca']\nseeds = 1\nepochs = 1");
    bench.compare_in("compared", &settings, &(), &mut ()).unwrap();
    let runs = ComparisonFolder::open(&bench.path("compared")).unwrap().plan().runs.clone();
    let work_without = |arm: &str| {
        let run = &runs.iter().find(|run| run.arm == arm).unwrap().name;
        fs::remove_file(bench.path("compared/runs").join(run).join("result.json")).unwrap();
        let destination = ComparisonFolder::destination(bench.path("compared"), Existing::Resume).unwrap();
        let notes = Notes::default();
        let work = work(&MLP, &settings, destination, None, &notes, &mut |_, _| {}).unwrap();
        assert_eq!(work.trained.len(), 1);
        notes.0.into_inner().unwrap().iter().any(|note| note.starts_with("fitting zca_whitening"))
    };
    assert!(!work_without("normalize"));
    assert!(work_without("zca"));
}
