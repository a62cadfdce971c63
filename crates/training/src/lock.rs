//! A lock on a folder, so that one process at a time trains or plans runs in it: a lock of the operating system, and a
//! [lease](crate::lease) for file systems whose locks do not reach other machines.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::Path,
    thread,
    time::Duration,
};

use crate::{
    Observer, TrainingError,
    lease::{self, Clock, Lease},
};

/// The locked file. It stays when the lock is released, because locking a removed file would keep nobody out.
pub const LOCK: &str = "lock";

/// Pause after the first attempt to lock a folder. Each further pause is twice as long, because many processes may wait.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The lock of a process that works in a folder. The operating system releases it when the process ends, even if
/// the process is killed. On another machine, the lease may then keep the folder locked for a minute.
#[derive(Debug)]
pub struct FolderLock {
    // Ends before the lock does.
    lease: Lease,
    /// `None` if the file system refuses locks.
    _file: Option<File>,
}

impl FolderLock {
    /// Locks an existing folder. Returns `None` while another process holds the lock.
    ///
    /// # Errors
    /// When the folder cannot be locked.
    pub fn try_take(folder: &Path) -> Result<Option<Self>, TrainingError> {
        let file = match lock(folder)? {
            Lock::Held => return Ok(None),
            Lock::Ours(file) => Some(file),
            Lock::Refused => None,
        };
        let lease = Lease::try_take(folder, file.is_some())?;
        Ok(lease.map(|lease| Self { lease, _file: file }))
    }

    /// Checks that this process still holds the lock. A process on another machine can take it over if this one has not
    /// renewed its lease for a minute, and the file system's locks are local. Call this before writing.
    ///
    /// # Errors
    /// When another process has taken it over, or the lease cannot be read.
    pub fn check(&self) -> Result<(), TrainingError> {
        self.lease.check()
    }

    /// Locks an existing folder. Waits while another process holds the lock.
    ///
    /// # Errors
    /// When the folder cannot be locked, or the observer asks to stop while this waits.
    pub fn wait_for(folder: &Path, observer: &dyn Observer) -> Result<Self, TrainingError> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lock) = Self::try_take(folder)? {
                return Ok(lock);
            }
            if observer.wants_stop() {
                return Err(TrainingError::Interrupted);
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

/// An attempt to lock a folder's file.
enum Lock {
    /// This process has locked it.
    Ours(File),
    /// Another process has locked it.
    Held,
    /// The file system has no locks.
    Refused,
}

fn lock(folder: &Path) -> Result<Lock, TrainingError> {
    let file = open_or_create(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::Ours(file)),
        Err(TryLockError::WouldBlock) => Ok(Lock::Held),
        Err(TryLockError::Error(error)) if is_refusal(&error) => Ok(Lock::Refused),
        Err(TryLockError::Error(error)) => Err(TrainingError::file("lock", folder.join(LOCK))(error)),
    }
}

/// Returns whether the file system has no locks, such as Lustre without the mount option `flock`, or NFS whose server
/// has no lock daemon.
fn is_refusal(error: &io::Error) -> bool {
    /// Linux: "No locks available". Rust has no name for it.
    const ENOLCK: i32 = 37;
    error.kind() == ErrorKind::Unsupported
        || (cfg!(target_os = "linux") && error.raw_os_error() == Some(ENOLCK))
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

/// Returns whether another process seems to train in the folder. Writes nothing there, so it trusts this machine's clock.
///
/// # Errors
/// When the folder cannot be locked.
pub fn is_locked(folder: &Path) -> Result<bool, TrainingError> {
    is_locked_by(folder, Clock::Own)
}

/// Refuses a folder in which another process is training.
///
/// # Errors
/// When another process is training there, or the folder cannot be locked.
pub fn check_free(folder: &Path) -> Result<(), TrainingError> {
    let is_locked = is_locked_by(folder, Clock::OfServer(folder))?;
    if is_locked { Err(TrainingError::InUse(folder.to_owned())) } else { Ok(()) }
}

fn is_locked_by(folder: &Path, clock: Clock<'_>) -> Result<bool, TrainingError> {
    if !folder.join(LOCK).exists() {
        return Ok(false);
    }
    match lock(folder)? {
        Lock::Held => Ok(true),
        Lock::Ours(_file) => lease::is_held(folder, true, clock),
        Lock::Refused => lease::is_held(folder, false, clock),
    }
}
