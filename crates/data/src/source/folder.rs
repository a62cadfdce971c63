//! Finds and reads the files of a data set in a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ClassNames, DatasetKind, Progress, checksum,
    files::{Contents, FileSum},
    known::{CifarForm, Form, KnownDataset, KnownFile, SumOf},
};
use crate::{
    DataError,
    cifar::{CifarFiles, Place},
    idx::{Idx, IdxKind},
};

/// Kinds of the four IDX files of a data set, in the order of [`Form::Idx`].
const IDX_KINDS: [IdxKind; 4] = [IdxKind::Images, IdxKind::Labels, IdxKind::Images, IdxKind::Labels];

/// The four files of IDX data without known names: MNIST's name, and the endings of names in other data sets. Dots
/// count as dashes.
const IDX_NAMES: [(&str, &[&str]); 4] = [
    ("train-images-idx3-ubyte", &["train-images-idx3-ubyte", "train-images-idx4-ubyte"]),
    ("train-labels-idx1-ubyte", &["train-labels-idx1-ubyte"]),
    (
        "t10k-images-idx3-ubyte",
        &[
            "t10k-images-idx3-ubyte",
            "t10k-images-idx4-ubyte",
            "test-images-idx3-ubyte",
            "test-images-idx4-ubyte",
        ],
    ),
    ("t10k-labels-idx1-ubyte", &["t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"]),
];

/// What to do with a file whose checksum is not the known one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WrongSums {
    Refuse,
    /// Only to report them.
    Accept,
}

/// The files of a data set in a folder.
pub(super) struct Found {
    /// The folder that contains them.
    pub folder: PathBuf,
    pub contents: Contents,
    /// Their checksums, and those that they should have.
    pub sums: Vec<(FileSum, Option<&'static str>)>,
}

/// Reads the files of a known data set.
pub(super) struct Reader {
    pub kind: DatasetKind,
    pub known: &'static KnownDataset,
    pub wrong_sums: WrongSums,
    /// Largest number of values of an IDX file in memory.
    pub in_memory: usize,
}

impl Reader {
    /// Finds and reads the files in `folder`, or in the folder of the unpacked archive within it.
    pub fn read(&self, folder: &Path, progress: &mut Progress) -> Result<Found, DataError> {
        check_folder(folder)?;
        match &self.known.form {
            Form::Idx(files) => self.read_idx(folder, files, false, progress),
            Form::ZippedIdx { archive, folder: unpacked, files } => {
                let inner = folder.join(unpacked);
                let folder = if inner.is_dir() { &inner } else { folder };
                self.read_idx(folder, files, true, progress).map_err(|error| match error {
                    DataError::NoFile { folder, name, .. } if folder.join(archive.name).exists() => {
                        DataError::StillZipped { path: folder.join(archive.name), folder: unpacked, name }
                    }
                    other => other,
                })
            }
            Form::Cifar(form) => self.read_cifar(form, folder, progress),
        }
    }

    fn read_idx(
        &self,
        folder: &Path,
        files: &'static [KnownFile; 4],
        is_transposed: bool,
        progress: &mut Progress,
    ) -> Result<Found, DataError> {
        let mut sums = Vec::new();
        let mut read = |position: usize| {
            let file = &files[position];
            let path = find_known(file, folder)?;
            // Images of another orientation are turned in memory.
            let in_memory = if is_transposed { usize::MAX } else { self.in_memory };
            if file.sum_of == SumOf::Published {
                sums.push(self.sum(&path, file, progress)?);
            }
            let mut idx = Idx::read(&path, IDX_KINDS[position], in_memory, progress)?;
            if file.sum_of == SumOf::Content {
                self.check(&path, file, &idx.sha256)?;
                sums.push((FileSum::of_idx(file.name, &idx), Some(file.sha256)));
            }
            if is_transposed {
                idx.transpose();
            }
            Ok(idx)
        };
        let idx = [read(0)?, read(1)?, read(2)?, read(3)?];
        Ok(Found { folder: folder.to_owned(), contents: Contents::Idx(idx, None), sums })
    }

    /// Finds the unpacked files, or else the archive, and computes their checksums. They are parsed later.
    fn read_cifar(
        &self,
        form: &CifarForm,
        folder: &Path,
        progress: &mut Progress,
    ) -> Result<Found, DataError> {
        let bins: Vec<&KnownFile> = form.train.iter().chain([&form.test]).collect();
        let places = [folder.to_owned(), folder.join(form.folder)];
        let unpacked =
            places.into_iter().find(|place| bins.iter().all(|file| place.join(file.name).exists()));
        let archive = folder.join(form.archive.name);
        let (folder, files) = match &unpacked {
            Some(unpacked) => (&**unpacked, bins),
            None if archive.exists() => (folder, vec![&form.archive]),
            None => {
                let (name, other) = (form.archive.name, Some(form.test.name.to_owned()));
                return Err(DataError::NoFile { folder: folder.to_owned(), name, other });
            }
        };
        let sums = files.iter().map(|file| self.sum(&folder.join(file.name), file, progress));
        let sums = sums.collect::<Result<_, _>>()?;
        let files = CifarFiles {
            place: unpacked.clone().map_or(Place::Archive(archive), Place::Folder),
            train: form.train.iter().map(|file| file.name).collect(),
            test: form.test.name,
            label_bytes: form.label_bytes,
            classes: self.known.classes,
        };
        Ok(Found { folder: folder.to_owned(), contents: Contents::Cifar(files), sums })
    }

    fn sum(
        &self,
        path: &Path,
        file: &KnownFile,
        progress: &mut Progress,
    ) -> Result<(FileSum, Option<&'static str>), DataError> {
        let sum = checksum::of_file(self.kind, file, path, progress)?;
        self.check(path, file, &sum.sha256)?;
        Ok((sum, Some(file.sha256)))
    }

    fn check(&self, path: &Path, file: &KnownFile, sha256: &str) -> Result<(), DataError> {
        match self.wrong_sums {
            WrongSums::Refuse => checksum::check(self.kind, file, path, sha256),
            WrongSums::Accept => Ok(()),
        }
    }
}

/// Reads four IDX files without known checksums, each plain or gzipped.
pub(super) fn read_any_idx(
    folder: &Path,
    in_memory: usize,
    progress: &mut Progress,
) -> Result<Found, DataError> {
    check_folder(folder)?;
    let mut sums = Vec::new();
    let mut read = |position: usize| {
        let (name, endings) = IDX_NAMES[position];
        let idx = Idx::read(&find_any(name, endings, folder)?, IDX_KINDS[position], in_memory, progress)?;
        sums.push((FileSum::of_idx(name, &idx), None));
        Ok(idx)
    };
    let idx = [read(0)?, read(1)?, read(2)?, read(3)?];
    let contents = Contents::Idx(idx, ClassNames::beside(folder)?);
    Ok(Found { folder: folder.to_owned(), contents, sums })
}

fn check_folder(folder: &Path) -> Result<(), DataError> {
    if folder.is_dir() { Ok(()) } else { Err(DataError::NoFolder(folder.to_owned())) }
}

/// Finds a file by its name, gzipped or plain if its checksum allows both.
fn find_known(file: &KnownFile, folder: &Path) -> Result<PathBuf, DataError> {
    let gzipped = (file.sum_of == SumOf::Content).then(|| format!("{}.gz", file.name));
    let names = [Some(file.name), gzipped.as_deref()].into_iter().flatten();
    let found = names.map(|name| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| DataError::NoFile { folder: folder.to_owned(), name: file.name, other: gzipped })
}

/// Finds one of the four IDX files by MNIST's name, or by a name with a known ending.
fn find_any(name: &'static str, endings: &[&str], folder: &Path) -> Result<PathBuf, DataError> {
    let unreadable = |cause| DataError::Read { path: folder.to_owned(), cause };
    let gzipped = format!("{name}.gz");
    let exact = [name, &gzipped].map(|name| folder.join(name));
    if let Some(path) = exact.into_iter().find(|path| path.exists()) {
        return Ok(path);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let plain = name.strip_suffix(".gz").unwrap_or(&name).replace('.', "-");
        if endings.iter().any(|ending| plain.ends_with(ending)) {
            found.push(name);
        }
    }
    found.sort();
    match &found[..] {
        [] => Err(DataError::NoFile { folder: folder.to_owned(), name, other: Some(gzipped) }),
        [name] => Ok(folder.join(name)),
        _ => Err(DataError::Ambiguous { folder: folder.to_owned(), name, found }),
    }
}
