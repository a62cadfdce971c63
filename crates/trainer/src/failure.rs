//! How the program ends when it cannot do what was asked.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use mnist_data::{DataError, ScalingError};

use crate::terminal::{clear_bars, write_line};

/// Exit status of bad arguments or a bad configuration, as clap has it.
pub const USAGE: u8 = 2;

/// Exit status after ctrl-C: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// An argument or a configuration that cannot be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The user pressed ctrl-C.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// Nothing was to be kept.
    #[error("interrupted")]
    Lost,
    /// What was done so far is in a folder.
    #[error("interrupted; what is done is kept: the same command with --out {folder} --resume goes on", folder = .0.display())]
    Resumable(PathBuf),
}

impl Interrupted {
    /// Says of an interrupt inside `work` that `folder` keeps what was done; other errors stay.
    pub fn resumable<T>(work: Result<T>, folder: &Path) -> Result<T> {
        work.map_err(
            |error| {
                if error.is::<Self>() { Self::Resumable(folder.to_owned()).into() } else { error }
            },
        )
    }
}

/// Prints the error on one line and chooses the exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    clear_bars();
    // Some libraries' messages have several lines.
    write_line(format!("error: {error:#}").trim_end().replace('\n', "; "));
    let is_interrupt = error.is::<Interrupted>()
        || matches!(error.downcast_ref(), Some(DataError::Interrupted))
        || matches!(error.downcast_ref(), Some(ScalingError::Data(DataError::Interrupted)));
    if is_interrupt {
        ExitCode::from(INTERRUPTED)
    } else if error.is::<UsageError>() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}
