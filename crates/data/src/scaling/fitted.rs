//! Applies a fitted scaling to pixels.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Scaling, Whitening,
    file::{Fields, ScalingFile},
};
use crate::{
    DataError, Progress, ScalingError,
    images::{ImageShape, Images},
    statistics::{Moments, PixelSums},
};

/// Number that Keras adds to a standard deviation before dividing by it, so that constant images stay finite.
pub const STD_EPSILON: f64 = 1e-6;

/// A scaling with its statistics: the only type that converts pixels to the input of a network.
///
/// Its JSON keeps every bit of the statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "ScalingFile", try_from = "Fields")]
pub struct FittedScaling {
    pub(super) scaling: Scaling,
    pub(super) shape: ImageShape,
    pub(super) images: usize,
    pub(super) mean: Option<Vec<f64>>,
    pub(super) std: Option<Vec<f64>>,
    pub(super) whitening: Option<Whitening>,
}

/// A pixel that can be scaled: a byte, or an `f32` after augmentation.
pub trait Pixel: Copy + Into<f64> + Send + Sync {
    /// Returns the mean and the population standard deviation.
    fn mean_and_std(pixels: &[Self]) -> (f64, f64);

    /// Returns the same function of a pixel in a form that is fast to call many times.
    fn tabulated<O: Copy>(function: impl Fn(f64) -> O) -> impl Fn(Self) -> O;
}

impl Pixel for u8 {
    fn mean_and_std(pixels: &[Self]) -> (f64, f64) {
        let sums = PixelSums::of(pixels);
        (sums.mean(), sums.std())
    }

    fn tabulated<O: Copy>(function: impl Fn(f64) -> O) -> impl Fn(Self) -> O {
        let table: [O; 256] = std::array::from_fn(|byte| function(byte as f64));
        move |byte| table[usize::from(byte)]
    }
}

impl Pixel for f32 {
    fn mean_and_std(pixels: &[Self]) -> (f64, f64) {
        let moments = Moments::of(pixels.iter().map(|&pixel| f64::from(pixel)));
        (moments.mean(), moments.std())
    }

    fn tabulated<O: Copy>(function: impl Fn(f64) -> O) -> impl Fn(Self) -> O {
        move |pixel| function(pixel.into())
    }
}

/// The steps that depend only on the image itself: `rescale` and the sample-wise ones.
#[derive(Clone, Copy)]
pub(super) struct SampleStep {
    rescale: f64,
    mean: f64,
    divisor: f64,
}

impl SampleStep {
    pub(super) fn of<P: Pixel>(scaling: &Scaling, image: &[P]) -> Self {
        let rescale = scaling.rescale;
        if !scaling.samplewise_center {
            return Self { rescale, mean: 0.0, divisor: 1.0 };
        }
        let (mean, std) = P::mean_and_std(image);
        let divisor = if scaling.samplewise_std_normalization { rescale * std + STD_EPSILON } else { 1.0 };
        Self { rescale, mean: rescale * mean, divisor }
    }

    pub(super) fn apply(self, pixel: f64) -> f64 {
        (self.rescale * pixel - self.mean) / self.divisor
    }
}

impl FittedScaling {
    /// Returns the description that was fitted.
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// Returns the shape of the images that the scaling was fitted on.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Returns the feature-wise means of the training pixels after all earlier steps, one per group of the granularity;
    /// `None` if the description does not need them.
    pub fn mean(&self) -> Option<&[f64]> {
        self.mean.as_deref()
    }

    /// Returns the feature-wise population standard deviations of the training pixels after all earlier steps, one per
    /// group of the granularity; `None` if the description does not need them.
    pub fn std(&self) -> Option<&[f64]> {
        self.std.as_deref()
    }

    /// Returns the whitening, the last step, if the description has one.
    pub fn whitening(&self) -> Option<&Whitening> {
        self.whitening.as_ref()
    }

    /// Checks that images have the shape that the scaling was fitted on.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn check_shape(&self, found: ImageShape) -> Result<(), ScalingError> {
        if found == self.shape {
            return Ok(());
        }
        Err(ScalingError::Shape { fitted: self.shape.to_string(), found: found.to_string() })
    }

    /// Scales images of C×H×W pixels each, and returns N×C×H×W values.
    ///
    /// It computes in `f64` and rounds once. An image's values do not depend on the other images.
    ///
    /// # Panics
    /// When an image does not have the shape that the scaling was fitted on; see [`check_shape`](Self::check_shape).
    ///
    /// # Example
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// use mnist_data::{ImageShape, Images, Scaling};
    ///
    /// let shape = ImageShape { channels: 1, height: 1, width: 2 };
    /// let train = Images::new(shape, vec![10, 20, 30, 40], vec![7, 3]);
    /// let scaling: Scaling = "center".parse()?;
    /// let fitted = scaling.fit(&train, &mut |_, _, _| ControlFlow::Continue(()))?;
    ///
    /// // A test image, scaled with the mean of the training images, 25.
    /// assert_eq!(fitted.scale(&[&[100_u8, 200][..]]), [75.0, 175.0]);
    /// # Ok::<(), mnist_data::ScalingError>(())
    /// ```
    pub fn scale<P: Pixel>(&self, images: &[&[P]]) -> Vec<f32> {
        match &self.whitening {
            None => self.before_whitening(images, |value| value as f32),
            Some(whitening) => whitening.apply(&self.before_whitening(images, |value| value)),
        }
    }

    fn before_whitening<P: Pixel, O: Copy + Send + Sync>(
        &self,
        images: &[&[P]],
        round: impl Fn(f64) -> O + Copy + Sync,
    ) -> Vec<O> {
        /// Number of values that are worth another thread. Waking it takes longer than scaling fewer.
        const WORTH_A_THREAD: usize = 1 << 18;
        /// Number of values that a thread scales at a time, unless an image has more.
        const MOST: usize = 1 << 22;
        let (size, threads) = (self.shape.pixels(), rayon::current_num_threads());
        let share = images.len().div_ceil(threads).min(MOST / size);
        let share = share.max(WORTH_A_THREAD / size).max(1);
        if images.len() <= share {
            return self.scale_share(images, round);
        }
        let mut scaled = Vec::with_capacity(images.len() * size);
        // Large images would not fit in memory twice, so their values are copied to the result in several rounds.
        for images in images.chunks(share * threads) {
            let shares: Vec<Vec<O>> =
                images.par_chunks(share).map(|images| self.scale_share(images, round)).collect();
            for share in shares {
                scaled.extend_from_slice(&share);
            }
        }
        scaled
    }

    fn scale_share<P: Pixel, O: Copy>(&self, images: &[&[P]], round: impl Fn(f64) -> O + Copy) -> Vec<O> {
        /// Number of pixels that are worth a table for all 256 bytes. For fewer, building the table takes longer.
        const WORTH_A_TABLE: usize = 512;
        let size = self.shape.pixels();
        let groups = self.mean.as_ref().map_or(1, Vec::len);
        let step = |sample: SampleStep, group: usize| {
            let mean = self.mean.as_ref().map_or(0.0, |mean| mean[group]);
            let divisor = self.std.as_ref().map_or(1.0, |std| std[group] + STD_EPSILON);
            move |pixel: f64| round((sample.apply(pixel) - mean) / divisor)
        };
        // One function for all pixels of all images, where the statistics allow it.
        let common = (groups == 1 && !self.scaling.samplewise_center)
            .then(|| P::tabulated(step(SampleStep::of::<P>(&self.scaling, &[]), 0)));

        let mut scaled = Vec::with_capacity(images.len() * size);
        for image in images {
            assert_eq!(image.len(), size, "the image must have the shape {}", self.shape);
            if let Some(function) = &common {
                scaled.extend(image.iter().map(|&pixel| function(pixel)));
                continue;
            }
            let sample = SampleStep::of(&self.scaling, image);
            for (group, run) in image.chunks_exact(size / groups).enumerate() {
                let function = step(sample, group);
                if run.len() < WORTH_A_TABLE {
                    scaled.extend(run.iter().map(|&pixel| function(pixel.into())));
                } else {
                    let function = P::tabulated(function);
                    scaled.extend(run.iter().map(|&pixel| function(pixel)));
                }
            }
        }
        scaled
    }

    /// Returns the moments of all values of a split after scaling.
    ///
    /// # Errors
    /// When the images cannot be read, or `progress` returns `Break`.
    ///
    /// # Panics
    /// When the images do not have the shape that the scaling was fitted on.
    pub fn moments(&self, images: &Images, progress: &mut Progress) -> Result<Moments, DataError> {
        let size = self.shape.pixels();
        let mut moments = Moments::default();
        self.for_each_scaled(images, progress, |scaled| {
            let parts: Vec<Moments> = scaled
                .par_chunks(size)
                .map(|image| Moments::of(image.iter().map(|&value| f64::from(value))))
                .collect();
            moments = parts.into_iter().fold(moments, Moments::merge);
        })?;
        Ok(moments)
    }

    /// Calls `each` with all scaled images of a split in order, N×C×H×W, some images at a time.
    ///
    /// # Errors
    /// The same as for [`moments`](Self::moments).
    ///
    /// # Panics
    /// The same as for [`moments`](Self::moments).
    pub fn for_each_scaled(
        &self,
        images: &Images,
        progress: &mut Progress,
        mut each: impl FnMut(&[f32]),
    ) -> Result<(), DataError> {
        images.for_each_block(progress, |block| {
            each(&self.scale(&block.chunks_exact(self.shape.pixels()).collect::<Vec<_>>()));
        })
    }
}
