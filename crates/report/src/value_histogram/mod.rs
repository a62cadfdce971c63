//! Histograms of pixel values.

mod drawing;

use crate::{interval::Interval, numbers::short};

/// Number of bins.
pub const BINS: usize = 64;

/// A histogram: counts of values in [`BINS`] bins of equal width.
#[derive(Debug, Clone)]
pub struct ValueHistogram {
    interval: Interval,
    counts: [u64; BINS],
}

impl ValueHistogram {
    /// Creates an empty histogram for values from `low` to `high`.
    pub fn new(low: f64, high: f64) -> Self {
        Self { interval: Interval { low, high }, counts: [0; BINS] }
    }

    /// Counts values. A value outside the interval counts in the nearest bin.
    pub fn add(&mut self, values: &[f32]) {
        for &value in values {
            let bin = (self.interval.position(value.into()) * BINS as f64) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// Returns the interval from the low end of the first bin to the high end of the last.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Returns the formatted ends of the interval.
    pub(crate) fn ends(&self) -> [String; 2] {
        [self.interval.low, self.interval.high].map(|end| short(end, self.interval))
    }

    /// Returns the number of values in each bin.
    pub fn counts(&self) -> &[u64; BINS] {
        &self.counts
    }
}

#[cfg(test)]
mod tests;
