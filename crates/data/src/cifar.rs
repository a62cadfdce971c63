//! The binary form of CIFAR: for each image, its label bytes, then 3×32×32 pixels.
//!
//! <https://www.cs.toronto.edu/~kriz/cifar.html> describes it under "Binary version".

use std::{
    io,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use crate::{DataError, ImageShape, Images, input};

/// Shape of the images.
pub(crate) const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// Limit for one file, in bytes. The largest one, of CIFAR-100, has 154 million.
const MOST_BYTES: u64 = 256 << 20;

/// The files of both splits.
#[derive(Debug)]
pub(crate) struct CifarFiles {
    pub place: Place,
    /// Names of the files of training images, in order.
    pub train: Vec<&'static str>,
    /// Name of the file of test images.
    pub test: &'static str,
    /// Number of label bytes per image. The last one is the class.
    pub label_bytes: usize,
    /// Number of classes.
    pub classes: usize,
}

/// Where the files are.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a gzipped tar archive.
    Archive(PathBuf),
    /// In a folder.
    Folder(PathBuf),
}

impl CifarFiles {
    /// Reads the training and the test images.
    ///
    /// # Errors
    /// - A file cannot be read, or the archive is damaged or lacks a file.
    /// - A file does not consist of whole images.
    /// - A label is not a class.
    pub fn read(&self) -> Result<(Images, Images), DataError> {
        let names: Vec<&str> = self.train.iter().copied().chain([self.test]).collect();
        let mut train = match &self.place {
            Place::Archive(archive) => unpack(archive, &names)?,
            Place::Folder(folder) => {
                let read = |name: &&str| {
                    let path = folder.join(name);
                    match input::read(&path, MOST_BYTES) {
                        Ok(bytes) => Ok((path, bytes)),
                        Err(cause) => Err(DataError::Read { path, cause }),
                    }
                };
                names.iter().map(read).collect::<Result<_, _>>()?
            }
        };
        let test = train.split_off(self.train.len());
        Ok((self.images(train)?, self.images(test)?))
    }

    /// Separates labels and pixels. Frees each file before the next.
    fn images(&self, files: Vec<(PathBuf, Vec<u8>)>) -> Result<Images, DataError> {
        let record = self.label_bytes + SHAPE.pixels();
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (mut pixels, mut labels) = (Vec::with_capacity(bytes), Vec::with_capacity(bytes / record));
        for (path, bytes) in files {
            if bytes.is_empty() || bytes.len() % record != 0 {
                return Err(DataError::Records { path, bytes: bytes.len(), record });
            }
            for (position, image) in bytes.chunks_exact(record).enumerate() {
                let label = u32::from(image[..self.label_bytes].last().copied().unwrap_or_default());
                if label as usize >= self.classes {
                    let classes = self.classes;
                    return Err(DataError::LabelRange { path, label, position, classes });
                }
                labels.push(label);
                pixels.extend_from_slice(&image[self.label_bytes..]);
            }
        }
        Ok(Images::new(SHAPE, pixels, labels))
    }
}

/// Reads the files in the archive, in the order of their names.
fn unpack(archive: &Path, names: &[&str]) -> Result<Vec<(PathBuf, Vec<u8>)>, DataError> {
    let failed = |cause: io::Error| DataError::Read { path: archive.to_owned(), cause };
    let (file, _) = input::open(archive).map_err(failed)?;
    let mut found: Vec<Option<Vec<u8>>> = vec![None; names.len()];
    let mut entries = tar::Archive::new(GzDecoder::new(io::BufReader::with_capacity(1 << 20, file)));
    for entry in entries.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        if let Some(position) = names.iter().position(|name| path.ends_with(name)) {
            found[position] = Some(input::read_stream(entry, MOST_BYTES).map_err(failed)?);
        }
    }
    let in_order = names.iter().zip(found).map(|(name, bytes)| {
        let lacks = || failed(io::Error::other(format!("the archive does not contain {name}")));
        Ok((archive.join(name), bytes.ok_or_else(lacks)?))
    });
    in_order.collect()
}
