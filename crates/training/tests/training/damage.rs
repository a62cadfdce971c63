//! Files of a run that are changed from outside: the damage is noticed, and the run ends with the same bits or an error.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use mnist_model::ModelConfig;
use mnist_training::{
    Backend, FinishedRun, Observer, Predictor, RunResult, TrainingError,
    files::{State, sealed_json, sum},
    predictor::TrainedModel,
    run::{Divergence, METRICS, RUN, Status, WEIGHTS},
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{Log, MlpNetwork, settings, train};

const MLP: MlpNetwork = MlpNetwork("mlp");

/// All files of a finished run.
const FILES: [&str; 8] = [
    "config.toml",
    "curve.csv",
    "data.json",
    "metrics.csv",
    "model.safetensors",
    "predictions.csv",
    "result.json",
    "scaling.json",
];

fn finished_run() -> (TempDir, FinishedRun) {
    let folder = tempdir().unwrap();
    let run = train(&MLP, &settings(1, 2), folder.path(), &()).unwrap();
    (folder, run)
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    // In the second half, so that a bit of a weight is flipped, not one of the header.
    let position = bytes.len() * 3 / 4;
    bytes[position] ^= 0x40;
    fs::write(file, bytes).unwrap();
}

/// Returns the files of a run without its times.
fn contents(run: &Path) -> Vec<(String, Vec<u8>)> {
    let without_times =
        FILES.into_iter().filter(|name| !["result.json", "curve.csv", METRICS].contains(name));
    without_times.map(|name| (name.to_owned(), fs::read(run.join(name)).unwrap())).collect()
}

#[test]
fn the_same_run_writes_the_same_bytes() {
    let (first, _) = finished_run();
    let (second, _) = finished_run();
    assert_eq!(contents(first.path()), contents(second.path()));
}

#[test]
fn a_flipped_bit_in_any_file_of_a_finished_run_is_noticed() {
    for name in FILES {
        let (folder, _) = finished_run();
        assert_eq!(RUN.state(folder.path()).unwrap(), State::Finished);
        flip_a_bit(&folder.path().join(name));
        assert_eq!(RUN.state(folder.path()).unwrap(), State::Damaged, "{name}");
    }
}

#[test]
fn a_damaged_run_is_finished_again_with_the_same_bits_or_refused() {
    for name in FILES {
        for is_removed in [false, true] {
            let (folder, run) = finished_run();
            let before = contents(folder.path());
            let file = folder.path().join(name);
            if is_removed {
                fs::remove_file(&file).unwrap();
            } else {
                flip_a_bit(&file);
            }
            let log = Log::default();
            match train(&MLP, &settings(1, 2), folder.path(), &log) {
                Ok(again) => {
                    assert_eq!(contents(folder.path()), before, "{name}");
                    assert_eq!(again.result.weights_sha256, run.result.weights_sha256, "{name}");
                    assert_eq!(RUN.state(folder.path()).unwrap(), State::Finished, "{name}");
                    let warnings = log.warnings.into_inner().unwrap();
                    // Without its result, a run is only unfinished.
                    let is_silent = is_removed && name == "result.json";
                    assert_eq!(warnings.is_empty(), is_silent, "{name}: {warnings:?}");
                    assert!(is_silent || warnings[0].contains(name), "{name}: {warnings:?}");
                }
                // Settings, data and scaling decide what would be trained, so nothing is guessed.
                Err(error) => {
                    assert!(["config.toml", "data.json", "scaling.json"].contains(&name), "{name}: {error}");
                    assert!(error.to_string().contains(name) || name == "data.json", "{name}: {error}");
                }
            }
        }
    }
}

#[test]
fn bytes_after_the_last_row_are_cut_off() {
    for name in ["metrics.csv", "curve.csv"] {
        let (folder, _) = finished_run();
        let file = folder.path().join(name);
        let before = fs::read(&file).unwrap();
        fs::write(&file, [&before[..], b"\n"].concat()).unwrap();
        train(&MLP, &settings(1, 2), folder.path(), &()).unwrap();
        assert_eq!(fs::read(&file).unwrap(), before, "{name}");
        assert_eq!(RUN.state(folder.path()).unwrap(), State::Finished, "{name}");
    }
}

#[test]
fn damaged_weights_are_never_used() {
    let (folder, _) = finished_run();
    let open = || Predictor::open(folder.path(), &MLP, Backend::Flex).err();
    assert!(open().is_none());
    let weights = folder.path().join(WEIGHTS);
    flip_a_bit(&weights);
    let error = open().unwrap();
    assert!(matches!(&error, TrainingError::Changed(path) if *path == weights), "{error}");
}

/// Edits `result.json` and gives it a valid checksum, as an attacker could.
fn edit_result(run: &Path, edit: impl FnOnce(&mut Value)) {
    let path = run.join("result.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("sha256");
    edit(&mut value);
    fs::write(&path, sealed_json(&value).unwrap()).unwrap();
}

#[test]
fn a_weight_that_is_not_a_number_is_refused() {
    let (folder, _) = finished_run();
    let weights = folder.path().join(WEIGHTS);
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&weights, &bytes).unwrap();
    edit_result(folder.path(), |result| {
        let recorded = result["files"].as_array_mut().unwrap();
        let recorded = recorded.iter_mut().find(|sum| sum["name"] == WEIGHTS).unwrap();
        *recorded = serde_json::to_value(sum(WEIGHTS, &bytes)).unwrap();
        result["weights_sha256"] = json!(mnist_training::weights::sha256(&bytes).unwrap());
    });
    let error = Predictor::open(folder.path(), &MLP, Backend::Flex).err().unwrap();
    assert!(error.to_string().contains("a weight that is infinite or NaN"), "{error}");
}

#[test]
fn a_result_that_contradicts_itself_is_refused() {
    for (key, value, reason) in [
        ("classes", json!(1_000_000_000_000_000_000_u64), "`confusion` does not have"),
        ("class_names", json!(["one"]), "`class_names` does not have"),
        ("class_names", json!(["a", "b", "\u{1b}[2J"]), "a control character"),
        ("test", json!(null), "`status` contradicts"),
        ("confusion", json!([[1, 2], [3]]), "`confusion` does not have"),
    ] {
        let (folder, _) = finished_run();
        edit_result(folder.path(), |result| result[key] = value);
        let error = TrainedModel::open(folder.path()).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains(reason), "{key}: {error}");
    }
}

#[test]
fn names_in_a_damaged_file_cannot_control_the_terminal() {
    let (folder, _) = finished_run();
    edit_result(folder.path(), |result| result["epochs"][0]["\u{1b}[2J\u{202e}"] = json!(0));
    let error = RunResult::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains(r"unknown field `\u{1b}[2J\u{202e}`"), "{error}");
}

#[test]
fn a_result_without_a_checksum_is_refused_unless_an_old_version_wrote_it() {
    let (folder, _) = finished_run();
    let path = folder.path().join("result.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("sha256");
    fs::write(&path, value.to_string()).unwrap();
    let error = RunResult::read(folder.path()).unwrap_err();
    assert!(error.to_string().contains("its checksum is missing"), "{error}");
    value["versions"]["mnist_trainer"] = json!("0.1.0");
    fs::write(&path, value.to_string()).unwrap();
    assert!(RunResult::read(folder.path()).unwrap().is_some());
}

/// Removes the run's folder after a step.
struct Remover<'a> {
    run: &'a Path,
    steps: AtomicUsize,
}

impl Observer for Remover<'_> {
    fn wants_stop(&self) -> bool {
        if self.steps.fetch_add(1, Ordering::Relaxed) == 3 {
            fs::remove_dir_all(self.run).unwrap();
        }
        false
    }
}

#[test]
fn a_folder_that_is_removed_during_the_training_does_not_come_back_in_part() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let observer = Remover { run: &run, steps: AtomicUsize::new(0) };
    let error = train(&MLP, &settings(1, 2), &run, &observer).unwrap_err();
    assert!(matches!(&error, TrainingError::File { path, .. } if path.starts_with(&run)), "{error}");
    assert!(!run.exists());
}

/// Removes a file of the run after a step.
struct FileRemover<'a>(Remover<'a>, &'static str);

impl Observer for FileRemover<'_> {
    fn wants_stop(&self) -> bool {
        if self.0.steps.fetch_add(1, Ordering::Relaxed) == 3 {
            fs::remove_file(self.0.run.join(self.1)).unwrap();
        }
        false
    }
}

#[test]
fn a_file_that_is_removed_during_the_training_is_written_again_or_an_error() {
    for name in ["config.toml", "data.json", "scaling.json", "curve.csv"] {
        let folder = tempdir().unwrap();
        let remover = Remover { run: folder.path(), steps: AtomicUsize::new(0) };
        match train(&MLP, &settings(1, 2), folder.path(), &FileRemover(remover, name)) {
            Ok(_) => assert_eq!(RUN.state(folder.path()).unwrap(), State::Finished, "{name}"),
            Err(error) => assert!(error.to_string().contains(name), "{name}: {error}"),
        }
    }
}

#[test]
fn temporary_files_of_a_killed_process_are_removed() {
    let folder = tempdir().unwrap();
    let temporary = folder.path().join(".scaling.json.a1b2c3");
    fs::write(&temporary, "{").unwrap();
    train(&MLP, &settings(1, 1), folder.path(), &()).unwrap();
    assert!(!temporary.exists());
}

#[test]
fn a_result_of_another_seed_is_replaced() {
    let (folder, _) = finished_run();
    let other = tempdir().unwrap();
    train(&MLP, &settings(2, 2), other.path(), &()).unwrap();
    for name in FILES.into_iter().filter(|name| *name != "config.toml" && *name != "scaling.json") {
        fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
    }
    edit_result(folder.path(), |result| {
        let recorded = result["files"].as_array_mut().unwrap();
        let recorded = recorded.iter_mut().find(|sum| sum["name"] == "config.toml").unwrap();
        let bytes = fs::read(folder.path().join("config.toml")).unwrap();
        *recorded = serde_json::to_value(sum("config.toml", &bytes)).unwrap();
    });
    let log = Log::default();
    let run = train(&MLP, &settings(1, 2), folder.path(), &log).unwrap();
    assert_eq!(run.result.seed, 1);
    let warnings = log.warnings.into_inner().unwrap();
    assert!(warnings[0].contains("it is the result of another seed"), "{warnings:?}");
}

#[test]
fn a_diverged_run_tells_the_step_and_keeps_its_last_good_checkpoint() {
    let folder = tempdir().unwrap();
    let mut settings = settings(1, 50);
    settings.training.learning_rate = 1e30.try_into().unwrap();
    // An epoch has one step, and the loss is infinite or NaN after the first weight update.
    settings.training.batch_size = 100.try_into().unwrap();
    settings.scaling = "none".parse().unwrap();
    let run = train(&ModelConfig::new(), &settings, folder.path(), &()).unwrap();
    assert_eq!(run.result.status, Status::Diverged);
    assert_eq!(run.result.diverged.unwrap(), Divergence { epoch: 2, step: 2 });
    assert!(folder.path().join("checkpoints/epoch-0000000002-images-0000000000/model.bpk").exists());
    assert_eq!(RUN.state(folder.path()).unwrap(), State::Finished);
}
