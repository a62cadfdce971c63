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

    /// Returns whether the observer asked to stop. If so, nothing failed.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Report(error) => error.is_interrupt(),
            Self::Training(error) => error.is_interrupt(),
            Self::Encode { .. } | Self::Mlflow(_) => false,
        }
    }
}
