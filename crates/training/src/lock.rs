//! A lock on a folder, so that one process at a time trains or plans runs in it.

use std::{
    fs::{File, TryLockError},
    path::Path,
    thread,
    time::Duration,
};

use crate::{Observer, TrainingError};

/// The locked file. It stays when the lock is released, because locking a removed file would keep nobody out.
pub const LOCK: &str = "lock";

/// Pause between two attempts to lock a folder.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock of a process that works in a folder. The operating system releases it when the process ends, even if
/// the process is killed.
#[derive(Debug)]
pub struct FolderLock(#[allow(dead_code)] File);

impl FolderLock {
    /// Locks an existing folder. Returns `None` while another process holds the lock.
    ///
    /// # Errors
    /// When the folder cannot be locked.
    pub fn try_take(folder: &Path) -> Result<Option<Self>, TrainingError> {
        let file = open_or_create(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(TrainingError::file("lock", folder.join(LOCK))(error)),
        }
    }

    /// Locks an existing folder. Waits while another process holds the lock.
    ///
    /// # Errors
    /// When the folder cannot be locked, or the observer asks to stop while this waits.
    pub fn wait_for(folder: &Path, observer: &dyn Observer) -> Result<Self, TrainingError> {
        loop {
            if let Some(lock) = Self::try_take(folder)? {
                return Ok(lock);
            }
            if observer.wants_stop() {
                return Err(TrainingError::Interrupted);
            }
            thread::sleep(PAUSE);
        }
    }
}

fn open_or_create(folder: &Path) -> Result<File, TrainingError> {
    let path = folder.join(LOCK);
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        // Opening a named pipe would wait for its reader.
        return Err(TrainingError::damaged(path)("it is not a regular file"));
    }
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    file.map_err(TrainingError::file("write", path))
}

/// Returns whether another process is training in the folder.
///
/// # Errors
/// When the folder cannot be locked.
pub fn is_locked(folder: &Path) -> Result<bool, TrainingError> {
    Ok(folder.join(LOCK).exists() && FolderLock::try_take(folder)?.is_none())
}

/// Refuses a folder in which another process is training.
///
/// # Errors
/// When another process is training there, or the folder cannot be locked.
pub fn check_free(folder: &Path) -> Result<(), TrainingError> {
    if is_locked(folder)? { Err(TrainingError::InUse(folder.to_owned())) } else { Ok(()) }
}
