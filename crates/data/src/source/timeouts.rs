//! Time limits of downloads.

use std::time::Duration;

/// Time limits of a download, so that no server can block it forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Limit for the time to find a mirror's address, and for the time to connect to it.
    pub connect: Duration,
    /// Limit for the time from the request to the response.
    pub response: Duration,
    /// Limit for the time without a byte.
    pub stall: Duration,
    /// Limit for one attempt at one file, and for a run of npm.
    pub total: Duration,
    /// Pause before the second attempt at a file. It doubles before each further attempt.
    pub pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            total: Duration::from_hours(1),
            pause: Duration::from_secs(1),
        }
    }
}
