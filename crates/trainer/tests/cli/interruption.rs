//! Ctrl-C: exit status 130, and the progress is kept.
#![cfg(unix)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{
    assert_contains, assert_same_number,
    augmentation::EVERY_FIELD,
    comparisons::{run_of, runs_of},
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    json,
    processes::{signal, wait_until},
    read_json, read_text, stderr, stdout, weights_of,
};

/// Starts the command, waits until `ready`, sends SIGINT, and waits for its end.
fn interrupt(mut command: Command, ready: impl FnMut() -> bool) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the training gets far enough to be interrupted", ready);
    signal(&child, "INT");
    child.wait_with_output().unwrap()
}

/// Checks that the command ended as ctrl-C ends it, and says how to go on.
fn assert_interrupted(output: &Output, resume: &str) {
    assert_eq!(output.status.code(), Some(130), "{}", stderr(output));
    assert_eq!(stdout(output), "", "an interrupted command prints no result");
    let error = stderr(output);
    let last = error.lines().last().unwrap_or_default();
    assert_contains(last, ["error: interrupted", resume]);
}

fn has_checkpoint(run: &Path) -> bool {
    fs::read_dir(run.join("checkpoints")).is_ok_and(|mut entries| entries.next().is_some())
}

/// Trains with `config` twice, once with an interruption and once without, and compares the results.
fn assert_resumes_to_the_same_bits(config: &str) {
    let folder = folder_with_config(config);
    let run = folder.path().join("run");
    let arguments = "train --config c.toml --scaling center --epochs 60 --batch-size 16 --out";

    let command = trainer_on_digits(folder.path(), &format!("{arguments} run"));
    let output = interrupt(command, || has_checkpoint(&run));
    assert_interrupted(&output, "--out run --resume");
    assert!(!run.join("result.json").exists(), "an interrupted run never reads as finished");
    assert!(has_checkpoint(&run), "the checkpoint is kept");

    let resumed = json(&mut trainer_on_digits(folder.path(), &format!("{arguments} run --resume")));
    let uninterrupted = json(&mut trainer_on_digits(folder.path(), &format!("{arguments} other")));
    assert_eq!(weights_of(&resumed), weights_of(&uninterrupted));
    assert_same_number(&resumed["test"]["loss"], &uninterrupted["test"]["loss"]);
    assert_eq!(resumed["test"], uninterrupted["test"]);
    assert_eq!(resumed["epochs"].as_array().unwrap().len(), 60);
}

#[test]
fn interrupted_training_resumes_to_the_bits_of_an_uninterrupted_one() {
    assert_resumes_to_the_same_bits("");
}

#[test]
fn interrupted_augmented_training_resumes_to_the_bits_of_an_uninterrupted_one() {
    assert_resumes_to_the_same_bits(EVERY_FIELD);
}

#[test]
fn interrupted_comparison_keeps_its_finished_runs_and_resumes() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings none,center --epochs 30 --batch-size 16 --jobs 1 --out all";
    let all = folder.path().join("all");
    let second = || run_of(&all, "center-seed1");

    let output = interrupt(trainer_on_digits(folder.path(), arguments), || {
        runs_of(&all).len() == 2 && has_checkpoint(&second())
    });
    assert_interrupted(&output, "--out all --resume");
    let first = read_text(&run_of(&all, "none-seed1").join("result.json"));
    assert_contains(&read_text(&all.join("report.md")), ["So far 1 of 2 trainings"]);
    assert!(!all.join("result.json").exists(), "an interrupted comparison never reads as finished");

    let resumed = json(trainer_on_digits(folder.path(), arguments).arg("--resume"));
    assert_eq!(resumed["scalings"].as_array().unwrap().len(), 2);
    assert_eq!(resumed["finished"], 2);
    assert_eq!(read_json(&second().join("result.json"))["status"], "ok");
    let kept = read_text(&run_of(&all, "none-seed1").join("result.json"));
    assert_eq!(kept, first, "a finished run is not trained again");
}
