//! The runs and comparisons below a folder, as their files describe them. Nothing here reads weights, and only
//! [`compare_results`] reads predictions.

mod details;
mod difference;
mod entry;

use std::{
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
};

use mnist_training::{Observer, TrainingError};

pub use details::{Details, FileSize};
pub use difference::{Answers, DifferentAnswer, ResultDifference, compare_results};
pub use entry::{Entry, EntryKind, EntryState};

/// What lies below a folder.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The runs and comparisons, oldest first.
    pub entries: Vec<Entry>,
    /// Folders that cannot be read.
    pub unreadable: Vec<PathBuf>,
}

impl Catalog {
    /// Finds the runs and comparisons in a folder and below it. The runs of a comparison are left out, unless `root` is
    /// in this comparison. Symbolic links and names that begin with a dot are not followed.
    ///
    /// # Errors
    /// When the folder itself cannot be read, or the observer asks to stop.
    pub fn read(root: &Path, observer: &dyn Observer) -> Result<Self, TrainingError> {
        let mut catalog = Self::default();
        let mut waiting = vec![root.to_owned()];
        while let Some(folder) = waiting.pop() {
            if observer.wants_stop() {
                return Err(TrainingError::Interrupted);
            }
            let is_root = folder == root;
            let entry = Entry::read(&folder);
            let is_result = entry.is_some();
            catalog.entries.extend(entry);
            if is_result && !is_root {
                continue;
            }
            match folders_in(&folder) {
                Ok(folders) => waiting.extend(folders),
                Err(error) if is_root => return Err(TrainingError::file("list the files in", folder)(error)),
                Err(_) => catalog.unreadable.push(folder),
            }
        }
        catalog.entries.sort_by(|a, b| (&a.date, &a.path).cmp(&(&b.date, &b.path)));
        catalog.unreadable.sort();
        Ok(catalog)
    }
}

fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_followed = |entry: &DirEntry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir())
            && !entry.file_name().to_string_lossy().starts_with('.')
    };
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.iter().filter(|entry| is_followed(entry)).map(DirEntry::path).collect())
}
