//! The error type of this crate.

use std::fmt;

use mnist_report::ReportError;
use mnist_training::TrainingError;

use crate::mlflow::MlflowError;

/// The reason why results could not be sent to a tracker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// A value could not be encoded.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// What could not be encoded.
        what: &'static str,
        /// Why it could not be encoded.
        reason: String,
    },
    /// Some runs have arrived in MLflow. The others, or the report, have not.
    #[error("{cause}; {arrived} of {of} runs arrived{}", if arrived == of { ", the report did not" } else { "" })]
    Incomplete {
        /// Number of runs that have arrived, now or earlier.
        arrived: usize,
        /// Number of runs to send.
        of: usize,
        /// Why the rest could not be sent.
        cause: Box<TrackerError>,
    },
    /// MLflow could not be reached, or refused something.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    /// A picture could not be drawn.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file could not be read or written, or the observer asked to stop.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl TrackerError {
    /// Returns a function for `map_err` that turns the reason why `what` cannot be encoded into an error.
    pub(crate) fn encode<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Encode { what, reason: error.to_string() }
    }

    /// Returns whether another attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Mlflow(error) => error.is_temporary(),
            Self::Incomplete { cause, .. } => cause.is_temporary(),
            Self::Encode { .. } | Self::Report(_) | Self::Training(_) => false,
        }
    }

    /// Returns whether the observer asked to stop. If so, nothing failed.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Report(error) => error.is_interrupt(),
            Self::Training(error) => error.is_interrupt(),
            Self::Incomplete { cause, .. } => cause.is_interrupt(),
            Self::Encode { .. } | Self::Mlflow(_) => false,
        }
    }
}
