//! `compare` as a runner of experiments: what it trains, what it does not train again, and with whom it
//! shares a folder.

use std::{fs, path::Path, process::Stdio, thread, time::Duration};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::{json, read_json, run_of, stderr, trainer, trainer_in, write_digits};

fn folder_with_digits() -> TempDir {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    folder
}

/// The weights' checksums of all runs, under the names of their folders.
fn weights(comparison: &Path) -> Vec<(String, Value)> {
    let entries = fs::read_dir(comparison.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<(String, Value)> = entries
        .map(|run| {
            let name = run.file_name().unwrap().to_str().unwrap().to_owned();
            (name, read_json(&run.join("result.json"))["weights_sha256"].clone())
        })
        .collect();
    runs.sort_by(|(a, _), (b, _)| a.cmp(b));
    runs
}

#[test]
fn comparison_trains_what_train_alone_would() {
    let folder = folder_with_digits();
    let settings = "--epochs 1 --limit 64";
    let compare = format!("compare --scalings center,normalize --seeds 2 {settings} --out all");
    json(&mut trainer_in(folder.path(), &compare));
    let train = format!("train --scaling normalize --seed 2 {settings} --out one");
    let alone = json(&mut trainer_in(folder.path(), &train));
    let together = read_json(&run_of(&folder.path().join("all"), "normalize-seed2").join("result.json"));
    assert_eq!(together["weights_sha256"], alone["weights_sha256"]);
}

#[test]
fn resumed_comparison_trains_only_what_is_missing() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings center,none --epochs 1 --limit 64 --out all";
    let first = json(&mut trainer_in(folder.path(), arguments));
    let kept = run_of(&folder.path().join("all"), "center-seed1").join("result.json");
    let written = fs::metadata(&kept).unwrap().modified().unwrap();
    fs::remove_dir_all(run_of(&folder.path().join("all"), "none-seed1")).unwrap();
    fs::remove_file(folder.path().join("all/result.json")).unwrap();

    let output =
        trainer_in(folder.path(), arguments).args(["--resume", "--format", "json"]).output().unwrap();
    assert!(stderr(&output).contains("1 of 2 trainings are whole already"), "{}", stderr(&output));
    let resumed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), written);
    let accuracies = |result: &Value| {
        let scalings = result["scalings"].as_array().unwrap().clone();
        scalings.iter().map(|scaling| scaling["accuracy"]["mean"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(accuracies(&resumed), accuracies(&first));
}

#[test]
fn resumed_comparison_may_gain_seeds_and_scalings() {
    let folder = folder_with_digits();
    let compare = |arguments: &str| {
        let arguments = format!("compare --epochs 1 --limit 64 --out all {arguments}");
        json(&mut trainer_in(folder.path(), &arguments))
    };
    compare("--scalings none --seeds 1");
    let grown = run_of(&folder.path().join("all"), "none-seed1").join("result.json");
    let written = fs::metadata(&grown).unwrap().modified().unwrap();
    let result = compare("--scalings none,center --seeds 2 --resume");
    let runs: usize = result["scalings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scaling| scaling["runs"].as_array().unwrap().len())
        .sum();
    assert_eq!(runs, 4);
    for fewer in ["--scalings none,center --seeds 1", "--scalings none --seeds 2"] {
        let arguments = format!("compare --epochs 1 --limit 64 --out all --resume {fewer}");
        let output = trainer_in(folder.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{fewer}");
        assert!(stderr(&output).contains("that --resume adds to"), "{}", stderr(&output));
    }
    assert!(folder.path().join("all/result.json").exists(), "a refused resume takes nothing away");
    assert_eq!(fs::metadata(&grown).unwrap().modified().unwrap(), written);
}

#[test]
fn trainings_at_a_time_change_no_bit() {
    let folder = folder_with_digits();
    for (jobs, threads) in [(1, 1), (2, 2), (3, 3), (2, 5)] {
        let out = format!("jobs{jobs}-threads{threads}");
        let arguments = format!(
            "compare --scalings none,center,standardize --seeds 2 --epochs 1 --jobs {jobs} --threads {threads} --out {out}"
        );
        json(&mut trainer_in(folder.path(), &arguments));
        assert_eq!(weights(&folder.path().join(out)), weights(&folder.path().join("jobs1-threads1")));
    }
}

#[test]
fn more_trainings_at_a_time_than_threads_are_refused() {
    let folder = folder_with_digits();
    let output = trainer_in(folder.path(), "compare --jobs 3 --threads 2 --out all").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--jobs 3 is more than there are threads: 2"), "{}", stderr(&output));
    assert!(!folder.path().join("all").exists());
}

#[test]
fn grid_trains_every_scaling_with_every_value_and_names_each_after_what_varies() {
    let folder = folder_with_digits();
    let grid = "scalings = ['none', 'center']\nepochs = 1\n[grid]\nlearning_rate = [0.001, 0.01]\nbatch_size = [16, 32]\n";
    fs::write(folder.path().join("c.toml"), grid).unwrap();
    let result = json(&mut trainer_in(folder.path(), "compare --config c.toml --out all"));
    let mut names: Vec<&str> =
        result["scalings"].as_array().unwrap().iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 8);
    assert_eq!(names[0], "center, learning rate 0.001, batch size 16");
    assert_eq!(result["pairs"].as_array().unwrap().len(), 8 * 7 / 2);
    let run = Path::new(result["scalings"][0]["runs"][0]["run"].as_str().unwrap()).to_owned();
    let trained = read_json(&folder.path().join(run).join("result.json"));
    assert_eq!(trained["learning_rate"], result["scalings"][0]["learning_rate"]);
    assert_eq!(trained["batch_size"], result["scalings"][0]["batch_size"]);

    let flag = json(&mut trainer_in(folder.path(), "compare --config c.toml --batch-size 16 --out fewer"));
    assert_eq!(flag["scalings"].as_array().unwrap().len(), 4, "a flag wins over the file");
}

#[test]
fn grid_may_grow_out_of_a_single_value() {
    let folder = folder_with_digits();
    let compare = |config: &str, arguments: &str| {
        fs::write(folder.path().join("c.toml"), format!("scalings = ['none']\nepochs = 1\n{config}"))
            .unwrap();
        trainer_in(folder.path(), &format!("compare --config c.toml --out all {arguments}")).output().unwrap()
    };
    assert!(compare("learning_rate = 0.01", "").status.success());
    let first = run_of(&folder.path().join("all"), "none-seed1");
    let output = compare("[grid]\nlearning_rate = [0.01, 0.001]", "--resume");
    assert!(stderr(&output).contains("1 of 2 trainings are whole already"), "{}", stderr(&output));
    assert!(output.status.success() && first.exists());
    let output = compare("learning_rate = 0.001", "--resume");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`learning_rate` lacks some"), "{}", stderr(&output));
}

#[test]
fn two_scalings_that_are_spelled_out_are_told_apart() {
    let folder = folder_with_digits();
    let config = "epochs = 1\n[[scalings]]\nrescale = 0.5\n[[scalings]]\nrescale = 0.25\n";
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let result = json(&mut trainer_in(folder.path(), "compare --config c.toml --out all"));
    let pair = &result["pairs"][0];
    assert_ne!(pair["a"], pair["b"]);
    assert!(pair["a"].as_str().unwrap().starts_with("custom-"), "{pair}");
    assert_eq!(weights(&folder.path().join("all")).len(), 2);
}

#[test]
fn processes_that_share_a_folder_share_the_trainings() {
    let folder = folder_with_digits();
    let start = |arguments: &str| {
        let arguments =
            format!("compare --epochs 20 --batch-size 16 --out all --resume --format json {arguments}");
        let mut command = trainer_in(folder.path(), &arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = start("--seeds 2");
    while !folder.path().join("all/plan.json").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    // The one at work goes on when others add seeds.
    let processes = [first, start("--seeds 3"), start("--seeds 3")];
    let outputs = processes.map(|process| process.wait_with_output().unwrap());
    let mut trained = 0;
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
        trained += stderr(output).matches("test accuracy").count();
    }
    // Those that another process trained are announced when they are whole, too.
    assert!(trained >= 9, "{trained}");
    let runs = weights(&folder.path().join("all"));
    assert_eq!(runs.len(), 9);
    let whole = read_json(&folder.path().join("all/result.json"));
    assert_eq!(whole["finished"], 9, "the result is of the largest of the comparisons");
    let first: Value = serde_json::from_slice(&outputs[0].stdout).unwrap();
    assert_eq!(first["finished"], 6);

    let alone = "compare --epochs 20 --batch-size 16 --seeds 3 --out alone";
    json(&mut trainer_in(folder.path(), alone));
    assert_eq!(runs, weights(&folder.path().join("alone")));
}

#[test]
fn folder_where_a_training_is_at_work_is_left_to_it() {
    let folder = folder_with_digits();
    let arguments = "train --scaling none --epochs 3000 --batch-size 16 --out run";
    let mut first = trainer_in(folder.path(), arguments).stderr(Stdio::null()).spawn().unwrap();
    while !folder.path().join("run/metrics.csv").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first training ended too early");
    }
    for flag in ["--resume", "--force"] {
        let second = trainer_in(folder.path(), arguments).arg(flag).output().unwrap();
        assert_eq!(second.status.code(), Some(1), "{flag}");
        assert!(stderr(&second).contains("another process is training in run"), "{}", stderr(&second));
    }
    assert!(first.try_wait().unwrap().is_none());
    first.kill().unwrap();
    first.wait().unwrap();
    // A process that is gone, however it went, keeps nobody out.
    let other = arguments.replace("3000", "1");
    assert!(trainer_in(folder.path(), &other).arg("--force").status().unwrap().success());
}

#[test]
fn resumed_comparison_on_other_data_is_refused() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings none --epochs 1 --limit 64 --out all";
    json(&mut trainer_in(folder.path(), arguments));
    let labels = folder.path().join("data/train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    bytes[8] = 2 - bytes[8];
    fs::write(&labels, bytes).unwrap();
    let output = trainer_in(folder.path(), arguments).arg("--resume").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("the data files are not those that all began with"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn completions_know_the_commands_and_the_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = trainer().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("compare") && script.contains("learning-rate"), "{shell}");
    }
    let output = trainer().args(["completions", "dos"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
