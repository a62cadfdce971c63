//! Output folders: each contains one result, and every file in it is complete or missing. Only the rows of a run's
//! `metrics.csv` and `curve.csv` are appended while it trains.
//!
//! JSON files that are read back are sealed: their last key is the SHA-256 of the text before it.

mod destination;

use std::{
    borrow::Cow,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use data_encoding::HEXLOWER;
use mnist_data::{
    input::{self, is_unprintable},
    source::FileSum,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::TrainingError;

pub use destination::{Destination, Existing, ResultKind, State};

/// The file of the settings, in every folder that contains a result.
pub const CONFIG: &str = "config.toml";

/// The file of the result, written last.
pub const RESULT: &str = "result.json";

/// Limit for the size of a file of settings, in bytes.
pub const MOST_SETTINGS: u64 = 1 << 20;

/// Limit for the size of a JSON or CSV file whose size nothing else names, in bytes.
const MOST_TEXT: u64 = 64 << 20;

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

    /// Writes a value as indented JSON with its checksum, see [`sealed_json`].
    ///
    /// # Errors
    /// When JSON cannot represent the value, or the file cannot be written.
    pub fn write_sealed(&self, name: &str, value: &impl Serialize) -> Result<(), TrainingError> {
        self.write(name, sealed_json(value)?.as_bytes())
    }

    /// Removes the temporary files of processes that were killed while writing one of the `contents`. No other process
    /// may be writing into the folder.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file cannot be removed.
    pub fn remove_temporary(&self, contents: &[&str]) -> Result<(), TrainingError> {
        let found = entries(&self.path)?;
        let mut temporary = found.iter().filter(|entry| destination::is_temporary(entry, contents));
        temporary.try_for_each(|entry| self.remove(entry))
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

/// Makes sure that the names in a folder survive a power loss.
///
/// # Errors
/// When the folder cannot be synced.
pub fn sync_folder(path: &Path) -> Result<(), TrainingError> {
    // Other systems cannot open a folder.
    let synced = if cfg!(unix) { File::open(path).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    synced.map_err(TrainingError::file("write", path))
}

/// Returns when a file was last written, in UTC and such as `2026-11-26T12:00:00Z`. `None` if it does not exist.
pub fn modified(path: &Path) -> Option<String> {
    let modified = path.metadata().ok()?.modified().ok()?;
    let time = jiff::Timestamp::try_from(modified).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Returns the SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Returns the checksum of a file with this content.
pub fn sum(name: &str, bytes: &[u8]) -> FileSum {
    FileSum { name: name.to_owned(), sha256: sha256(bytes), bytes: bytes.len() as u64 }
}

/// Reads a file that must have this checksum.
///
/// # Errors
/// When the file is missing, cannot be read, or was changed.
pub fn read_unchanged(folder: &Path, sum: &FileSum) -> Result<Vec<u8>, TrainingError> {
    let path = folder.join(&sum.name);
    let bytes = read(&path, sum.bytes)?;
    if sha256(&bytes) != sum.sha256 {
        return Err(TrainingError::damaged(path)("its SHA-256 is not the recorded one"));
    }
    Ok(bytes)
}

/// Reads a file of at most `most` bytes. A larger file is damaged.
///
/// # Errors
/// When the file is missing, larger, or cannot be read.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>, TrainingError> {
    input::read(path, most).map_err(|cause| unreadable(path, cause))
}

/// Returns the error for a file that cannot be read. If the file itself is the reason, it is damaged.
pub(crate) fn unreadable(path: &Path, cause: io::Error) -> TrainingError {
    match cause.kind() {
        io::ErrorKind::FileTooLarge => TrainingError::damaged(path)("it is longer than it can be"),
        _ => TrainingError::file("read", path)(cause),
    }
}

/// Reads a value from JSON.
///
/// # Errors
/// When the file cannot be read, or does not contain such a value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainingError> {
    serde_json::from_slice(&read(path, MOST_TEXT)?).map_err(TrainingError::damaged(path))
}

/// Reads a value from JSON that [`sealed_json`] returned. The flag is false if the checksum is missing, as in files of
/// old versions.
///
/// # Errors
/// When the file cannot be read, does not contain such a value, or was changed.
pub fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<(T, bool), TrainingError> {
    let text = String::from_utf8(read(path, MOST_TEXT)?).map_err(TrainingError::damaged(path))?;
    let Some((content, seal)) = text.rsplit_once(SEAL) else {
        return Ok((serde_json::from_str(&text).map_err(TrainingError::damaged(path))?, false));
    };
    if seal != format!("{}\"\n}}\n", sha256(content.as_bytes())) {
        return Err(TrainingError::damaged(path)("its SHA-256 is not the recorded one"));
    }
    let value = serde_json::from_str(&format!("{content}}}")).map_err(TrainingError::damaged(path))?;
    Ok((value, true))
}

/// What separates the content of a sealed file from its checksum.
const SEAL: &str = ",\n  \"sha256\": \"";

/// Returns a struct as indented JSON with one more key: `sha256`, the checksum of the text before it.
///
/// # Errors
/// When JSON cannot represent the value.
pub fn sealed_json(value: &impl Serialize) -> Result<String, TrainingError> {
    let text = json(value)?;
    let content = text.strip_suffix("\n}\n").unwrap_or(&text);
    Ok(format!("{content}{SEAL}{}\"\n}}\n", sha256(content.as_bytes())))
}

/// Returns the rows in the bytes of a CSV file. Errors show `path` as its name.
///
/// # Errors
/// When the file has other columns or values.
pub fn parse_csv<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<Vec<T>, TrainingError> {
    let rows = csv::Reader::from_reader(bytes).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(TrainingError::damaged(path))
}

/// Returns a value as indented JSON that ends with a newline.
///
/// # Errors
/// When JSON cannot represent the value.
pub fn json(value: &impl Serialize) -> Result<String, TrainingError> {
    let text = serde_json::to_string_pretty(value).map_err(TrainingError::encode("JSON"))?;
    Ok(escape_json(&text).into_owned() + "\n")
}

/// Escapes the characters in JSON that are [unprintable](is_unprintable), except line breaks. JSON itself escapes only those of ASCII.
///
/// # Example
/// ```
/// use mnist_training::files::escape_json;
///
/// assert_eq!(escape_json("{\"name\": \"a\u{202e}b\"}"), r#"{"name": "a\u202eb"}"#);
/// ```
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let is_escaped = |character: char| character != '\n' && is_unprintable(character);
    if !json.contains(is_escaped) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_escaped(character) {
            // All of them have at most four hexadecimal digits.
            let _ = write!(escaped, "\\u{:04x}", character as u32);
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Returns rows as CSV, with the field names as the header.
///
/// # Errors
/// When CSV cannot represent a row.
pub fn csv(rows: &[impl Serialize]) -> Result<Vec<u8>, TrainingError> {
    csv_with(csv::WriterBuilder::new().has_headers(true), rows)
}

/// Returns rows as CSV, to append to a file that has a header.
///
/// # Errors
/// When CSV cannot represent a row.
pub fn csv_without_header(rows: &[impl Serialize]) -> Result<Vec<u8>, TrainingError> {
    csv_with(csv::WriterBuilder::new().has_headers(false), rows)
}

fn csv_with(builder: &csv::WriterBuilder, rows: &[impl Serialize]) -> Result<Vec<u8>, TrainingError> {
    let mut table = builder.from_writer(Vec::new());
    for row in rows {
        table.serialize(row).map_err(TrainingError::encode("CSV"))?;
    }
    table.into_inner().map_err(TrainingError::encode("CSV"))
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

/// Removes a file or a folder, if it exists.
fn remove(path: &Path) -> Result<(), TrainingError> {
    let removed = match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(TrainingError::file("remove", path))
}
