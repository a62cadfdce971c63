//! The comparisons in the repository's folder `configs/` are the documented ones.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mnist_comparison::{ComparisonSettings, Seeds};
use mnist_data::{DatasetKind, Granularity, Scaling};
use mnist_training::settings::{Grid, Overrides};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

#[test]
fn configs_differ_from_the_default_only_in_what_they_are_about() {
    let default = ComparisonSettings::default();
    let learning_rate = [0.0003, 0.001, 0.003].map(|rate| rate.try_into().unwrap()).to_vec();
    let grid = ComparisonSettings {
        seeds: Seeds::Planned { seeds: 3.try_into().unwrap() },
        grid: Grid { learning_rate, ..Grid::default() },
        ..default.clone()
    };
    let mut cifar10 = ComparisonSettings {
        seeds: Seeds::Planned { seeds: 3.try_into().unwrap() },
        scalings: ["normalize", "standardize", "standardize"].map(|name| name.parse().unwrap()).to_vec(),
        ..default.clone()
    };
    cifar10.scalings[2].granularity = Granularity::Channel;
    cifar10.training.dataset.dataset = DatasetKind::Cifar10;
    let expected = [("cifar10.toml", cifar10), ("compare.toml", default), ("grid.toml", grid)];

    let mut found = Vec::new();
    for entry in fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        let overrides = Overrides::read(&path).unwrap();
        // Files with a single scaling configure one run. Another crate tests them.
        if overrides.scaling.is_none() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, ComparisonSettings::resolve(&overrides).unwrap().to_toml().unwrap()));
        }
    }
    found.sort();
    assert_eq!(found, expected.map(|(name, settings)| (name.to_owned(), settings.to_toml().unwrap())));
}

#[test]
fn default_comparison_is_the_tutorials() {
    let ComparisonSettings { seeds, training, scalings, grid, .. } =
        ComparisonSettings::resolve(&Overrides::default()).unwrap();
    let names: Vec<&str> = scalings.iter().map(Scaling::name).collect();
    assert_eq!(names, ["normalize", "center", "standardize"]);
    assert_eq!((seeds.most().get(), grid.is_empty()), (1, true));
    assert_eq!((training.epochs.get(), training.batch_size.get()), (5, 64));
    assert_eq!(Ok(training.learning_rate), 0.001.try_into());
}
