//! How the program ends when it cannot do what was asked.

use std::process::ExitCode;

use mnist_data::DataError;

/// Exit status of bad arguments or a bad configuration, as clap has it.
pub const USAGE: u8 = 2;

/// Exit status after ctrl-C: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// An argument or a configuration that cannot be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The user pressed ctrl-C; says what was kept.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; {0}")]
pub struct Interrupted(pub String);

/// Prints the error on one line and chooses the exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    let is_interrupt =
        error.is::<Interrupted>() || matches!(error.downcast_ref(), Some(DataError::Interrupted));
    if is_interrupt {
        ExitCode::from(INTERRUPTED)
    } else if error.is::<UsageError>() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}
