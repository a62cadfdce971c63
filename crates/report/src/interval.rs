//! A range of values, to place others in it.

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
