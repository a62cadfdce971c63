//! Fits a scaling in one pass over the train split, in memory that does not grow with the number of images.

use std::iter;

use burn::data::dataset::Dataset;
use rayon::prelude::*;

use super::{FittedScaling, Scaling, fitted::SampleStep, whitening::SecondMoment};
use crate::{
    Progress, ScalingError,
    images::{ImageShape, Images},
    statistics::{Moments, POSITIONS, PixelSums},
};

impl Scaling {
    /// Fits the statistics that the description needs on the train split, in one pass. They have the same bits for any
    /// number of threads.
    ///
    /// # Errors
    /// When the description contradicts itself, `train` is empty or cannot be read, whitening needs more memory than is
    /// free, or `progress` returns `Break`.
    ///
    /// # Example
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// use mnist_data::{ImageShape, Images, Scaling};
    ///
    /// let shape = ImageShape { channels: 1, height: 1, width: 2 };
    /// let train = Images::new(shape, vec![10, 20, 30, 40], vec![7, 3]);
    ///
    /// let scaling: Scaling = "center".parse()?;
    /// let fitted = scaling.fit(&train, &mut |_, _, _| ControlFlow::Continue(()))?;
    /// assert_eq!(fitted.mean(), Some(&[25.0][..]));
    /// # Ok::<(), mnist_data::ScalingError>(())
    /// ```
    pub fn fit(&self, train: &Images, progress: &mut Progress) -> Result<FittedScaling, ScalingError> {
        self.check()?;
        if train.is_empty() {
            return Err(ScalingError::NoTrainImages);
        }
        let mut fitted = FittedScaling {
            scaling: self.clone(),
            shape: train.shape(),
            images: train.len(),
            mean: None,
            std: None,
            whitening: None,
        };
        if self.featurewise_center {
            let mut pass = Pass::new(self, train)?;
            train.for_each_block(progress, |block| pass.add(block))?;
            pass.finish(&mut fitted, progress)?;
        }
        Ok(fitted)
    }
}

/// The sums that the pass collects.
struct Pass<'a> {
    scaling: &'a Scaling,
    shape: ImageShape,
    features: Features,
    second_moment: Option<SecondMoment>,
}

/// Sums for the feature-wise statistics, one per group.
enum Features {
    /// Exact sums of bytes.
    Bytes(Vec<PixelSums>),
    /// Moments of pixels after the sample-wise steps.
    Samples(Vec<Moments>),
}

impl<'a> Pass<'a> {
    fn new(scaling: &'a Scaling, train: &Images) -> Result<Self, ScalingError> {
        let shape = train.shape();
        let groups = scaling.granularity.groups(shape);
        if let Some(cost) = scaling.whitening_cost(shape, train.len()) {
            cost.check_memory()?;
        }
        Ok(Self {
            scaling,
            shape,
            features: if scaling.samplewise_center {
                Features::Samples(vec![Moments::default(); groups])
            } else {
                Features::Bytes(vec![PixelSums::default(); groups])
            },
            second_moment: scaling.zca_whitening.then(|| SecondMoment::new(shape.pixels())),
        })
    }

    /// Adds complete images.
    fn add(&mut self, block: &[u8]) {
        let size = self.shape.pixels();
        match &mut self.features {
            Features::Bytes(sums) => PixelSums::add_grouped(sums, block, size),
            Features::Samples(moments) => add_samples(self.scaling, moments, block, size),
        }
        if let Some(second_moment) = &mut self.second_moment {
            // Bytes, or pixels after the sample-wise steps. Sums over bytes are exact: integers below 2⁵³.
            let mut values = vec![0.0; block.len()];
            values.par_chunks_mut(size).zip(block.par_chunks(size)).for_each(|(values, image)| {
                let sample = SampleStep::of(self.scaling, image);
                for (value, &byte) in values.iter_mut().zip(image) {
                    *value =
                        if self.scaling.samplewise_center { sample.apply(byte.into()) } else { byte.into() };
                }
            });
            second_moment.add(&values);
        }
    }

    fn finish(self, fitted: &mut FittedScaling, progress: &mut Progress) -> Result<(), ScalingError> {
        let rescale = self.scaling.rescale;
        // Statistics of bytes are rescaled only here, so that rescaling rounds once.
        let (mean, std, unit): (Vec<f64>, Vec<f64>, f64) = match &self.features {
            Features::Bytes(sums) => {
                let of = |statistic: fn(PixelSums) -> f64| {
                    sums.iter().map(|&sums| rescale * statistic(sums)).collect()
                };
                (of(PixelSums::mean), of(PixelSums::std), rescale)
            }
            Features::Samples(moments) => {
                (moments.iter().map(Moments::mean).collect(), moments.iter().map(Moments::std).collect(), 1.0)
            }
        };
        if let Some(second_moment) = self.second_moment {
            let run = self.shape.pixels() / mean.len();
            let positions: Vec<f64> = mean.iter().flat_map(|&mean| iter::repeat_n(mean, run)).collect();
            let epsilon = self.scaling.zca_epsilon;
            fitted.whitening = Some(second_moment.whitening(&positions, unit, epsilon, progress)?);
        }
        fitted.std = self.scaling.featurewise_std_normalization.then_some(std);
        fitted.mean = Some(mean);
        Ok(())
    }
}

/// Merges the moments of images after their sample-wise steps, one image after the other: the order affects the last
/// bits.
fn add_samples(scaling: &Scaling, moments: &mut [Moments], block: &[u8], size: usize) {
    let values = |image: &[u8]| {
        let sample = SampleStep::of(scaling, image);
        move |byte: u8| sample.apply(byte.into())
    };
    if moments.len() == size {
        let samples: Vec<_> = block.par_chunks(size).map(values).collect();
        moments.par_chunks_mut(POSITIONS).enumerate().for_each(|(part, moments)| {
            for (image, sample) in block.chunks_exact(size).zip(&samples) {
                for (moments, &byte) in moments.iter_mut().zip(&image[part * POSITIONS..]) {
                    *moments = moments.merge(Moments::of(iter::once(sample(byte))));
                }
            }
        });
        return;
    }
    let run = size / moments.len();
    let of_image = |image: &[u8]| -> Vec<Moments> {
        let sample = values(image);
        image.chunks_exact(run).map(|run| Moments::of(run.iter().map(|&byte| sample(byte)))).collect()
    };
    let images: Vec<Vec<Moments>> = block.par_chunks(size).map(of_image).collect();
    for image in images {
        for (moments, image) in moments.iter_mut().zip(image) {
            *moments = moments.merge(image);
        }
    }
}
