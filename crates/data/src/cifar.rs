//! The binary form of CIFAR: for each image, its label bytes, then 3×32×32 pixels.
//!
//! <https://www.cs.toronto.edu/~kriz/cifar.html> describes it under "Binary version".

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use crate::{DataError, ImageShape, Images, input};

/// Shape of the images.
pub(crate) const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// The files of both splits: their paths and bytes.
#[derive(Debug, Default)]
pub(crate) struct CifarFiles {
    /// Files of training images, in order.
    pub train: Vec<(PathBuf, Vec<u8>)>,
    /// Files of test images.
    pub test: Vec<(PathBuf, Vec<u8>)>,
    /// Number of label bytes per image. The last one is the class.
    pub label_bytes: usize,
    /// Number of classes.
    pub classes: usize,
}

impl CifarFiles {
    /// Returns the training and the test images.
    ///
    /// # Errors
    /// - A file does not consist of whole images.
    /// - A label is not a class.
    pub fn into_images(mut self) -> Result<(Images, Images), DataError> {
        let [train, test] = [&mut self.train, &mut self.test].map(std::mem::take);
        Ok((self.images(train)?, self.images(test)?))
    }

    /// Separates labels and pixels. Pixels move to the front of their file's bytes, so that they need no second copy.
    fn images(&self, files: Vec<(PathBuf, Vec<u8>)>) -> Result<Images, DataError> {
        let record = self.label_bytes + SHAPE.pixels();
        let all: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (mut pixels, mut labels) = (Vec::new(), Vec::with_capacity(all / record));
        for (path, mut bytes) in files {
            if bytes.is_empty() || bytes.len() % record != 0 {
                return Err(DataError::Records { path, bytes: bytes.len(), record });
            }
            let images = bytes.len() / record;
            for position in 0..images {
                let image = position * record + self.label_bytes;
                let label = u32::from(bytes[image - 1]);
                if label as usize >= self.classes {
                    let classes = self.classes;
                    return Err(DataError::LabelRange { path, label, position, classes });
                }
                labels.push(label);
                bytes.copy_within(image..image + SHAPE.pixels(), position * SHAPE.pixels());
            }
            bytes.truncate(images * SHAPE.pixels());
            if pixels.is_empty() {
                pixels = bytes;
                pixels.reserve_exact(all.saturating_sub(pixels.len()));
            } else {
                pixels.append(&mut bytes);
            }
        }
        Ok(Images::new(SHAPE, pixels, labels))
    }
}

/// Calls `read` with the position, the path and the content of each named file in the archive. Returns its results in
/// the order of the names.
///
/// # Errors
/// When the archive is damaged or lacks a file, or `read` fails.
pub(crate) fn unpack<T>(
    archive: &Path,
    names: &[&str],
    mut read: impl FnMut(usize, &Path, &mut dyn Read) -> Result<T, DataError>,
) -> Result<Vec<T>, DataError> {
    let failed = |cause: io::Error| DataError::Read { path: archive.to_owned(), cause };
    let (file, _) = input::open(archive).map_err(failed)?;
    let mut found: Vec<Option<T>> = names.iter().map(|_| None).collect();
    let mut entries = tar::Archive::new(GzDecoder::new(io::BufReader::with_capacity(1 << 20, file)));
    for entry in entries.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        if let Some(position) = names.iter().position(|name| path.ends_with(name)) {
            found[position] = Some(read(position, &archive.join(names[position]), &mut entry)?);
        }
    }
    let lacks = |name| failed(io::Error::other(format!("the archive does not contain {name}")));
    names.iter().zip(found).map(|(name, read)| read.ok_or_else(|| lacks(name))).collect()
}
