//! Previews: some training images under each scaling. They are computed once, since they stay the same while a
//! comparison is training.

use burn::data::dataset::Dataset;
use mnist_comparison::{ComparisonSettings, FittedScalings};
use mnist_data::{FittedScaling, Images, LabelledImage, Moments};
use mnist_training::{ExperimentData, Observer, observer::watched};

use crate::{ReportError, interval::Interval, value_histogram::ValueHistogram};

/// Maximum number of images shown, one per class.
const SHOWN: usize = 10;

/// Maximum number of training images in statistics and histograms.
const COUNTED: usize = 10_000;

/// Some training images under one scaling.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The scaling's name.
    pub name: String,
    /// Statistics of the pixel values of all counted images.
    pub moments: Moments,
    /// The images to show, each C×H×W.
    pub images: Vec<Vec<f32>>,
    /// Histogram of the pixel values of all counted images.
    pub histogram: ValueHistogram,
}

impl Preview {
    /// Returns the range of the values in the images to show.
    pub fn shown(&self) -> Interval {
        let images = self.images.iter().map(|image| Moments::of(image.iter().map(|&value| f64::from(value))));
        let moments = images.fold(Moments::default(), Moments::merge);
        Interval { low: moments.min(), high: moments.max() }
    }
}

/// Computes the previews of all fitted scalings of a comparison.
///
/// # Errors
/// When images cannot be read, or when the observer asks to stop.
pub fn of_all(
    settings: &ComparisonSettings,
    data: &ExperimentData,
    fitted: &FittedScalings,
    observer: &dyn Observer,
) -> Result<Vec<Preview>, ReportError> {
    let images = PreviewImages::new(&data.train, data.classes)?;
    let mut previews = Vec::new();
    for (index, name) in settings.scaling_names().iter().enumerate() {
        if let Some(fitted) = fitted.get(index) {
            previews.push(images.under(name, fitted, observer)?);
        }
    }
    Ok(previews)
}

/// The training images that previews show and count.
pub struct PreviewImages {
    shown: Vec<LabelledImage>,
    counted: Images,
}

impl PreviewImages {
    /// Selects the images: the first image of each of the first ten classes to show, and the first 10,000 images to
    /// count.
    ///
    /// # Errors
    /// When images cannot be read.
    pub fn new(train: &Images, classes: usize) -> Result<Self, ReportError> {
        let labels = train.labels();
        let first_of = |class: usize| labels.iter().position(|&label| label as usize == class);
        let shown: Vec<usize> = (0..classes).filter_map(first_of).take(SHOWN).collect();
        Ok(Self { shown: train.get_many(shown)?, counted: train.first(COUNTED) })
    }

    /// Computes the preview of a scaling named `name`.
    ///
    /// # Errors
    /// When images cannot be read, or when the observer asks to stop.
    pub fn under(
        &self,
        name: &str,
        fitted: &FittedScaling,
        observer: &dyn Observer,
    ) -> Result<Preview, ReportError> {
        let moments = watched(observer, |progress| fitted.moments(&self.counted, progress))
            .map_err(mnist_training::TrainingError::from)?;
        let mut histogram = ValueHistogram::new(moments.min(), moments.max());
        let add = |values: &[f32]| histogram.add(values);
        watched(observer, |progress| fitted.for_each_scaled(&self.counted, progress, add))
            .map_err(mnist_training::TrainingError::from)?;
        let images = self.shown.iter().map(|image| fitted.scale(&[image.pixels()])).collect();
        Ok(Preview { name: name.to_owned(), moments, images, histogram })
    }
}
