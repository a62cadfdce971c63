//! The settings of the single runs in the repository's folder `configs/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mnist_data::{Augmentation, Granularity, Scaling};
use mnist_training::{RunSettings, TrainingSettings, settings::Overrides};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

/// Returns the saved settings of a run with this scaling and augmentation, and otherwise the tutorial's settings.
fn saved(scaling: Scaling, augmentation: Augmentation) -> String {
    let training = TrainingSettings { augmentation, ..TrainingSettings::default() };
    RunSettings { seed: 1, training, scaling }.to_toml().unwrap()
}

#[test]
fn single_runs_in_configs_differ_from_the_tutorial_only_in_scaling_and_augmentation() {
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
        ("augment.toml", saved(standardize.clone(), augment)),
        ("center.toml", saved(center, Augmentation::default())),
        ("normalize.toml", saved(normalize, Augmentation::default())),
        ("standardize.toml", saved(standardize, Augmentation::default())),
        ("whiten.toml", saved(whiten, Augmentation::default())),
    ];

    let mut found = Vec::new();
    for entry in fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        let overrides = Overrides::read(&path).unwrap();
        // Files without a scaling are comparisons, which the comparison crate tests.
        if overrides.scaling.is_some() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, RunSettings::resolve(&overrides).unwrap().to_toml().unwrap()));
        }
    }
    found.sort();
    assert_eq!(found, expected.map(|(name, settings)| (name.to_owned(), settings)));
}
