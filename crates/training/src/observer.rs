//! How a library tells its caller what it is doing, without knowing who listens.

use std::ops::ControlFlow;

/// Receives progress, and may ask the work to stop.
///
/// Every method does nothing by default, and `()` is an observer that ignores everything.
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
    /// A line about what is going on.
    fn note(&self, _text: &str) {}

    /// Something that is probably a mistake.
    fn warning(&self, _text: &str) {}

    /// A task begins. The returned value receives its progress, and is dropped when the task ends.
    fn begin(&self, _task: &Task) -> Box<dyn TaskProgress + '_> {
        Box::new(())
    }

    /// Whether the work should stop after its current step. It then ends with an error for which
    /// [`TrainingError::is_interrupt`](crate::TrainingError::is_interrupt) is true.
    fn wants_stop(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// Work that takes a while.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Files are fetched or read, or images are scanned: progress is in bytes.
    Bytes,
    /// One training: progress is in images trained on.
    Training {
        /// The scaling and the seed.
        name: String,
        /// Images of all its epochs.
        images: u64,
    },
    /// All trainings of a comparison: progress is in images trained on.
    Trainings {
        /// Images of all of them.
        images: u64,
    },
    /// Single images: progress is in images.
    Images {
        /// How many there are.
        images: u64,
    },
}

/// Receives the progress of one task.
pub trait TaskProgress: Send {
    /// `done` is in the task's unit. `total` is given if it was unknown at the start. `message` names the
    /// current item, or describes how the task is going.
    fn at(&mut self, done: u64, total: Option<u64>, message: &str);
}

impl TaskProgress for () {
    fn at(&mut self, _done: u64, _total: Option<u64>, _message: &str) {}
}

/// Runs work of `mnist-data` that reports bytes as a task, and stops it when the observer asks.
pub fn watched<T>(observer: &dyn Observer, work: impl FnOnce(&mut mnist_data::Progress) -> T) -> T {
    let mut task = observer.begin(&Task::Bytes);
    work(&mut |name, done, total| {
        task.at(done, total, name);
        if observer.wants_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}
