//! Interrupted and killed runs resume to the same bits as an uninterrupted run.

use std::{fs, ops::ControlFlow, path::Path};

use burn::tensor::Device;
use mnist_data::{Images, ScalingBatcher};
use mnist_model::Model;
use mnist_training::{
    RunSettings, TrainingError, TrainingLoop, TrainingState, checkpoint,
    training_loop::{Ending, TrainingProgress, Watch},
};
use tempfile::tempdir;

use crate::support::{CLASSES, fitted, fresh, images, settings, sha256};

/// Saves a checkpoint after each epoch and stops after a number of steps, like an interrupted run.
struct StopAfter<'a> {
    steps: usize,
    checkpoints: &'a Path,
}

impl Watch<Model> for StopAfter<'_> {
    fn step(&mut self, _: &TrainingProgress) -> ControlFlow<()> {
        self.steps -= 1;
        if self.steps == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, state: &TrainingState<Model>) -> Result<(), TrainingError> {
        checkpoint::save(self.checkpoints, state)
    }
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
        let mut watch = StopAfter { steps, checkpoints: folder.path() };
        let (ending, state) = run(&settings, &images, fresh(&settings), &mut watch);
        assert_eq!(ending, Ending::Stopped);
        checkpoint::save(folder.path(), &state).unwrap();
        drop(state);

        let state = checkpoint::load_newest(folder.path(), fresh(&settings)).unwrap();
        let (ending, state) = run(&settings, &images, state, &mut ());
        assert_eq!(ending, Ending::Finished);
        assert_eq!(outcome(&state), outcome(&uninterrupted), "stopped after {steps} steps");
    }
}

#[test]
fn killed_run_resumes_from_its_last_finished_epoch() {
    let (settings, images) = (settings(1, 3), images(100));
    let folder = tempdir().unwrap();
    run(&settings, &images, fresh(&settings), &mut StopAfter { steps: 10, checkpoints: folder.path() });
    // Like a killed run, this one saved only the end of epoch 1 and leaves a half-written checkpoint behind.
    fs::create_dir(folder.path().join("unfinished")).unwrap();
    let state = checkpoint::load_newest(folder.path(), fresh(&settings)).unwrap();
    assert_eq!((state.progress.epochs.len(), state.progress.epoch.images), (1, 0));
    let (_, resumed) = run(&settings, &images, state, &mut ());
    let (_, uninterrupted) = run(&settings, &images, fresh(&settings), &mut ());
    assert_eq!(outcome(&resumed), outcome(&uninterrupted));
}

#[test]
fn only_the_newest_checkpoint_is_kept() {
    let (settings, images) = (settings(1, 3), images(100));
    let folder = tempdir().unwrap();
    run(&settings, &images, fresh(&settings), &mut StopAfter { steps: 20, checkpoints: folder.path() });
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["epoch-0000000003-images-0000000000"]);
}

#[test]
fn error_about_a_damaged_checkpoint_names_it() {
    let settings = settings(1, 1);
    let folder = tempdir().unwrap();
    checkpoint::save(folder.path(), &fresh(&settings)).unwrap();
    let checkpoint = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let file = checkpoint.join("model.bpk");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let error = checkpoint::load_newest(folder.path(), fresh(&settings)).err().unwrap();
    let TrainingError::DamagedCheckpoint { path, reason } = error else { panic!("{error}") };
    assert_eq!(path, checkpoint);
    assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
}
