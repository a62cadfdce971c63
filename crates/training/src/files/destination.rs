//! Destinations: where a command writes its result, and what becomes of an earlier result there.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{OutputFolder, RESULT, entries, remove};
use crate::{
    TrainingError,
    lease::LEASE,
    lock::{FolderLock, LOCK},
};

/// The action for a folder that already contains a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Fail, and leave the folder unchanged.
    #[default]
    Refuse,
    /// Add what is missing.
    Resume,
    /// Remove the result and start over.
    Replace,
}

/// The state of a folder for results, recognized from its files. docs/RELIABILITY.md has the table.
///
/// A kill at any moment leaves one of these states, and [`Existing::Resume`] or [`Existing::Replace`] accepts each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The folder is missing or empty, or contains only a lock, temporary files and empty folders.
    New,
    /// Another process holds the lock.
    Running,
    /// The settings are valid, and the result is missing.
    Unfinished,
    /// The result is there, and every file has the checksum that the result names.
    Finished,
    /// The settings or the result cannot be read, or a file of a finished result is missing or was changed.
    Damaged,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Running => "running",
            Self::Unfinished => "unfinished",
            Self::Finished => "finished",
            Self::Damaged => "damaged",
        })
    }
}

/// A kind of result, and how to recognize its folders.
#[derive(Debug, Clone, Copy)]
pub struct ResultKind {
    /// Names of all files and folders that the result can consist of.
    pub contents: &'static [&'static str],
    /// The file that identifies a result.
    pub mark: &'static str,
    /// Returns the state of a folder that is not [new](State::New), or `None` if its `mark` is not one that this
    /// project writes.
    pub state: fn(&Path) -> Option<State>,
    /// Whether an unfinished result can be resumed.
    pub is_resumable: bool,
}

impl ResultKind {
    /// Returns the state of a folder.
    ///
    /// # Errors
    /// When the folder cannot be read, or contains anything but a result of this kind.
    pub fn state(&self, path: &Path) -> Result<State, TrainingError> {
        if path.exists() && !path.is_dir() {
            return Err(TrainingError::NotAFolder(path.to_owned()));
        }
        let found = entries(path)?;
        if let Some(foreign) = found.iter().find(|entry| !is_part(entry, self.contents)) {
            return Err(TrainingError::ForeignFile { path: path.to_owned(), entry: foreign.clone() });
        }
        let Some(entry) = found.iter().find(|entry| !self.is_trace(path, entry)) else {
            return Ok(State::New);
        };
        if let Some(state) = (self.state)(path) {
            return Ok(state);
        }
        // The mark is invalid. An empty lock shows that the folder is a result of this project.
        if self.is_locked_kind()
            && path.join(LOCK).metadata().is_ok_and(|lock| lock.is_file() && lock.len() == 0)
        {
            return Ok(State::Damaged);
        }
        Err(TrainingError::NotAResult { path: path.to_owned(), entry: entry.clone(), mark: self.mark })
    }

    /// Returns whether a process can create this entry before it writes the first file of a result.
    fn is_trace(&self, path: &Path, entry: &str) -> bool {
        let is_empty_folder =
            || fs::read_dir(path.join(entry)).is_ok_and(|mut inside| inside.next().is_none());
        let is_lock = [LOCK, LEASE].contains(&entry) && self.is_locked_kind();
        is_lock || !self.contents.contains(&entry) || is_empty_folder()
    }

    fn is_locked_kind(&self) -> bool {
        self.contents.contains(&LOCK)
    }
}

/// The folder for a result, before anything is written. Files that are not part of a result stay untouched.
#[derive(Debug, Clone)]
pub struct Destination(Place);

#[derive(Debug, Clone)]
enum Place {
    /// This folder.
    At { path: PathBuf, existing: Existing, kind: ResultKind },
    /// A new folder `runs/<name>-<UTC time>`.
    New { name: String },
}

impl Destination {
    /// Returns a new folder under `runs/` whose name begins with `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Place::New { name: name.into() })
    }

    /// Returns the folder `path`. It must be [new](State::New), or contain a result of this kind that `existing`
    /// does not refuse.
    ///
    /// # Errors
    /// When it contains anything else, a result that `existing` refuses, or a run that another process is training.
    pub fn at(path: PathBuf, existing: Existing, kind: &ResultKind) -> Result<Self, TrainingError> {
        match kind.state(&path)? {
            State::New => {}
            State::Running => return Err(TrainingError::InUse(path)),
            state if existing == Existing::Refuse => {
                let (state, is_resumable) = (state.to_string(), kind.is_resumable);
                return Err(TrainingError::Occupied { path, state, is_resumable });
            }
            _ => {}
        }
        Ok(Self(Place::At { path, existing, kind: *kind }))
    }

    /// Returns the given folder, if its contents stay.
    pub fn keeps(&self) -> Option<&Path> {
        match &self.0 {
            Place::At { path, existing: Existing::Refuse | Existing::Resume, .. } => Some(path),
            _ => None,
        }
    }

    /// Returns the given folder, if its earlier result will be removed.
    pub fn replaces(&self) -> Option<&Path> {
        match &self.0 {
            Place::At { path, existing: Existing::Replace, .. } => Some(path),
            _ => None,
        }
    }

    /// Creates the folder. Removes the earlier result first if it is to be replaced. A new folder gets a name that
    /// no other process has taken.
    ///
    /// # Errors
    /// When the folder cannot be created, another process is using an earlier result that should be replaced, or
    /// something in it cannot be removed.
    pub fn create(self) -> Result<OutputFolder, TrainingError> {
        match self.0 {
            Place::New { name } => create_new(&name),
            Place::At { path, existing, kind } => {
                let folder = OutputFolder::create(path)?;
                if existing == Existing::Replace {
                    clear(folder.path(), &kind)?;
                }
                Ok(folder)
            }
        }
    }
}

/// Removes a result: first the file of the result, so that a kill in between leaves an unfinished result, and last the
/// mark. The lock stays, because locking a removed file would keep nobody out.
fn clear(path: &Path, kind: &ResultKind) -> Result<(), TrainingError> {
    let lock = if kind.is_locked_kind() { FolderLock::try_take(path)?.map(Some) } else { Some(None) };
    let Some(_lock) = lock else { return Err(TrainingError::InUse(path.to_owned())) };
    if kind.contents.contains(&RESULT) {
        remove(&path.join(RESULT))?;
    }
    for entry in entries(path)? {
        if is_part(&entry, kind.contents) && entry != kind.mark && ![LOCK, LEASE].contains(&entry.as_str()) {
            remove(&path.join(entry))?;
        }
    }
    remove(&path.join(kind.mark))
}

/// Returns whether this is one of the `contents`, or the temporary file of a process that was killed while
/// writing one.
pub(super) fn is_part(entry: &str, contents: &[&str]) -> bool {
    contents.contains(&entry) || is_temporary(entry, contents)
}

/// Returns whether this is the temporary file of a process that was killed while writing one of the `contents`.
pub(super) fn is_temporary(entry: &str, contents: &[&str]) -> bool {
    // The crate `atomic-write-file` ends the name with six letters and digits. `.config.toml.swp` is an editor's.
    let suffix = |name: &str| entry.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.');
    let is_random = |suffix: &str| suffix.len() == 6 && suffix.chars().all(|c| c.is_ascii_alphanumeric());
    contents.iter().any(|&name| suffix(name).is_some_and(is_random))
}

/// Creates `runs/<name>-<UTC time>`, followed by a number if that name is taken.
fn create_new(name: &str) -> Result<OutputFolder, TrainingError> {
    let runs = OutputFolder::create("runs".into())?;
    let base = format!("{name}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let mut number = 1;
    loop {
        let path = runs.path().join(if number == 1 { base.clone() } else { format!("{base}-{number}") });
        match fs::create_dir(&path) {
            Ok(()) => return OutputFolder::create(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(TrainingError::file("create", path)(error)),
        }
    }
}
