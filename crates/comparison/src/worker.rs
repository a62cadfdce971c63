//! A worker: one of several processes that share the runs of a comparison, such as the tasks of a cluster's job.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    path::PathBuf,
};

use mnist_training::{
    Experiment, ExperimentData, FinishedRun, Network, Observer, TrainingError,
    backend::in_pool,
    files::{Destination, RESULT},
    run::is_locked,
};
use serde::Serialize;

use crate::{
    ComparisonError, ComparisonFolder, ComparisonSettings, FittedScalings,
    compare::plan,
    plan::{PlannedRun, RUNS},
    queue::{Queue, Shares},
};

/// What a worker has done.
#[derive(Debug, Clone, Serialize)]
pub struct Work {
    /// The comparison's folder.
    pub comparison: PathBuf,
    /// The folders of the runs that this worker has finished.
    pub trained: Vec<PathBuf>,
}

/// Trains the free runs of the comparison in the destination, one after another, and calls `finished` after each. A run
/// is free if it is unfinished and no other process trains it. Does not wait for other processes, and writes neither a
/// report nor a result: [`compare`](crate::compare()) does so afterwards, and trains what is still missing.
///
/// Begins the comparison if the destination contains none. Any number of workers may start at the same moment.
///
/// # Errors
/// When the destination contains a comparison with other settings or data, data cannot be read, a run fails, or the
/// observer asks to stop. After a stop, the destination contains the progress.
pub fn work<N: Network>(
    network: &N,
    settings: &ComparisonSettings,
    destination: Destination,
    jobs: Option<NonZeroU32>,
    observer: &dyn Observer,
    finished: &mut (dyn FnMut(&PlannedRun, &FinishedRun) + Send),
) -> Result<Work, ComparisonError> {
    settings.check()?;
    let settings = &settings.for_network(&network.name())?;
    in_pool(settings.training.threads, || {
        let joined = match destination.keeps() {
            Some(path) => ComparisonFolder::join(path, settings)?,
            None => None,
        };
        if let Some(folder) = &joined
            && !has_free_run(folder)
        {
            return Ok(Work { comparison: folder.path().to_owned(), trained: Vec::new() });
        }
        let shares = Shares::new(jobs, settings.training.backend.is_gpu())?;
        let device = settings.training.open_device()?;
        let data = ExperimentData::open(&settings.training, &settings.scalings, network, observer)?;
        let experiment = Experiment::new(network, &data, device)?;
        let folder = match joined {
            Some(folder) => folder.on_data(&data.files)?,
            None => ComparisonFolder::begin(destination, settings, plan(settings, &data)?, observer)?,
        };
        let path = folder.path().to_owned();
        let worked = train(&experiment, folder, shares, observer, finished);
        worked.map_err(|error| error.resumable(path).into())
    })
}

/// Trains free runs until there are none.
fn train<N: Network>(
    experiment: &Experiment<N>,
    mut folder: ComparisonFolder,
    shares: Shares,
    observer: &dyn Observer,
    finished: &mut (dyn FnMut(&PlannedRun, &FinishedRun) + Send),
) -> Result<Work, TrainingError> {
    let is_until_decided = folder.settings().seeds.is_until_decided();
    let runs = folder.path().join(RUNS);
    // A joined comparison has not read its finished runs. Until it is decided, each scaling may need another run.
    let is_needed = |run: &PlannedRun| is_until_decided || !runs.join(&run.name).join(RESULT).exists();
    let needed: Vec<PlannedRun> = folder.next_runs().into_iter().filter(is_needed).collect();
    let fitted = FittedScalings::fit(folder.settings(), &needed, experiment.data(), observer)?;
    let arms = folder.settings().arms();
    // Another process may have found a finished run damaged: it trains that run itself.
    let is_fitted = |run: &PlannedRun| fitted.get(arms[run.arm_index].scaling_index).is_some();
    let queue = Queue::new(experiment, &fitted, &folder, shares);
    let mut work = Work { comparison: folder.path().to_owned(), trained: Vec::new() };
    loop {
        let before = work.trained.len();
        let next = in_order(&folder).into_iter().filter(is_fitted).collect();
        queue.train_free(next, observer, |run, result| {
            finished(run, &result);
            work.trained.push(result.result.run.clone());
            folder.record(run, result);
        })?;
        if work.trained.len() == before {
            return Ok(work);
        }
        if is_until_decided {
            // The accuracies of all runs decide which run is next.
            folder.record_others(|_| false)?;
        }
    }
}

/// Returns the next runs in the order in which a worker tries them. Those that were begun come first: a stopped task may
/// have left them. Workers that start together begin at different runs, so few of them try to lock the same one.
fn in_order(folder: &ComparisonFolder) -> Vec<PlannedRun> {
    let entries = fs::read_dir(folder.path().join(RUNS)).into_iter().flatten().flatten();
    let begun: HashSet<OsString> = entries.map(|entry| entry.file_name()).collect();
    let is_begun = |run: &PlannedRun| begun.contains(OsStr::new(&run.name));
    let (mut begun, mut others): (Vec<_>, Vec<_>) = folder.next_runs().into_iter().partition(is_begun);
    let random = RandomState::new().hash_one(()) as usize;
    for runs in [&mut begun, &mut others] {
        let first = random % runs.len().max(1);
        runs.rotate_left(first);
    }
    begun.into_iter().chain(others).collect()
}

/// Returns whether a worker would find something to do. This is quick, so that superfluous workers end at once.
fn has_free_run(folder: &ComparisonFolder) -> bool {
    let runs = folder.path().join(RUNS);
    folder.next_runs().iter().map(|run| runs.join(&run.name)).any(|run| {
        // What cannot be locked is an error later.
        !run.join(RESULT).exists() && !is_locked(&run).unwrap_or(false)
    })
}
