//! When a comparison is tested, and what its decisions are therefore valid for.

use crate::{looks::Looks, numbers::plural};

/// How the number of seeds of a comparison came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The number of seeds was planned, and all of them are finished.
    Planned {
        /// Number of planned seeds.
        seeds: usize,
    },
    /// The number of seeds was planned, and some are missing. No decision is made before the end.
    Pending {
        /// Number of planned seeds.
        seeds: usize,
    },
    /// Seeds or arms were added to a comparison.
    Extended {
        /// Number of seeds that was planned first.
        seeds: usize,
    },
    /// A report was requested before the planned end.
    LookedAtEarly {
        /// Number of planned seeds.
        seeds: usize,
    },
    /// Seeds are added until every pair is decided.
    UntilDecided,
    /// Unknown, except for how often the accuracies are looked at.
    Given(Looks),
}

impl Basis {
    /// Returns how often the comparison may be tested.
    pub fn looks(self) -> Looks {
        match self {
            Self::Planned { .. } => Looks::Once,
            Self::Pending { .. } => Looks::NotYet,
            Self::Extended { .. } | Self::LookedAtEarly { .. } | Self::UntilDecided => Looks::Any,
            Self::Given(looks) => looks,
        }
    }

    /// Describes the basis in a sentence.
    pub(crate) fn sentence(self) -> String {
        let seeds = |seeds| plural(seeds, "seed");
        match self {
            Self::Planned { seeds: planned } => format!("Planned for {}, looked at once.", seeds(planned)),
            Self::Pending { seeds: planned } => {
                format!("Planned for {}, and tested once they are finished.", seeds(planned))
            }
            Self::Extended { seeds: before } => {
                format!("Planned for {}, then extended: valid at any number of seeds.", seeds(before))
            }
            Self::LookedAtEarly { seeds: planned } => {
                format!("Looked at before the planned {}: valid at any number of seeds.", seeds(planned))
            }
            Self::UntilDecided | Self::Given(Looks::Any) => "Valid at any number of seeds.".into(),
            Self::Given(Looks::Once) => {
                "Valid if looked at once, at a number of seeds chosen beforehand.".into()
            }
            Self::Given(Looks::NotYet) => "Not tested yet.".into(),
        }
    }
}
