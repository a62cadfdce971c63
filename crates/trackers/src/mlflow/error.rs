//! Errors of MLflow and of the connection to it.

use mnist_data::input::shown;

/// The reason why something could not be sent to MLflow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MlflowError {
    /// An address that is not the URL of a server.
    #[error("{} is not the URL of an MLflow server: it must begin with http:// or https://", shown(.0))]
    NotAUrl(String),
    /// An address that contains a name and a password.
    #[error("the URL of the MLflow server must not contain a password")]
    PasswordInUrl,
    /// A server that does not answer.
    #[error("cannot reach the MLflow server {}: {}", shown(uri), shown(reason))]
    Unreachable {
        /// The server.
        uri: String,
        /// Why it cannot be reached.
        reason: String,
    },
    /// A server that answers that it failed, or that it is busy.
    #[error("the MLflow server {} failed: {}", shown(uri), shown(reason))]
    Failed {
        /// The server.
        uri: String,
        /// What failed.
        reason: String,
    },
    /// A server that does not accept the credentials.
    #[error("the MLflow server {} denies access (HTTP status {status})", shown(uri))]
    Denied {
        /// The server.
        uri: String,
        /// The HTTP status.
        status: u16,
    },
    /// A server that does not answer as MLflow does.
    #[error("{} is not an MLflow server: {reason}", shown(uri))]
    NotMlflow {
        /// The server.
        uri: String,
        /// What it does instead.
        reason: String,
    },
    /// An experiment that was deleted and can be restored.
    #[error("the MLflow experiment `{}` was deleted", shown(name))]
    ExperimentDeleted {
        /// The experiment.
        name: String,
        /// Its id.
        id: String,
    },
    /// A request that MLflow refuses.
    #[error("MLflow refuses the request: {} ({})", shown(message), shown(code))]
    Refused {
        /// MLflow's error code.
        code: String,
        /// MLflow's message.
        message: String,
    },
    /// An answer without something that MLflow's answers contain.
    #[error("MLflow's answer has no `{0}`")]
    Missing(&'static str),
}

impl MlflowError {
    /// Returns whether another attempt may succeed.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failed { .. })
    }
}
