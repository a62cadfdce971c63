//! The images of an experiment: limits, splits and checks.

use std::path::Path;

use burn::data::dataset::Dataset;
use mnist_data::{ImageShape, Images};
use mnist_model::ModelConfig;
use mnist_training::{ExperimentData, TrainingSettings, dataset::fit};
use tempfile::tempdir;

use crate::support::{CLASSES, Log, images, write_idx};

fn settings(folder: &Path, more: &str) -> TrainingSettings {
    let text = format!("dataset = 'idx'\ndata_dir = '{}'\n{more}", folder.display());
    TrainingSettings::resolve(&toml::from_str(&text).unwrap()).unwrap()
}

#[test]
fn train_split_is_limited_then_split_from_its_end() {
    let (folder, log) = (tempdir().unwrap(), Log::default());
    let images = images(150);
    write_idx(folder.path(), &images, 100);
    let settings = settings(folder.path(), "limit = 40\nvalidation_split = 0.25");
    let data = ExperimentData::open(&settings, &[], &ModelConfig::new(), &log).unwrap();
    let pixels = |images: &Images| images.pixels(0..images.len()).unwrap().into_owned();
    let validation = data.validation.as_ref().unwrap();
    assert_eq!((data.train.len(), validation.len(), data.test.len()), (30, 10, 50));
    assert_eq!([pixels(&data.train), pixels(validation)].concat(), pixels(&images.first(40)));
    assert_eq!((data.classes, data.image()), (CLASSES, [1, 12, 12]));
    assert_eq!(data.files.len(), 4);
    let notes = log.notes.into_inner().unwrap();
    assert!(notes.iter().any(|note| note.contains(&data.files[0].sha256)), "{notes:?}");
}

#[test]
fn validation_split_that_leaves_no_images_or_none_of_a_class_is_refused() {
    let folder = tempdir().unwrap();
    let shape = ImageShape { channels: 1, height: 12, width: 12 };
    // The last quarter of the train split contains all images of class 1.
    let labels = (0..20).map(|image| u32::from((12..16).contains(&image))).collect();
    write_idx(folder.path(), &Images::new(shape, vec![7; 20 * 144], labels), 16);
    let refused = |more: &str, about: &str| {
        let settings = settings(folder.path(), more);
        let error = ExperimentData::open(&settings, &[], &ModelConfig::new(), &()).unwrap_err();
        assert!(error.is_bad_setting() && error.to_string().contains(about), "{error}");
    };
    refused("limit = 1\nvalidation_split = 0.5", "leaves no image to train on");
    refused("validation_split = 0.25", "leaves no image of class 1 to train on");
}

#[test]
fn pixels_with_a_standard_deviation_of_0_cause_a_warning() {
    let shape = ImageShape { channels: 1, height: 2, width: 2 };
    let train = Images::new(shape, vec![0, 5, 9, 7, 0, 6, 9, 8], vec![0, 1]);
    let log = Log::default();
    let scaling = toml::from_str::<toml::Table>(
        "scaling = {featurewise_center = true, featurewise_std_normalization = true, granularity = 'pixel'}",
    );
    let scaling = scaling.unwrap()["scaling"].clone().try_into().unwrap();
    fit(&scaling, &train, &log).unwrap();
    let warnings = log.warnings.into_inner().unwrap();
    assert!(
        matches!(&warnings[..], [warning] if warning.contains("2 of 4 standard deviations are 0")),
        "{warnings:?}"
    );
}
