//! Creates comparison folders and reads their runs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    digits::{folder_with_digits, trainer_on_digits},
    read_json, stderr, weights_of,
};

/// The `id`s of the sections in `report.html`.
pub const SECTIONS: [&str; 9] =
    ["ranking", "pairs", "accuracy", "learning", "confusion", "misread", "changing", "scalings", "settings"];

/// Creates a folder with the small data set in `data` and a comparison on it in `all`.
pub fn folder_with_comparison(arguments: &str) -> TempDir {
    let folder = folder_with_digits();
    let command = format!("compare --epochs 2 --batch-size 8 --limit 96 --out all {arguments}");
    let output = trainer_on_digits(folder.path(), &command).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

/// Lists the run folders of a comparison, finished or not, sorted by path.
pub fn runs_of(comparison: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(comparison.join("runs")).into_iter().flatten();
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

/// Returns the folder of the run whose name starts with `name`, such as `center-seed1`.
pub fn run_of(comparison: &Path, name: &str) -> PathBuf {
    let has_name = |run: &PathBuf| name_of(run).starts_with(&format!("{name}-"));
    let runs: Vec<PathBuf> = runs_of(comparison).into_iter().filter(has_name).collect();
    assert_eq!(runs.len(), 1, "{name}: {runs:?}");
    runs[0].clone()
}

/// Returns the checksum of each run's weights, keyed by the name of the run's folder.
pub fn weights_of_runs(comparison: &Path) -> BTreeMap<String, String> {
    let weights = |run: &PathBuf| weights_of(&read_json(&run.join("result.json"))).to_owned();
    runs_of(comparison).iter().map(|run| (name_of(run), weights(run))).collect()
}

fn name_of(run: &Path) -> String {
    run.file_name().unwrap().to_str().unwrap().to_owned()
}
