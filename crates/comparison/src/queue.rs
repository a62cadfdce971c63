//! Trains the missing runs of a comparison, several at a time.

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use burn::data::dataset::Dataset;
use mnist_training::{
    Experiment, FinishedRun, Network, Observer, RunOutcome, TrainingError,
    backend::in_pool,
    files::RESULT,
    observer::{RunProgress, Task, TaskProgress},
};

use crate::{
    Arm, ComparisonError, ComparisonFolder, FittedScalings,
    numbers::plural,
    plan::{PlannedRun, RUNS},
};

/// The CPU threads that simultaneous runs share.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// Number of simultaneous runs that the user asked for.
    jobs: Option<usize>,
    /// Most simultaneous runs otherwise.
    most: usize,
    /// Number of threads for all runs together.
    threads: usize,
}

/// Default limit on simultaneous runs: each needs memory for its tensors and a share of the caches.
const MOST_JOBS: usize = 8;

/// Share of a training step that takes the same time on any number of threads, as measured on 2 to 16 cores (see
/// docs/PERFORMANCE.md).
const SERIAL: f64 = 0.2;

impl Shares {
    /// Shares the threads of the current pool among `jobs` simultaneous runs. A GPU trains one run at a time by default.
    ///
    /// # Errors
    /// When there are more jobs than threads.
    pub fn new(jobs: Option<NonZeroU32>, on_gpu: bool) -> Result<Self, ComparisonError> {
        let threads = rayon::current_num_threads();
        let jobs = jobs.map(|jobs| jobs.get() as usize);
        if let Some(jobs) = jobs.filter(|&jobs| jobs > threads) {
            return Err(ComparisonError::TooManyJobs { jobs, threads });
        }
        Ok(Self { jobs, most: if on_gpu { 1 } else { threads.min(MOST_JOBS) }, threads })
    }

    /// Returns how many of `runs` to train at a time, so that the last one finishes as early as possible.
    ///
    /// Runs with one thread each never wait for another thread, so many runs are trained that way. But if the last ones
    /// would leave cores without work, fewer at a time with more threads each finish sooner.
    fn jobs(self, runs: usize) -> usize {
        let time = |jobs: usize| {
            let threads = (self.threads / jobs) as f64;
            runs.div_ceil(jobs) as f64 * (SERIAL + (1.0 - SERIAL) / threads)
        };
        let most_first = (1..=self.most).rev();
        self.jobs.unwrap_or_else(|| most_first.min_by(|&a, &b| time(a).total_cmp(&time(b))).unwrap_or(1))
    }

    /// Returns the number of threads of a run: the same for each, so that their times can be compared.
    fn of_a_run(self, jobs: usize) -> usize {
        self.threads / jobs
    }
}

/// Trains the runs of a comparison.
#[derive(Debug)]
pub struct Queue<'a, N> {
    experiment: &'a Experiment<'a, N>,
    fitted: &'a FittedScalings,
    arms: Vec<Arm>,
    runs: PathBuf,
    shares: Shares,
    images_per_run: u64,
    /// Names of the runs that a worker has taken and whose outcome was not reported yet.
    at_work: Mutex<BTreeSet<String>>,
}

/// The outcome of a run, as a worker reports it.
type Outcome = (PlannedRun, Result<RunOutcome, TrainingError>);

impl<'a, N: Network> Queue<'a, N> {
    /// Creates a queue for the runs in `folder`.
    pub fn new(
        experiment: &'a Experiment<'a, N>,
        fitted: &'a FittedScalings,
        folder: &ComparisonFolder,
        shares: Shares,
    ) -> Self {
        let epochs = u64::from(folder.settings().training.epochs.get());
        Self {
            experiment,
            fitted,
            arms: folder.settings().arms(),
            runs: folder.path().join(RUNS),
            shares,
            images_per_run: experiment.data().train.len() as u64 * epochs,
            at_work: Mutex::default(),
        }
    }

    /// Returns whether this queue is training the run, or has finished it but not reported it yet.
    pub fn is_at_work_on(&self, run: &PlannedRun) -> bool {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(&run.name)
    }

    /// Trains `missing`, and calls `finished` on this thread with each finished run.
    ///
    /// If another process is training a run, this waits for it. After an error, or when the observer asks to
    /// stop, the current runs save a checkpoint after their step and stop.
    ///
    /// # Errors
    /// When a run fails, or the observer asks to stop.
    pub fn train(
        &self,
        mut missing: Vec<PlannedRun>,
        observer: &dyn Observer,
        mut finished: impl FnMut(&PlannedRun, FinishedRun),
    ) -> Result<(), TrainingError> {
        /// Interval at which runs of other processes are checked.
        const POLL_INTERVAL: Duration = Duration::from_millis(500);
        let overall = Overall::new(observer, self.images_per_run * missing.len() as u64);
        let mut is_waiting = false;
        let mut finished = |run: &PlannedRun, outcome: RunOutcome| {
            if let Some(result) = outcome.finished() {
                finished(run, result);
            }
        };
        loop {
            let elsewhere =
                self.train_at_once(missing.len(), missing.into_iter(), &overall, &mut finished)?;
            if elsewhere.is_empty() {
                return Ok(());
            }
            if !is_waiting {
                let runs = plural(elsewhere.len(), "run");
                observer.note(&format!("waiting for another process to finish {runs}"));
                is_waiting = true;
            }
            thread::sleep(POLL_INTERVAL);
            if observer.wants_stop() {
                return Err(TrainingError::Interrupted);
            }
            missing = elsewhere;
        }
    }

    /// Trains the runs that are free: unfinished, and not locked by another process. Does not wait for other processes.
    /// Calls `finished` on this thread with each run that was trained here.
    ///
    /// # Errors
    /// As for [`train`](Self::train).
    pub fn train_free(
        &self,
        runs: Vec<PlannedRun>,
        observer: &dyn Observer,
        mut finished: impl FnMut(&PlannedRun, FinishedRun),
    ) -> Result<(), TrainingError> {
        let count = runs.len();
        let overall = Overall::new(observer, self.images_per_run * count as u64);
        // Checked when a run's turn comes: another process may have finished it meanwhile.
        let unfinished = runs.into_iter().filter(|run| !self.runs.join(&run.name).join(RESULT).exists());
        let mut trained_here = |run: &PlannedRun, outcome| {
            // Another process may have finished the run after that check.
            if let RunOutcome::Trained(result) = outcome {
                finished(run, result);
            }
        };
        self.train_at_once(count, unfinished, &overall, &mut trained_here).map(drop)
    }

    /// Trains the runs that no other process has locked, and calls `finished` with each. Returns the others. There are
    /// at most `count` runs.
    fn train_at_once(
        &self,
        count: usize,
        runs: impl Iterator<Item = PlannedRun> + Send,
        overall: &Overall,
        finished: &mut impl FnMut(&PlannedRun, RunOutcome),
    ) -> Result<Vec<PlannedRun>, TrainingError> {
        let waiting = Mutex::new(runs);
        let (sender, outcomes) = mpsc::channel();
        thread::scope(|scope| {
            let jobs = self.shares.jobs(count);
            let threads = self.shares.of_a_run(jobs) as u32;
            for _ in 0..jobs {
                let (sender, waiting) = (sender.clone(), &waiting);
                scope.spawn(move || self.work(threads, waiting, overall, &sender));
            }
            drop(sender);
            let (mut elsewhere, mut error) = (Vec::new(), None);
            for (run, outcome) in outcomes {
                let name = run.name.clone();
                match outcome {
                    Ok(RunOutcome::Elsewhere) => elsewhere.push(run),
                    Ok(outcome) => finished(&run, outcome),
                    Err(cause) => {
                        overall.stop();
                        // Later errors come from the runs that are stopped now.
                        error.get_or_insert(cause);
                    }
                }
                self.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            }
            error.map_or(Ok(elsewhere), Err)
        })
    }

    /// Trains one run after another, with this number of threads, until none is left or one fails.
    fn work(
        &self,
        threads: u32,
        waiting: &Mutex<impl Iterator<Item = PlannedRun>>,
        overall: &Overall,
        outcomes: &Sender<Outcome>,
    ) {
        let next = || {
            let run = waiting.lock().unwrap_or_else(PoisonError::into_inner).next()?;
            self.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(run.name.clone());
            Some(run)
        };
        while let Some(run) = next() {
            let outcome = in_pool(NonZeroU32::new(threads), || self.train_one(&run, overall));
            let has_failed = outcome.is_err();
            if outcomes.send((run, outcome)).is_err() || has_failed {
                return;
            }
        }
    }

    fn train_one(&self, run: &PlannedRun, overall: &Overall) -> Result<RunOutcome, TrainingError> {
        let arm = &self.arms[run.arm_index];
        let fitted = self.fitted.get(arm.scaling_index).ok_or_else(|| {
            TrainingError::Settings(format!("the scaling of `{}` was not fitted", arm.name))
        })?;
        let one =
            OneOfMany { overall, name: format!("{} seed {}", run.arm, run.seed), counted: AtomicU64::new(0) };
        let outcome = self.experiment.run(&arm.with_seed(run.seed), fitted, &self.runs.join(&run.name), &one);
        match outcome {
            Ok(finished @ (RunOutcome::Trained(_) | RunOutcome::Found(_))) => {
                // A diverged run ends early, and another process may have finished this one.
                one.count_up_to(self.images_per_run);
                Ok(finished)
            }
            Err(error @ TrainingError::TakenOver { .. }) => {
                overall.observer.warning(&error.to_string());
                Ok(RunOutcome::Elsewhere)
            }
            other => other,
        }
    }
}

/// All runs of a queue as one task for the observer.
struct Overall<'a> {
    observer: &'a dyn Observer,
    task: Mutex<Box<dyn TaskProgress + 'a>>,
    done: AtomicU64,
    /// Set when a run has failed, to stop the others.
    failed: AtomicBool,
}

impl<'a> Overall<'a> {
    fn new(observer: &'a dyn Observer, images: u64) -> Self {
        Self {
            observer,
            task: Mutex::new(observer.begin(&Task::Trainings { images })),
            done: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    fn add(&self, images: u64) {
        // The sum is computed under the lock. Otherwise, another thread could show a larger sum first.
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.done.fetch_add(images, Ordering::Relaxed) + images;
        task.at(done, None, "");
    }

    fn stop(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

/// The observer of one run: adds its images to the total, and ignores the notes about its epochs. It names the training
/// after the arm, because the arms of a grid can have the same scaling.
struct OneOfMany<'a, 'o> {
    overall: &'a Overall<'o>,
    name: String,
    counted: AtomicU64,
}

impl OneOfMany<'_, '_> {
    fn count_up_to(&self, images: u64) {
        let counted = self.counted.fetch_max(images, Ordering::Relaxed);
        self.overall.add(images.saturating_sub(counted));
    }
}

impl Observer for OneOfMany<'_, '_> {
    fn warning(&self, text: &str) {
        self.overall.observer.warning(text);
    }

    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        let observer = self.overall.observer;
        match task {
            Task::Training { images, .. } => {
                let shown = observer.begin(&Task::Training { name: self.name.clone(), images: *images });
                Box::new(Counted { one: self, shown })
            }
            _ => observer.begin(task),
        }
    }

    fn progress(&self, run: &RunProgress) {
        self.overall.observer.progress(run);
    }

    fn wants_stop(&self) -> bool {
        self.overall.failed.load(Ordering::Relaxed) || self.overall.observer.wants_stop()
    }
}

/// The task of one run. Its images also count for the task of all runs.
struct Counted<'a, 'o> {
    one: &'a OneOfMany<'a, 'o>,
    shown: Box<dyn TaskProgress + 'a>,
}

impl TaskProgress for Counted<'_, '_> {
    fn at(&mut self, done: u64, total: Option<u64>, message: &str) {
        self.shown.at(done, total, message);
        self.one.count_up_to(done);
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;

    #[test]
    fn threads_are_shared_so_that_no_core_waits_for_the_last_runs() {
        let jobs = |threads, runs| Shares { jobs: None, most: threads, threads }.jobs(runs);
        // On two cores, three runs with one thread each would leave a core without work for half of the time.
        assert_eq!(jobs(2, 3), 1);
        assert_eq!([jobs(2, 1), jobs(2, 2), jobs(2, 4), jobs(2, 9)], [1, 2, 2, 2]);
        assert_eq!([jobs(8, 1), jobs(8, 3), jobs(8, 30)], [1, 4, 8]);
        assert_eq!(Shares { jobs: Some(2), most: 2, threads: 2 }.jobs(3), 2);
    }
}
