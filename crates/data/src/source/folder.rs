//! Finds and reads the files of a data set in a folder.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    ClassNames, DatasetKind, Progress, checksum,
    files::{Contents, FileSum},
    known::{CifarForm, Form, KnownDataset, KnownFile, SumOf},
};
use crate::{
    DataError,
    cifar::{self, CifarFiles},
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
    /// Their checksums, and whether they are the known ones.
    pub sums: Vec<(FileSum, bool)>,
}

/// A file of CIFAR, its checksum, and whether that is the known one.
type Bin = ((PathBuf, Vec<u8>), (FileSum, bool));

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
            let path = self.find(file, folder)?;
            // Images of another orientation are turned in memory.
            let in_memory = if is_transposed { usize::MAX } else { self.in_memory };
            if file.sum_of == SumOf::Published {
                sums.push(self.sum(&path, file, progress)?);
            }
            let mut idx = Idx::read(&path, IDX_KINDS[position], in_memory, progress)?;
            if file.sum_of == SumOf::Content {
                let is_known = self.check(&path, file, &idx.sha256)?;
                sums.push((FileSum::of_idx(file.name, &idx), is_known));
            }
            if is_transposed {
                idx.transpose();
            }
            Ok(idx)
        };
        let idx = [read(0)?, read(1)?, read(2)?, read(3)?];
        Ok(Found { folder: folder.to_owned(), contents: Contents::Idx(idx, None), sums })
    }

    /// Reads the unpacked files, or else the archive.
    fn read_cifar(
        &self,
        form: &CifarForm,
        folder: &Path,
        progress: &mut Progress,
    ) -> Result<Found, DataError> {
        let bins: Vec<&KnownFile> = form.train.iter().chain([&form.test]).collect();
        let places = [folder.to_owned(), folder.join(form.folder)];
        let lacks = |place: &Path| bins.iter().find(|file| !place.join(file.name).exists()).copied();
        let (folder, files) = if let Some(unpacked) = places.iter().find(|place| lacks(place).is_none()) {
            (&**unpacked, self.read_bins(unpacked, &bins, progress)?)
        } else if folder.join(form.archive.name).exists() {
            let path = folder.join(form.archive.name);
            let (sum, is_known) = self.sum(&path, &form.archive, progress)?;
            if !is_known {
                let refused = checksum::check(self.kind, &form.archive, &path, &sum.sha256);
                let contents = Contents::Cifar(refused.map(|()| CifarFiles::default()));
                return Ok(Found { folder: folder.to_owned(), contents, sums: vec![(sum, false)] });
            }
            (folder, self.unpack_bins(&path, &bins, progress)?)
        } else {
            let has_some = |place: &&PathBuf| bins.iter().any(|file| place.join(file.name).exists());
            return Err(match places.iter().find(has_some).and_then(|place| Some((place, lacks(place)?))) {
                Some((place, missing)) => self.no_file(place, missing.name, None),
                None => self.no_file(folder, form.archive.name, Some(form.test.name.to_owned())),
            });
        };
        let (mut train, sums): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let test = train.split_off(form.train.len());
        let (label_bytes, classes) = (form.label_bytes, self.known.classes);
        let contents = Contents::Cifar(Ok(CifarFiles { train, test, label_bytes, classes }));
        Ok(Found { folder: folder.to_owned(), contents, sums })
    }

    fn read_bins(
        &self,
        folder: &Path,
        bins: &[&KnownFile],
        progress: &mut Progress,
    ) -> Result<Vec<Bin>, DataError> {
        let mut read = |file: &&KnownFile| {
            let (path, mut bytes) = (folder.join(file.name), Vec::new());
            let sum = self.keep(&path, file, &mut bytes, progress)?;
            Ok(((path, bytes), sum))
        };
        bins.iter().map(&mut read).collect()
    }

    /// Reads the files in an archive that has the known checksum, so theirs need no check.
    fn unpack_bins(
        &self,
        archive: &Path,
        bins: &[&KnownFile],
        progress: &mut Progress,
    ) -> Result<Vec<Bin>, DataError> {
        let names: Vec<&str> = bins.iter().map(|file| file.name).collect();
        let read = |position: usize, path: &Path, content: &mut dyn Read| {
            let (file, refuse, mut bytes) = (bins[position], WrongSums::Refuse, Vec::new());
            let sum = checksum::of_content(self.kind, file, path, content, refuse, &mut bytes, progress)?;
            Ok(((path.to_owned(), bytes), (sum, true)))
        };
        cifar::unpack(archive, &names, read)
    }

    /// Finds a file by its name, gzipped or plain if its checksum allows both.
    fn find(&self, file: &KnownFile, folder: &Path) -> Result<PathBuf, DataError> {
        let gzipped = (file.sum_of == SumOf::Content).then(|| format!("{}.gz", file.name));
        let names = [Some(file.name), gzipped.as_deref()].into_iter().flatten();
        if let Some(path) = names.map(|name| folder.join(name)).find(|path| path.exists()) {
            return Ok(path);
        }
        if file.name.strip_suffix(".gz").is_some_and(|plain| folder.join(plain).exists()) {
            let (folder, name) = (folder.to_owned(), file.name);
            return Err(DataError::Decompressed { folder, name, dataset: self.kind });
        }
        Err(self.no_file(folder, file.name, gzipped))
    }

    fn no_file(&self, folder: &Path, name: &'static str, other: Option<String>) -> DataError {
        DataError::NoFile { folder: folder.to_owned(), name, other, dataset: self.kind }
    }

    fn sum(
        &self,
        path: &Path,
        file: &KnownFile,
        progress: &mut Progress,
    ) -> Result<(FileSum, bool), DataError> {
        self.keep(path, file, &mut io::sink(), progress)
    }

    /// Computes the checksum of a file, and writes its bytes to `keep`.
    fn keep(
        &self,
        path: &Path,
        file: &KnownFile,
        keep: &mut dyn Write,
        progress: &mut Progress,
    ) -> Result<(FileSum, bool), DataError> {
        let sum = checksum::of_file(self.kind, file, path, self.wrong_sums, keep, progress)?;
        let is_known = self.check(path, file, &sum.sha256)?;
        Ok((sum, is_known))
    }

    /// Returns whether this is the checksum of the known file, if another one is accepted.
    fn check(&self, path: &Path, file: &KnownFile, sha256: &str) -> Result<bool, DataError> {
        let checked = checksum::check(self.kind, file, path, sha256);
        match self.wrong_sums {
            WrongSums::Refuse => checked.map(|()| true),
            WrongSums::Accept => Ok(checked.is_ok()),
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
        sums.push((FileSum::of_idx(name, &idx), false));
        Ok(idx)
    };
    let idx = [read(0)?, read(1)?, read(2)?, read(3)?];
    let contents = Contents::Idx(idx, ClassNames::beside(folder)?);
    Ok(Found { folder: folder.to_owned(), contents, sums })
}

fn check_folder(folder: &Path) -> Result<(), DataError> {
    if folder.is_dir() { Ok(()) } else { Err(DataError::NoFolder(folder.to_owned())) }
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
        [] => {
            let (folder, other, dataset) = (folder.to_owned(), Some(gzipped), DatasetKind::Idx);
            Err(DataError::NoFile { folder, name, other, dataset })
        }
        [name] => Ok(folder.join(name)),
        _ => Err(DataError::Ambiguous { folder: folder.to_owned(), name, found }),
    }
}
