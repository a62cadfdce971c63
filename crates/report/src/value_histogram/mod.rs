//! Histograms of pixel values.

mod drawing;

use crate::numbers::short;

/// Number of bins.
pub const BINS: usize = 64;

/// From the lowest to the highest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
}

impl Interval {
    /// Where a value lies: 0 at the low end, 1 at the high end; ½ if both ends are the same.
    pub fn position(self, value: f64) -> f64 {
        if self.low < self.high { (value - self.low) / (self.high - self.low) } else { 0.5 }
    }

    /// Whether a value lies in the interval, ends included.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Counts of values in [`BINS`] bins of equal width.
#[derive(Debug, Clone)]
pub struct ValueHistogram {
    interval: Interval,
    counts: [u64; BINS],
}

impl ValueHistogram {
    /// An empty histogram for values from `low` to `high`.
    pub fn new(low: f64, high: f64) -> Self {
        Self { interval: Interval { low, high }, counts: [0; BINS] }
    }

    /// Counts more values. Values outside the interval count in the bin at that end.
    pub fn add(&mut self, values: &[f32]) {
        for &value in values {
            let bin = (self.interval.position(value.into()) * BINS as f64) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// From the low end of the first bin to the high end of the last.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The ends of the interval as people read them.
    pub(crate) fn ends(&self) -> [String; 2] {
        [self.interval.low, self.interval.high].map(|end| short(end, self.interval))
    }

    /// The number of values in each bin.
    pub fn counts(&self) -> &[u64; BINS] {
        &self.counts
    }
}

#[cfg(test)]
mod tests;
