//! Scalings compared with Keras: values from scripts/golden_scaling.py, and Keras' own tests.

use mnist_data::{Granularity, ImageShape, Scaling};
use serde::Deserialize;

use super::{descriptions, fit, largest, mean_and_std, noise, preset, scale, scale_together};

#[derive(Deserialize)]
struct Golden {
    sets: Vec<GoldenSet>,
}

#[derive(Deserialize)]
struct GoldenSet {
    name: String,
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    test_pixels: Vec<u8>,
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    scaling: serde_json::Value,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    scaled: Vec<f64>,
    scaled_test: Vec<f64>,
}

impl GoldenCase {
    fn has(&self, step: &str) -> bool {
        self.scaling.get(step).is_some()
    }
}

/// Reads the values from scripts/golden_scaling.py.
fn golden() -> Vec<GoldenSet> {
    serde_json::from_str::<Golden>(include_str!("../../golden/scaling.json")).unwrap().sets
}

/// Checks that no difference is larger than `tolerance` times the value, or times `floor` if the value is smaller.
fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64, floor: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(floor), "{what}: {ours} and {theirs}");
    }
}

/// Compares the fit and the scaled pixels with each golden case that is `wanted`, and returns the number of cases.
fn check_golden(wanted: impl Fn(&GoldenCase) -> bool) -> usize {
    let mut cases = 0;
    for set in golden() {
        let shape = ImageShape { channels: set.channels, height: set.height, width: set.width };
        for case in set.cases.iter().filter(|case| wanted(case)) {
            let what = format!("{}, {}", set.name, case.scaling);
            let fitted = fit(&serde_json::from_value(case.scaling.clone()).unwrap(), shape, &set.pixels);
            // Sums of bytes are exact; sums of real numbers depend on their order.
            let tolerance = if case.has("samplewise_center") { 1e-9 } else { 1e-12 };
            for (ours, theirs) in [(fitted.mean(), &case.mean), (fitted.std(), &case.std)] {
                assert_eq!(ours.is_some(), theirs.is_some(), "{what}");
                let (ours, theirs) = (ours.unwrap_or_default(), theirs.as_deref().unwrap_or_default());
                assert_close(ours, theirs, tolerance, 1e-3, &what);
            }
            // Values much smaller than the others are differences of large ones, so the floor depends on the largest.
            let tolerance = if case.has("zca_whitening") { 1e-5 } else { 1e-6 };
            for (pixels, theirs) in [(&set.pixels, &case.scaled), (&set.test_pixels, &case.scaled_test)] {
                assert_close(&scale(&fitted, pixels), theirs, tolerance, 0.01 * largest(theirs), &what);
            }
            cases += 1;
        }
    }
    cases
}

/// Number of sets of images among the golden values.
const GOLDEN_SETS: usize = 4;

#[test]
fn samplewise_or_featurewise_steps_match_keras() {
    let cases = check_golden(|case| {
        !(case.has("zca_whitening") || case.has("samplewise_center") && case.has("featurewise_center"))
    });
    // With and without rescale: no step, two sample-wise steps, two feature-wise steps in each granularity.
    assert_eq!(cases, GOLDEN_SETS * 2 * (1 + 2 + 2 * 3));
}

#[test]
fn samplewise_then_featurewise_steps_match_two_keras_generators_in_sequence() {
    let cases = check_golden(|case| {
        !case.has("zca_whitening") && case.has("samplewise_center") && case.has("featurewise_center")
    });
    assert_eq!(cases, GOLDEN_SETS * 2 * 2 * (2 * 3), "with and without rescale, in each granularity");
}

#[test]
fn whitening_matches_keras_formula() {
    let cases = check_golden(|case| case.has("zca_whitening"));
    // Bytes with one ε and rescaled bytes with three, alone or after one of two sample-wise steps, in each granularity.
    assert_eq!(cases, GOLDEN_SETS * (1 + 3) * (1 + 2) * 3);
}

#[test]
fn every_preset_is_among_the_golden_cases() {
    let golden = golden();
    let described = |case: &GoldenCase| serde_json::from_value::<Scaling>(case.scaling.clone());
    for name in mnist_data::scaling::preset_names() {
        let wanted = preset(name);
        let mut cases = golden.iter().flat_map(|set| &set.cases);
        assert!(cases.any(|case| described(case).is_ok_and(|scaling| scaling == wanted)), "{name}");
    }
}

/// Keras' `test_fit_rescale`.
#[test]
fn statistics_describe_rescaled_pixels() {
    for channels in [1, 3, 4] {
        let shape = ImageShape { channels, height: 6, width: 7 };
        let pixels = noise(8 * shape.pixels());
        let granularity = Granularity::Channel;
        let center = Scaling { granularity, ..preset("normalize-center") };

        let (mean, _) = mean_and_std(&scale(&fit(&center, shape, &pixels), &pixels));
        assert!(mean.abs() < 1e-6, "{mean}");

        let standardize = Scaling { featurewise_std_normalization: true, ..center.clone() };
        let (mean, std) = mean_and_std(&scale(&fit(&standardize, shape, &pixels), &pixels));
        assert!(mean.abs() < 1e-6, "{mean}");
        assert!((std - 1.0).abs() < 1e-5, "{std}");

        // Fewer images than pixels: Y·Yᵀ = n·I instead of Yᵀ·Y = n·I.
        let whiten = Scaling { zca_whitening: true, ..center };
        let whitened = scale(&fit(&whiten, shape, &pixels), &pixels);
        for (row, image) in whitened.chunks_exact(shape.pixels()).enumerate() {
            for (column, other) in whitened.chunks_exact(shape.pixels()).enumerate() {
                let product = image.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() / 8.0;
                let identity = f64::from(u8::from(row == column));
                assert!((product - identity).abs() < 1e-4, "{row}, {column}: {product}");
            }
        }
    }
}

/// Keras' `test_batch_standardize`. Unlike here, Keras takes one sample-wise mean over a whole batch.
#[test]
fn images_are_scaled_alike_in_a_batch_and_alone() {
    let shape = ImageShape { channels: 3, height: 3, width: 4 };
    let pixels = noise(9 * shape.pixels());
    for scaling in descriptions() {
        let fitted = fit(&scaling, shape, &pixels);
        assert_eq!(scale_together(&fitted, &pixels), scale(&fitted, &pixels), "{scaling:?}");
    }
}

/// Keras' `test_image_data_generator_fit`: more pixels than images, and more images than pixels.
#[test]
fn all_steps_together_fit_on_grayscale_and_on_rgb() {
    for (channels, side) in [(1, 10), (3, 10), (1, 4)] {
        let shape = ImageShape { channels, height: side, width: side };
        let pixels = noise(32 * shape.pixels());
        let scaling = Scaling {
            rescale: 1.0 / 255.0,
            featurewise_center: true,
            zca_whitening: true,
            granularity: Granularity::Pixel,
            ..preset("sample-standardize")
        };
        let scaled = scale(&fit(&scaling, shape, &pixels), &pixels);
        // Yᵀ·Y is at most n·I, so no value is larger than √n.
        assert!(largest(&scaled) < 32_f64.sqrt(), "{shape}: {}", largest(&scaled));
    }
}
