//! The design of a test: what the accuracies were measured on, how often they are looked at, and which differences
//! do not matter.

use crate::{ComparisonError, looks::Looks};

/// The default margin of equivalence is this fraction of the test images: 20 of MNIST's 10,000.
///
/// It is about the standard deviation between seeds of a good scaling on MNIST, so smaller differences hardly
/// matter to who trains one model.
const DEFAULT_MARGIN: f64 = 0.002;

/// The variance of the difference of two accuracies that are rounded to whole images: 1/12 each.
const VARIANCE_OF_ROUNDING: f64 = 1.0 / 6.0;

/// How accuracies are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Number of test images behind each accuracy: the unit of all differences.
    pub test_images: usize,
    /// Whether the accuracies are rounded to whole images, as they are if all test images count.
    pub whole_images: bool,
    /// Two arms are equivalent if their difference is certainly smaller than this number of test images.
    pub margin: f64,
    /// How often the accuracies are tested.
    pub looks: Looks,
}

impl Design {
    /// Returns the design for accuracies on `test_images` images, with the [default margin](default_margin).
    pub fn new(test_images: usize, looks: Looks) -> Self {
        Self { test_images, whole_images: true, margin: default_margin(test_images), looks }
    }

    /// Checks that the margin is above 0 and at most the number of test images.
    ///
    /// # Errors
    /// When it is not, or there are no test images.
    pub fn check(&self) -> Result<(), ComparisonError> {
        let Self { test_images, margin, .. } = *self;
        if test_images == 0 {
            return Err(ComparisonError::Accuracies("there are no test images".into()));
        }
        if margin > 0.0 && margin <= test_images as f64 {
            return Ok(());
        }
        Err(ComparisonError::Margin { margin, test_images })
    }

    /// Converts a number of images to a fraction of the test images.
    pub(crate) fn fraction(&self, images: f64) -> f64 {
        images / self.test_images as f64
    }

    /// Converts a fraction of the test images to a number of images.
    pub(crate) fn images(&self, fraction: f64) -> f64 {
        let images = fraction * self.test_images as f64;
        if self.whole_images { images.round() } else { images }
    }

    /// Returns the least standard deviation of a difference of accuracies, in images.
    pub(crate) fn least_std(&self) -> f64 {
        if self.whole_images { VARIANCE_OF_ROUNDING.sqrt() } else { 0.0 }
    }
}

/// Returns the default margin of equivalence in images: 0.2% of the test images, and at least one.
pub fn default_margin(test_images: usize) -> f64 {
    (DEFAULT_MARGIN * test_images as f64).max(1.0)
}
