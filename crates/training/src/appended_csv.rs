//! A CSV file to which a run appends rows while it trains. Each checkpoint records the valid part of the file.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use mnist_data::{input, source::FileSum};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{TrainingError, files};

/// The part of a file that was written before a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extent {
    rows: usize,
    bytes: u64,
    sha256: String,
}

/// A CSV file that grows row by row.
#[derive(Debug)]
pub(crate) struct AppendedCsv {
    path: PathBuf,
    rows: usize,
    bytes: u64,
    sum: Sha256,
}

impl AppendedCsv {
    /// Returns the file before its first row. Rows of an earlier attempt will be overwritten.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, rows: 0, bytes: 0, sum: Sha256::new() }
    }

    /// Reads the rows of `extent`. Later rows will be overwritten.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or was changed.
    pub(crate) fn read<T: DeserializeOwned>(
        path: PathBuf,
        extent: &Extent,
    ) -> Result<(Self, Vec<T>), TrainingError> {
        let mut this = Self::new(path);
        if extent.rows == 0 {
            return Ok((this, Vec::new()));
        }
        let mut bytes = Vec::new();
        let read =
            input::open(&this.path).and_then(|(file, _)| file.take(extent.bytes).read_to_end(&mut bytes));
        read.map_err(|cause| files::unreadable(&this.path, cause))?;
        this.sum.update(&bytes);
        (this.rows, this.bytes) = (extent.rows, bytes.len() as u64);
        if this.extent() != *extent {
            return Err(TrainingError::damaged(&this.path)("its SHA-256 is not the recorded one"));
        }
        let rows = files::parse_csv::<T>(&this.path, &bytes)?;
        if rows.len() != extent.rows {
            return Err(TrainingError::damaged(&this.path)("it does not have the recorded number of rows"));
        }
        Ok((this, rows))
    }

    /// Appends the rows after those that are already written. `all` contains these too.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn append(&mut self, all: &[impl Serialize]) -> Result<(), TrainingError> {
        let is_new = self.rows == 0;
        let rows = &all[self.rows..];
        let is_longer = || self.path.metadata().is_ok_and(|file| file.len() > self.bytes);
        if rows.is_empty() && !is_new && !is_longer() {
            return Ok(());
        }
        // Later rows of an earlier attempt are cut off.
        let text = if is_new { files::csv(rows)? } else { files::csv_without_header(rows)? };
        let write = || {
            let mut file = File::options().write(true).create(is_new).truncate(false).open(&self.path)?;
            file.set_len(self.bytes)?;
            file.seek(SeekFrom::Start(self.bytes))?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(TrainingError::file("write", &self.path))?;
        if is_new {
            files::sync_folder(self.path.parent().unwrap_or(&self.path))?;
        }
        self.sum.update(&text);
        self.bytes += text.len() as u64;
        self.rows = all.len();
        Ok(())
    }

    /// Returns the part of the file that is written.
    pub(crate) fn extent(&self) -> Extent {
        Extent { rows: self.rows, bytes: self.bytes, sha256: HEXLOWER.encode(&self.sum.clone().finalize()) }
    }

    /// Returns the checksum of the file.
    pub(crate) fn sum(&self) -> FileSum {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        FileSum { name, sha256: self.extent().sha256, bytes: self.bytes }
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
