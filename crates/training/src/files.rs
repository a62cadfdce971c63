//! Output folders: each contains one result, and every file in it is complete or missing.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use serde::{Serialize, de::DeserializeOwned};

use crate::TrainingError;

/// The file of the settings, in every folder that contains a result.
pub const CONFIG: &str = "config.toml";

/// The file of the result, written last.
pub const RESULT: &str = "result.json";

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

/// A kind of result, and how to recognize its folders.
#[derive(Debug, Clone, Copy)]
pub struct ResultKind {
    /// Names of all files and folders that the result can consist of.
    pub contents: &'static [&'static str],
    /// The file that identifies a result.
    pub mark: &'static str,
    /// Returns whether the `mark` in this folder is one that this project writes.
    pub is_ours: fn(&Path) -> bool,
    /// Whether an unfinished result can be resumed.
    pub is_resumable: bool,
}

/// The folder for a result, before anything is written. Files that are not part of a result stay untouched.
#[derive(Debug, Clone)]
pub struct Destination(Place);

#[derive(Debug, Clone)]
enum Place {
    /// This folder; `contents` are the names that a result in it can have.
    At { path: PathBuf, existing: Existing, contents: &'static [&'static str] },
    /// A new folder `runs/<name>-<UTC time>`.
    New { name: String },
}

impl Destination {
    /// Returns a new folder under `runs/` whose name begins with `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Place::New { name: name.into() })
    }

    /// Returns the folder `path`. It must be empty or missing, or contain a result of this kind that `existing`
    /// does not refuse.
    ///
    /// # Errors
    /// When it contains anything else, or a result that `existing` refuses.
    pub fn at(path: PathBuf, existing: Existing, kind: &ResultKind) -> Result<Self, TrainingError> {
        let is_empty = check_contents(&path, kind)?;
        if !is_empty && existing == Existing::Refuse {
            return Err(TrainingError::Occupied { path, is_resumable: kind.is_resumable });
        }
        Ok(Self(Place::At { path, existing, contents: kind.contents }))
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
    /// When the folder cannot be created, or something in it cannot be removed.
    pub fn create(self) -> Result<OutputFolder, TrainingError> {
        match self.0 {
            Place::New { name } => create_new(&name),
            Place::At { path, existing, contents } => {
                for entry in entries(&path)?.iter().filter(|_| existing == Existing::Replace) {
                    if is_part(entry, contents) {
                        remove(&path.join(entry))?;
                    }
                }
                OutputFolder::create(path)
            }
        }
    }
}

/// A folder that this process writes a result into.
#[derive(Debug, Clone)]
pub struct OutputFolder {
    path: PathBuf,
}

impl OutputFolder {
    /// Creates the folder if it does not exist.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: PathBuf) -> Result<Self, TrainingError> {
        fs::create_dir_all(&path).map_err(TrainingError::file("create", &path))?;
        Ok(Self { path })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file completely or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainingError> {
        write(&self.path.join(name), bytes)
    }

    /// Removes a file, if it exists.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), TrainingError> {
        remove(&self.path.join(name))
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// When JSON cannot represent the value, or the file cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), TrainingError> {
        self.write(name, json(value)?.as_bytes())
    }

    /// Writes rows as CSV, with the field names as the header.
    ///
    /// # Errors
    /// When CSV cannot represent a row, or the file cannot be written.
    pub fn write_csv(&self, name: &str, rows: &[impl Serialize]) -> Result<(), TrainingError> {
        self.write(name, &csv(rows)?)
    }
}

/// Writes a file completely or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainingError> {
    let written = AtomicWriteFile::open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.commit()
    });
    written.map_err(TrainingError::file("write", path))
}

/// Reads a value from JSON.
///
/// # Errors
/// When the file cannot be read, or does not contain such a value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainingError> {
    let text = fs::read_to_string(path).map_err(TrainingError::file("read", path))?;
    serde_json::from_str(&text).map_err(TrainingError::damaged(path))
}

/// Reads rows from CSV.
///
/// # Errors
/// When the file cannot be read, or has other columns or values.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, TrainingError> {
    let file = fs::File::open(path).map_err(TrainingError::file("read", path))?;
    let rows = csv::Reader::from_reader(file).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(TrainingError::damaged(path))
}

/// Returns a value as indented JSON that ends with a newline.
///
/// # Errors
/// When JSON cannot represent the value.
pub fn json(value: &impl Serialize) -> Result<String, TrainingError> {
    Ok(serde_json::to_string_pretty(value).map_err(TrainingError::encode("JSON"))? + "\n")
}

/// Returns rows as CSV, with the field names as the header.
///
/// # Errors
/// When CSV cannot represent a row.
pub fn csv(rows: &[impl Serialize]) -> Result<Vec<u8>, TrainingError> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        table.serialize(row).map_err(TrainingError::encode("CSV"))?;
    }
    table.into_inner().map_err(TrainingError::encode("CSV"))
}

/// Returns whether this is one of the `contents`, or the temporary file of a process that was killed while
/// writing one.
fn is_part(entry: &str, contents: &[&str]) -> bool {
    let unfinished = |name: &str| entry.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.');
    contents.iter().any(|&name| entry == name || unfinished(name).is_some())
}

/// Refuses a folder that contains anything but a result of this kind. Returns whether it is empty or does not
/// exist.
fn check_contents(path: &Path, kind: &ResultKind) -> Result<bool, TrainingError> {
    if path.exists() && !path.is_dir() {
        return Err(TrainingError::NotAFolder(path.to_owned()));
    }
    let found = entries(path)?;
    if let Some(foreign) = found.iter().find(|entry| !is_part(entry, kind.contents)) {
        return Err(TrainingError::ForeignFile { path: path.to_owned(), entry: foreign.clone() });
    }
    if let Some(entry) = found.first()
        && !(kind.is_ours)(path)
    {
        let (path, entry) = (path.to_owned(), entry.clone());
        return Err(TrainingError::NotAResult { path, entry, mark: kind.mark });
    }
    Ok(found.is_empty())
}

/// Returns the names in a folder. The list is empty if the folder does not exist.
fn entries(path: &Path) -> Result<Vec<String>, TrainingError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let names = fs::read_dir(path).and_then(|entries| entries.map(name).collect());
    names.map_err(TrainingError::file("list the files in", path))
}

/// Creates `runs/<name>-<UTC time>`, followed by a number if that name is taken.
fn create_new(name: &str) -> Result<OutputFolder, TrainingError> {
    let runs = OutputFolder::create("runs".into())?;
    let base = format!("{name}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let mut number = 1;
    loop {
        let path = runs.path.join(if number == 1 { base.clone() } else { format!("{base}-{number}") });
        match fs::create_dir(&path) {
            Ok(()) => return Ok(OutputFolder { path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(TrainingError::file("create", path)(error)),
        }
    }
}

/// Removes a file or a folder, if it exists.
fn remove(path: &Path) -> Result<(), TrainingError> {
    let removed = match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(TrainingError::file("remove", path))
}
