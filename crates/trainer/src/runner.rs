//! Trains the runs that a comparison lacks, several at a time.

use std::{
    num::NonZeroU32,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use mnist_data::FittedScaling;

use crate::{
    config::TrainingConfig,
    device::in_pool,
    experiment::Experiment,
    failure::{Interrupted, UsageError},
    interrupt,
    run::RunResult,
};

/// A training that is to be done.
pub struct Job {
    /// Its number in the plan.
    pub number: usize,
    pub training: TrainingConfig,
    pub fitted: Arc<FittedScaling>,
    /// The name of its folder.
    pub name: String,
}

/// How the CPU is shared out.
#[derive(Clone, Copy)]
pub struct Shares {
    /// Trainings at a time.
    jobs: usize,
    /// Threads of all of them together.
    threads: usize,
}

/// Most trainings at a time if nobody says how many: each holds its tensors in memory, and takes its share of
/// the caches.
const MOST_JOBS: usize = 8;

impl Shares {
    /// Shares this pool's threads out to so many trainings at a time.
    ///
    /// By default each has a thread of its own: it then waits for no other thread, and on two cores two
    /// trainings end sooner together than one after the other. A GPU has one at a time.
    pub fn new(jobs: Option<NonZeroU32>, on_gpu: bool) -> Result<Self, UsageError> {
        let threads = rayon::current_num_threads();
        let by_default = if on_gpu { 1 } else { threads.min(MOST_JOBS) };
        let jobs = jobs.map_or(by_default, |jobs| jobs.get() as usize);
        if jobs > threads {
            return Err(UsageError(format!(
                "--jobs {jobs} is more than there are threads: {threads}; each training needs one"
            )));
        }
        Ok(Self { jobs, threads })
    }

    /// Threads of one of the trainings, counted from 0: all together have as many as there are.
    fn of(self, training: usize) -> usize {
        self.threads / self.jobs + usize::from(training < self.threads % self.jobs)
    }
}

/// Does all jobs in folders inside `runs`, and calls `finished` with each result on this thread.
///
/// A run that another process is at work on is waited for. After an error, or on ctrl-C, the trainings at
/// work stop at their next step, each with a checkpoint.
pub fn train_all(
    experiment: &Experiment,
    mut jobs: Vec<Job>,
    shares: Shares,
    runs: &Path,
    mut finished: impl FnMut(usize, RunResult) -> Result<()>,
) -> Result<()> {
    /// How often a run of another process is looked at.
    const PATIENCE: Duration = Duration::from_millis(500);
    let mut is_waiting = false;
    loop {
        // Those that would leave threads idle come last, with more threads each.
        let last = jobs.split_off(jobs.len() - jobs.len() % shares.jobs);
        let fewer = Shares { jobs: last.len(), ..shares };
        let mut elsewhere = train_at_once(experiment, jobs, shares, runs, &mut finished)?;
        elsewhere.extend(train_at_once(experiment, last, fewer, runs, &mut finished)?);
        if elsewhere.is_empty() {
            return Ok(());
        }
        if !is_waiting {
            experiment.terminal().line(format!("waiting for {} runs of another process", elsewhere.len()));
            is_waiting = true;
        }
        thread::sleep(PATIENCE);
        if interrupt::requested() {
            return Err(Interrupted::Lost.into());
        }
        jobs = elsewhere;
    }
}

/// Does the jobs that no other process has claimed, and gives back the others.
fn train_at_once(
    experiment: &Experiment,
    jobs: Vec<Job>,
    shares: Shares,
    runs: &Path,
    finished: &mut impl FnMut(usize, RunResult) -> Result<()>,
) -> Result<Vec<Job>> {
    let queue = Mutex::new(jobs.into_iter());
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for worker in 0..shares.jobs {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || work(experiment, queue, runs, shares.of(worker), &sender));
        }
        drop(sender);
        let mut elsewhere = Vec::new();
        let mut outcome = Ok(());
        for (job, result) in results {
            let handled = match result {
                Ok(Some(result)) => finished(job.number, result),
                Ok(None) => {
                    elsewhere.push(job);
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if handled.is_err() {
                experiment.stop();
                // What comes after is what stopping the others gives.
                outcome = outcome.and(handled);
            }
        }
        outcome.map(|()| elsewhere)
    })
}

/// Takes job after job from the queue, until one fails.
fn work(
    experiment: &Experiment,
    queue: &Mutex<impl Iterator<Item = Job>>,
    runs: &Path,
    threads: usize,
    results: &Sender<(Job, Result<Option<RunResult>>)>,
) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(job) = next() {
        let threads = NonZeroU32::new(threads as u32);
        let result = in_pool(threads, || experiment.run(&job.training, &job.fitted, &runs.join(&job.name)));
        let has_failed = result.is_err();
        if results.send((job, result)).is_err() || has_failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainings_at_a_time_share_out_all_threads_and_no_more() {
        for threads in 1..20 {
            for jobs in 1..=threads {
                let shares = Shares { jobs, threads };
                let of_each: Vec<usize> = (0..jobs).map(|training| shares.of(training)).collect();
                assert_eq!(of_each.iter().sum::<usize>(), threads);
                assert!(of_each.iter().max().unwrap() - of_each.iter().min().unwrap() <= 1);
            }
        }
    }
}
