//! Errors that no library returns, because they are about the command line.

/// An invalid argument.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// An error of this crate with advice.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HintedError {
    message: String,
    /// What to do about it.
    pub hint: String,
}

impl HintedError {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}
