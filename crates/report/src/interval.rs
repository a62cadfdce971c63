//! A range of values.

/// The range from the lowest to the highest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
}

impl Interval {
    /// Returns the relative position of a value: 0 at the low end, 1 at the high end, and 0.5 if both ends are
    /// equal.
    pub fn position(self, value: f64) -> f64 {
        if self.low < self.high { (value - self.low) / (self.high - self.low) } else { 0.5 }
    }

    /// Returns whether a value is in the interval, ends included.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
