//! Statistics of accuracies over seeds: means with intervals, tests of every pair, ranks and a verdict.

use crate::{
    ComparisonError,
    arms::{ArmAccuracies, ArmStatistics},
    basis::Basis,
    design::Design,
    headline,
    pairs::{self, McNemar, Pair},
    ranks::ranks,
    verdict::{self, Extent},
};

/// The statistics of several arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The arms, best mean first. Arms without a usable run come last.
    pub arms: Vec<ArmStatistics>,
    /// Every pair of arms, the one with the better mean first.
    pub pairs: Vec<Pair>,
    /// How the arms were compared.
    pub design: Design,
}

impl Statistics {
    /// Compares arms. Arms without a run are left out.
    ///
    /// All statistics are computed from whole numbers of correct images, unless the design says otherwise. So equally
    /// good arms differ by exactly 0.
    ///
    /// # Errors
    /// As for [`Design::check`]. Also when an accuracy is not between 0 and 1, two arms have the same name, or an arm
    /// has two runs with the same seed.
    pub fn of(arms: &[ArmAccuracies], design: Design) -> Result<Self, ComparisonError> {
        design.check()?;
        let invalid = |reason: String| Err(ComparisonError::Accuracies(reason));
        for (number, arm) in arms.iter().enumerate() {
            let name = &arm.name;
            if arms[..number].iter().any(|other| other.name == *name) {
                return invalid(format!("two arms are named `{name}`"));
            }
            for (number, run) in arm.runs.iter().enumerate() {
                let seed = run.seed;
                if arm.runs[..number].iter().any(|other| other.seed == seed) {
                    return invalid(format!("`{name}` has seed {seed} twice"));
                }
                if let Some(accuracy) = run.accuracy.filter(|accuracy| !(0.0..=1.0).contains(accuracy)) {
                    return invalid(format!(
                        "`{name}`, seed {seed}: accuracy {accuracy} is not between 0 and 1"
                    ));
                }
            }
        }
        Ok(Self::of_checked(arms, design))
    }

    /// Computes the same as [`of`](Self::of), without its checks.
    pub(crate) fn of_checked(arms: &[ArmAccuracies], design: Design) -> Self {
        let tested = arms.iter().filter(|arm| !arm.is_hopeless()).count();
        let given = arms.iter().enumerate().filter(|(_, arm)| !arm.runs.is_empty());
        let mut arms: Vec<ArmStatistics> =
            given.map(|(index, arm)| ArmStatistics::of(index, arm, &design)).collect();
        let order = |arm: &ArmStatistics| arm.accuracy.mean.unwrap_or(f64::NEG_INFINITY);
        arms.sort_by(|a, b| order(b).total_cmp(&order(a)));
        let pairs = pairs::tested(&arms, tested * tested.saturating_sub(1) / 2, &design);
        let ranks = ranks(arms.len(), &pairs);
        for (arm, ranks) in arms.iter_mut().zip(ranks) {
            arm.ranks = ranks;
        }
        Self { arms, pairs, design }
    }

    /// Adds McNemar's test of two trained models to each pair. `images` takes the positions of two arms in
    /// the slice passed to [`of`](Self::of). It returns how many images only the first model classified
    /// correctly, and how many only the second did. A pair for which it returns `None` is not tested.
    #[must_use]
    pub fn with_mcnemar(mut self, images: impl Fn(usize, usize) -> Option<[usize; 2]>) -> Self {
        let given = |place: usize| self.arms[place].index;
        let tests: Vec<Option<[usize; 2]>> =
            self.pairs.iter().map(|pair| images(given(pair.places[0]), given(pair.places[1]))).collect();
        McNemar::add(&mut self.pairs, &tests);
        self
    }

    /// Returns the answer in at most 25 words, with a next step. Assumes that no more runs are planned.
    pub fn headline(&self) -> String {
        self.headline_so_far(&self.complete())
    }

    /// Returns the result in a few sentences. Assumes that no more runs are planned.
    pub fn verdict(&self) -> String {
        self.verdict_so_far(&self.complete())
    }

    fn complete(&self) -> Extent {
        let finished = self.arms.iter().map(|arm| arm.runs).sum();
        let seeds = self.arms.iter().map(|arm| arm.runs).max().unwrap_or(0);
        Extent { planned: Some(finished), finished, seeds, basis: Basis::Given(self.design.looks) }
    }

    pub(crate) fn headline_so_far(&self, extent: &Extent) -> String {
        headline::headline(&self.arms, &self.pairs, &self.design, extent)
    }

    pub(crate) fn verdict_so_far(&self, extent: &Extent) -> String {
        verdict::verdict(&self.arms, &self.pairs, &self.design, extent)
    }
}
