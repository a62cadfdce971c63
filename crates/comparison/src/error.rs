//! Errors of comparisons.

use std::path::PathBuf;

use mnist_training::TrainingError;

/// Why a comparison could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// The settings leave out a part of the comparison to be resumed.
    #[error("`{0}` lacks some of the comparison that is resumed")]
    Shrinks(&'static str),
    /// More trainings at a time than there are CPU threads.
    #[error("{jobs} jobs are more than there are threads: {threads}; each training needs one")]
    TooManyJobs {
        /// Trainings at a time.
        jobs: usize,
        /// CPU threads.
        threads: usize,
    },
    /// A comparison's folder that does not exist.
    #[error("the comparison {} does not exist or is not a folder", .0.display())]
    NoComparison(PathBuf),
    /// A folder that is not a comparison's.
    #[error("{} is not a comparison: it has no plan.json", .0.display())]
    NotAComparison(PathBuf),
    /// Accuracies that cannot be compared.
    #[error("cannot compare the accuracies: {0}")]
    Accuracies(String),
    /// A training failed, or was interrupted.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl ComparisonError {
    /// Whether the observer asked to stop, and nothing failed.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Training(error) if error.is_interrupt())
    }

    /// Whether the settings are wrong, so that no work was started.
    pub fn is_bad_setting(&self) -> bool {
        match self {
            Self::Shrinks(_) | Self::TooManyJobs { .. } => true,
            Self::Training(error) => error.is_bad_setting(),
            _ => false,
        }
    }
}
