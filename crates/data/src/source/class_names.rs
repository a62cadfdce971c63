//! The names of the classes of IDX data, in a text file beside the four files.

use std::path::{Path, PathBuf};

use crate::{
    DataError,
    input::{self, is_unprintable},
};

/// The file of the class names: UTF-8, one name per line, in the order of the labels.
pub const CLASS_NAMES: &str = "classes.txt";

/// Limit for the size of the file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Limit for the number of names: a label in an IDX file is a byte.
const MOST_NAMES: usize = 256;

/// The class names in a file.
#[derive(Debug)]
pub(super) struct ClassNames {
    path: PathBuf,
    names: Vec<String>,
}

impl ClassNames {
    /// Reads the class names of IDX data; `None` if `folder` does not contain any.
    pub fn beside(folder: &Path) -> Result<Option<Self>, DataError> {
        let path = folder.join(CLASS_NAMES);
        if !path.exists() {
            return Ok(None);
        }
        let bytes =
            input::read(&path, MOST_BYTES).map_err(|cause| DataError::Read { path: path.clone(), cause })?;
        let wrong = |reason: String| DataError::ClassNames { path: path.clone(), reason };
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".into()))?;
        // Some editors write a byte order mark.
        let lines = text.trim_start_matches('\u{feff}').trim_end().lines();
        let names: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
        if names.len() > MOST_NAMES {
            let reason =
                format!("it has {} names, but IDX data have at most {MOST_NAMES} classes", names.len());
            return Err(wrong(reason));
        }
        for (name, line) in names.iter().zip(1..) {
            if name.is_empty() || name.chars().any(is_unprintable) {
                return Err(wrong(format!("line {line} is empty or contains a control character")));
            }
            if names.iter().take(line - 1).any(|earlier| earlier == name) {
                return Err(wrong(format!("line {line} repeats the name `{name}`")));
            }
        }
        Ok(Some(Self { path, names }))
    }

    /// Returns the names of this many classes.
    pub fn for_classes(self, classes: usize) -> Result<Vec<String>, DataError> {
        let Self { path, names } = self;
        if names.len() == classes {
            return Ok(names);
        }
        let reason = format!("it has {} names, but the data have {classes} classes", names.len());
        Err(DataError::ClassNames { path, reason })
    }
}
