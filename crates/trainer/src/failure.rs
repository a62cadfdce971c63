//! How the program ends when it cannot do what was asked.

use std::process::ExitCode;

use mnist_comparison::ComparisonError;
use mnist_data::{DataError, ScalingError};
use mnist_report::ReportError;
use mnist_training::TrainingError;

use crate::{
    interrupt::INTERRUPTED,
    terminal::{clear_bars, write_line},
    wording::wording,
};

/// Exit status of bad arguments or a bad configuration, as clap has it.
pub const USAGE: u8 = 2;

/// An invalid argument.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Prints the error, and what to do about it, in two lines at most and chooses the exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    clear_bars();
    let (message, hint) = wording(error);
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

/// Whether the user asked to stop: nothing has failed.
pub fn is_interrupt(error: &anyhow::Error) -> bool {
    error.downcast_ref::<TrainingError>().is_some_and(TrainingError::is_interrupt)
        || error.downcast_ref::<ComparisonError>().is_some_and(ComparisonError::is_interrupt)
        || error.downcast_ref::<ReportError>().is_some_and(ReportError::is_interrupt)
        || matches!(error.downcast_ref(), Some(DataError::Interrupted))
        || matches!(error.downcast_ref(), Some(ScalingError::Data(DataError::Interrupted)))
}

fn is_bad_setting(error: &anyhow::Error) -> bool {
    error.is::<UsageError>()
        || error.downcast_ref::<TrainingError>().is_some_and(TrainingError::is_bad_setting)
        || error.downcast_ref::<ComparisonError>().is_some_and(ComparisonError::is_bad_setting)
}
