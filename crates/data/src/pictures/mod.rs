//! Pictures in class folders: `train/<class>/*.png`, `test/<class>/*.png`, decoded one by one as they are
//! needed, so that a data set may be larger than memory.
//!
//! PNG, JPEG, BMP and WebP files, told by their content. 8-bit grey gives one channel, 8-bit RGB three;
//! alpha is dropped, a palette counts as the colours in it, 16 bits are rounded to 8. BMP and WebP files
//! have colours even where all are grey. EXIF orientation and colour profiles are ignored, as Keras does.

mod decoding;
mod jpeg;
mod listing;
mod options;
mod reader;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use self::decoding::Picture;
pub use self::{
    decoding::read_stream,
    options::{ColorMode, PictureOptions, Size},
    reader::{Fit, PictureReader},
};
use crate::{DataError, ImageShape, Progress};

/// Pictures that are decoded between two calls of a progress: those of a camera take tens of milliseconds
/// each, and ctrl-C waits for them.
pub(crate) fn at_a_time() -> usize {
    8 * rayon::current_num_threads()
}

/// Two splits of pictures in class folders, listed, with nothing decoded.
#[derive(Debug)]
pub struct PictureFolder {
    /// Names of the folders in `train`, sorted by their bytes; a label is an index into them.
    pub class_names: Vec<String>,
    /// Pictures to train on, with one label each.
    pub train: (Pictures, Vec<u32>),
    /// Pictures to test on, with one label each; of some classes there may be none.
    pub test: (Pictures, Vec<u32>),
}

/// Lists the pictures in `folder` and reads the header of the first one, which decides the shape of all
/// as far as `options` leave it open.
///
/// The pictures of a class are sorted by their paths; the classes are interleaved in proportion to their
/// sizes, so that the first or the last part of a split is a sample of all classes. Symbolic links are
/// followed; hidden files, `Thumbs.db` and `desktop.ini` are passed over.
///
/// # Errors
/// When `train` or `test` is missing, a class is empty, in `test` alone, or not named in UTF-8, there is
/// a file that is no picture, something cannot be read, or the first picture is broken.
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

/// The pictures of one split, in the order of their numbers; at least one.
#[derive(Debug)]
pub struct Pictures {
    folder: PathBuf,
    /// From `folder` on: a million of them are held.
    paths: Vec<Box<Path>>,
    size: Size,
    color_mode: ColorMode,
    options: PictureOptions,
}

impl Pictures {
    /// Shape of every picture once it is decoded.
    pub fn shape(&self) -> ImageShape {
        ImageShape {
            channels: self.color_mode.channels(),
            height: self.size.height(),
            width: self.size.width(),
        }
    }

    /// Where picture `index` is.
    ///
    /// # Panics
    /// When there are not so many pictures.
    pub fn path(&self, index: usize) -> PathBuf {
        self.folder.join(&self.paths[index])
    }

    /// Decodes picture `index` into `pixels`, C×H×W.
    ///
    /// # Errors
    /// When the file cannot be read, is broken, or has another size or other colours than the first and
    /// the options do not say what to do about it. Sizes are checked before pixels are decoded.
    ///
    /// # Panics
    /// When there are not so many pictures, or `pixels` is not [`shape().pixels()`](ImageShape::pixels) long.
    pub fn decode(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let path = self.path(index);
        self.decode_bytes(&path, &decoding::read(&path)?, pixels)
    }

    fn decode_bytes(&self, path: &Path, bytes: &[u8], pixels: &mut [u8]) -> Result<(), DataError> {
        assert_eq!(pixels.len(), self.shape().pixels(), "room for one picture");
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

    /// Reads and decodes every picture on all threads, so that a broken one is found before a training
    /// starts. Gives the SHA-256 sum, in hexadecimal, of the text that `sha256sum` prints for the files,
    /// sorted by path, from inside the split's folder (a line `<sum>  <class>/<file>` each), and the
    /// length of all files in bytes.
    ///
    /// # Errors
    /// The first error of [`decode`](Self::decode) in the order of the pictures, or when `progress` says
    /// to stop.
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
