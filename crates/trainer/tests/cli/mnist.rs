//! The program on the complete MNIST data set.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{json, number, trainer, weights_of};

/// Builds a command that runs the program on MNIST: in `$MNIST_DATA_DIR` if that is set, otherwise in the cache, which
/// is filled if it is empty.
pub fn trainer_on_mnist(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer();
    if let Some(folder) = std::env::var_os("MNIST_DATA_DIR") {
        command.env("MNIST_DATA_DIR", folder);
    }
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

/// Runs a command on MNIST in a temporary folder, and returns the JSON it prints.
fn on_mnist(arguments: &str) -> Value {
    let folder = tempdir().unwrap();
    json(&mut trainer_on_mnist(folder.path(), arguments))
}

#[test]
fn summary_prints_the_numbers_of_the_tutorial() {
    let summary = on_mnist("data summary");
    assert_eq!(summary["dataset"], "mnist");
    let shape = |split: &Value| {
        ["images", "channels", "height", "width", "min", "max"].map(|key| split[key].as_u64().unwrap())
    };
    assert_eq!(shape(&summary["train"]), [60_000, 1, 28, 28, 0, 255]);
    assert_eq!(shape(&summary["test"]), [10_000, 1, 28, 28, 0, 255]);
    assert_eq!(summary["train"]["mean"], 33.318421449829934);
    assert_eq!(summary["train"]["std"], 78.56748998339799);
    assert_eq!(summary["test"]["mean"], 33.791224489795916);
    assert_eq!(summary["test"]["std"], 79.17246322228644);
    assert_eq!(summary["test"]["labels"], json!([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]));
}

#[test]
fn all_four_files_are_fetched_and_verified() {
    let fetched = on_mnist("data fetch");
    let files = |result: &Value| -> Vec<(String, u64)> {
        let files = result["files"].as_array().unwrap().iter();
        files
            .map(|file| (file["name"].as_str().unwrap().to_owned(), file["bytes"].as_u64().unwrap()))
            .collect()
    };
    let expected = [
        ("train-images-idx3-ubyte", 47_040_016),
        ("train-labels-idx1-ubyte", 60_008),
        ("t10k-images-idx3-ubyte", 7_840_016),
        ("t10k-labels-idx1-ubyte", 10_008),
    ];
    assert_eq!(files(&fetched), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    let verified = on_mnist("data verify");
    assert_eq!(files(&verified), files(&fetched));
    assert!(verified["files"].as_array().unwrap().iter().all(|file| file["ok"] == true), "{verified}");
}

#[test]
fn scale_prints_the_numbers_of_the_tutorial() {
    let standardized = on_mnist("scale --scaling standardize");
    assert_eq!(standardized["batches"], json!({"train": 938, "test": 157}));
    assert_eq!(standardized["batch"]["shape"], json!([64, 1, 28, 28]));
    assert_eq!(standardized["statistics"]["mean"], json!([33.318421449829934]));
    assert_eq!(standardized["statistics"]["std"], json!([78.56748998339799]));
    assert!(number(&standardized["train"]["mean"]).abs() < 1e-7, "{}", standardized["train"]);
    assert!((number(&standardized["train"]["std"]) - 1.0).abs() < 1e-6, "{}", standardized["train"]);
    let centered = on_mnist("scale --scaling center");
    assert!(number(&centered["train"]["mean"]).abs() < 2e-6, "{}", centered["train"]);
    let normalized = on_mnist("scale --scaling normalize");
    assert_eq!((&normalized["train"]["min"], &normalized["train"]["max"]), (&json!(0.0), &json!(1.0)));
}

/// Unlike the small data set, MNIST is large enough that the backend uses several threads.
#[test]
fn number_of_threads_does_not_change_the_weights() {
    let weights = |threads: u32| {
        let arguments = format!("train --scaling standardize --limit 640 --epochs 1 --threads {threads}");
        weights_of(&on_mnist(&arguments)).to_owned()
    };
    let [one, two, four] = [1, 2, 4].map(weights);
    assert_eq!((&two, &four), (&one, &one));
}

/// Keras reaches 98% after one epoch. An error in the network or the training loop leaves the accuracy far below 97%.
#[test]
fn one_epoch_over_all_60000_images_reaches_97_percent() {
    let result = on_mnist("train --scaling standardize --epochs 1");
    assert_eq!((&result["train_images"], &result["parameters"]), (&json!(60_000), &json!(121_930)));
    let accuracy = number(&result["test"]["accuracy"]);
    assert!(accuracy > 0.97, "{accuracy}");
}

/// Repeats the tutorial's experiment. With seeds 1 to 3, Keras 3.15 reaches 98.88 to 99.01% (normalize), 97.96 to
/// 98.53% (center) and 98.54 to 99.12% (standardize). The limits leave half a percentage point on either side.
#[test]
#[ignore = "15 epochs: minutes of training"]
fn comparison_of_the_tutorial_reaches_the_accuracies_of_keras() {
    let folder = tempdir().unwrap();
    let comparison = json(&mut trainer_on_mnist(folder.path(), ""));
    for (name, low, high) in
        [("normalize", 0.9838, 0.9951), ("center", 0.9746, 0.9903), ("standardize", 0.9804, 0.9962)]
    {
        let scalings = comparison["scalings"].as_array().unwrap();
        let scaling = scalings.iter().find(|scaling| scaling["scaling"] == name).unwrap();
        let accuracy = number(&scaling["accuracy"]["mean"]);
        assert!((low..high).contains(&accuracy), "{name}: {accuracy}");
    }
}
