//! Training on a GPU, or on software that imitates one. Without either, the tests print that they are skipped.
//!
//! Run them with `cargo test --release --features wgpu gpu::`.

use std::{env, fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    assert_contains,
    digits::{folder_with_digits, trainer_on_digits},
    json, number,
    processes::{Background, wait_until},
    refusals::refused,
    stderr, trainer, trainer_in, weights_of,
};

const TRAIN: &str = "train --scaling center --epochs 2 --batch-size 16 --backend wgpu --out";

/// The drivers of Mesa write to standard error if this variable is missing.
fn quietly(command: &mut Command) -> &mut Command {
    command.env("XDG_RUNTIME_DIR", env::temp_dir())
}

/// Runs the program in a folder with the small data set, and returns its result.
fn result_of(folder: &TempDir, arguments: &str) -> Value {
    json(quietly(&mut trainer_on_digits(folder.path(), arguments)))
}

/// Returns the adapters that the program finds. Prints that a test is skipped if there are none.
fn adapters() -> Vec<Value> {
    let list = json(quietly(&mut trainer()).arg("devices"));
    let backends = list["backends"].as_array().unwrap();
    let wgpu = backends.iter().find(|backend| backend["name"] == "wgpu").unwrap();
    assert_eq!(wgpu["compiled"], true);
    let devices = wgpu["devices"].as_array().unwrap().clone();
    if devices.is_empty() {
        println!("skipped: there is no graphics adapter");
    }
    devices
}

#[test]
fn adapters_are_listed_with_their_kind_and_graphics_interface() {
    for adapter in adapters() {
        let adapter = adapter.as_str().unwrap();
        let (_, about) = adapter.rsplit_once(" (").unwrap();
        assert!(about.ends_with(')') && adapter.matches(", ").count() >= 2, "{adapter}");
    }
}

#[test]
fn a_training_step_launches_few_kernels_and_does_not_wait() {
    if adapters().is_empty() {
        return;
    }
    let folder = folder_with_digits();
    let arguments = "bench --backend wgpu --steps 3 --batch-size 8";
    let result = result_of(&folder, arguments);
    let measured = &result["results"][0];
    assert_eq!(measured["backend"], "wgpu");
    // An epoch of 200 images has 25 steps. All of them read their results back at once, and get their images at once.
    assert!((number(&measured["readbacks_per_step"]) - 1.0 / 25.0).abs() < 1e-9, "{measured}");
    assert!((number(&measured["uploads_per_step"]) - 2.0 / 25.0).abs() < 1e-9, "{measured}");
    let launches = number(&measured["launches_per_step"]);
    assert!(launches > 5.0 && launches <= 20.0, "{measured}");
    let of_kernels: f64 = measured["kernel_launches"].as_object().unwrap().values().map(number).sum();
    assert!((launches - of_kernels).abs() < 1e-6, "{measured}");
}

#[test]
fn every_kernel_and_a_training_agree_with_the_cpu() {
    if adapters().is_empty() {
        return;
    }
    let folder = folder_with_digits();
    let result = result_of(&folder, "parity --backend wgpu --limit 200");
    assert_eq!(result["backends"][0]["backend"], "wgpu");
    assert_eq!(result["backends"][0]["ok"], true, "{result}");
}

#[test]
fn two_runs_on_a_gpu_have_the_same_weights_and_the_cpu_evaluates_them_alike() {
    if adapters().is_empty() {
        return;
    }
    let folder = folder_with_digits();
    let results = ["first", "second"].map(|run| result_of(&folder, &format!("{TRAIN} {run}")));
    assert_eq!(weights_of(&results[0]), weights_of(&results[1]));
    assert_eq!(results[0]["epochs"][1]["train_loss"], results[1]["epochs"][1]["train_loss"]);

    let on_cpu = json(quietly(&mut trainer_in(folder.path(), "evaluate first --backend flex")));
    let (loss, of_cpu) = (number(&results[0]["test"]["loss"]), number(&on_cpu["loss"]));
    assert!((loss - of_cpu).abs() <= 1e-5 * of_cpu.max(1.0), "{loss}, {of_cpu}");
    assert_eq!(results[0]["test"]["accuracy"], on_cpu["accuracy"]);
}

#[test]
fn a_run_on_a_gpu_is_resumed_to_the_same_bits() {
    if adapters().is_empty() {
        return;
    }
    let folder = folder_with_digits();
    let train = TRAIN.replace("--epochs 2", "--epochs 20");
    let whole = result_of(&folder, &format!("{train} whole"));
    let mut stopped =
        Background::start(quietly(&mut trainer_on_digits(folder.path(), &format!("{train} resumed"))));
    let checkpoints = folder.path().join("resumed/checkpoints");
    wait_until("a checkpoint", || fs::read_dir(&checkpoints).is_ok_and(|mut found| found.next().is_some()));
    stopped.signal("INT");
    assert_eq!(stopped.wait().code(), Some(130));
    assert!(!folder.path().join("resumed/result.json").exists(), "the run was faster than the test");
    let resumed = result_of(&folder, &format!("{train} resumed --resume"));
    assert_eq!(weights_of(&resumed), weights_of(&whole));
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let count = adapters().len();
    let folder = folder_with_digits();
    let command = format!("{TRAIN} run --device {}", count + 7);
    refused(quietly(&mut trainer_on_digits(folder.path(), &command)), 1, "backend `wgpu`");

    let mut command: Command = trainer_on_digits(folder.path(), &format!("{TRAIN} run"));
    // Neither the Vulkan nor the OpenGL loader finds a driver.
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "__EGL_VENDOR_LIBRARY_FILENAMES"] {
        command.env(variable, "/dev/null");
    }
    let output = quietly(&mut command).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &stderr(&output),
        ["error: backend `wgpu` cannot open a graphics adapter", "hint: install a Vulkan driver"],
    );
    assert!(!folder.path().join("run").exists());
}
