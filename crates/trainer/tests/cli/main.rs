//! The program as its users run it.

mod augmentation;
mod bad_input;
mod bad_pictures;
mod browser;
mod commands;
mod comparison;
mod contact_sheet;
mod export;
mod interruption;
mod mnist;
mod pictures;
mod predict;
mod report;
mod scalings;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The program, with no environment of the caller's that changes what it does.
fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mnist-trainer"));
    command.env_remove("MNIST_DATA_DIR").stdin(Stdio::null());
    command
}

/// The program on real MNIST: the caller's folder of it, or the cache, which is filled if need be.
fn trainer_on_mnist() -> Command {
    let mut command = trainer();
    if let Some(folder) = std::env::var_os("MNIST_DATA_DIR") {
        command.env("MNIST_DATA_DIR", folder);
    }
    command
}

/// The program in `folder`, on the small data set of [`write_digits`] in it.
fn trainer_in(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer();
    command.current_dir(folder).args(arguments.split_whitespace());
    command.args(["--dataset", "idx", "--data-dir", "data"]);
    command
}

/// The same command on so many threads.
fn on_threads(command: &mut Command, threads: usize) -> &mut Command {
    command.args(["--threads", &threads.to_string()])
}

/// Standard output of a run that must succeed, as JSON.
fn json(command: &mut Command) -> Value {
    let output = command.args(["--format", "json", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "--quiet is quiet");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The run of a comparison whose folder's name begins with this, such as `center-seed1`.
fn run_of(comparison: &Path, name: &str) -> PathBuf {
    let entries = fs::read_dir(comparison.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let begins =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-"));
    let runs: Vec<PathBuf> = entries.filter(begins).collect();
    assert_eq!(runs.len(), 1, "{name}: {runs:?}");
    runs[0].clone()
}

fn idx_bytes(magic: u32, dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].into_iter().chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}

/// Writes IDX files of 12×12 pixels in three classes, told apart by which row is bright: 200 to train
/// on, 50 to test on.
fn write_digits(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (split, count) in [("train", 200_u32), ("t10k", 50)] {
        let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
        let pixels: Vec<u8> = (0..count * 144)
            .map(|i| {
                let (image, position) = (i / 144, i % 144);
                let noise = (image * 31 + position * 17) % 97;
                let bright = position / 12 == 3 * u32::from(labels[image as usize]) + 1;
                (noise + if bright { 150 } else { 0 }) as u8
            })
            .collect();
        let write =
            |name: &str, bytes: Vec<u8>| fs::write(folder.join(format!("{split}-{name}")), bytes).unwrap();
        write("images-idx3-ubyte", idx_bytes(0x803, &[count, 12, 12], &pixels));
        write("labels-idx1-ubyte", idx_bytes(0x801, &[count], &labels));
    }
}
