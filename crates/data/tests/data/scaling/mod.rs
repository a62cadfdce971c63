//! Scalings: descriptions, fitting, application and files.

mod file;
mod keras;
mod properties;

use std::ops::ControlFlow;

use mnist_data::{
    DataError, FittedScaling, Granularity, ImageShape, Images, Moments, Scaling, ScalingError, Whitening,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{go_on, images, mnist};

fn preset(name: &str) -> Scaling {
    name.parse().unwrap()
}

/// Fits a scaling on these training images, N×C×H×W.
fn fit(scaling: &Scaling, shape: ImageShape, pixels: &[u8]) -> FittedScaling {
    let labels = vec![0; pixels.len() / shape.pixels()];
    fit_on(scaling, &Images::new(shape, pixels.to_vec(), labels))
}

fn fit_on(scaling: &Scaling, train: &Images) -> FittedScaling {
    scaling.fit(train, &mut *go_on()).unwrap()
}

fn moments(fitted: &FittedScaling, images: &Images) -> Moments {
    fitted.moments(images, &mut *go_on()).unwrap()
}

/// Scales images, N×C×H×W, one by one.
fn scale(fitted: &FittedScaling, pixels: &[u8]) -> Vec<f64> {
    let images = pixels.chunks_exact(fitted.shape().pixels());
    images.flat_map(|image| fitted.scale(&[image])).map(f64::from).collect()
}

/// Scales images, N×C×H×W, in one call.
fn scale_together(fitted: &FittedScaling, pixels: &[u8]) -> Vec<f64> {
    let images: Vec<&[u8]> = pixels.chunks_exact(fitted.shape().pixels()).collect();
    fitted.scale(&images).into_iter().map(f64::from).collect()
}

/// Returns the mean and the population standard deviation.
fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// Returns the first position where two lists differ, and both values there.
fn first_difference<T: Copy + PartialEq>(a: Option<&[T]>, b: Option<&[T]>) -> Option<(usize, T, T)> {
    let [a, b] = [a, b].map(Option::unwrap_or_default);
    assert_eq!(a.len(), b.len());
    let place = a.iter().zip(b).position(|(a, b)| a != b)?;
    Some((place, a[place], b[place]))
}

/// Returns random bytes, the same in each call.
fn noise(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut bytes);
    bytes
}

/// Returns all valid descriptions with the default ε.
fn descriptions() -> Vec<Scaling> {
    let mut descriptions = Vec::new();
    for rescale in [1.0, 1.0 / 255.0] {
        for [samplewise_center, samplewise_std_normalization] in [[false; 2], [true, false], [true; 2]] {
            for granularity in [Granularity::Global, Granularity::Channel, Granularity::Pixel] {
                for [featurewise_center, featurewise_std_normalization, zca_whitening] in
                    [[false; 3], [true, false, false], [true, true, false], [true, false, true]]
                {
                    if !featurewise_center && granularity != Granularity::Global {
                        continue;
                    }
                    descriptions.push(Scaling {
                        rescale,
                        samplewise_center,
                        samplewise_std_normalization,
                        featurewise_center,
                        featurewise_std_normalization,
                        granularity,
                        zca_whitening,
                        ..Scaling::default()
                    });
                }
            }
        }
    }
    descriptions
}

#[test]
fn mnist_after_scaling_has_the_statistics_of_the_tutorial() {
    let train = &mnist().train;
    let centered = moments(&fit_on(&preset("center"), train), train);
    assert!(centered.mean().abs() < 2e-6, "{}", centered.mean());
    let standardised = moments(&fit_on(&preset("standardize"), train), train);
    assert!(standardised.mean().abs() < 1e-7, "{}", standardised.mean());
    assert!((standardised.std() - 1.0).abs() < 1e-6, "{}", standardised.std());
    let normalised = moments(&fit_on(&preset("normalize"), train), train);
    assert_eq!((normalised.min(), normalised.max()), (0.0, 1.0));
}

#[test]
fn test_images_are_scaled_with_the_statistics_of_the_training_images() {
    let fitted = fit_on(&preset("center"), &images(1, 2, vec![10, 30]));
    assert_eq!(scale(&fitted, &[100, 200]), [80.0, 180.0]);
}

#[test]
fn fitting_on_no_images_is_an_error() {
    let nothing = images(1, 2, vec![1, 2]).first(0);
    for name in ["none", "center"] {
        let error = preset(name).fit(&nothing, &mut *go_on()).unwrap_err();
        assert!(matches!(error, ScalingError::NoTrainImages), "{error}");
        assert_eq!(error.to_string(), "there are no training images to fit the statistics on");
    }
}

#[test]
fn statistics_have_the_same_bits_for_any_number_of_threads() {
    // More images than one block contains.
    let train = mnist().train.first(6000);
    let samples = Scaling { featurewise_center: true, ..preset("sample-standardize") };
    for scaling in [
        Scaling { granularity: Granularity::Pixel, ..preset("standardize") },
        Scaling { granularity: Granularity::Pixel, featurewise_std_normalization: true, ..samples.clone() },
        Scaling { featurewise_std_normalization: true, ..samples.clone() },
        preset("zca"),
        Scaling { zca_whitening: true, zca_epsilon: 0.1, ..samples },
    ] {
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fitted = fit_on(&scaling, &train);
                let scaled = fitted.scale(&train.pixels(0..70).unwrap().chunks(784).collect::<Vec<_>>());
                (moments(&fitted, &train), fitted, scaled)
            })
        });
        assert_eq!(one.0, three.0, "{scaling:?}: moments after scaling");
        assert_eq!(one.1.mean(), three.1.mean(), "{scaling:?}: means");
        assert_eq!(one.1.std(), three.1.std(), "{scaling:?}: standard deviations");
        let [of_one, of_three] = [&one.1, &three.1].map(|fitted| fitted.whitening().map(Whitening::matrix));
        assert_eq!(first_difference(of_one, of_three), None, "{scaling:?}: whitening matrix");
        assert_eq!(first_difference(Some(&one.2), Some(&three.2)), None, "{scaling:?}: scaled pixels");
        assert!(one.1 == three.1, "{scaling:?}: something else differs");
    }
}

#[test]
fn progress_can_stop_fitting() {
    let stopped = preset("center").fit(&mnist().train, &mut |_, done, all| {
        assert_eq!(all, Some(60_000 * 784));
        if done > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let error = stopped.unwrap_err();
    assert!(matches!(error, ScalingError::Data(DataError::Interrupted)), "{error}");
}

#[test]
fn whitening_that_does_not_fit_in_memory_is_refused_before_it_starts() {
    let shape = ImageShape { channels: 3, height: 4000, width: 4000 };
    let train = Images::new(shape, vec![0; shape.pixels()], vec![0]);
    let error = preset("zca").fit(&train, &mut *go_on()).unwrap_err();
    assert!(matches!(error, ScalingError::TooLarge { values: 48_000_000, .. }), "{error}");
    assert!(error.to_string().contains("needs 92160000.1 GB of memory, but only "), "{error}");
    assert!(error.to_string().ends_with("use smaller images or another scaling"), "{error}");
}
