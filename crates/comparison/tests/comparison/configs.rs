//! The comparisons in the repository's folder `configs/`, and what each stands for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mnist_comparison::ComparisonSettings;
use mnist_data::Scaling;
use mnist_training::settings::{Grid, Overrides};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

#[test]
fn every_comparison_in_configs_is_the_tutorials_with_its_own_seeds_and_grid() {
    let tutorials = ComparisonSettings::default();
    let learning_rate = [0.0003, 0.001, 0.003].map(|rate| rate.try_into().unwrap()).to_vec();
    let grid = ComparisonSettings {
        seeds: 3.try_into().unwrap(),
        grid: Grid { learning_rate, ..Grid::default() },
        ..tutorials.clone()
    };
    let expected = [("compare.toml", tutorials), ("grid.toml", grid)];

    let mut found = Vec::new();
    for entry in fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        let overrides = Overrides::read(&path).unwrap();
        // Those with one scaling are trainings, which their own crate tests.
        if overrides.scaling.is_none() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, ComparisonSettings::resolve(&overrides).unwrap().to_toml().unwrap()));
        }
    }
    found.sort();
    assert_eq!(found, expected.map(|(name, settings)| (name.to_owned(), settings.to_toml().unwrap())));
}

#[test]
fn tutorials_comparison_is_what_is_compared_without_settings() {
    let ComparisonSettings { seeds, training, scalings, grid } =
        ComparisonSettings::resolve(&Overrides::default()).unwrap();
    let names: Vec<&str> = scalings.iter().map(Scaling::name).collect();
    assert_eq!(names, ["normalize", "center", "standardize"]);
    assert_eq!((seeds.get(), grid.is_empty()), (1, true));
    assert_eq!((training.epochs.get(), training.batch_size.get()), (5, 64));
    assert_eq!(Ok(training.learning_rate), 0.001.try_into());
}
