//! Images of one split: bytes in N×C×H×W order with their labels, in memory or read when they are needed.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use burn::data::dataset::Dataset;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    DataError, Progress,
    idx::IdxFile,
    pictures::{self, Pictures},
};

/// Shape of the images in a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Number of color channels: 1 for grayscale.
    pub channels: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl ImageShape {
    /// Returns the number of values in one image: channels × height × width.
    pub fn pixels(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// Storage of the pixels of a split.
#[derive(Clone)]
enum Storage {
    Memory(Arc<Vec<u8>>),
    /// An IDX file that is not loaded into memory because of its size.
    Idx(Arc<IdxFile>),
    Pictures(Arc<Pictures>),
}

/// Labelled images of one split. Clones and views share the pixels; nothing is copied.
///
/// It implements Burn's [`Dataset`] of [`LabelledImage`]s.
///
/// # Example
/// ```
/// use burn::data::dataset::Dataset;
/// use mnist_data::{ImageShape, Images};
///
/// // Three grayscale images of one row and two columns, with the classes 7, 3 and 7.
/// let shape = ImageShape { channels: 1, height: 1, width: 2 };
/// let images = Images::new(shape, vec![0, 255, 51, 102, 9, 9], vec![7, 3, 7]);
/// assert_eq!(images.len(), 3);
///
/// let (train, validation) = images.split_at(2);
/// assert_eq!(train.labels(), [7, 3]);
/// let first = validation.get(0)?;
/// assert_eq!((first.pixels(), first.label()), (&[9, 9][..], 7));
/// # Ok::<(), mnist_data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Images {
    shape: ImageShape,
    storage: Storage,
    labels: Arc<Vec<u32>>,
    range: Range<usize>,
}

/// Returns how many images to read at a time in a pass over a split.
///
/// This is as many as fit in 2 MiB. If fewer than eight fit, it is up to eight within 32 MiB, so that several threads
/// can decode them. It is always at least one. The number affects the last bits of statistics of real numbers, so it
/// must not depend on the machine.
fn images_per_block(image_bytes: usize) -> usize {
    const BYTES: usize = 2 << 20;
    const MOST_BYTES: usize = 32 << 20;
    (BYTES / image_bytes).max((MOST_BYTES / image_bytes).clamp(1, 8))
}

impl Images {
    /// Creates a split from pixels in N×C×H×W order and one label per image.
    ///
    /// # Panics
    /// When `pixels.len() != labels.len() * shape.pixels()`. Data from files is checked earlier.
    pub fn new(shape: ImageShape, pixels: Vec<u8>, labels: Vec<u32>) -> Self {
        assert_eq!(pixels.len(), labels.len() * shape.pixels(), "each image must have one label");
        Self::stored(shape, Storage::Memory(Arc::new(pixels)), labels)
    }

    /// Creates a split of images that stay in their file, with one label per image.
    pub(crate) fn in_idx(shape: ImageShape, file: IdxFile, labels: Vec<u32>) -> Self {
        Self::stored(shape, Storage::Idx(Arc::new(file)), labels)
    }

    /// Creates a split of pictures that are decoded when they are needed, with one label per picture.
    pub(crate) fn in_pictures(pictures: Pictures, labels: Vec<u32>) -> Self {
        Self::stored(pictures.shape(), Storage::Pictures(Arc::new(pictures)), labels)
    }

    fn stored(shape: ImageShape, storage: Storage, labels: Vec<u32>) -> Self {
        let range = 0..labels.len();
        Self { shape, storage, labels: Arc::new(labels), range }
    }

    /// Returns the shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Returns the labels of this view, one per image.
    pub fn labels(&self) -> &[u32] {
        &self.labels[self.range.clone()]
    }

    /// Returns the pixels of the images at `positions`, N×C×H×W. Pixels in memory are borrowed; others are read or
    /// decoded on all threads.
    ///
    /// # Errors
    /// When a file cannot be read or decoded.
    ///
    /// # Panics
    /// When `positions` are out of range.
    pub fn pixels(&self, positions: Range<usize>) -> Result<Cow<'_, [u8]>, DataError> {
        assert!(positions.end <= self.len(), "positions {positions:?} of {} images", self.len());
        let size = self.shape.pixels();
        if let Storage::Memory(pixels) = &self.storage {
            let start = (self.range.start + positions.start) * size;
            return Ok(pixels[start..][..positions.len() * size].into());
        }
        let mut pixels = vec![0; positions.len() * size];
        self.read(positions.start, &mut pixels)?;
        Ok(pixels.into())
    }

    /// Reads images into `pixels`, starting at position `first`, on all threads.
    fn read(&self, first: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let size = self.shape.pixels();
        let first = self.range.start + first;
        match &self.storage {
            Storage::Memory(all) => {
                pixels.copy_from_slice(&all[first * size..][..pixels.len()]);
                Ok(())
            }
            Storage::Idx(file) => {
                // One part per thread, so that the file is opened only a few times.
                let run = size * (pixels.len() / size).div_ceil(rayon::current_num_threads()).max(1);
                let read = |(part, pixels): (usize, &mut [u8])| {
                    file.read_at((first * size + part * run) as u64, pixels)
                };
                pixels.par_chunks_mut(run).enumerate().try_for_each(read)
            }
            Storage::Pictures(pictures) => {
                let decode = |(position, pixels)| pictures.decode(first + position, pixels);
                pixels.par_chunks_mut(size).enumerate().try_for_each(decode)
            }
        }
    }

    /// Returns the path of an image's file in a form that is safe to show, such as `test/pear/7.png`; `None` if the
    /// images do not have files of their own.
    ///
    /// # Panics
    /// When `position` is out of range.
    pub fn file(&self, position: usize) -> Option<String> {
        match &self.storage {
            Storage::Pictures(pictures) => Some(pictures.name(self.range.start + position)),
            Storage::Memory(_) | Storage::Idx(_) => None,
        }
    }

    /// Calls `each` with the pixels of all images in order, N×C×H×W, a few megabytes at a time.
    ///
    /// Each call receives complete images; how many depends only on their shape.
    ///
    /// # Errors
    /// When a file cannot be read or decoded, or `progress` returns `Break`.
    pub fn for_each_block(
        &self,
        progress: &mut Progress,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), DataError> {
        let size = self.shape.pixels();
        let all = (self.len() * size) as u64;
        let mut go_on = |position: usize| {
            let stopped = progress("reading images", (position * size) as u64, Some(all)).is_break();
            if stopped { Err(DataError::Interrupted) } else { Ok(()) }
        };
        let block = images_per_block(size);
        let mut pixels = Vec::new();
        for start in (0..self.len()).step_by(block) {
            let end = self.len().min(start + block);
            go_on(start)?;
            if let Storage::Memory(_) = self.storage {
                each(&self.pixels(start..end)?);
                continue;
            }
            pixels.resize((end - start) * size, 0);
            // Files of pictures may be far larger than their images, so fewer are read between calls of `progress`.
            let slice = if let Storage::Pictures(_) = self.storage { pictures::at_a_time() } else { block };
            for (position, pixels) in (start..end).step_by(slice).zip(pixels.chunks_mut(slice * size)) {
                go_on(position)?;
                self.read(position, pixels)?;
            }
            each(&pixels);
        }
        Ok(())
    }

    /// Returns the number of images per class, for the classes `0..classes`.
    ///
    /// # Panics
    /// When a label is `classes` or more.
    pub fn label_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in self.labels() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Returns the first `count` images, or all if there are fewer.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        self.split_at(count).0
    }

    /// Returns the first `count` images and the rest.
    #[must_use]
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        let middle = self.range.start + count.min(self.range.len());
        let view = |range| Self { range, ..self.clone() };
        (view(self.range.start..middle), view(middle..self.range.end))
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images of {}", self.range.len(), self.shape)
    }
}

/// One image with its label. It is cheap to send: if the split is in memory, the image is a view into its bytes.
#[derive(Clone)]
pub struct LabelledImage {
    pixels: ImagePixels,
    label: u32,
    shape: ImageShape,
    position: usize,
}

#[derive(Clone)]
enum ImagePixels {
    /// The pixels of the split, and the position where this image starts.
    Shared(Arc<Vec<u8>>, usize),
    Own(Vec<u8>),
}

impl LabelledImage {
    /// Returns the image's bytes, C×H×W.
    pub fn pixels(&self) -> &[u8] {
        match &self.pixels {
            ImagePixels::Shared(pixels, start) => &pixels[*start..][..self.shape.pixels()],
            ImagePixels::Own(pixels) => pixels,
        }
    }

    /// Returns the label.
    pub fn label(&self) -> u32 {
        self.label
    }

    /// Returns the shape.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Returns the position in the split that the image was taken from.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl Dataset<LabelledImage, DataError> for Images {
    fn get(&self, position: usize) -> Result<LabelledImage, DataError> {
        let pixels = match &self.storage {
            Storage::Memory(pixels) => {
                let start = (self.range.start + position) * self.shape.pixels();
                ImagePixels::Shared(pixels.clone(), start)
            }
            _ => ImagePixels::Own(self.pixels(position..position + 1)?.into_owned()),
        };
        Ok(LabelledImage { pixels, label: self.labels()[position], shape: self.shape, position })
    }

    fn get_many(&self, positions: Vec<usize>) -> Result<Vec<LabelledImage>, DataError> {
        match self.storage {
            Storage::Memory(_) => positions.into_iter().map(|position| self.get(position)).collect(),
            _ => positions.into_par_iter().map(|position| self.get(position)).collect(),
        }
    }

    fn len(&self) -> usize {
        self.range.len()
    }
}
