//! Code that all test modules share: commands that run the program, input for it, and checks of its output.

pub mod augmentation;
pub mod comparisons;
pub mod digits;
pub mod mlflow;
pub mod pictures;
pub mod processes;
pub mod refusals;
pub mod transcripts;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// Environment variables that change what the program reads or how it prints. The tests clear them.
const CLEARED_VARIABLES: [&str; 11] = [
    "MNIST_DATA_DIR",
    "MNIST_MIRROR",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "CLICOLOR_FORCE",
];

/// Builds a command that runs the program with [`CLEARED_VARIABLES`] unset and empty standard input.
pub fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mnist-trainer"));
    for variable in CLEARED_VARIABLES {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Builds a command that runs the program in `folder`. The arguments are split at spaces.
pub fn trainer_in(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer();
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

/// Adds `--threads` to a command.
pub fn on_threads(command: &mut Command, threads: usize) -> &mut Command {
    command.args(["--threads", &threads.to_string()])
}

/// Runs a command with `--format json --quiet` and returns the JSON it prints. It must succeed without a warning.
pub fn json(command: &mut Command) -> Value {
    let output = command.args(["--format", "json", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "unexpected output on standard error");
    parse_json(&output)
}

/// Runs a command that must succeed, and returns its standard output.
pub fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Parses standard output as JSON.
pub fn parse_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(output)))
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

/// Returns the text of a file.
pub fn read_text(path: &Path) -> String {
    String::from_utf8(read(path)).unwrap()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Returns the checksum of a result's weights. Panics if it is missing, because two missing checksums would
/// compare equal.
pub fn weights_of(result: &Value) -> &str {
    let sum = result["weights_sha256"].as_str().unwrap_or_else(|| panic!("no weights_sha256: {result}"));
    assert_eq!(sum.len(), 64, "SHA-256 has 64 hexadecimal digits: {sum}");
    sum
}

/// Checks that two JSON values are the same number. Fails if either is not a number, even if both are `null`.
#[track_caller]
pub fn assert_same_number(a: &Value, b: &Value) {
    number(a);
    assert_eq!(a, b);
}

/// Converts a JSON number to `f64`. Panics on any other value.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Checks that `text` contains each of the `parts`.
#[track_caller]
pub fn assert_contains<'a>(text: &str, parts: impl IntoIterator<Item = &'a str>) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

/// Checks that `text` contains none of the `parts`. If it does, shows the first one found and the text around it.
#[track_caller]
pub fn assert_lacks<'a>(text: &str, parts: impl IntoIterator<Item = &'a str>) {
    for part in parts {
        if let Some(found) = text.find(part) {
            panic!("unexpected `{part}`: …{}…", excerpt(text, found));
        }
    }
}

/// Checks that a text did not change. If it did, shows its `name` and the first difference.
#[track_caller]
pub fn assert_same_text(name: &str, before: &str, after: &str) {
    if before == after {
        return;
    }
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b);
    let position: usize = same.map(|(character, _)| character.len_utf8()).sum();
    let line = before[..position].matches('\n').count() + 1;
    panic!(
        "{name} differs from line {line} on\nbefore: …{}…\nafter:  …{}…",
        excerpt(before, position),
        excerpt(after, position)
    );
}

/// Returns the text around a byte position.
fn excerpt(text: &str, position: usize) -> String {
    const BEFORE: usize = 40;
    const AFTER: usize = 80;
    let start =
        text[..position].char_indices().rev().take(BEFORE).last().map_or(position, |(start, _)| start);
    let length = text[start..position].chars().count() + AFTER;
    text[start..].chars().take(length).collect()
}
