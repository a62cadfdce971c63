//! Errors of this crate.

use std::fmt;

use mnist_data::DataError;
use mnist_training::TrainingError;

/// A report or a contact sheet could not be drawn or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A figure or a picture could not be drawn.
    #[error("cannot draw {what}: {reason}")]
    Draw {
        /// What could not be drawn.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// Images could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file could not be read or written, or the observer asked to stop.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl ReportError {
    /// For `map_err`: turns the reason why `what` cannot be drawn into an error.
    pub(crate) fn draw<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Draw { what, reason: error.to_string() }
    }

    /// Whether the observer asked to stop, so that nothing failed.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Data(error) => matches!(error, DataError::Interrupted),
            Self::Training(error) => error.is_interrupt(),
            Self::Draw { .. } => false,
        }
    }
}
