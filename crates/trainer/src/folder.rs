//! Output folders: choosing one, never mixing two results in one, and files that are whole or not there.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use atomic_write_file::AtomicWriteFile;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cli::{OutFlags, WholeOutFlags},
    config::{ConfigFile, first_difference},
    failure::UsageError,
};

/// The settings in force, in every folder that holds a result.
pub const CONFIG: &str = "config.toml";

/// What was found, written last.
pub const RESULT: &str = "result.json";

/// Where a result is going to be, before anything is written.
pub enum Destination {
    /// The folder that `--out` names.
    Named(PathBuf),
    /// A new folder under `runs/` with a name that begins like this.
    Fresh(String),
}

impl Destination {
    /// Chooses the folder that the flags name, or a new one.
    ///
    /// `contents` are the names of all that this kind of result may hold: a folder that holds something
    /// else, or no configuration of ours, is somebody else's and refused.
    pub fn choose(flags: &OutFlags, default_name: String, contents: &[&str]) -> Result<Self> {
        let Some(path) = flags.out.clone() else { return Ok(Self::Fresh(default_name)) };
        let has_config = |path: &Path| ConfigFile::read(Some(&path.join(CONFIG))).is_ok();
        let is_empty = check_held(&path, contents, CONFIG, has_config)?;
        if !is_empty && !flags.resume && !flags.force {
            let name = path.display();
            bail!("{name} already holds a result; choose another --out, or say --resume or --force");
        }
        Ok(Self::Named(path))
    }

    /// As [`choose`](Self::choose), for a result that is written at once and keeps no configuration. It is known
    /// as ours by the file `mark` and what the function beside it says of the folder.
    pub fn choose_whole(
        flags: &WholeOutFlags,
        default_name: String,
        contents: &[&str],
        (mark, is_ours): (&str, fn(&Path) -> bool),
    ) -> Result<Self> {
        let Some(path) = flags.out.clone() else { return Ok(Self::Fresh(default_name)) };
        if !check_held(&path, contents, mark, is_ours)? && !flags.force {
            bail!("{} already holds a result; choose another --out, or say --force", path.display());
        }
        Ok(Self::Named(path))
    }

    /// Refuses to add to a result that was made with another configuration; keys in `may_differ` and
    /// those without effect on a result may differ.
    pub fn check_same_config(&self, current: &str, may_differ: &[&str]) -> Result<()> {
        match self {
            Self::Named(path) => check_same_config(&path.join(CONFIG), current, may_differ),
            Self::Fresh(_) => Ok(()),
        }
    }

    /// The folder, if it has a name already.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) => Some(path),
            Self::Fresh(_) => None,
        }
    }

    /// Creates the folder, whose name nobody else can have taken if it is a new one; with
    /// `start_over`, removes the `contents` of an earlier result first.
    pub fn create(self, start_over: bool, contents: &[&str]) -> Result<OutputFolder> {
        match self {
            Self::Fresh(name) => create_fresh(&name),
            Self::Named(path) => {
                for entry in entries(&path)?.iter().filter(|_| start_over) {
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
    /// Creates the folder if it is not there.
    pub fn create(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.path.join(name), bytes)
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> Result<()> {
        remove(&self.path.join(name))
    }

    /// Writes a value as indented JSON.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.write(name, json(value)?.as_bytes())
    }

    /// Writes rows as CSV under the names of their fields.
    pub fn write_csv(&self, name: &str, rows: &[impl Serialize]) -> Result<()> {
        let mut table = csv::Writer::from_writer(Vec::new());
        for row in rows {
            table.serialize(row)?;
        }
        self.write(name, &table.into_inner()?)
    }
}

/// Writes a file, whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = AtomicWriteFile::open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.commit()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a value from JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// Reads rows from CSV.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let table = csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = table.into_deserialize().collect::<Result<_, _>>();
    rows.with_context(|| format!("{} is damaged", path.display()))
}

/// A value as indented JSON, with a last line end.
pub fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Whether this is one of the `contents`, or what is left of one when a process is killed while it writes.
fn is_part(entry: &str, contents: &[&str]) -> bool {
    let unfinished = |name: &str| entry.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.');
    contents.iter().any(|&name| entry == name || unfinished(name).is_some())
}

/// Refuses a folder that holds anything else than a result of ours: `contents` are the names in one, and `mark`
/// is the one that `is_ours` judges by. Gives whether it is empty, or not there.
fn check_held(path: &Path, contents: &[&str], mark: &str, is_ours: impl Fn(&Path) -> bool) -> Result<bool> {
    let name = path.display();
    if path.exists() && !path.is_dir() {
        bail!("{name} is a file; --out takes a folder");
    }
    let held = entries(path).with_context(|| format!("cannot look into {name}"))?;
    if let Some(stranger) = held.iter().find(|entry| !is_part(entry, contents)) {
        bail!("{name} holds `{stranger}`, which is no part of such a result; choose another --out");
    }
    if !held.is_empty() && !is_ours(path) {
        bail!("{name} holds `{}`, but no {mark} of a result; choose another --out", held[0]);
    }
    Ok(held.is_empty())
}

/// Names in a folder; none if it is not there.
fn entries(path: &Path) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Creates `runs/<name>-<UTC time>`, with a number behind it if that is taken.
fn create_fresh(name: &str) -> Result<OutputFolder> {
    let runs = OutputFolder::create("runs".into())?;
    let base = format!("{name}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    for number in 1.. {
        let path = runs.path.join(if number == 1 { base.clone() } else { format!("{base}-{number}") });
        match fs::create_dir(&path) {
            Ok(()) => return Ok(OutputFolder { path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
        }
    }
    bail!("every name for a new folder under {} is taken", runs.path.display())
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// Refuses to add to a result that was made with another configuration, which `path` has saved.
pub fn check_same_config(path: &Path, current: &str, may_differ: &[&str]) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let name = path.display();
    let saved = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    match first_difference(&saved, current, may_differ).with_context(|| format!("{name} is damaged"))? {
        None => Ok(()),
        Some(key) => Err(UsageError(format!(
            "`{key}` differs from {name}: --resume continues the same configuration only"
        ))
        .into()),
    }
}
