//! A claim on a folder: one process at a time trains in it, or decides what is to be trained.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use anyhow::{Context, Result, bail};

/// The file whose lock is the claim. It stays when the claim is over: a lock on a file that is removed
/// keeps nobody out.
pub const LOCK: &str = "lock";

/// Held while a process is at work in a folder; the system gives it up when the process ends, however it
/// ends.
pub struct Claim(#[allow(dead_code)] File);

impl Claim {
    /// Claims an existing folder; none if somebody else has.
    pub fn take(folder: &Path) -> Result<Option<Self>> {
        let file = open(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| cannot_lock(folder)),
        }
    }

    /// Claims an existing folder, when nobody else does any more.
    pub fn wait_for(folder: &Path) -> Result<Self> {
        let file = open(folder)?;
        file.lock().with_context(|| cannot_lock(folder))?;
        Ok(Self(file))
    }
}

fn open(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

fn cannot_lock(folder: &Path) -> String {
    format!("cannot lock {}", folder.join(LOCK).display())
}

/// Refuses to start over in a folder where a training is at work.
pub fn check_free(folder: &Path) -> Result<()> {
    if folder.join(LOCK).exists() && Claim::take(folder)?.is_none() {
        bail!("another process is training in {}; stop it before starting over", folder.display());
    }
    Ok(())
}
