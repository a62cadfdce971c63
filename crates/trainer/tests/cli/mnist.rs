//! The program on the real MNIST, all of it.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{json, trainer_on_mnist};

fn on_mnist(arguments: &str) -> Value {
    let folder = tempdir().unwrap();
    json(trainer_on_mnist().current_dir(folder.path()).args(arguments.split_whitespace()))
}

#[test]
fn summary_prints_the_tutorials_facts() {
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
fn fetched_files_are_verified() {
    let fetched = on_mnist("data fetch");
    assert_eq!(fetched["files"][0]["name"], "train-images-idx3-ubyte");
    assert_eq!(fetched["files"][0]["bytes"], 47_040_016);
    let verified = on_mnist("data verify");
    assert!(verified["files"].as_array().unwrap().iter().all(|file| file["ok"] == true));
}

#[test]
fn scale_confirms_what_the_tutorial_confirms() {
    let standardised = on_mnist("scale --scaling standardize");
    assert_eq!(standardised["batches"], json!({"train": 938, "test": 157}));
    assert_eq!(standardised["batch"]["shape"], json!([64, 1, 28, 28]));
    assert_eq!(standardised["statistics"]["mean"], json!([33.318421449829934]));
    assert_eq!(standardised["statistics"]["std"], json!([78.56748998339799]));
    assert!(standardised["train"]["mean"].as_f64().unwrap().abs() < 1e-7);
    assert!((standardised["train"]["std"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    let centred = on_mnist("scale --scaling center");
    assert!(centred["train"]["mean"].as_f64().unwrap().abs() < 2e-6);
    let normalised = on_mnist("scale --scaling normalize");
    assert_eq!((&normalised["train"]["min"], &normalised["train"]["max"]), (&json!(0.0), &json!(1.0)));
}

/// Big enough that the backend does spread its work over threads.
#[test]
fn number_of_threads_changes_no_bit() {
    let weights = |threads: u32| {
        let arguments = format!("train --scaling standardize --limit 640 --epochs 1 --threads {threads}");
        on_mnist(&arguments)["weights_sha256"].clone()
    };
    let [one, two, four] = [1, 2, 4].map(weights);
    assert_eq!((&one, &one), (&two, &four));
}

/// Keras reaches 98% after this epoch; a network or a loop that is wrong stays far below 97%.
#[test]
fn one_epoch_over_all_60000_images_reaches_97_percent() {
    let result = on_mnist("train --scaling standardize --epochs 1");
    assert_eq!((&result["train_images"], &result["parameters"]), (&json!(60_000), &json!(121_930)));
    let accuracy = result["test"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.97, "{accuracy}");
}

/// The tutorial's experiment, whole. Keras 3.15 over seeds 1 to 3: normalize 98.88 to 99.01%,
/// center 97.96 to 98.53%, standardize 98.54 to 99.12%; half a percent is left on either side.
#[test]
#[ignore = "15 epochs: minutes of training"]
fn tutorials_comparison_finds_keras_accuracies() {
    let folder = tempdir().unwrap();
    let comparison = json(trainer_on_mnist().current_dir(folder.path()));
    for (name, low, high) in
        [("normalize", 0.9838, 0.9951), ("center", 0.9746, 0.9903), ("standardize", 0.9804, 0.9962)]
    {
        let scalings = comparison["scalings"].as_array().unwrap();
        let scaling = scalings.iter().find(|scaling| scaling["scaling"] == name).unwrap();
        let accuracy = scaling["accuracy"]["mean"].as_f64().unwrap();
        assert!((low..high).contains(&accuracy), "{name}: {accuracy}");
    }
}
