//! Output folders: choosing one, never mixing two results in one, and files that are whole or not there.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use atomic_write_file::AtomicWriteFile;
use serde::{Serialize, de::DeserializeOwned};

use crate::{cli::OutFlags, failure::UsageError};

/// A folder that this process may write a result into.
#[derive(Debug, Clone)]
pub struct OutputFolder {
    path: PathBuf,
}

impl OutputFolder {
    /// Chooses the folder that the flags name, or a new one under `runs/`, without creating it.
    ///
    /// `contents` are the names of all that this kind of result may hold: `--force` removes nothing
    /// else, and refuses a folder that holds something else.
    pub fn choose(flags: &OutFlags, default_name: &str, contents: &[&str]) -> Result<Self> {
        let Some(path) = flags.out.clone() else { return Ok(Self { path: fresh(default_name) }) };
        let name = path.display();
        if path.exists() && !path.is_dir() {
            bail!("{name} is a file; --out takes a folder");
        }
        let held = entries(&path).with_context(|| format!("cannot look into {name}"))?;
        if let Some(stranger) = held.iter().find(|&entry| !contents.contains(&entry.as_str())) {
            bail!("{name} holds `{stranger}`, which is no part of such a result; choose another --out");
        }
        if !held.is_empty() && !flags.resume && !flags.force {
            bail!("{name} already holds a result; choose another --out, or say --resume or --force");
        }
        Ok(Self { path })
    }

    /// A folder inside this one.
    pub fn within(&self, name: &str) -> Self {
        Self { path: self.path.join(name) }
    }

    /// Creates the folder; with `start_over`, empties it first.
    pub fn create(&self, start_over: bool) -> Result<()> {
        if start_over && self.path.exists() {
            fs::remove_dir_all(&self.path)
                .with_context(|| format!("cannot clear {}", self.path.display()))?;
        }
        fs::create_dir_all(&self.path).with_context(|| format!("cannot create {}", self.path.display()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.path.join(name), bytes)
    }

    /// Writes a value as indented JSON.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.write(name, json(value)?.as_bytes())
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

/// A value as indented JSON, with a last line end.
pub fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Names in a folder; none if it is not there.
fn entries(path: &Path) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// `runs/<name>-<UTC time>`, with a number behind it if that is taken.
fn fresh(name: &str) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let base = format!("{name}-{time}");
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let mut candidates =
        std::iter::once(base.clone()).chain(numbered).map(|name| Path::new("runs").join(name));
    candidates.find(|path| !path.exists()).unwrap_or_default()
}

/// Refuses to add to a result that was made with another configuration.
pub fn check_same_config(path: &Path, current: &str) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let saved = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    match crate::config::first_difference(&saved, current)? {
        None => Ok(()),
        Some(key) => Err(UsageError(format!(
            "`{key}` differs from {}: --resume continues the same configuration only",
            path.display()
        ))
        .into()),
    }
}
