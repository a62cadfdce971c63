//! Ctrl-C: the program exits with status 130 and keeps its progress.
#![cfg(unix)]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{
    assert_contains, assert_same_number,
    augmentation::EVERY_FIELD,
    comparisons::{run_of, runs_of},
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    json,
    processes::{signal, wait_until},
    read_json, read_text, stderr, stdout, weights_of,
};

/// Starts a command, sends SIGINT as soon as `ready` returns true, and waits for the command to exit.
fn interrupt(command: Command, ready: impl FnMut() -> bool) -> Output {
    stop(command, "INT", ready)
}

/// Starts a command, sends a signal as soon as `ready` returns true, and waits for the command to exit.
fn stop(mut command: Command, name: &str, ready: impl FnMut() -> bool) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the command is ready to be interrupted", ready);
    signal(&child, name);
    child.wait_with_output().unwrap()
}

/// Checks how a command reacts to ctrl-C: status 130, no result, and a last line that shows how to resume.
fn assert_interrupted(output: &Output, resume: &str) {
    assert_eq!(output.status.code(), Some(130), "{}", stderr(output));
    assert_eq!(stdout(output), "", "an interrupted command must print no result");
    let error = stderr(output);
    let last = error.lines().last().unwrap_or_default();
    assert_contains(last, ["error: interrupted", resume]);
}

/// Runs the command that an interrupted one has printed, in a shell as a user would, and returns the result.
fn run_printed_command(output: &Output, folder: &Path) -> Value {
    let error = stderr(output);
    let (_, command) = error.split_once("Resume with: `").unwrap_or_else(|| panic!("no command: {error}"));
    let (command, _) = command.rsplit_once('`').unwrap();
    let mut shell = Command::new("sh");
    // `json` adds more arguments, which the shell appends to the command.
    shell.current_dir(folder).stdin(Stdio::null()).args(["-c", &format!("{command} \"$@\""), "sh"]);
    json(&mut shell)
}

fn has_checkpoint(run: &Path) -> bool {
    fs::read_dir(run.join("checkpoints")).is_ok_and(|mut entries| entries.next().is_some())
}

/// Trains twice with `config`, once interrupted and resumed, once without a break. Checks that both results are equal.
fn assert_resumes_to_the_same_bits(config: &str) {
    let folder = folder_with_config(config);
    let run = folder.path().join("run");
    let arguments = "train --config c.toml --scaling center --epochs 200 --batch-size 16 --out";

    let command = trainer_on_digits(folder.path(), &format!("{arguments} run"));
    let output = interrupt(command, || has_checkpoint(&run));
    assert_interrupted(&output, "train --resume run");
    assert!(!run.join("result.json").exists(), "an interrupted run must have no result");
    assert!(has_checkpoint(&run), "the checkpoint was removed");

    let resumed = run_printed_command(&output, folder.path());
    let uninterrupted = json(&mut trainer_on_digits(folder.path(), &format!("{arguments} other")));
    assert_eq!(weights_of(&resumed), weights_of(&uninterrupted));
    assert_same_number(&resumed["test"]["loss"], &uninterrupted["test"]["loss"]);
    assert_eq!(resumed["test"], uninterrupted["test"]);
    assert_eq!(resumed["epochs"].as_array().unwrap().len(), 200);
}

#[test]
fn interrupted_run_resumes_to_the_same_bits_as_an_uninterrupted_one() {
    assert_resumes_to_the_same_bits("");
}

#[test]
fn signals_that_end_a_job_save_its_progress_as_ctrl_c_does() {
    for name in ["TERM", "HUP"] {
        let folder = folder_with_digits();
        let run = folder.path().join("run");
        let arguments = "train --scaling center --epochs 100000 --batch-size 16 --out run";
        let output = stop(trainer_on_digits(folder.path(), arguments), name, || has_checkpoint(&run));
        assert_interrupted(&output, "train --resume run");
        assert!(has_checkpoint(&run), "SIG{name}");
    }
}

/// Some programs send several signals to end one job.
#[test]
fn second_signal_that_ends_a_job_does_not_cut_off_the_checkpoint() {
    let folder = folder_with_digits();
    let run = folder.path().join("run");
    let arguments = "train --scaling center --epochs 100000 --batch-size 16 --out run";
    let mut command = trainer_on_digits(folder.path(), arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the command is ready to be interrupted", || has_checkpoint(&run));
    for name in ["TERM", "HUP", "TERM"] {
        // The process may have ended already.
        let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).output();
    }
    assert_interrupted(&child.wait_with_output().unwrap(), "train --resume run");
}

#[cfg(target_os = "linux")]
#[test]
fn run_under_nohup_survives_a_hangup() {
    let folder = folder_with_digits();
    let run = folder.path().join("run");
    let program =
        trainer_on_digits(folder.path(), "train --scaling center --epochs 400 --batch-size 16 --out run");
    let mut command = Command::new("nohup");
    command.arg(program.get_program()).args(program.get_args()).current_dir(folder.path());
    let output = stop(command, "HUP", || has_checkpoint(&run));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(run.join("result.json").exists());
}

#[test]
fn interrupted_run_with_augmentation_resumes_to_the_same_bits_as_an_uninterrupted_one() {
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
    assert_interrupted(&output, "compare --jobs 1 --resume all");
    let first = read_text(&run_of(&all, "none-seed1").join("result.json"));
    assert_contains(&read_text(&all.join("report.md")), ["So far, 1 of 2 runs finished"]);
    assert!(!all.join("result.json").exists(), "an interrupted comparison must have no result");

    let resumed = run_printed_command(&output, folder.path());
    assert_eq!(resumed["scalings"].as_array().unwrap().len(), 2);
    assert_eq!(resumed["finished"], 2);
    assert_eq!(read_json(&second().join("result.json"))["status"], "ok");
    let kept = read_text(&run_of(&all, "none-seed1").join("result.json"));
    assert_eq!(kept, first, "a finished run was trained again");
}
