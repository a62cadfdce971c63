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
    /// Limit for one attempt at one file of up to 64 MiB, and for a run of npm. A larger file has proportionally more.
    pub total: Duration,
    /// Pause before the second attempt at a file. It doubles before each further attempt.
    pub pause: Duration,
}

impl Timeouts {
    /// Returns the limit for one attempt at a file of this size.
    pub(super) fn total_for(&self, bytes: u64) -> Duration {
        const TYPICAL: u64 = 64 << 20;
        self.total.mul_f64((bytes as f64 / TYPICAL as f64).max(1.0))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// EMNIST's archive has 562 MB. It arrives in time over a line of 160 kbit/s.
    #[test]
    fn large_files_have_more_time() {
        let timeouts = Timeouts::default();
        assert_eq!(timeouts.total_for(47_040_016), timeouts.total);
        assert_eq!(timeouts.total_for(128 << 20), 2 * timeouts.total);
        assert!(timeouts.total_for(561_753_746) > Duration::from_hours(8));
    }
}
