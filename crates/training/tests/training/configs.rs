//! The trainings in the repository's folder `configs/`, and what each stands for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mnist_data::{Augmentation, Granularity, Scaling};
use mnist_training::{RunSettings, TrainingSettings, settings::Overrides};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

/// What a training with this scaling and this augmentation saves, all else as in the tutorial.
fn tutorials(scaling: Scaling, augmentation: Augmentation) -> String {
    let training = TrainingSettings { augmentation, ..TrainingSettings::default() };
    RunSettings { seed: 1, training, scaling }.to_toml().unwrap()
}

#[test]
fn every_training_in_configs_is_the_tutorials_with_its_own_scaling_and_augmentation() {
    let normalize = Scaling { rescale: 1.0 / 255.0, ..Scaling::default() };
    let center = Scaling { featurewise_center: true, ..Scaling::default() };
    let standardize = Scaling { featurewise_std_normalization: true, ..center.clone() };
    let whiten = Scaling {
        rescale: 1.0 / 255.0,
        granularity: Granularity::Pixel,
        zca_whitening: true,
        zca_epsilon: 0.1,
        ..center.clone()
    };
    let augment = Augmentation {
        rotation_range: 10.0,
        width_shift_range: 0.1,
        height_shift_range: 0.1,
        zoom_range: [0.9, 1.1],
        ..Augmentation::default()
    };
    let expected = [
        ("augment.toml", tutorials(standardize.clone(), augment)),
        ("center.toml", tutorials(center, Augmentation::default())),
        ("normalize.toml", tutorials(normalize, Augmentation::default())),
        ("standardize.toml", tutorials(standardize, Augmentation::default())),
        ("whiten.toml", tutorials(whiten, Augmentation::default())),
    ];

    let mut found = Vec::new();
    for entry in fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        let overrides = Overrides::read(&path).unwrap();
        // Those without a scaling are comparisons, which their own crate tests.
        if overrides.scaling.is_some() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, RunSettings::resolve(&overrides).unwrap().to_toml().unwrap()));
        }
    }
    found.sort();
    assert_eq!(found, expected.map(|(name, settings)| (name.to_owned(), settings)));
}
