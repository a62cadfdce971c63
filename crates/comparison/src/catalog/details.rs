//! Everything that the folder of a run or a comparison says about it.

use std::{fs, path::Path};

use mnist_data::source::FileSum;
use mnist_training::{
    FinishedRun, TrainingError,
    files::{self, CONFIG, RESULT},
    run::{DATA, Versions},
    settings::read_saved,
};
use serde::Serialize;

use super::{Entry, EntryKind, EntryState};
use crate::{
    ComparisonError,
    plan::{PLAN, Plan},
};

/// A run or a comparison with its settings, its data and its files.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    /// The row of a list. All files of a finished run were checked, but of a comparison only its result: not the files of
    /// its runs.
    #[serde(flatten)]
    pub entry: Entry,
    /// The settings in force, as `config.toml` contains them. Empty if it cannot be read.
    pub settings: toml::Table,
    /// Versions of the programs, if they are known.
    pub versions: Option<Versions>,
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
    /// The contents of `result.json`.
    pub result: Option<serde_json::Value>,
    /// The files in the folder, without those in folders.
    pub files: Vec<FileSize>,
    /// The finished run.
    #[serde(skip)]
    pub run: Option<FinishedRun>,
}

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSize {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

impl Details {
    /// Reads the folder of a run or a comparison, and checks all files of a run.
    ///
    /// # Errors
    /// When the folder does not exist, or contains neither.
    pub fn read(folder: &Path) -> Result<Self, ComparisonError> {
        if !folder.is_dir() {
            return Err(TrainingError::NoRun(folder.to_owned()).into());
        }
        let entry =
            Entry::read(folder).ok_or_else(|| ComparisonError::NeitherRunNorComparison(folder.to_owned()))?;
        let settings = read_saved(&folder.join(CONFIG)).ok().and_then(|text| text.parse().ok());
        let result = files::read_sealed(&folder.join(RESULT)).ok().map(|(result, _)| result);
        let mut this = Self {
            entry,
            settings: settings.unwrap_or_default(),
            versions: None,
            data: Vec::new(),
            result,
            files: files_in(folder),
            run: None,
        };
        match this.entry.kind {
            EntryKind::Run => this.read_run(folder),
            EntryKind::Comparison => {
                if let Ok(plan) = Plan::read_any(&folder.join(PLAN)) {
                    (this.data, this.versions) = (plan.data, plan.versions);
                }
            }
        }
        Ok(this)
    }

    fn read_run(&mut self, folder: &Path) {
        self.data = files::read_json(&folder.join(DATA)).unwrap_or_default();
        if !matches!(self.entry.state, EntryState::Finished | EntryState::Diverged) {
            return;
        }
        match FinishedRun::read_intact(folder, self.entry.seed.unwrap_or_default()) {
            Ok(run) => {
                if let Some(run) = &run {
                    self.data.clone_from(&run.result.data);
                    self.versions = Some(run.result.versions.clone());
                }
                self.run = run;
            }
            Err(error) => self.entry = self.entry.clone().damaged(&error),
        }
    }
}

fn files_in(folder: &Path) -> Vec<FileSize> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<FileSize> = entries
        .filter_map(|entry| {
            let found = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some(FileSize { name: entry.file_name().to_string_lossy().into_owned(), bytes: found.len() })
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}
