//! Interrupted and killed runs resume to the same bits as an uninterrupted run.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use mnist_data::{Images, ScalingBatcher};
use mnist_model::Model;
use mnist_training::{
    RunSettings, TrainingError, TrainingLoop, TrainingState,
    checkpoint::Checkpoints,
    files::sealed_json,
    training_loop::{Ending, Watch},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{CLASSES, Log, fitted, fresh, images, settings, sha256};

/// Saves a checkpoint after each epoch and stops after a number of steps, like an interrupted run.
struct StopAfter {
    steps: usize,
    checkpoints: Checkpoints,
}

impl StopAfter {
    fn steps(steps: usize, run: &Path) -> Self {
        Self { steps, checkpoints: checkpoints(run) }
    }
}

impl Watch<Model> for StopAfter {
    fn step(&mut self, _: &TrainingState<Model>) -> Result<ControlFlow<()>, TrainingError> {
        self.steps -= 1;
        Ok(if self.steps == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn epoch(&mut self, state: &TrainingState<Model>) -> Result<(), TrainingError> {
        self.checkpoints.save(state)
    }
}

fn checkpoints(run: &Path) -> Checkpoints {
    Checkpoints::new(run, "these settings".into())
}

/// Loads the newest checkpoint of the run. There must be no warning.
fn load(run: &Path, settings: &RunSettings) -> TrainingState<Model> {
    let (state, warnings) = load_with_warnings(run, settings);
    assert!(warnings.is_empty(), "{warnings:?}");
    state
}

fn load_with_warnings(run: &Path, settings: &RunSettings) -> (TrainingState<Model>, Vec<String>) {
    let log = Log::default();
    let state = checkpoints(run).load_newest(fresh(settings), &log).unwrap();
    (state, log.warnings.into_inner().unwrap())
}

/// Returns the paths in a run's folder of checkpoints, sorted.
fn saved(run: &Path) -> Vec<PathBuf> {
    let mut saved: Vec<PathBuf> =
        fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    saved.sort();
    saved
}

fn run(
    settings: &RunSettings,
    images: &Images,
    state: TrainingState<Model>,
    watch: &mut dyn Watch<Model>,
) -> (Ending, TrainingState<Model>) {
    let training = TrainingLoop {
        settings,
        train: images,
        validation: None,
        classes: CLASSES,
        batcher: ScalingBatcher::new(fitted(settings, images)),
        device: Device::flex(),
        observer: &(),
        steps_per_read: None,
    };
    training.run(state, watch).unwrap()
}

/// Returns the checksum of the weights and the loss of each epoch.
fn outcome(state: &TrainingState<Model>) -> (String, Vec<f64>) {
    (sha256(state), state.progress.epochs.iter().map(|epoch| epoch.train_loss).collect())
}

#[test]
fn interrupted_run_resumes_to_the_same_bits_wherever_it_stopped() {
    let (settings, images) = (settings(1, 3), images(100));
    let (_, uninterrupted) = run(&settings, &images, fresh(&settings), &mut ());
    // An epoch has seven steps, so these stops are in the first epoch, at its end, and in the second.
    for steps in [3, 7, 10] {
        let folder = tempdir().unwrap();
        let mut watch = StopAfter::steps(steps, folder.path());
        let (ending, state) = run(&settings, &images, fresh(&settings), &mut watch);
        assert_eq!(ending, Ending::Stopped);
        watch.checkpoints.save(&state).unwrap();
        drop(state);

        let state = load(folder.path(), &settings);
        let (ending, state) = run(&settings, &images, state, &mut ());
        assert_eq!(ending, Ending::Finished);
        assert_eq!(outcome(&state), outcome(&uninterrupted), "stopped after {steps} steps");
    }
}

#[test]
fn killed_run_resumes_from_its_last_finished_epoch() {
    let (settings, images) = (settings(1, 3), images(100));
    let folder = tempdir().unwrap();
    run(&settings, &images, fresh(&settings), &mut StopAfter::steps(10, folder.path()));
    // Like a killed run, this one saved only the end of epoch 1 and leaves a half-written checkpoint behind.
    fs::create_dir(folder.path().join("checkpoints/unfinished")).unwrap();
    let state = load(folder.path(), &settings);
    assert_eq!((state.progress.epochs.len(), state.progress.epoch.images), (1, 0));
    let (_, resumed) = run(&settings, &images, state, &mut ());
    let (_, uninterrupted) = run(&settings, &images, fresh(&settings), &mut ());
    assert_eq!(outcome(&resumed), outcome(&uninterrupted));
}

#[test]
fn the_last_two_checkpoints_are_kept() {
    let (settings, images) = (settings(1, 3), images(100));
    let folder = tempdir().unwrap();
    run(&settings, &images, fresh(&settings), &mut StopAfter::steps(21, folder.path()));
    let names: Vec<_> =
        saved(folder.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["epoch-0000000002-images-0000000000", "epoch-0000000003-images-0000000000"]);
}

/// Trains until the second of two checkpoints.
fn run_with_two_checkpoints(run_folder: &Path, settings: &RunSettings) {
    run(settings, &images(100), fresh(settings), &mut StopAfter::steps(15, run_folder));
    assert_eq!(saved(run_folder).len(), 2);
}

#[test]
fn a_flipped_bit_in_any_file_of_a_checkpoint_is_noticed_and_the_one_before_is_loaded() {
    let settings = settings(1, 3);
    let (_, uninterrupted) = run(&settings, &images(100), fresh(&settings), &mut ());
    for name in ["model.bpk", "optimizer.bpk", "progress.json"] {
        let folder = tempdir().unwrap();
        run_with_two_checkpoints(folder.path(), &settings);
        let newest = saved(folder.path()).pop().unwrap();
        let file = newest.join(name);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();

        let (state, warnings) = load_with_warnings(folder.path(), &settings);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let newest = newest.to_str().unwrap();
        for part in [newest, name, "is damaged", "continues from the previous checkpoint"] {
            assert!(warnings[0].contains(part), "`{part}` is missing in: {}", warnings[0]);
        }
        assert!(!warnings[0].contains('\n'), "{}", warnings[0]);
        assert_eq!(saved(folder.path()).len(), 1, "the damaged checkpoint is removed");
        assert_eq!(state.progress.epochs.len(), 1);
        let (_, resumed) = run(&settings, &images(100), state, &mut ());
        assert_eq!(outcome(&resumed), outcome(&uninterrupted), "{name}");
    }
}

#[test]
fn without_an_intact_checkpoint_training_starts_over() {
    let settings = settings(1, 3);
    let folder = tempdir().unwrap();
    run_with_two_checkpoints(folder.path(), &settings);
    let [older, newer] = &saved(folder.path())[..] else { panic!("two checkpoints") };
    fs::remove_file(older.join("model.bpk")).unwrap();
    fs::write(newer.join("progress.json"), "{}").unwrap();
    let (state, warnings) = load_with_warnings(folder.path(), &settings);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1].contains("model.bpk") && warnings[1].contains("training starts over"),
        "{warnings:?}"
    );
    assert_eq!(outcome(&state), outcome(&fresh(&settings)));
}

#[test]
fn a_checkpoint_of_other_settings_is_not_loaded() {
    let settings = settings(1, 3);
    let folder = tempdir().unwrap();
    run_with_two_checkpoints(folder.path(), &settings);
    let log = Log::default();
    let mut others = Checkpoints::new(folder.path(), "other settings".into());
    let error = others.load_newest(fresh(&settings), &log).err().unwrap();
    assert!(matches!(error, TrainingError::OtherCheckpoint(_)), "{error}");
    assert_eq!(saved(folder.path()).len(), 2, "another version can still use them");
}

/// Edits the newest `progress.json` and gives it a valid checksum, as an attacker could.
fn edit_progress(run: &Path, edit: impl FnOnce(&mut Value)) {
    let path = saved(run).pop().unwrap().join("progress.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("sha256");
    edit(&mut value);
    fs::write(&path, sealed_json(&value).unwrap()).unwrap();
}

#[test]
fn a_checkpoint_that_contradicts_itself_is_not_loaded() {
    let settings = settings(1, 3);
    for (part, key, reason) in [
        ("epoch", "correct", "its numbers of images contradict each other"),
        ("window", "correct", "its numbers of images contradict each other"),
        ("window", "images", "its numbers of images contradict each other"),
        ("metrics", "rows", "metrics.csv is damaged: it does not have the recorded number of rows"),
        ("curve", "rows", "curve.csv is damaged: it does not have the recorded number of rows"),
    ] {
        let folder = tempdir().unwrap();
        run_with_two_checkpoints(folder.path(), &settings);
        edit_progress(folder.path(), |progress| progress[part][key] = json!(u64::MAX));
        let (_, warnings) = load_with_warnings(folder.path(), &settings);
        assert!(warnings[0].contains(reason), "{part} {key}: {warnings:?}");
    }
}

#[test]
fn a_checkpoint_with_another_number_of_steps_is_refused() {
    let (settings, images) = (settings(1, 3), images(100));
    for step in [0, u64::MAX] {
        let folder = tempdir().unwrap();
        run_with_two_checkpoints(folder.path(), &settings);
        edit_progress(folder.path(), |progress| progress["step"] = json!(step));
        let training = TrainingLoop {
            settings: &settings,
            train: &images,
            validation: None,
            classes: CLASSES,
            batcher: ScalingBatcher::new(fitted(&settings, &images)),
            device: Device::flex(),
            observer: &(),
            steps_per_read: None,
        };
        let error = training.run(load(folder.path(), &settings), &mut ()).err().unwrap();
        assert!(error.to_string().contains("another number of steps"), "{error}");
    }
}

#[test]
fn rows_after_the_checkpoint_are_written_again() {
    let (settings, images) = (settings(1, 3), images(100));
    let uninterrupted = tempdir().unwrap();
    let mut watch = StopAfter::steps(usize::MAX, uninterrupted.path());
    let (_, state) = run(&settings, &images, fresh(&settings), &mut watch);
    let curve = |folder: &Path| fs::read_to_string(folder.join("curve.csv")).unwrap();
    let without_times = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    };

    let folder = tempdir().unwrap();
    run_with_two_checkpoints(folder.path(), &settings);
    let checkpointed = curve(folder.path());
    // A kill while the next row was written.
    fs::write(folder.path().join("curve.csv"), format!("{checkpointed}3,15,16,0.")).unwrap();
    let mut checkpoints = checkpoints(folder.path());
    let resumed = checkpoints.load_newest(fresh(&settings), &()).unwrap();
    let (_, resumed) = run(&settings, &images, resumed, &mut ());
    checkpoints.save(&resumed).unwrap();
    assert_eq!(state.progress.curve.points.len(), resumed.progress.curve.points.len());
    assert_eq!(without_times(&curve(folder.path())), without_times(&curve(uninterrupted.path())));
}
