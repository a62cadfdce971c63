//! Properties of scalings that hold for all images.

use std::ops::Range;

use burn::data::dataset::Dataset;
use mnist_data::{FittedScaling, Granularity, ImageShape, Images, Scaling};
use proptest::prelude::*;

use super::{descriptions, fit, fit_on, largest, mean_and_std, moments, preset, scale};
use crate::{all_pixels, images};

/// Returns the values of a split, N×C×H×W, that each feature-wise statistic covers.
fn groups(values: &[f64], shape: ImageShape, granularity: Granularity) -> Vec<Vec<f64>> {
    let run = shape.pixels() / group_count(shape, granularity);
    let mut groups = vec![Vec::new(); group_count(shape, granularity)];
    for image in values.chunks_exact(shape.pixels()) {
        groups.iter_mut().zip(image.chunks_exact(run)).for_each(|(group, run)| group.extend(run));
    }
    groups
}

fn group_count(shape: ImageShape, granularity: Granularity) -> usize {
    match granularity {
        Granularity::Global => 1,
        Granularity::Channel => shape.channels,
        Granularity::Pixel => shape.pixels(),
    }
}

/// Returns the number that the sample-wise steps subtract from the rescaled pixels of an image, and their divisor.
fn sample_step(scaling: &Scaling, image: &[u8]) -> (f64, f64) {
    let rescaled: Vec<f64> = image.iter().map(|&byte| scaling.rescale * f64::from(byte)).collect();
    let (mean, std) = mean_and_std(&rescaled);
    let divisor = if scaling.samplewise_std_normalization { std + 1e-6 } else { 1.0 };
    (if scaling.samplewise_center { mean } else { 0.0 }, divisor)
}

/// Returns the number that the feature-wise steps subtract from each pixel of an image, and their divisor.
fn feature_step(fitted: &FittedScaling) -> Vec<(f64, f64)> {
    let run = fitted.shape().pixels() / group_count(fitted.shape(), fitted.scaling().granularity);
    let of = |pixel: usize| {
        let mean = fitted.mean().map_or(0.0, |mean| mean[pixel / run]);
        (mean, fitted.std().map_or(1.0, |std| std[pixel / run] + 1e-6))
    };
    (0..fitted.shape().pixels()).map(of).collect()
}

/// Returns the d×d matrix Aᵀ·B / n of two n×d matrices, row by row.
fn moment(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let mut moment = vec![0.0; d * d];
    for (a, b) in a.chunks_exact(d).zip(b.chunks_exact(d)) {
        for (row, a) in moment.chunks_exact_mut(d).zip(a) {
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
        }
    }
    moment.iter().map(|sum| sum / (a.len() / d) as f64).collect()
}

fn small_images(count: Range<usize>) -> impl Strategy<Value = Images> {
    prop::collection::vec(prop::array::uniform12(0_u8..), count)
        .prop_map(|pixels| images(3, 4, pixels.into_iter().flatten().collect()))
}

/// Generates grayscale or RGB images of one to nine positions, N×C×H×W.
fn shaped_pixels(count: Range<usize>) -> impl Strategy<Value = (ImageShape, Vec<u8>)> {
    let shape = (prop::sample::select(vec![1, 3]), 1..=3_usize, 1..=3_usize)
        .prop_map(|(channels, height, width)| ImageShape { channels, height, width });
    (shape, count)
        .prop_flat_map(|(shape, count)| (Just(shape), prop::collection::vec(0_u8.., count * shape.pixels())))
}

proptest! {
    #[test]
    fn scaled_pixels_are_finite((shape, pixels) in shaped_pixels(1..6), constant: u8) {
        let image = vec![constant; shape.pixels()];
        let constant = image.repeat(2);
        let among_others = [&image[..], &pixels].concat();
        for scaling in descriptions() {
            for fitted_on in [&pixels, &image, &constant, &among_others] {
                let fitted = fit(&scaling, shape, fitted_on);
                let scaled = scale(&fitted, &among_others);
                prop_assert!(scaled.iter().all(|value| value.is_finite()), "{:?}", scaling);
            }
        }
    }

    #[test]
    fn centered_pixels_have_mean_0_and_standardized_pixels_std_1((shape, pixels) in shaped_pixels(1..8)) {
        for scaling in descriptions().into_iter().filter(|it| it.featurewise_center && !it.zca_whitening) {
            let fitted = fit(&scaling, shape, &pixels);
            let scaled = groups(&scale(&fitted, &pixels), shape, scaling.granularity);
            for (index, group) in scaled.iter().enumerate() {
                let (mean, std) = mean_and_std(group);
                // The values are rounded to `f32`.
                prop_assert!(mean.abs() <= 1e-6 * largest(group).max(1.0), "{:?}: {}", scaling, mean);
                if let Some(before) = fitted.std() {
                    let expected = before[index] / (before[index] + 1e-6);
                    prop_assert!((std - expected).abs() <= 1e-5, "{:?}: {} of {}", scaling, std, expected);
                }
            }
        }
    }

    #[test]
    fn scaling_without_whitening_can_be_undone((shape, pixels) in shaped_pixels(1..6)) {
        for scaling in descriptions().into_iter().filter(|scaling| !scaling.zca_whitening) {
            let fitted = fit(&scaling, shape, &pixels);
            let scaled = scale(&fitted, &pixels);
            let feature_step = feature_step(&fitted);
            for (image, scaled) in
                pixels.chunks_exact(shape.pixels()).zip(scaled.chunks_exact(shape.pixels()))
            {
                let (sample_mean, sample_divisor) = sample_step(&scaling, image);
                for ((byte, scaled), (mean, divisor)) in image.iter().zip(scaled).zip(&feature_step) {
                    let rescaled = (scaled * divisor + mean) * sample_divisor + sample_mean;
                    let undone = rescaled / scaling.rescale;
                    prop_assert!((undone - f64::from(*byte)).abs() < 0.01, "{:?}: {}", scaling, undone);
                }
            }
        }
    }

    #[test]
    fn whitened_pixels_of_full_rank_are_uncorrelated_and_have_variance_1(
        pixels in prop::collection::vec(0_u8.., 6 * 40),
    ) {
        let shape = ImageShape { channels: 1, height: 2, width: 3 };
        for name in ["center", "normalize-center"] {
            let scaling = Scaling {
                granularity: Granularity::Pixel,
                zca_whitening: true,
                zca_epsilon: 1e-9,
                ..preset(name)
            };
            let whitened = scale(&fit(&scaling, shape, &pixels), &pixels);
            for (index, covariance) in moment(&whitened, &whitened, 6).into_iter().enumerate() {
                let identity = f64::from(u8::from(index / 6 == index % 6));
                prop_assert!((covariance - identity).abs() < 1e-5, "{} at {}", covariance, index);
            }
        }
    }

    /// Let S = Xᵀ·X / n for the centered images X, and Y = X·W for the whitened images. W = (S + ε·I)^(−½) implies that
    /// Yᵀ·Y / n · (S + ε·I) = S, that Xᵀ·Y / n = S·W is symmetric, and that no number on its diagonal is negative.
    #[test]
    fn whitening_multiplies_by_the_inverse_root_of_the_second_moment(
        (shape, pixels) in shaped_pixels(1..12),
        exponent in -3.0..0.0,
    ) {
        let zca_epsilon = 10_f64.powf(exponent);
        let d = shape.pixels();
        for scaling in descriptions().into_iter().filter(|scaling| scaling.zca_whitening) {
            let scaling = Scaling { zca_epsilon, ..scaling };
            let fitted = fit(&scaling, shape, &pixels);
            let whitened = scale(&fitted, &pixels);
            let mut centered = Vec::new();
            for image in pixels.chunks_exact(d) {
                let (sample_mean, divisor) = sample_step(&scaling, image);
                centered.extend(image.iter().zip(feature_step(&fitted)).map(|(&byte, (mean, _))| {
                    (scaling.rescale * f64::from(byte) - sample_mean) / divisor - mean
                }));
            }
            let before = moment(&centered, &centered, d);
            let after = moment(&whitened, &whitened, d);
            let cross = moment(&centered, &whitened, d);
            // `f32` rounds the whitened values; 1/√ε amplifies rounding errors of 1e-14 in `f64`.
            let tolerance = 1e-5 * largest(&before) + 1e-9;
            let cross_tolerance = 1e-5 * largest(&before).sqrt() + 1e-9;
            for (row, column) in (0..d).flat_map(|row| (0..d).map(move |column| (row, column))) {
                let product: f64 = (0..d).map(|k| after[row * d + k] * before[k * d + column]).sum();
                let restored = product + zca_epsilon * after[row * d + column];
                let error = restored - before[row * d + column];
                prop_assert!(error.abs() <= tolerance, "{:?}: {}", scaling, error);
                let skew = cross[row * d + column] - cross[column * d + row];
                prop_assert!(skew.abs() <= cross_tolerance, "{:?}: {}", scaling, skew);
                let own = cross[row * d + row];
                prop_assert!(own >= -cross_tolerance, "{:?}: {}", scaling, own);
            }
        }
    }

    #[test]
    fn each_image_has_mean_0_and_std_1_after_sample_wise_scaling(images in small_images(1..6)) {
        let fitted = fit_on(&preset("sample-standardize"), &images);
        for index in 0..images.len() {
            let image = images.split_at(index).1.first(1);
            prop_assume!(all_pixels(&image).iter().any(|&pixel| pixel != all_pixels(&image)[0]));
            let moments = moments(&fitted, &image);
            prop_assert!(moments.mean().abs() < 1e-6, "{:?}", moments);
            prop_assert!((moments.std() - 1.0).abs() < 1e-5, "{:?}", moments);
        }
    }

}
