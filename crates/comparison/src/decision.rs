//! Decisions about pairs of arms.

use serde::Serialize;

/// What is known about two arms `a` and `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// `a` is better.
    A,
    /// `b` is better.
    B,
    /// The difference is smaller than the margin.
    Equivalent,
    /// None of these is certain enough.
    Undecided,
}

impl Decision {
    /// Decides from an interval of the difference a − b: one arm is better if the interval excludes 0, and both are
    /// equivalent if it is within ± `margin`. If both hold, one arm is better, by less than the margin.
    ///
    /// An equivalence test of this form is two one-sided tests: Schuirmann, "A comparison of the two one-sided tests
    /// procedure and the power approach for assessing the equivalence of average bioavailability", Journal of
    /// Pharmacokinetics and Biopharmaceutics 15 (1987).
    pub fn from_interval([low, high]: [f64; 2], margin: f64) -> Self {
        if low > 0.0 {
            Self::A
        } else if high < 0.0 {
            Self::B
        } else if -margin < low && high < margin {
            Self::Equivalent
        } else {
            Self::Undecided
        }
    }

    /// Returns the same decision about `b` and `a`.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            Self::Equivalent | Self::Undecided => self,
        }
    }

    /// Returns whether one arm is better than the other.
    pub fn is_better(self) -> bool {
        matches!(self, Self::A | Self::B)
    }
}
