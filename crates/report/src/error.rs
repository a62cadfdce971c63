//! The error type of this crate.

use std::{fmt, path::PathBuf};

use mnist_data::{DataError, input::shown};
use mnist_training::TrainingError;

/// The reason why a report or a contact sheet could not be drawn or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A figure or an image could not be drawn.
    #[error("cannot draw {what}: {reason}")]
    Draw {
        /// What could not be drawn.
        what: &'static str,
        /// Why it could not be drawn.
        reason: String,
    },
    /// A page to draw on without a model.
    #[error("no run was named")]
    NoModels,
    /// A run whose model takes other images, or has other classes, than the first run on the page.
    #[error("{} {difference}", shown(run))]
    OtherImages {
        /// The run.
        run: PathBuf,
        /// What differs, with both values.
        difference: String,
    },
    /// More bytes of models than a page can contain.
    #[error("a page with these models would have {} MB, which is too large for a browser", .0 / 1_000_000)]
    PageTooLarge(usize),
    /// Images could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file could not be read or written, or the observer asked to stop.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl ReportError {
    /// Returns a function for `map_err` that turns the reason why `what` cannot be drawn into an error.
    pub(crate) fn draw<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Draw { what, reason: error.to_string() }
    }

    /// Returns whether the observer asked to stop. If so, nothing failed.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Data(error) => matches!(error, DataError::Interrupted),
            Self::Training(error) => error.is_interrupt(),
            _ => false,
        }
    }
}
