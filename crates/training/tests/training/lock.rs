//! The lock on a folder: one process at a time holds it.

use std::{thread, time::Duration};

use mnist_training::{
    Backend, Experiment, TrainingError,
    run::{FolderLock, check_free},
};
use tempfile::tempdir;

use crate::support::{MlpNetwork, StopAfter, data, fitted, settings};

#[test]
fn second_handle_cannot_take_the_lock_until_the_first_is_dropped() {
    let folder = tempdir().unwrap();
    check_free(folder.path()).unwrap();
    let lock = FolderLock::try_take(folder.path()).unwrap();
    assert!(lock.is_some());
    assert!(FolderLock::try_take(folder.path()).unwrap().is_none());
    let error = check_free(folder.path()).unwrap_err();
    assert!(matches!(&error, TrainingError::InUse(path) if path == folder.path()), "{error}");
    drop(lock);
    check_free(folder.path()).unwrap();
    assert!(FolderLock::try_take(folder.path()).unwrap().is_some());
}

#[test]
fn waiting_ends_when_the_lock_is_released() {
    let folder = tempdir().unwrap();
    let lock = FolderLock::try_take(folder.path()).unwrap().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| FolderLock::wait_for(folder.path(), &()).unwrap());
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(lock);
        let _lock = waiting.join().unwrap();
        assert!(FolderLock::try_take(folder.path()).unwrap().is_none(), "the other thread holds the lock");
    });
}

#[test]
fn waiting_ends_when_the_observer_asks_to_stop() {
    let folder = tempdir().unwrap();
    let _lock = FolderLock::try_take(folder.path()).unwrap().unwrap();
    let error = FolderLock::wait_for(folder.path(), &StopAfter::steps(1)).unwrap_err();
    assert!(matches!(error, TrainingError::Interrupted), "{error}");
}

#[test]
fn missing_folder_cannot_be_locked() {
    let folder = tempdir().unwrap();
    let error = FolderLock::try_take(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(error, TrainingError::File { .. }), "{error}");
}

#[test]
fn run_that_another_process_is_training_is_left_alone() {
    let (folder, data, settings) = (tempdir().unwrap(), data(), settings(1, 1));
    let _lock = FolderLock::try_take(folder.path()).unwrap().unwrap();
    let network = MlpNetwork("mlp");
    let experiment = Experiment::new(&network, &data, Backend::Flex.open().unwrap()).unwrap();
    let run = experiment.run(&settings, &fitted(&settings, &data.train), folder.path(), &()).unwrap();
    assert!(run.is_none());
    assert!(!folder.path().join("config.toml").exists());
}
