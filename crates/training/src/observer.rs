//! The observer, to which the libraries report notes, warnings and progress.

use std::{ops::ControlFlow, path::Path};

use mnist_data::source::FileSum;

use crate::{RunSettings, progress::TrainingProgress};

/// Receives notes, warnings and progress, and may ask the work to stop.
///
/// By default, every method does nothing. `()` is an observer that ignores everything.
///
/// ```
/// use mnist_training::Observer;
///
/// struct Log;
///
/// impl Observer for Log {
///     fn warning(&self, text: &str) {
///         eprintln!("warning: {text}");
///     }
/// }
/// ```
pub trait Observer: Sync {
    /// Receives one line of information.
    fn note(&self, _text: &str) {}

    /// Receives a warning: something is probably a mistake.
    fn warning(&self, _text: &str) {}

    /// Begins a task. The returned value receives the task's progress, and is dropped when the task ends.
    fn begin(&self, _task: &Task) -> Box<dyn TaskProgress + '_> {
        Box::new(())
    }

    /// Receives the progress of a run: when its training begins or resumes, after each new point of its learning curve,
    /// and after each epoch.
    fn progress(&self, _run: &RunProgress) {}

    /// Returns whether the work should stop after its current step. It then ends with an error for which
    /// [`TrainingError::is_interrupt`](crate::TrainingError::is_interrupt) returns true.
    fn wants_stop(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// A run that is training.
#[derive(Debug, Clone, Copy)]
pub struct RunProgress<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// The settings.
    pub settings: &'a RunSettings,
    /// Checksums of the data files.
    pub data: &'a [FileSum],
    /// The epochs and the learning curve so far, from the first step on.
    pub progress: &'a TrainingProgress,
}

/// A task that takes a while.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Fetching or reading files, or scanning images. Progress is in bytes.
    Bytes,
    /// Training one run. Progress is in training images, counted once per epoch.
    Training {
        /// The scaling and the seed.
        name: String,
        /// Number of images over all epochs.
        images: u64,
    },
    /// Training all runs of a comparison. Progress is in training images, counted once per run and epoch.
    Trainings {
        /// Number of images over all runs.
        images: u64,
    },
    /// Work on single images. Progress is in images.
    Images {
        /// Number of images.
        images: u64,
    },
}

/// Receives the progress of one task.
pub trait TaskProgress: Send {
    /// Receives the progress: `done` in the task's unit, and `total` if it was unknown at the start. `message` names
    /// the current item, or describes how the task is going.
    fn at(&mut self, done: u64, total: Option<u64>, message: &str);
}

impl TaskProgress for () {
    fn at(&mut self, _done: u64, _total: Option<u64>, _message: &str) {}
}

/// Runs a function of `mnist-data` as a task that reports bytes, and stops it when the observer asks.
pub fn watched<T>(observer: &dyn Observer, work: impl FnOnce(&mut mnist_data::Progress) -> T) -> T {
    let mut task = observer.begin(&Task::Bytes);
    work(&mut |name, done, total| {
        task.at(done, total, name);
        if observer.wants_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}
