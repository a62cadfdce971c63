//! Ctrl-C: exit status 130, and what was done is kept.
#![cfg(unix)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::tempdir;

use crate::{augmentation::EVERY_FIELD, json, read_json, run_of, stderr, trainer_in, write_digits};

/// Starts the command, waits until `ready`, sends SIGINT, and waits for its end.
fn interrupt(mut command: Command, ready: impl Fn() -> bool) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while !ready() {
        assert!(Instant::now() < deadline, "the training never came so far");
        thread::sleep(Duration::from_millis(5));
    }
    send_sigint(&child);
    child.wait_with_output().unwrap()
}

fn send_sigint(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

fn has_checkpoint(run: &Path) -> bool {
    fs::read_dir(run.join("checkpoints")).is_ok_and(|mut entries| entries.next().is_some())
}

/// Trains with `config`, once with an interruption and once without.
fn assert_resumes_to_the_same_bits(config: &str) {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let run = folder.path().join("run");
    let arguments = "train --config c.toml --scaling center --epochs 60 --batch-size 16 --out";

    let command = trainer_in(folder.path(), &format!("{arguments} run"));
    let output = interrupt(command, || has_checkpoint(&run));
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("interrupted") && stderr(&output).contains("--out run --resume"));
    assert!(!run.join("result.json").exists(), "an interrupted run never reads as whole");
    assert!(has_checkpoint(&run));

    let resumed = json(&mut trainer_in(folder.path(), &format!("{arguments} run --resume")));
    let uninterrupted = json(&mut trainer_in(folder.path(), &format!("{arguments} other")));
    assert_eq!(resumed["weights_sha256"], uninterrupted["weights_sha256"]);
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
fn interrupted_comparison_keeps_its_whole_runs_and_resumes() {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    let arguments = "compare --scalings none,center --epochs 30 --batch-size 16 --jobs 1 --out all";
    let all = folder.path().join("all");
    let runs = || fs::read_dir(all.join("runs")).map_or(0, Iterator::count);
    let second = || run_of(&all, "center-seed1");

    let output = interrupt(trainer_in(folder.path(), arguments), || runs() == 2 && has_checkpoint(&second()));
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--out all --resume"), "{}", stderr(&output));
    assert!(run_of(&all, "none-seed1").join("result.json").exists());
    assert!(fs::read_to_string(all.join("report.md")).unwrap().contains("none"), "what is done is reported");
    assert!(!folder.path().join("all/result.json").exists());

    let resumed = json(trainer_in(folder.path(), arguments).arg("--resume"));
    assert_eq!(resumed["scalings"].as_array().unwrap().len(), 2);
    assert_eq!(read_json(&second().join("result.json"))["status"], "ok");
}
