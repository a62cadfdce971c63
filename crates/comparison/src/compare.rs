//! A complete comparison, from its settings to its verdict.

use std::{num::NonZeroU32, time::Duration};

use mnist_training::{
    Experiment, ExperimentData, Network, Observer, TrainingError, backend::in_pool, files::Destination,
};

use crate::{
    Comparison, ComparisonError, ComparisonFolder, ComparisonSettings, FittedScalings,
    plan::{Plan, PlannedRun},
    queue::{Queue, Shares},
};

/// Reports a comparison while it is training. `()` reports nothing.
///
/// The methods return nothing: a failed report must not stop the trainings.
pub trait Reporter {
    /// The trainings begin.
    fn begin(&mut self, _data: &ExperimentData, _fitted: &FittedScalings, _folder: &ComparisonFolder) {}

    /// A run is finished and recorded in the folder. `left` estimates the time for the remaining ones; it is
    /// `None` where nothing has been trained to go by, and after the last run.
    fn run_finished(&mut self, _folder: &ComparisonFolder, _run: &PlannedRun, _left: Option<Duration>) {}

    /// All runs are finished; the folder has no `result.json` yet, which is written last.
    fn conclude(&mut self, _folder: &ComparisonFolder, _comparison: &Comparison) {}
}

impl Reporter for () {}

/// Trains every arm with every seed, `jobs` trainings at a time, and compares the accuracies. Runs that the
/// destination already contains are not trained again.
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
/// To resume an interrupted comparison, to add seeds or scalings to a finished one, or to choose the folder,
/// name the folder:
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
/// When data cannot be read, a training fails, the destination belongs to other settings or data, or the
/// observer asks to stop: the destination then contains the progress.
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

fn compare_in_pool<N: Network>(
    network: &N,
    settings: &ComparisonSettings,
    destination: Destination,
    jobs: Option<NonZeroU32>,
    observer: &dyn Observer,
    reporter: &mut (dyn Reporter + Send),
) -> Result<Comparison, ComparisonError> {
    let backend = settings.training.backend;
    let device = backend.open()?;
    let shares = Shares::new(jobs, backend.is_gpu())?;
    let data = ExperimentData::open(&settings.training, &settings.scalings, network, observer)?;
    let experiment = Experiment::new(network, &data, device)?;

    let plan = Plan::new(settings, &data.files)?;
    let missing = plan.missing(destination.keeps());
    let mut fitted = FittedScalings::fit(settings, &missing, &data.train, observer)?;
    let mut folder = ComparisonFolder::begin(destination, settings, plan)?;
    if folder.finished() > 0 {
        let (finished, planned) = (folder.finished(), folder.plan().runs.len());
        observer.note(&format!("{finished} of {planned} trainings are whole already"));
    }
    fitted.add_finished(&folder)?;
    reporter.begin(&data, &fitted, &folder);
    let path = folder.path().to_owned();
    if observer.wants_stop() {
        return Err(TrainingError::Resumable(path).into());
    }

    let queue = Queue::new(&experiment, &fitted, &folder, shares);
    let trained = queue.train(missing, observer, |run, finished, left| {
        folder.record(run, finished);
        if let Err(error) = folder.record_others(|run| queue.is_at_work_on(run)) {
            observer.warning(&error.to_string());
        }
        reporter.run_finished(&folder, run, left);
    });
    trained.map_err(|error| error.resumable(path))?;

    let comparison = folder.comparison();
    reporter.conclude(&folder, &comparison);
    folder.conclude(&comparison)?;
    Ok(comparison)
}
