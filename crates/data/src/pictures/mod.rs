//! Pictures in class folders: `train/<class>/*.png` and `test/<class>/*.png`. Each picture is decoded when it is
//! needed, so a data set may be larger than memory.
//!
//! Files are PNG, JPEG, BMP or WebP; their content decides the format. 8-bit grayscale becomes one channel, 8-bit RGB
//! three. Alpha is dropped, a palette is replaced by its colors, and 16 bits are rounded to 8. BMP and WebP files
//! count as RGB even if all their pixels are gray. EXIF orientation and color profiles are ignored, as in Keras.

mod decoding;
mod jpeg;
mod listing;
mod options;
mod reader;

use std::{
    iter,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use self::decoding::Picture;
pub use self::{
    options::{ColorMode, PictureOptions, Size},
    reader::{Fit, PictureReader},
};
use crate::{DataError, ImageShape, Progress, input::shown};

/// Returns how many pictures are decoded between two calls of `progress`. Photos take tens of milliseconds each, and
/// ctrl-C waits for them.
pub(crate) fn at_a_time() -> usize {
    8 * rayon::current_num_threads()
}

/// The pictures of both splits of a folder, listed but not decoded.
#[derive(Debug)]
pub struct PictureFolder {
    /// Names of the folders in `train`, sorted by their bytes. A label is an index into them.
    pub class_names: Vec<String>,
    /// Training pictures, with one label each.
    pub train: (Pictures, Vec<u32>),
    /// Test pictures, with one label each. Some classes may have none.
    pub test: (Pictures, Vec<u32>),
}

/// Lists the pictures in `folder` and reads the header of the first training picture, which decides the size and color
/// mode of all pictures unless `options` set them.
///
/// The pictures of a class are sorted by path. Classes are interleaved in proportion to their sizes, so that the first
/// or the last part of a split is a sample of all classes. Symbolic links are followed. Hidden files, `Thumbs.db` and
/// `desktop.ini` are skipped.
///
/// # Errors
/// - `train` or `test` is missing.
/// - A class is empty, or exists only in `test`. Or its name is not UTF-8, or contains control characters.
/// - A file is not a picture or cannot be read, or the first picture is broken.
pub fn open(folder: &Path, options: PictureOptions) -> Result<PictureFolder, DataError> {
    if !folder.is_dir() {
        return Err(DataError::NoFolder(folder.to_owned()));
    }
    let [train, test] = ["train", "test"].map(|split| {
        let path = folder.join(split);
        if path.is_dir() { Ok(path) } else { Err(DataError::NoSplit { folder: folder.to_owned(), split }) }
    });
    let (train, test) = (train?, test?);

    let class_names = listing::class_names(&train)?;
    let list = |split: &Path, names: &[String]| {
        let list_class = |name: &String| {
            let label = class_names
                .binary_search(name)
                .map_err(|_| DataError::UnknownClass { path: split.join(name), train: train.clone() })?;
            Ok((label as u32, listing::class_pictures(split, name)?))
        };
        names.iter().map(list_class).collect::<Result<Vec<_>, _>>().map(listing::interleave)
    };
    let (train_paths, train_labels) = list(&train, &class_names)?;
    let (test_paths, test_labels) = list(&test, &listing::class_names(&test)?)?;

    let first = train.join(&train_paths[0]);
    let bytes = decoding::read(&first)?;
    let first = Picture::new(&first, &bytes)?;
    let size = options.resize.unwrap_or(first.size());
    let color_mode = options.color_mode.unwrap_or(first.color_mode());
    let pictures = |folder, paths| Pictures { folder, paths, size, color_mode, options };
    Ok(PictureFolder {
        train: (pictures(train, train_paths), train_labels),
        test: (pictures(test, test_paths), test_labels),
        class_names,
    })
}

/// The pictures of one split, in order; at least one.
#[derive(Debug)]
pub struct Pictures {
    folder: PathBuf,
    /// Relative to `folder`, to save memory: there may be a million paths.
    paths: Vec<Box<Path>>,
    size: Size,
    color_mode: ColorMode,
    options: PictureOptions,
}

impl Pictures {
    /// Returns the shape of every decoded picture.
    pub fn shape(&self) -> ImageShape {
        ImageShape {
            channels: self.color_mode.channels(),
            height: self.size.height(),
            width: self.size.width(),
        }
    }

    /// Returns the path of picture `index`.
    ///
    /// # Panics
    /// When `index` is out of range.
    pub fn path(&self, index: usize) -> PathBuf {
        self.folder.join(&self.paths[index])
    }

    /// Returns the path of picture `index` below the folder of the data set, safe to show: `<split>/<class>/<file>`. It
    /// always has `/` between its parts.
    ///
    /// # Panics
    /// When `index` is out of range.
    pub(crate) fn name(&self, index: usize) -> String {
        let split = self.folder.file_name().unwrap_or_default();
        let parts = iter::once(split).chain(self.paths[index].iter());
        parts.map(|part| shown(part).to_string()).collect::<Vec<_>>().join("/")
    }

    /// Decodes picture `index` into `pixels`, C×H×W.
    ///
    /// # Errors
    /// When the file cannot be read or is broken; or when it has another size or color mode than the first picture and
    /// the options do not set one. The size is checked before pixels are decoded.
    ///
    /// # Panics
    /// When `index` is out of range, or `pixels` is not [`shape().pixels()`](ImageShape::pixels) long.
    pub fn decode(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let path = self.path(index);
        self.decode_bytes(&path, &decoding::read(&path)?, pixels)
    }

    fn decode_bytes(&self, path: &Path, bytes: &[u8], pixels: &mut [u8]) -> Result<(), DataError> {
        assert_eq!(pixels.len(), self.shape().pixels(), "`pixels` must have room for one picture");
        let picture = Picture::new(path, bytes)?;
        if self.options.resize.is_none() && picture.size() != self.size {
            let (found, expected) = (picture.size(), self.size);
            return Err(DataError::PictureSize { path: path.to_owned(), found, expected });
        }
        if self.options.color_mode.is_none() && picture.color_mode() != self.color_mode {
            let (found, expected) = (picture.color_mode(), self.color_mode);
            return Err(DataError::PictureColors { path: path.to_owned(), found, expected });
        }
        picture.decode(self.size, self.color_mode, pixels)
    }

    /// Reads and decodes every picture on all threads, so that a broken one is found before training starts.
    ///
    /// Returns a SHA-256 sum in hexadecimal and the length of all files in bytes. The sum is that of the text that
    /// `sha256sum` prints inside the split's folder for the files sorted by path: a line `<sum>  <class>/<file>` each.
    ///
    /// # Errors
    /// The first error of [`decode`](Self::decode) in the order of the pictures; or when `progress` returns `Break`.
    pub fn verify(&self, progress: &mut Progress) -> Result<(String, u64), DataError> {
        let size = self.shape().pixels();
        let block = at_a_time();
        let (mut sums, mut length) = (Vec::with_capacity(self.paths.len()), 0);
        for start in (0..self.paths.len()).step_by(block) {
            let all = (self.paths.len() * size) as u64;
            if progress("checking pictures", (start * size) as u64, Some(all)).is_break() {
                return Err(DataError::Interrupted);
            }
            let verify = |pixels: &mut Vec<u8>, index| {
                let path = self.path(index);
                let bytes = decoding::read(&path)?;
                self.decode_bytes(&path, &bytes, pixels)?;
                Ok((Sha256::digest(&bytes), bytes.len() as u64))
            };
            let indices = start..self.paths.len().min(start + block);
            let verified: Vec<_> = indices.into_par_iter().map_init(|| vec![0; size], verify).collect();
            for picture in verified {
                let (sum, bytes) = picture?;
                sums.push(sum);
                length += bytes;
            }
        }
        let mut lines: Vec<_> = self.paths.iter().zip(sums).collect();
        lines.sort_unstable();
        let mut sum = Sha256::new();
        for (path, file_sum) in lines {
            sum.update(HEXLOWER.encode(&file_sum));
            for (depth, name) in path.iter().enumerate() {
                sum.update(if depth == 0 { "  " } else { "/" });
                sum.update(name.as_encoded_bytes());
            }
            sum.update("\n");
        }
        Ok((HEXLOWER.encode(&sum.finalize()), length))
    }
}
