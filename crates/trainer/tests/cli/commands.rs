//! Each command: what it prints and what it writes.

use std::{fs, process::Stdio};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::{json, read_json, stderr, trainer, trainer_in, write_digits};

fn folder_with_digits() -> TempDir {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    folder
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_has_keys(value: &Value, expected: &[&str]) {
    for key in expected {
        assert!(keys(value).contains(key), "`{key}` is not among {:?}", keys(value));
    }
}

#[test]
fn train_prints_the_result_that_it_writes() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_in(folder.path(), "train --scaling center --epochs 2 --out run"));
    assert_has_keys(
        &result,
        &[
            "run",
            "status",
            "scaling",
            "seed",
            "backend",
            "weights_sha256",
            "epochs",
            "validation",
            "test",
            "seconds",
        ],
    );
    assert_eq!(result["run"], "run");
    assert_eq!(result["status"], "ok");
    assert_eq!(result["scaling"], "center");
    assert_eq!((&result["seed"], &result["backend"]), (&json!(1), &json!("flex")));
    assert_eq!(result["validation"], Value::Null);
    assert_eq!(result["epochs"].as_array().unwrap().len(), 2);
    assert_has_keys(&result["epochs"][0], &["epoch", "train_loss", "train_accuracy", "seconds"]);
    assert_eq!(result["weights_sha256"].as_str().unwrap().len(), 64);

    let run = folder.path().join("run");
    assert_eq!(read_json(&run.join("result.json")), result);
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("featurewise_center = true") && config.contains("epochs = 2"), "{config}");
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 3, "{metrics}");
    let scaling = read_json(&run.join("scaling.json"));
    assert_eq!((&scaling["version"], scaling["mean"].as_array().unwrap().len()), (&json!(2), 1));
    assert!(run.join("model.safetensors").exists());
}

#[test]
fn evaluate_finds_again_what_train_found() {
    let folder = folder_with_digits();
    let arguments = "train --scaling standardize --epochs 6 --batch-size 16 --out run";
    let trained = json(&mut trainer_in(folder.path(), arguments));
    let evaluated = json(trainer().current_dir(folder.path()).args(["evaluate", "run"]));
    assert_eq!(evaluated["run"], "run");
    assert_eq!(evaluated["images"], 50);
    assert_eq!(evaluated["loss"], trained["test"]["loss"]);
    assert_eq!(evaluated["accuracy"], trained["test"]["accuracy"]);
    assert_eq!(evaluated["confusion"], trained["confusion"]);
    assert!(evaluated["accuracy"].as_f64().unwrap() > 0.9, "{evaluated}");

    let confusion = evaluated["confusion"].as_array().unwrap();
    let of_class = |row: &Value| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!(confusion.iter().map(of_class).collect::<Vec<_>>(), [17, 17, 16], "rows are true classes");
}

#[test]
fn same_settings_give_the_same_weights_with_any_number_of_threads() {
    let folder = folder_with_digits();
    let weights = |arguments: &str| {
        let arguments = format!("train --scaling normalize --epochs 2 {arguments}");
        json(&mut trainer_in(folder.path(), &arguments))["weights_sha256"].clone()
    };
    let first = weights("--threads 1 --out a");
    assert_eq!(weights("--threads 1 --out b"), first);
    assert_eq!(weights("--threads 2 --out c"), first);
    assert_eq!(weights("--threads 5 --out d"), first);
    assert_ne!(weights("--seed 2 --out e"), first);
}

#[test]
fn validation_images_come_from_the_end_of_the_train_split_and_are_not_trained_on() {
    let folder = folder_with_digits();
    let train = |arguments: &str| {
        let arguments = format!("train --scaling standardize --epochs 1 {arguments}");
        json(&mut trainer_in(folder.path(), &arguments))
    };
    let validated = train("--validation-split 0.25 --out a");
    let limited = train("--limit 150 --out b");
    assert_eq!(validated["train_images"], 150);
    assert_eq!(validated["weights_sha256"], limited["weights_sha256"]);
    assert_has_keys(&validated["validation"], &["loss", "accuracy"]);
    assert!(validated["epochs"][0]["validation_loss"].is_f64());
}

#[test]
fn compare_trains_every_scaling_with_every_seed_and_ranks_them() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings normalize,none --seeds 2 --epochs 1 --limit 64 --out all";
    let result = json(&mut trainer_in(folder.path(), arguments));
    assert_has_keys(&result, &["comparison", "scalings", "pairs", "verdict"]);
    let scalings = result["scalings"].as_array().unwrap();
    assert_eq!(scalings.len(), 2);
    for scaling in scalings {
        assert_has_keys(&scaling["accuracy"], &["mean", "std", "ci95"]);
        assert!(scaling["accuracy"]["std"].is_f64(), "two seeds have a spread: {scaling}");
        let runs = scaling["runs"].as_array().unwrap();
        assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        for run in runs {
            assert_has_keys(run, &["seed", "run", "status", "accuracy", "loss", "seconds"]);
            let written = read_json(&folder.path().join(run["run"].as_str().unwrap()).join("result.json"));
            assert_eq!(written["test"]["accuracy"], run["accuracy"]);
        }
    }
    let mean = |index: usize| scalings[index]["accuracy"]["mean"].as_f64().unwrap();
    assert!(mean(0) >= mean(1), "best first");
    assert_has_keys(&result["pairs"][0], &["a", "b", "difference", "ci95", "p", "p_holm"]);
    assert_eq!(read_json(&folder.path().join("all/result.json")), result);
    assert!(fs::read_to_string(folder.path().join("all/report.md")).unwrap().contains("| rank |"));
}

#[test]
fn folder_that_holds_a_result_is_refused_unless_told_what_to_do() {
    let folder = folder_with_digits();
    let run = |arguments: &str| {
        trainer_in(
            folder.path(),
            &format!("train --scaling none --epochs 1 --limit 64 --out run {arguments}"),
        )
        .output()
        .unwrap()
    };
    assert!(run("").status.success());
    let refused = run("");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("already holds a result"), "{}", stderr(&refused));
    let other = run("--resume --seed 5");
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("`seed` differs"), "{}", stderr(&other));
    assert!(run("--resume").status.success());
    assert!(run("--force --seed 5").status.success());
    assert_eq!(read_json(&folder.path().join("run/result.json"))["seed"], 5);
}

#[test]
fn force_removes_no_folder_of_somebody_elses() {
    let folder = folder_with_digits();
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("thesis.tex"), "years of work").unwrap();
    let output = trainer_in(folder.path(), "train --scaling none --out mine --force").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("thesis.tex"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(mine.join("thesis.tex")).unwrap(), "years of work");
}

#[test]
fn force_leaves_earlier_runs_under_the_default_folder_alone() {
    let folder = folder_with_digits();
    let run = json(&mut trainer_in(folder.path(), "train --scaling none --epochs 1 --limit 16"));
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let output =
        trainer().current_dir(folder.path()).args(["compare", "--out", ".", "--force"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("holds `runs`"), "{}", stderr(&output));
    assert!(folder.path().join(run["run"].as_str().unwrap()).join("result.json").exists());
}

#[test]
fn trainings_started_in_the_same_second_get_folders_of_their_own() {
    let folder = folder_with_digits();
    let start = || {
        let mut command =
            trainer_in(folder.path(), "train --scaling none --epochs 1 --limit 16 --format json");
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let runs = [start(), start(), start()].map(|child| {
        let output = child.wait_with_output().unwrap();
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        result["run"].as_str().unwrap().to_owned()
    });
    assert!(runs[0] != runs[1] && runs[1] != runs[2] && runs[0] != runs[2], "{runs:?}");
}

#[test]
fn environment_names_a_folder_of_mnist_only_and_a_file_wins_over_it() {
    let folder = folder_with_digits();
    fs::write(folder.path().join("c.toml"), "dataset = 'idx'\ndata_dir = 'data'\n").unwrap();
    let mut summary = trainer();
    summary.current_dir(folder.path()).args(["data", "summary", "--config", "c.toml"]);
    assert_eq!(json(summary.env("MNIST_DATA_DIR", "/nowhere"))["train"]["images"], 200);
    let mut mnist = trainer();
    let output = mnist.args(["data", "summary"]).env("MNIST_DATA_DIR", "/nowhere").output().unwrap();
    assert!(stderr(&output).contains("/nowhere"), "{}", stderr(&output));
}

#[test]
fn reader_of_progress_who_leaves_does_not_stop_a_training() {
    let folder = folder_with_digits();
    let mut command = trainer_in(folder.path(), "train --scaling none --epochs 3 --out run");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn diverged_training_is_reported_and_a_comparison_goes_on() {
    let folder = folder_with_digits();
    let diverging = "--scalings none,normalize --learning-rate 1e30 --epochs 1 --out all";
    let output = trainer_in(folder.path(), &format!("compare {diverging} --format json")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["scalings"][0]["runs"][0]["status"], "diverged");
    assert_eq!(result["scalings"][0]["accuracy"]["mean"], Value::Null);
    assert!(stderr(&output).contains("2 of 2 trainings diverged"), "{}", stderr(&output));

    let arguments = "train --scaling none --learning-rate 1e30 --epochs 1 --out one --format json";
    let output = trainer_in(folder.path(), arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["status"], &result["test"]), (&json!("diverged"), &Value::Null));
    let evaluated = trainer().current_dir(folder.path()).args(["evaluate", "one"]).output().unwrap();
    assert!(stderr(&evaluated).contains("diverged"), "{}", stderr(&evaluated));
}

#[test]
fn default_folder_is_under_runs_and_named_after_what_is_in_it() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_in(folder.path(), "train --scaling center --epochs 1 --limit 16"));
    let run = result["run"].as_str().unwrap();
    assert!(run.starts_with("runs/train-center-seed1-20") && run.ends_with('Z'), "{run}");
    assert!(folder.path().join(run).join("result.json").exists());
}

#[test]
fn config_file_describes_a_training_and_flags_win() {
    let folder = folder_with_digits();
    let config =
        "epochs = 3\nlimit = 32\nbatch_size = 8\n[scaling]\nrescale = 0.5\nsamplewise_center = true\n";
    fs::write(folder.path().join("mine.toml"), config).unwrap();
    let result = json(&mut trainer_in(folder.path(), "train --config mine.toml --epochs 1 --out run"));
    assert_eq!(result["epochs"].as_array().unwrap().len(), 1);
    assert_eq!((&result["train_images"], &result["scaling"]), (&json!(32), &json!("custom")));
}

#[test]
fn scale_shows_statistics_batch_and_splits() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_in(folder.path(), "scale --scaling standardize --batch-size 16"));
    assert_eq!(result["batches"], json!({"train": 13, "test": 4}));
    assert_eq!(result["batch"]["shape"], json!([16, 1, 12, 12]));
    assert_eq!(result["statistics"]["mean"].as_array().unwrap().len(), 1);
    assert!(result["train"]["mean"].as_f64().unwrap().abs() < 1e-7);
    assert!((result["train"]["std"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert_has_keys(&result["test"], &["min", "max", "mean", "std"]);
    let unfitted = json(&mut trainer_in(folder.path(), "scale --scaling normalize"));
    assert_eq!(unfitted["statistics"], json!({"mean": null, "std": null}));
}

#[test]
fn devices_lists_every_backend() {
    let list = json(trainer().arg("devices"));
    let backends = list["backends"].as_array().unwrap();
    let names: Vec<&str> = backends.iter().map(|backend| backend["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["flex", "ndarray", "wgpu"]);
    assert_eq!(backends[0]["compiled"], cfg!(feature = "flex"));
    assert_eq!(backends[2]["compiled"], cfg!(feature = "wgpu"));
}

#[test]
fn bench_times_the_step_and_inference_of_each_backend() {
    let folder = folder_with_digits();
    for kernels in ["", " --primitives"] {
        let arguments = format!("bench --steps 3 --batch-size 8 --threads 1{kernels}");
        let result = json(&mut trainer_in(folder.path(), &arguments));
        assert!(result["fma_peak_gflops"].as_f64().unwrap() > 0.0);
        let first = &result["results"][0];
        assert_eq!(first["backend"], "flex");
        assert_eq!((&first["threads"], &first["batch_size"]), (&json!(1), &json!(8)));
        assert!(first["gflops"].as_f64().unwrap() > 0.0);
        assert_eq!(first["steps"], 3);
        assert_has_keys(first, &["peak_memory_mb"]);
        for timed in ["copy", "fit", "batch"] {
            assert!(result["data"][format!("{timed}_gb_per_second")]["median"].as_f64().unwrap() > 0.0);
        }
        for timed in ["train_step_ms", "inference_images_per_second"] {
            let value = |name: &str| first[timed][name].as_f64().unwrap();
            assert!(0.0 < value("min") && value("min") <= value("median"), "{timed}");
            assert!(value("median") <= value("max"), "{timed}");
        }
    }
}

#[test]
fn every_command_has_help() {
    for command in [
        "",
        "data",
        "data summary",
        "data fetch",
        "data verify",
        "scale",
        "train",
        "compare",
        "evaluate",
        "report",
        "bench",
        "devices",
    ] {
        let output = trainer().args(command.split_whitespace()).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command}");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("Usage: mnist-trainer") && help.contains("Example"), "{help}");
    }
}

#[test]
fn verify_of_other_data_says_which_file_is_not_mnist() {
    let folder = folder_with_digits();
    let output = trainer()
        .args(["data", "verify", "--format", "json", "--data-dir"])
        .arg(folder.path().join("data"))
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["files"][0]["ok"], false);
    assert!(stderr(&output).contains("train-images-idx3-ubyte"), "{}", stderr(&output));
}
