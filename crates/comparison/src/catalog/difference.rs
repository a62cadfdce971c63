//! The differences between two runs, or between two comparisons.

use std::{collections::BTreeSet, path::Path};

use mnist_data::{input::shown, source::FileSum};
use mnist_training::{
    FinishedRun, TrainingError, prediction::LabelledPrediction, run::Versions, settings::Difference,
};
use serde::Serialize;

use super::{Details, Entry, EntryKind, EntryState};
use crate::ComparisonError;

/// How two runs or comparisons differ. Lists of differences are empty if there are none.
#[derive(Debug, Clone, Serialize)]
pub struct ResultDifference {
    /// The first.
    pub a: Entry,
    /// The second.
    pub b: Entry,
    /// Settings with different values. A key in a table is written with a dot.
    pub settings: Vec<Difference>,
    /// Data files with different checksums.
    pub data: Vec<Difference>,
    /// Programs with different versions.
    pub versions: Vec<Difference>,
    /// Accuracy of `a` minus that of `b`.
    pub accuracy_difference: Option<f64>,
    /// How the answers to the test images differ.
    pub answers: Option<Answers>,
    /// Why the answers were not compared.
    pub without_answers: Option<String>,
}

/// How the answers of two runs differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// Number of test images.
    pub test_images: usize,
    /// Number of test images that the two classify differently.
    pub different: usize,
    /// Of these, the number that only `a` classifies correctly.
    pub only_a_correct: usize,
    /// Of these, the number that only `b` classifies correctly.
    pub only_b_correct: usize,
    /// Names of the classes, if both runs have the same.
    pub class_names: Option<Vec<String>>,
    /// The first of these images.
    pub first: Vec<DifferentAnswer>,
}

/// A test image that two runs classify differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferentAnswer {
    /// Position of the image in the test split, from 0.
    pub image: usize,
    /// The image's file, if it has its own.
    pub file: Option<String>,
    /// Its true class.
    pub label: usize,
    /// The class that `a` predicts.
    pub a: usize,
    /// The class that `b` predicts.
    pub b: usize,
}

/// Number of images in [`Answers::first`].
const FIRST: usize = 10;

/// Compares two runs, or two comparisons.
///
/// # Errors
/// When a folder contains neither, or one is a run and the other a comparison.
pub fn compare_results(a: &Path, b: &Path) -> Result<ResultDifference, ComparisonError> {
    let [a, b] = [Details::read(a)?, Details::read(b)?];
    if a.entry.kind != b.entry.kind {
        return Err(ComparisonError::OtherKind { a: a.entry.path, b: b.entry.path });
    }
    let mut settings = Vec::new();
    add_differences(&mut settings, "", [&a.settings, &b.settings]);
    let answers = answers(&a, &b);
    let accuracies = a.entry.accuracy.zip(b.entry.accuracy);
    Ok(ResultDifference {
        settings,
        data: of_tables(&[&a.data, &b.data].map(|data| sums(data))),
        versions: of_tables(&[&a, &b].map(|details| versions(details.versions.as_ref()))),
        accuracy_difference: accuracies.map(|(a, b)| a - b),
        without_answers: answers.as_ref().err().cloned(),
        answers: answers.ok(),
        a: a.entry,
        b: b.entry,
    })
}

/// Adds the keys with different values. Tables are compared key by key.
fn add_differences(differences: &mut Vec<Difference>, prefix: &str, tables: [&toml::Table; 2]) {
    let keys: BTreeSet<&String> = tables.iter().flat_map(|table| table.keys()).collect();
    for key in keys {
        let values = tables.map(|table| table.get(key));
        if let [Some(toml::Value::Table(a)), Some(toml::Value::Table(b))] = values {
            add_differences(differences, &format!("{prefix}{key}."), [a, b]);
        } else if let Some(difference) = Difference::of(key, tables) {
            differences.push(Difference { key: format!("{prefix}{}", difference.key), ..difference });
        }
    }
}

fn of_tables(tables: &[toml::Table; 2]) -> Vec<Difference> {
    let mut differences = Vec::new();
    add_differences(&mut differences, "", [&tables[0], &tables[1]]);
    differences
}

fn sums(data: &[FileSum]) -> toml::Table {
    data.iter().map(|sum| (sum.name.clone(), sum.sha256.clone().into())).collect()
}

fn versions(versions: Option<&Versions>) -> toml::Table {
    let named = |versions: &Versions| {
        [("mnist_trainer", &versions.mnist_trainer), ("burn", &versions.burn)]
            .map(|(name, version)| (name.to_owned(), version.clone().into()))
    };
    versions.map(named).into_iter().flatten().collect()
}

fn without_predictions(entry: &Entry) -> &'static str {
    match (entry.kind, entry.state) {
        (EntryKind::Comparison, _) => "is a comparison: compare two of its runs",
        (_, EntryState::Unfinished) => "is unfinished",
        _ => "is damaged",
    }
}

/// Compares the answers, or returns the reason why they cannot be compared.
fn answers(a: &Details, b: &Details) -> Result<Answers, String> {
    let usable = |details: &Details| -> Result<FinishedRun, String> {
        match &details.run {
            Some(run) if run.is_usable() => Ok(run.clone()),
            Some(_) => Err(TrainingError::Diverged(details.entry.path.clone()).to_string()),
            None => Err(format!("{} {}", shown(&details.entry.path), without_predictions(&details.entry))),
        }
    };
    let [run_a, run_b] = [usable(a)?, usable(b)?];
    let class_names =
        run_a.result.class_names.filter(|names| Some(names) == run_b.result.class_names.as_ref());
    let [of_a, of_b] = [run_a.predictions, run_b.predictions];
    let labels =
        |of: &[LabelledPrediction]| -> Vec<usize> { of.iter().map(|prediction| prediction.label).collect() };
    if a.data != b.data || labels(&of_a) != labels(&of_b) {
        return Err("the data files differ, so their test images are not the same".to_owned());
    }
    let different = || of_a.iter().zip(&of_b).filter(|(a, b)| a.predicted != b.predicted);
    Ok(Answers {
        test_images: of_a.len(),
        different: different().count(),
        only_a_correct: different().filter(|(a, _)| a.is_correct()).count(),
        only_b_correct: different().filter(|(_, b)| b.is_correct()).count(),
        first: different()
            .take(FIRST)
            .map(|(a, b)| DifferentAnswer {
                image: a.image,
                file: a.file.clone(),
                label: a.label,
                a: a.predicted,
                b: b.predicted,
            })
            .collect(),
        class_names,
    })
}
