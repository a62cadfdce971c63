//! Images of one split: bytes in N×C×H×W order with their labels, in memory or read as they are needed.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use burn::data::dataset::Dataset;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    DataError, Progress,
    idx::IdxFile,
    pictures::{self, Pictures},
};

/// Shape of every image of a data set, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Colour channels: 1 for grey.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Values in one image: channels × height × width.
    pub fn pixels(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// Where the pixels of a split are stored.
#[derive(Clone)]
enum Storage {
    Memory(Arc<Vec<u8>>),
    /// An IDX file that is too large for memory.
    Idx(Arc<IdxFile>),
    Pictures(Arc<Pictures>),
}

/// Labelled images of one split. Cloning or narrowing it copies no pixels: views share the bytes.
///
/// It is a Burn [`Dataset`] of [`LabelledImage`]s.
///
/// # Example
/// ```
/// use burn::data::dataset::Dataset;
/// use mnist_data::{ImageShape, Images};
///
/// // Three grey images of one row and two columns, of the classes 7, 3 and 7.
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

/// How many images are read at a time when all images of a split are needed: as many as fit in 2 MiB, or up to
/// eight larger ones, as long as these fit in 32 MiB, so that several threads can decode. The number decides
/// the bits of statistics of real numbers, so it must not depend on the machine.
fn images_per_block(image_bytes: usize) -> usize {
    const BYTES: usize = 2 << 20;
    const MOST_BYTES: usize = 32 << 20;
    (BYTES / image_bytes).max((MOST_BYTES / image_bytes).clamp(1, 8))
}

impl Images {
    /// Takes pixels in N×C×H×W order and one label per image.
    ///
    /// # Panics
    /// When `pixels.len() != labels.len() * shape.pixels()`; files are checked before they get here.
    pub fn new(shape: ImageShape, pixels: Vec<u8>, labels: Vec<u32>) -> Self {
        assert_eq!(pixels.len(), labels.len() * shape.pixels(), "one label per image");
        Self::stored(shape, Storage::Memory(Arc::new(pixels)), labels)
    }

    /// Images that stay in their file; one label for each.
    pub(crate) fn in_idx(shape: ImageShape, file: IdxFile, labels: Vec<u32>) -> Self {
        Self::stored(shape, Storage::Idx(Arc::new(file)), labels)
    }

    /// Images that are decoded when they are needed; one label for each.
    pub(crate) fn in_pictures(pictures: Pictures, labels: Vec<u32>) -> Self {
        Self::stored(pictures.shape(), Storage::Pictures(Arc::new(pictures)), labels)
    }

    fn stored(shape: ImageShape, storage: Storage, labels: Vec<u32>) -> Self {
        let range = 0..labels.len();
        Self { shape, storage, labels: Arc::new(labels), range }
    }

    /// Shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All labels of the view, one per image.
    pub fn labels(&self) -> &[u32] {
        &self.labels[self.range.clone()]
    }

    /// The pixels of the images at `positions`, N×C×H×W: borrowed where they are in memory, else read or
    /// decoded on all threads.
    ///
    /// # Errors
    /// When a file cannot be read or decoded.
    ///
    /// # Panics
    /// When there are not so many images.
    pub fn pixels(&self, positions: Range<usize>) -> Result<Cow<'_, [u8]>, DataError> {
        assert!(positions.end <= self.len(), "images {positions:?} of {}", self.len());
        let size = self.shape.pixels();
        if let Storage::Memory(pixels) = &self.storage {
            let start = (self.range.start + positions.start) * size;
            return Ok(pixels[start..][..positions.len() * size].into());
        }
        let mut pixels = vec![0; positions.len() * size];
        self.read(positions.start, &mut pixels)?;
        Ok(pixels.into())
    }

    /// Reads whole images into `pixels`, from position `first` on, on all threads.
    fn read(&self, first: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        let size = self.shape.pixels();
        let first = self.range.start + first;
        match &self.storage {
            Storage::Memory(all) => {
                pixels.copy_from_slice(&all[first * size..][..pixels.len()]);
                Ok(())
            }
            Storage::Idx(file) => {
                // Long runs, so that the file is opened a few times only.
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

    /// Goes through all images in order, a few megabytes at a time: `each` is given the pixels of whole
    /// images, N×C×H×W. Where the cuts are depends on the shape alone.
    ///
    /// # Errors
    /// When a file cannot be read or decoded, or `progress` says to stop.
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
            // Pictures may be far larger as files than the images that are made of them.
            let slice = if let Storage::Pictures(_) = self.storage { pictures::at_a_time() } else { block };
            for (position, pixels) in (start..end).step_by(slice).zip(pixels.chunks_mut(slice * size)) {
                go_on(position)?;
                self.read(position, pixels)?;
            }
            each(&pixels);
        }
        Ok(())
    }

    /// Number of images per class, for classes `0..classes`.
    ///
    /// # Panics
    /// When a label is not below `classes`.
    pub fn label_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in self.labels() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The first `count` images, or all if there are fewer.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        self.split_at(count).0
    }

    /// The first `count` images and the rest.
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

/// One image with its label, cheap to send: a view into the split's bytes where those are in memory.
#[derive(Clone)]
pub struct LabelledImage {
    pixels: ImagePixels,
    label: u32,
    shape: ImageShape,
    position: usize,
}

#[derive(Clone)]
enum ImagePixels {
    /// From `start` on in the pixels of the split.
    Shared(Arc<Vec<u8>>, usize),
    Own(Vec<u8>),
}

impl LabelledImage {
    /// The image's bytes, C×H×W.
    pub fn pixels(&self) -> &[u8] {
        match &self.pixels {
            ImagePixels::Shared(pixels, start) => &pixels[*start..][..self.shape.pixels()],
            ImagePixels::Own(pixels) => pixels,
        }
    }

    /// Its class.
    pub fn label(&self) -> u32 {
        self.label
    }

    /// Its shape.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Its number in the split it was taken from.
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
