//! Scaling: against Keras, on the real MNIST, from and to files, and in batches.

use std::{ops::Range, sync::Arc};

use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    tensor::{Device, Int, Tensor},
};
use mnist_data::{FittedScaling, Granularity, ImageShape, Images, Scaling, ScalingBatcher};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{images, mnist};

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
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    scaling: String,
    granularity: Granularity,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    scaled: Vec<f64>,
}

fn preset(name: &str) -> Scaling {
    name.parse().unwrap()
}

fn scale_all(fitted: &FittedScaling, images: &Images) -> Vec<f32> {
    let mut scaled = Vec::new();
    images.iter_pixels().for_each(|image| fitted.scale(image, &mut scaled));
    scaled
}

fn assert_close(ours: impl Iterator<Item = f64>, theirs: &[f64], tolerance: f64, what: &str) {
    let ours: Vec<f64> = ours.collect();
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1e-6), "{what}: {ours} and {theirs}");
    }
}

/// Values from scripts/golden_scaling.py.
#[test]
fn every_preset_scales_as_keras_does() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/scaling.json")).unwrap();
    let mut cases = 0;
    for set in golden.sets {
        let GoldenSet { name, channels, height, width, pixels, .. } = set;
        let shape = ImageShape { channels, height, width };
        let labels = vec![0; pixels.len() / shape.pixels()];
        let images = Images::new(shape, pixels, labels);
        for case in set.cases {
            let what = format!("{name}, {}, {:?}", case.scaling, case.granularity);
            let scaling = Scaling { granularity: case.granularity, ..preset(&case.scaling) };
            let fitted = scaling.fit(&images).unwrap();
            for (ours, theirs) in [(fitted.mean(), case.mean), (fitted.std(), case.std)] {
                assert_eq!(ours.is_some(), theirs.is_some(), "{what}");
                let ours = ours.unwrap_or_default().iter().copied();
                assert_close(ours, &theirs.unwrap_or_default(), 1e-12, &what);
            }
            let ours = scale_all(&fitted, &images).into_iter().map(f64::from);
            assert_close(ours, &case.scaled, 1e-6, &what);
            cases += 1;
        }
    }
    assert_eq!(cases, 2 * (4 + 3 * 3), "every preset, the feature-wise ones in three granularities");
}

#[test]
fn mnist_is_centred_and_standardised_as_the_tutorial_confirms() {
    let train = &mnist().train;
    let centred = preset("center").fit(train).unwrap().moments(train);
    assert!(centred.mean().abs() < 2e-6, "{}", centred.mean());
    let standardised = preset("standardize").fit(train).unwrap().moments(train);
    assert!(standardised.mean().abs() < 1e-7, "{}", standardised.mean());
    assert!((standardised.std() - 1.0).abs() < 1e-6, "{}", standardised.std());
    let normalised = preset("normalize").fit(train).unwrap().moments(train);
    assert_eq!((normalised.min(), normalised.max()), (0.0, 1.0));
}

#[test]
fn test_images_are_scaled_with_statistics_of_the_train_images() {
    let fitted = preset("center").fit(&images(1, 2, vec![10, 30])).unwrap();
    assert_eq!(scale_all(&fitted, &images(1, 2, vec![100, 200])), [80.0, 180.0]);
}

#[test]
fn name_or_table_describes_a_scaling() {
    #[derive(Deserialize)]
    struct Config {
        scaling: Scaling,
    }
    let parse = |text: &str| toml::from_str::<Config>(text).map(|config| config.scaling);
    assert_eq!(parse("scaling = 'standardize'").unwrap(), preset("standardize"));
    let spelled_out = "[scaling]\nfeaturewise_center = true\nrescale = 0.00392156862745098\n";
    assert_eq!(parse(spelled_out).unwrap().name(), "normalize-center");
    for (wrong, reason) in [
        ("scaling = 'standardise'", "unknown scaling `standardise`, expected one of: none, normalize"),
        ("scaling = 3", "the name of a scaling or a table"),
        ("[scaling]\ncentre = true", "unknown field `centre`"),
        ("[scaling]\nrescale = 0", "rescale must be"),
        ("[scaling]\nrescale = inf", "rescale must be"),
        ("[scaling]\ngranularity = 'row'", "unknown variant `row`"),
        ("[scaling]\nfeaturewise_std_normalization = true", "needs featurewise_center"),
        ("[scaling]\nsamplewise_std_normalization = true", "needs samplewise_center"),
        ("[scaling]\nsamplewise_center = true\nfeaturewise_center = true", "cannot be combined"),
        ("[scaling]\nzca_whitening = true", "zca_whitening"),
    ] {
        let error = parse(wrong).unwrap_err().to_string();
        assert!(error.contains(reason), "{wrong}: {error}");
    }
}

#[test]
fn scaling_survives_its_file_to_the_last_bit() {
    for name in mnist_data::scaling::preset_names() {
        let fitted = preset(name).fit(&mnist().train).unwrap();
        let file = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<FittedScaling>(&file).unwrap(), fitted, "{file}");
    }
}

#[test]
fn damaged_scaling_file_is_refused() {
    let fitted = preset("standardize").fit(&images(1, 2, vec![1, 2])).unwrap();
    let file = serde_json::to_value(&fitted).unwrap();
    let damage = |pointer: &str, value: serde_json::Value| {
        let mut file = file.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<FittedScaling>(file).unwrap_err().to_string()
    };
    assert!(damage("/version", 2.into()).contains("version 2"));
    assert!(damage("/mean", serde_json::Value::Null).contains("mean is missing"));
    assert!(damage("/std", serde_json::json!([1.0, 1.0])).contains("std has 2 values"));
    assert!(damage("/std/0", (-1.0).into()).contains("std holds"));
    assert!(damage("/description/featurewise_std_normalization", false.into()).contains("no use"));
    assert!(damage("/shape/width", "2".into()).contains("invalid type"));
}

#[test]
fn no_image_to_fit_on_is_an_error() {
    let nothing = images(1, 2, vec![1, 2]).first(0);
    assert!(preset("center").fit(&nothing).is_err());
}

#[test]
fn batch_holds_scaled_images_and_their_classes() {
    let shape = ImageShape { channels: 1, height: 1, width: 2 };
    let images = Images::new(shape, vec![0, 255, 51, 102, 9, 9], vec![4, 7, 1]);
    let fitted = Arc::new(preset("normalize").fit(&images).unwrap());
    let items = images.get_many(vec![1, 0]).unwrap();
    let batch = ScalingBatcher::new(fitted).batch(items, &Device::flex());
    assert_eq!(batch.images.dims(), [2, 1, 1, 2]);
    assert_eq!(values(batch.images), [0.2, 0.4, 0.0, 1.0]);
    assert_eq!(classes(batch.targets), [7, 4]);
}

fn values(images: Tensor<4>) -> Vec<f32> {
    images.try_into_vec_as().unwrap()
}

fn classes(targets: Tensor<1, Int>) -> Vec<i64> {
    targets.try_into_vec_as().unwrap()
}

fn small_images(count: Range<usize>) -> impl Strategy<Value = Images> {
    prop::collection::vec(prop::array::uniform12(0_u8..), count)
        .prop_map(|pixels| images(3, 4, pixels.into_iter().flatten().collect()))
}

proptest! {
    #[test]
    fn no_scaling_makes_a_number_that_is_none(images in small_images(1..6), constant: u8) {
        let constant = crate::images(3, 4, vec![constant; 24]);
        for name in mnist_data::scaling::preset_names() {
            for granularity in [Granularity::Global, Granularity::Channel, Granularity::Pixel] {
                let scaling = Scaling { granularity, ..preset(name) };
                for fitted_on in [&images, &constant] {
                    let fitted = scaling.fit(fitted_on).unwrap();
                    for scaled in [&images, &constant] {
                        prop_assert!(scale_all(&fitted, scaled).iter().all(|value| value.is_finite()));
                    }
                }
            }
        }
    }

    #[test]
    fn sample_wise_scaling_gives_each_image_mean_0_and_std_1(images in small_images(1..6)) {
        let fitted = preset("sample-standardize").fit(&images).unwrap();
        for index in 0..images.len() {
            let image = images.split_at(index).1.first(1);
            prop_assume!(image.pixels().iter().any(|&pixel| pixel != image.pixels()[0]));
            let moments = fitted.moments(&image);
            prop_assert!(moments.mean().abs() < 1e-6);
            prop_assert!((moments.std() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn pixels_do_not_depend_on_the_batch_they_come_in(images in small_images(2..9), at: prop::sample::Index) {
        let device = Device::flex();
        for name in mnist_data::scaling::preset_names() {
            let batcher = ScalingBatcher::new(Arc::new(preset(name).fit(&images).unwrap()));
            let batch = |range: Range<usize>| {
                values(batcher.batch(images.get_many(range.collect()).unwrap(), &device).images)
            };
            let middle = 1 + at.index(images.len() - 1);
            let parts = [batch(0..middle), batch(middle..images.len())].concat();
            prop_assert_eq!(parts, batch(0..images.len()));
        }
    }
}
