//! Snapshots of what the commands print as text. Only times and losses are left out: they differ between machines.

use std::{fs, path::Path};

use crate::support::{
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    pictures::{folder_with_fruit, trainer_on_pictures},
    text, trainer_in,
    transcripts::{transcript, without_between, without_columns, without_folder},
};

/// A learning rate so small that the model's predictions remain those of its initial weights. These are the same on
/// every machine, while training rounds differently on different CPUs.
const UNTRAINED: &str = "--epochs 1 --learning-rate 1e-12";

/// Returns what `compare --out all` prints on the small data set, without losses and times.
fn comparison(folder: &Path, arguments: &str) -> String {
    let printed = text(&mut trainer_on_digits(folder, &format!("compare --out all {arguments}")));
    without_columns(&printed, &["test loss", "training time"])
}

#[test]
fn summary_of_digits() {
    let folder = folder_with_digits();
    insta::assert_snapshot!(text(&mut trainer_on_digits(folder.path(), "data summary")));
}

#[test]
fn summary_of_pictures() {
    let folder = folder_with_fruit();
    insta::assert_snapshot!(text(&mut trainer_on_pictures(folder.path(), "data summary")));
}

#[test]
fn verified_files() {
    let folder = folder_with_digits();
    let printed = text(&mut trainer_on_digits(folder.path(), "data verify"));
    insta::assert_snapshot!(without_folder(&printed, folder.path()));
}

#[test]
fn scaled_pixels() {
    let folder = folder_with_digits();
    let scalings = ["none", "normalize", "center", "standardize", "sample-center"];
    let scaled = scalings.map(|scaling| {
        text(&mut trainer_on_digits(folder.path(), &format!("scale --batch-size 16 --scaling {scaling}")))
    });
    insta::assert_snapshot!(scaled.join("\n"));
}

#[test]
fn warnings_about_scalings() {
    let folder = folder_with_config(
        "scaling = { featurewise_center = true, featurewise_std_normalization = true, granularity = 'pixel' }",
    );
    let warnings = ["--scaling zca --limit 100", "--config c.toml --limit 1"].map(|arguments| {
        let mut command = trainer_on_digits(folder.path(), &format!("scale --quiet {arguments}"));
        let output = command.output().unwrap();
        transcript(&command, &output)
            .lines()
            .filter(|line| line.contains("warning"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn trained_run() {
    let folder = folder_with_digits();
    let train = |arguments: &str| {
        let mut command = trainer_on_digits(folder.path(), &format!("train --quiet {arguments}"));
        let output = command.output().unwrap();
        without_between(&transcript(&command, &output), "after ", " s of")
    };
    let trained = train(&format!("--scaling center {UNTRAINED} --out run"));
    let diverged = train("--scaling none --epochs 1 --learning-rate 1e30 --out diverged");
    insta::assert_snapshot!(without_between(&trained, "loss ", " after") + &diverged);
}

#[test]
fn evaluated_run() {
    let folder = folder_with_run();
    let printed = text(&mut trainer_in(folder.path(), "evaluate run"));
    insta::assert_snapshot!(without_columns(&printed, &["loss"]));
}

/// Creates a folder with a run on the small data set, and the first test images as raw bytes: `0.raw` to `10.raw`.
fn folder_with_run() -> tempfile::TempDir {
    let folder = folder_with_digits();
    text(&mut trainer_on_digits(folder.path(), &format!("train --scaling center {UNTRAINED} --out run")));
    let images = fs::read(folder.path().join("data/t10k-images-idx3-ubyte")).unwrap();
    for (number, pixels) in images[16..].chunks(144).take(11).enumerate() {
        fs::write(folder.path().join(format!("{number}.raw")), pixels).unwrap();
    }
    folder
}

#[test]
fn predictions() {
    let folder = folder_with_run();
    let predict = |arguments: &str| text(&mut trainer_in(folder.path(), &format!("predict run {arguments}")));
    insta::assert_snapshot!("prediction-of-one-image", predict("1.raw --show"));
    insta::assert_snapshot!("predictions-of-three-images", predict("0.raw 1.raw 2.raw"));
}

#[test]
fn exported_files() {
    let folder = folder_with_run();
    let export = |format: &str| {
        text(&mut trainer_in(folder.path(), &format!("export run --to {format} --out {format}")))
    };
    insta::assert_snapshot!(export("onnx") + &export("safetensors") + &export("html"));
}

#[test]
fn comparison_with_one_seed() {
    let folder = folder_with_digits();
    let arguments = format!("--scalings none,center,sample-standardize {UNTRAINED}");
    insta::assert_snapshot!(comparison(folder.path(), &arguments));
}

#[test]
fn comparison_with_several_seeds() {
    let folder = folder_with_digits();
    let arguments = format!("--scalings none,center,sample-standardize --seeds 4 {UNTRAINED}");
    let printed = comparison(folder.path(), &arguments);
    insta::assert_snapshot!(printed);
    let again = text(&mut trainer_in(folder.path(), "report all"));
    assert_eq!(
        without_columns(&again, &["test loss", "training time"]),
        printed,
        "report must print the same as compare"
    );
}

/// A grid whose predictions are the same on every machine. With a learning rate of 0.01, all models classify all
/// test images correctly; with 1e-12, their predictions remain those of the initial weights.
const GRID: &str = "scalings = ['normalize', 'center']
epochs = 3
batch_size = 16
[grid]
learning_rate = [1e-12, 0.01]
";

#[test]
fn grid_with_one_seed() {
    let folder = folder_with_config(GRID);
    insta::assert_snapshot!(comparison(folder.path(), "--config c.toml"));
}

#[test]
fn grid_with_several_seeds() {
    let folder = folder_with_config(GRID);
    insta::assert_snapshot!(comparison(folder.path(), "--config c.toml --seeds 5"));
}

#[test]
fn comparison_of_a_single_scaling() {
    let folder = folder_with_digits();
    insta::assert_snapshot!(comparison(folder.path(), &format!("--scalings none --seeds 3 {UNTRAINED}")));
}

#[test]
fn comparison_of_diverged_runs() {
    let folder = folder_with_digits();
    let mut command = trainer_on_digits(
        folder.path(),
        "compare --scalings none,normalize --learning-rate 1e30 --epochs 1 --out all --quiet",
    );
    let output = command.output().unwrap();
    insta::assert_snapshot!(transcript(&command, &output));
}
