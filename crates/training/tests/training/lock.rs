//! The lock on a folder: one process at a time holds it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use mnist_training::{
    Backend, Experiment, Observer, RunOutcome, TrainingError,
    run::{FolderLock, LEASE, check_free, is_locked},
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
    assert!(matches!(run, RunOutcome::Elsewhere));
    assert!(!folder.path().join("config.toml").exists());
}

/// Writes the lease of a process on another machine.
fn write_other_lease(folder: &Path) {
    let lease = r#"{"host":"node2","boot":"b","process":7,"token":"0123456789abcdef"}"#;
    fs::write(folder.join(LEASE), lease).unwrap();
}

#[test]
fn lease_of_another_machine_keeps_a_folder_locked_for_a_minute() {
    let folder = tempdir().unwrap();
    drop(FolderLock::try_take(folder.path()).unwrap());
    write_other_lease(folder.path());
    assert!(FolderLock::try_take(folder.path()).unwrap().is_none());
    assert!(matches!(check_free(folder.path()), Err(TrainingError::InUse(_))));

    let lease = File::options().write(true).open(folder.path().join(LEASE)).unwrap();
    lease.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    check_free(folder.path()).unwrap();
    let lock = FolderLock::try_take(folder.path()).unwrap().unwrap();
    lock.check().unwrap();
    drop(lock);
    assert!(!folder.path().join(LEASE).exists());
}

/// Takes over a run, as another machine does if this process was suspended.
struct TakeOver {
    folder: PathBuf,
    /// Number of questions whether to stop before that. The run asks after each step, and before each batch of the
    /// evaluation.
    after: AtomicUsize,
    /// Whether the other machine also ends, and removes its lease.
    ends: bool,
}

impl Observer for TakeOver {
    fn wants_stop(&self) -> bool {
        let left = self.after.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            if self.ends {
                let _ = fs::remove_file(self.folder.join(LEASE));
            } else {
                write_other_lease(&self.folder);
            }
        }
        false
    }
}

/// Trains one epoch of seven steps in the folder until the process notices the takeover.
fn train_until_taken_over(folder: &Path, after: usize, ends: bool) -> String {
    let (data, settings) = (data(), settings(2, 1));
    let network = MlpNetwork("mlp");
    let experiment = Experiment::new(&network, &data, Backend::Flex.open().unwrap()).unwrap();
    let fitted = fitted(&settings, &data.train);
    let observer = TakeOver { folder: folder.to_owned(), after: after.into(), ends };
    let error = experiment.run(&settings, &fitted, folder, &observer).unwrap_err();
    assert!(matches!(&error, TrainingError::TakenOver { .. }), "{error}");
    for file in ["result.json", "predictions.csv", "model.safetensors"] {
        assert!(!folder.join(file).exists(), "{file} was written");
    }
    error.to_string()
}

#[test]
fn run_that_another_machine_has_taken_over_is_not_written_to() {
    let folder = tempdir().unwrap();
    let error = train_until_taken_over(folder.path(), 0, false);
    assert!(error.starts_with("process 7 on node2 has taken over "), "{error}");
    assert!(!folder.path().join("checkpoints").exists());
    assert!(folder.path().join(LEASE).exists(), "the lease of the other process was removed");
}

#[test]
fn run_that_another_machine_has_taken_over_and_left_is_not_written_to() {
    let folder = tempdir().unwrap();
    let error = train_until_taken_over(folder.path(), 0, true);
    assert!(error.starts_with("another process has taken over "), "{error}");
    assert!(!folder.path().join("checkpoints").exists());
}

#[test]
fn takeover_during_the_evaluation_is_noticed_before_the_result_is_written() {
    let folder = tempdir().unwrap();
    train_until_taken_over(folder.path(), 7, false);
    assert!(folder.path().join("checkpoints").exists(), "it was noticed before the evaluation");
}

#[test]
fn looking_at_a_run_writes_nothing_even_if_its_lease_seems_expired() {
    let folder = tempdir().unwrap();
    drop(FolderLock::try_take(folder.path()).unwrap());
    write_other_lease(folder.path());
    let lease = File::options().write(true).open(folder.path().join(LEASE)).unwrap();
    lease.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    let past = SystemTime::now() - Duration::from_mins(10);
    File::open(folder.path()).unwrap().set_modified(past).unwrap();
    let before = folder.path().metadata().unwrap().modified().unwrap();
    assert!(!is_locked(folder.path()).unwrap());
    assert_eq!(folder.path().metadata().unwrap().modified().unwrap(), before, "a file was written");
}
