//! Prints errors and chooses the exit status.

use std::process::ExitCode;

use mnist_comparison::ComparisonError;
use mnist_data::{DataError, ScalingError};
use mnist_report::ReportError;
use mnist_trackers::{TrackerError, mlflow::MlflowError};
use mnist_training::TrainingError;

use crate::{
    cli::{Invocation, USAGE},
    command_error::UsageError,
    interrupt::INTERRUPTED,
    terminal::{clear_bars, write_line},
    wording::wording,
};

/// Prints an error and its hint, a line each, and returns the exit status.
pub fn report(error: &anyhow::Error, invocation: &Invocation) -> ExitCode {
    clear_bars();
    let (message, hint) = wording(error, invocation);
    write_line(format!("error: {message}"));
    if let Some(hint) = hint {
        write_line(format!("hint: {hint}"));
    }
    if is_interrupt(error) {
        ExitCode::from(INTERRUPTED)
    } else if is_bad_setting(error) {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}

/// Returns whether the user interrupted the command. If so, nothing failed.
fn is_interrupt(error: &anyhow::Error) -> bool {
    error.downcast_ref::<TrainingError>().is_some_and(TrainingError::is_interrupt)
        || error.downcast_ref::<ComparisonError>().is_some_and(ComparisonError::is_interrupt)
        || error.downcast_ref::<ReportError>().is_some_and(ReportError::is_interrupt)
        || error.downcast_ref::<TrackerError>().is_some_and(TrackerError::is_interrupt)
        || matches!(error.downcast_ref(), Some(DataError::Interrupted))
        || matches!(error.downcast_ref(), Some(ScalingError::Data(DataError::Interrupted)))
}

fn is_bad_setting(error: &anyhow::Error) -> bool {
    error.is::<UsageError>()
        || error.downcast_ref::<TrainingError>().is_some_and(TrainingError::is_bad_setting)
        || error.downcast_ref::<ComparisonError>().is_some_and(ComparisonError::is_bad_setting)
        || matches!(error.downcast_ref(), Some(MlflowError::NotAUrl(_) | MlflowError::PasswordInUrl))
        // `predict` cannot prepare pictures for this model.
        || matches!(error.downcast_ref(), Some(DataError::NotPrepared(_) | DataError::NoPictureShape(_)))
}
