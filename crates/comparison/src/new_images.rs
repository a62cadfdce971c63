//! How much a result would change with other test images.
//!
//! Runs and test images are crossed: every model classifies the same images. An analysis of variance with two random
//! factors separates the variation between images from the variation between seeds:
//!
//! ```text
//! variance of the mean = σ²(seeds)/n + σ²(images)/m + σ²(both)/(n·m)
//! ```
//!
//! The interval over seeds covers the first and the last term. This module estimates the middle one,
//! (MS(images) − MS(both)) / (n·m), from the mean squares: Searle, Casella and McCulloch, "Variance Components" (1992),
//! section 4.3. The two-way design is that of Gallas, "One-shot estimate of MRMC variance: AUC", Academic Radiology 13
//! (2006), with seeds as readers and test images as cases.
//!
//! With few images, all of them may get the same answer, and the estimate would be 0. So a pair gets two more
//! images, one that only `a` classifies correctly and one that only `b` does: Bonett and Price, "Adjusted Wald
//! confidence interval for a difference of binomial proportions based on paired data", Journal of Educational and
//! Behavioral Statistics 37 (2012). A single arm gets two correct images and two wrong ones: Agresti and Coull,
//! "Approximate is better than 'exact' for interval estimation of binomial proportions", American Statistician 52
//! (1998).

use crate::significance::critical_t;

/// Values of every run for every test image: 1 or 0 for an arm, their difference for a pair.
pub(crate) struct Crossed {
    /// Sum over runs, for each image.
    of_images: Vec<i64>,
    /// Sum over images, for each run.
    of_runs: Vec<i64>,
    /// Sum of all squares.
    squares: i64,
}

impl Crossed {
    /// Returns the values of an arm: 1 where a run is correct, 0 elsewhere. `None` without runs, or if the runs were
    /// tested on different numbers of images.
    pub fn of_arm(runs: &[&[bool]]) -> Option<Self> {
        let values = |run: &[bool]| run.iter().map(|&correct| i64::from(correct)).collect();
        Self::of(runs.iter().map(|run| values(run)), &[1, 1, 0, 0])
    }

    /// Returns the differences of a pair: 1 where only `a` is correct, −1 where only `b` is, 0 elsewhere. Each item
    /// contains the answers of both arms with one seed.
    pub fn of_pair(runs: &[(&[bool], &[bool])]) -> Option<Self> {
        if runs.iter().any(|(a, b)| a.len() != b.len()) {
            return None;
        }
        let differences =
            |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(&a, &b)| i64::from(a) - i64::from(b)).collect();
        Self::of(runs.iter().map(|(a, b)| differences(a, b)), &[1, -1])
    }

    /// `more` are the values of the additional images, which are the same in each run.
    fn of(runs: impl Iterator<Item = Vec<i64>>, more: &[i64]) -> Option<Self> {
        let mut this = Self { of_images: Vec::new(), of_runs: Vec::new(), squares: 0 };
        for mut run in runs {
            run.extend(more);
            if this.of_runs.is_empty() {
                this.of_images = vec![0; run.len()];
            }
            if this.of_images.len() != run.len() {
                return None;
            }
            this.of_runs.push(run.iter().sum());
            for (sum, value) in this.of_images.iter_mut().zip(run) {
                *sum += value;
                this.squares += value * value;
            }
        }
        (!this.of_runs.is_empty()).then_some(this)
    }

    /// Returns the variance of the mean that the choice of the test images causes, σ²(images)/m. The unit is a
    /// fraction of the test images, squared. `None` for fewer than two runs.
    pub fn variance_of_images(&self) -> Option<f64> {
        let (runs, images) = (self.of_runs.len() as f64, self.of_images.len() as f64);
        if runs < 2.0 {
            return None;
        }
        // Sums of integers are exact; only the divisions round.
        let squared = |sums: &[i64]| sums.iter().map(|&sum| sum * sum).sum::<i64>() as f64;
        let total = self.of_runs.iter().sum::<i64>() as f64;
        let of_mean = total * total / (runs * images);
        let (of_images, of_runs) = (squared(&self.of_images) / runs, squared(&self.of_runs) / images);
        let mean_square_of_images = (of_images - of_mean) / (images - 1.0);
        let mean_square_of_both =
            (self.squares as f64 - of_images - of_runs + of_mean) / ((runs - 1.0) * (images - 1.0));
        Some((mean_square_of_images - mean_square_of_both).max(0.0) / (runs * images))
    }

    /// Widens an interval over seeds, a fraction of the test images, so that it also covers the choice of the test
    /// images. `level` is the level of the interval without regard to looks: all looks see the same images.
    ///
    /// The half-widths of independent sources of error add up by their squares: Zou and Donner, "Construction of
    /// confidence limits about effect measures: a general approach", Statistics in Medicine 27 (2008).
    pub fn widen(&self, [low, high]: [f64; 2], level: f64) -> Option<[f64; 2]> {
        let images = critical_t(self.of_images.len(), level)? * self.variance_of_images()?.sqrt();
        let (middle, seeds) = (f64::midpoint(low, high), (high - low) / 2.0);
        let half_width = seeds.hypot(images);
        Some([middle - half_width, middle + half_width])
    }
}
