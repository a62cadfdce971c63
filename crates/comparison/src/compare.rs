//! A complete comparison, from its settings to its verdict.

use std::num::NonZeroU32;

use burn::data::dataset::Dataset;
use mnist_training::{
    Experiment, ExperimentData, Network, Observer, TrainingError, backend::in_pool, files::Destination,
    settings::Positive,
};

use crate::{
    Comparison, ComparisonError, ComparisonFolder, ComparisonSettings, Design, FittedScalings, Looks, Seeds,
    design::default_margin,
    numbers::plural,
    plan::{Plan, PlannedRun},
    queue::{Queue, Shares},
};

/// Receives the events of a comparison, for example to update a report. `()` ignores them.
///
/// The methods return nothing, because a failed report must not stop the training.
pub trait Reporter {
    /// Training begins.
    fn begin(&mut self, _data: &ExperimentData, _fitted: &FittedScalings, _folder: &ComparisonFolder) {}

    /// A run is finished and recorded in the folder.
    fn run_finished(&mut self, _folder: &ComparisonFolder, _run: &PlannedRun) {}

    /// All runs are finished. The folder does not contain `result.json` yet, which is written last.
    fn conclude(&mut self, _folder: &ComparisonFolder, _comparison: &Comparison) {}
}

impl Reporter for () {}

/// Trains every arm with every seed, `jobs` runs at a time, and compares the accuracies. Runs that are already
/// finished in the destination are not trained again.
///
/// ```no_run
/// use mnist_comparison::{ComparisonSettings, compare};
/// use mnist_model::ModelConfig;
/// use mnist_training::files::Destination;
///
/// let settings = ComparisonSettings::default(); // the tutorial's three scalings, one seed
/// let destination = Destination::new("compare");
/// let comparison = compare(&ModelConfig::new(), &settings, destination, None, &(), &mut ())?;
/// println!("{}", comparison.verdict);
/// # Ok::<(), mnist_comparison::ComparisonError>(())
/// ```
///
/// Name the folder to resume an interrupted comparison, to add seeds or scalings to a finished one, or to choose
/// where a new one is saved:
///
/// ```no_run
/// use mnist_comparison::ComparisonFolder;
/// use mnist_training::files::Existing;
///
/// let destination = ComparisonFolder::destination("runs/mine".into(), Existing::Resume)?;
/// # Ok::<(), mnist_training::TrainingError>(())
/// ```
///
/// # Errors
/// When data cannot be read, a run fails, the destination contains a comparison with other settings or data, or
/// the observer asks to stop. After a stop, the destination contains the progress.
pub fn compare<N: Network>(
    network: &N,
    settings: &ComparisonSettings,
    destination: Destination,
    jobs: Option<NonZeroU32>,
    observer: &dyn Observer,
    reporter: &mut (dyn Reporter + Send),
) -> Result<Comparison, ComparisonError> {
    settings.check()?;
    let settings = &settings.for_network(&network.name())?;
    let threads = settings.training.threads;
    in_pool(threads, || compare_in_pool(network, settings, destination, jobs, observer, reporter))
}

/// Begins a comparison without training, so that other processes can [work](crate::work) on it. Fetches and checks the data.
///
/// # Errors
/// As for [`compare`], except for the errors of runs.
pub fn begin<N: Network>(
    network: &N,
    settings: &ComparisonSettings,
    destination: Destination,
    observer: &dyn Observer,
) -> Result<ComparisonFolder, ComparisonError> {
    settings.check()?;
    let settings = &settings.for_network(&network.name())?;
    let data = ExperimentData::open(&settings.training, &settings.scalings, network, observer)?;
    ComparisonFolder::begin(destination, settings, plan(settings, &data)?, observer)
}

/// Plans a comparison on these images.
pub(crate) fn plan(settings: &ComparisonSettings, data: &ExperimentData) -> Result<Plan, ComparisonError> {
    let margin = settings.margin.map_or_else(|| default_margin(data.test.len()), Positive::get);
    Design { margin, ..Design::new(data.test.len(), Looks::Any) }.check()?;
    Ok(Plan::new(settings, &data.files)?)
}

fn compare_in_pool<N: Network>(
    network: &N,
    settings: &ComparisonSettings,
    destination: Destination,
    jobs: Option<NonZeroU32>,
    observer: &dyn Observer,
    reporter: &mut (dyn Reporter + Send),
) -> Result<Comparison, ComparisonError> {
    let backend = settings.training.backend;
    let device = settings.training.open_device()?;
    let shares = Shares::new(jobs, backend.is_gpu())?;
    let data = ExperimentData::open(&settings.training, &settings.scalings, network, observer)?;
    let experiment = Experiment::new(network, &data, device)?;

    let plan = plan(settings, &data)?;
    let missing = plan.missing(destination.keeps());
    let mut fitted = FittedScalings::fit(settings, &missing, &data, observer)?;
    let mut folder = ComparisonFolder::begin(destination, settings, plan, observer)?;
    if folder.finished() > 0 {
        let (finished, missing) = (folder.finished(), folder.next_runs().len());
        observer.note(&match settings.seeds {
            Seeds::Planned { .. } => format!("{finished} of {} runs already finished", finished + missing),
            Seeds::UntilDecided { .. } => format!("{} already finished", plural(finished, "run")),
        });
    }
    fitted.add_finished(&folder)?;
    reporter.begin(&data, &fitted, &folder);
    let path = folder.path().to_owned();
    if observer.wants_stop() {
        return Err(TrainingError::Resumable(path).into());
    }

    let queue = Queue::new(&experiment, &fitted, &folder, shares);
    // A comparison with a planned number of seeds trains all of its runs at once.
    loop {
        let missing = folder.next_runs();
        if missing.is_empty() {
            break;
        }
        let trained = queue.train(missing, observer, |run, finished| {
            folder.record(run, finished);
            if let Err(error) = folder.record_others(|run| queue.is_at_work_on(run)) {
                observer.warning(&error.to_string());
            }
            reporter.run_finished(&folder, run);
        });
        trained.map_err(|error| error.resumable(path.clone()))?;
        // Runs of other processes decide too.
        folder.record_others(|_| false)?;
        if settings.seeds.is_until_decided() && !folder.is_finished() {
            observer.note(&folder.comparison().headline);
        }
    }

    let comparison = folder.comparison();
    reporter.conclude(&folder, &comparison);
    folder.conclude(&comparison, observer).map_err(|error| error.resumable(path))?;
    Ok(comparison)
}
