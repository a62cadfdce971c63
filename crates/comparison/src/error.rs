//! The error type of this crate.

use std::path::PathBuf;

use mnist_data::input::shown;
use mnist_training::TrainingError;

/// The reason why a comparison could not be trained, read or computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// The settings leave out seeds or arms of the comparison to be resumed.
    #[error("cannot resume: `{key}` leaves out some that are already there: {current} instead of {saved}")]
    Shrinks {
        /// The key of the setting.
        key: &'static str,
        /// Its value in the comparison.
        saved: String,
        /// Its value in these settings.
        current: String,
    },
    /// More simultaneous runs than CPU threads.
    #[error("cannot train {jobs} runs at a time on {threads} threads: each run needs a thread")]
    TooManyJobs {
        /// Number of simultaneous runs.
        jobs: usize,
        /// Number of CPU threads.
        threads: usize,
    },
    /// A path that is not a folder.
    #[error("the comparison {} does not exist or is not a folder", shown(.0))]
    NoComparison(PathBuf),
    /// A folder without a comparison.
    #[error("{} is not a comparison: it does not contain plan.json", shown(.0))]
    NotAComparison(PathBuf),
    /// A folder with neither a run nor a comparison.
    #[error("{} contains neither a run nor a comparison", shown(.0))]
    NeitherRunNorComparison(PathBuf),
    /// A run and a comparison, which cannot be compared with each other.
    #[error("one of {} and {} is a run, the other a comparison", shown(a), shown(b))]
    OtherKind {
        /// The first.
        a: PathBuf,
        /// The second.
        b: PathBuf,
    },
    /// A comparison that another version of the program has begun. Its accuracies may differ for that reason alone.
    #[error(
        "cannot resume a comparison of mnist-trainer {}: results of different versions do not mix",
        shown(saved)
    )]
    OtherVersion {
        /// The version that began the comparison.
        saved: String,
    },
    /// A margin of equivalence that is 0 or larger than the test set.
    #[error("the margin {margin} must be above 0 and at most the {test_images} test images")]
    Margin {
        /// The margin in images.
        margin: f64,
        /// Number of test images.
        test_images: usize,
    },
    /// Accuracies that cannot be compared.
    #[error("cannot compare the accuracies: {0}")]
    Accuracies(String),
    /// A run failed or was interrupted.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl ComparisonError {
    /// Returns whether the observer asked to stop. If so, nothing failed.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Training(error) if error.is_interrupt())
    }

    /// Returns whether the settings are invalid. If so, no work was started.
    pub fn is_bad_setting(&self) -> bool {
        match self {
            Self::Shrinks { .. }
            | Self::TooManyJobs { .. }
            | Self::Margin { .. }
            | Self::OtherVersion { .. } => true,
            Self::Training(error) => error.is_bad_setting(),
            _ => false,
        }
    }
}
