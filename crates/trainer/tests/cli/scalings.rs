//! Scalings: custom ones in a configuration file, whitening, and the `scaling.json` of a run.

use std::{fs, path::Path};

use crate::support::{
    assert_contains, assert_same_number,
    digits::{folder_with_config, trainer_on_digits, write_split},
    json, number, parse_json, read_json, read_text,
    refusals::{assert_refused, failing},
    stderr, trainer_in, weights_of,
};
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn custom_scaling_prints_statistics_of_its_granularity() {
    let folder = folder_with_config(
        "[scaling]\nsamplewise_center = true\nsamplewise_std_normalization = true\n\
         featurewise_center = true\nfeaturewise_std_normalization = true\ngranularity = 'pixel'\n",
    );
    let shown = json(&mut trainer_on_digits(folder.path(), "scale --config c.toml"));
    assert_eq!(shown["scaling"], "custom");
    for statistic in ["mean", "std"] {
        assert_eq!(shown["statistics"][statistic].as_array().unwrap().len(), 144, "{statistic}");
    }
    assert!(number(&shown["train"]["mean"]).abs() < 1e-6, "{}", shown["train"]);
    assert!((number(&shown["train"]["std"]) - 1.0).abs() < 1e-4, "{}", shown["train"]);
}

#[test]
fn whitening_announces_its_memory_use_and_prints_the_eigenvalues() {
    let folder = folder_with_config("");
    let mut scale = trainer_on_digits(folder.path(), "scale --scaling zca");
    let output = scale.args(["--format", "json"]).output().unwrap();
    assert_contains(
        &stderr(&output),
        ["fitting zca_whitening with 144 values per image will take about 0.1 GB of memory and "],
    );
    let shown: Value = parse_json(&output);
    let eigenvalues = shown["zca"]["eigenvalues"].as_array().unwrap();
    assert_eq!(eigenvalues.len(), 144);
    assert_eq!(shown["zca"]["epsilon"], 1e-6);
    // After whitening, the variance along the direction of eigenvalue s is s / (s + ε).
    let shares = eigenvalues.iter().map(|s| number(s) / (number(s) + 1e-6));
    let expected = shares.sum::<f64>() / 144.0;
    let [mean, std] = ["mean", "std"].map(|name| number(&shown["train"][name]));
    assert!((mean * mean + std * std - expected).abs() < 1e-6, "{expected}, {}", shown["train"]);
    assert_eq!(json(&mut trainer_on_digits(folder.path(), "scale --scaling center"))["zca"], Value::Null);
}

#[test]
fn whitening_with_fewer_images_than_values_warns() {
    let folder = folder_with_config("");
    let output =
        trainer_on_digits(folder.path(), "scale --scaling zca --limit 100 --quiet").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let warning = "warning: zca: 100 images do not vary in all 144 directions; whitening multiplies values along the others by 1000";
    assert_eq!(stderr(&output).lines().next(), Some(warning));
}

/// Creates a folder whose training images are black at the first two pixels. One test image has ink at the first.
fn folder_with_ink_in_a_corner(config: &str) -> TempDir {
    let folder = folder_with_config(config);
    for (split, count) in [("train", 200_u32), ("t10k", 50)] {
        let mut random = 1_u32;
        let mut pixels: Vec<u8> = (0..count * 144)
            .map(|_| {
                random = random.wrapping_mul(1664525).wrapping_add(1013904223);
                (random >> 24) as u8
            })
            .collect();
        pixels.chunks_exact_mut(144).for_each(|image| image[..2].fill(0));
        if split == "t10k" {
            pixels[7 * 144] = 200;
        }
        let labels: Vec<u8> = (0..count).map(|image| (image % 3) as u8).collect();
        write_split(&folder.path().join("data"), split, [count, 12, 12], &pixels, &labels);
    }
    folder
}

#[test]
fn test_values_far_beyond_the_training_values_give_a_warning_that_names_the_remedy() {
    let whitening = |epsilon: &str| {
        format!("[scaling]\nfeaturewise_center = true\nzca_whitening = true\nzca_epsilon = {epsilon}\n")
    };
    let warnings = |config: &str, command: &str| {
        let folder = folder_with_ink_in_a_corner(config);
        let command = format!("{command} --config c.toml --quiet");
        let output = trainer_on_digits(folder.path(), &command).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let compare = "scalings = ['none', { featurewise_center = true, zca_whitening = true }]".to_owned();
    for (config, command) in [
        (whitening("1e-6"), "scale"),
        (whitening("1e-6"), "train --epochs 1 --out run"),
        (compare, "compare --epochs 1 --out all"),
    ] {
        let warnings = warnings(&config, command);
        assert_eq!(warnings.len(), 1, "{command}: {warnings:?}");
        assert_contains(
            &warnings[0],
            ["scaled test values reach 1000", "a larger zca_epsilon prevents this"],
        );
    }
    assert_eq!(warnings(&whitening("1000.0"), "scale"), [""; 0]);
    assert_eq!(warnings(&whitening("1000.0"), "train --epochs 1 --out run"), [""; 0]);
    let pixelwise =
        "[scaling]\nfeaturewise_center = true\nfeaturewise_std_normalization = true\ngranularity = 'pixel'";
    let warnings = warnings(pixelwise, "scale");
    assert_contains(&warnings[0], ["2 of 144 standard deviations are 0"]);
    assert_contains(&warnings[1], ["scaled test values reach 200000000", "a coarser granularity"]);
}

#[test]
fn pixels_that_never_vary_give_a_warning() {
    let folder = folder_with_config(
        "[scaling]\nfeaturewise_center = true\nfeaturewise_std_normalization = true\ngranularity = 'pixel'",
    );
    let output = trainer_on_digits(folder.path(), "scale --config c.toml --limit 1").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(&stderr(&output), ["144 of 144 standard deviations are 0"]);
}

#[test]
fn evaluate_applies_the_whitening_of_the_run() {
    let folder = folder_with_config("");
    let trained = json(&mut trainer_on_digits(folder.path(), "train --scaling zca --epochs 2 --out run"));
    let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
    assert_same_number(&evaluated["loss"], &trained["test"]["loss"]);
    let again = "train --scaling zca --epochs 2 --threads 1 --out again";
    let again = json(&mut trainer_on_digits(folder.path(), again));
    assert_eq!(weights_of(&again), weights_of(&trained), "the number of threads changes the weights");
}

#[test]
fn edited_or_missing_scaling_file_is_refused() {
    let folder = folder_with_config("");
    json(&mut trainer_on_digits(
        folder.path(),
        "train --scaling standardize --epochs 1 --limit 64 --out run",
    ));
    let path = folder.path().join("run/scaling.json");
    let original = read_text(&path);
    let evaluate = |scaling: Option<String>| {
        let _ = fs::remove_file(&path);
        if let Some(scaling) = scaling {
            fs::write(&path, scaling).unwrap();
        }
        trainer_in(folder.path(), "evaluate run").output().unwrap()
    };
    let mean = read_mean(&original);
    let changed = "run/scaling.json was changed after the training\nhint: restore the file";
    for (scaling, message) in [
        (Some(original.replace(&mean, "40.0")), changed),
        (Some(original.replace(&mean, "NaN")), changed),
        (Some(String::new()), changed),
        (None, "cannot read run/scaling.json"),
    ] {
        assert_refused(&evaluate(scaling), 1, message);
    }
    let unchanged = evaluate(Some(original.clone()));
    assert!(unchanged.status.success(), "{}", stderr(&unchanged));

    fs::write(&path, original.replace(&mean, "40.0")).unwrap();
    fs::remove_file(folder.path().join("run/result.json")).unwrap();
    let resume = "train --scaling standardize --epochs 1 --limit 64 --out run --resume";
    let output = trainer_on_digits(folder.path(), resume).output().unwrap();
    assert_refused(&output, 2, "scaling.json differs from the scaling fitted on this machine");
}

/// Returns the first mean in a `scaling.json`, as written in the file.
fn read_mean(text: &str) -> String {
    serde_json::from_str::<Value>(text).unwrap()["mean"][0].to_string()
}

#[test]
fn contradictory_scalings_are_refused() {
    let contradictions = [
        ("zca_whitening = true", "zca_whitening needs featurewise_center"),
        (
            "zca_whitening = true\nfeaturewise_center = true\nfeaturewise_std_normalization = true",
            "replaces featurewise_std_normalization",
        ),
        ("zca_epsilon = 0.0", "zca_epsilon must be"),
        ("featurewise_std_normalization = true", "needs featurewise_center"),
        ("samplewise_std_normalization = true", "needs samplewise_center"),
    ];
    let errors = contradictions.map(|(scaling, message)| {
        let train = failing("train --config c.toml --dataset idx --data-dir data").with_digits();
        train.with_file("c.toml", format!("[scaling]\n{scaling}\n")).fails(2, message)
    });
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn resuming_with_another_scaling_is_refused() {
    let folder = folder_with_config("scaling = { featurewise_center = true, granularity = 'pixel' }");
    let train = |more: &str| {
        let arguments = format!("train --config c.toml --epochs 1 --limit 64 --out run {more}");
        trainer_on_digits(folder.path(), &arguments).output().unwrap()
    };
    let first = train("");
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(read_json(&folder.path().join("run/result.json"))["scaling"], json!("custom"));
    edit(&folder.path().join("c.toml"), "pixel", "channel");
    let refused = train("--resume");
    assert_refused(&refused, 2, "`scaling` differs");
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = read_text(path);
    fs::write(path, text.replace(from, to)).unwrap();
}
