//! Images of one split in memory: bytes in N×C×H×W order with their labels.

use std::{fmt, ops::Range, sync::Arc};

use burn::data::dataset::{Dataset, DatasetError};
use serde::{Deserialize, Serialize};

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

/// A run of labelled images. Cloning or narrowing it copies no pixels: views share the bytes.
#[derive(Clone)]
pub struct Images {
    shape: ImageShape,
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Images {
    /// Takes pixels in N×C×H×W order and one label per image.
    ///
    /// # Panics
    /// When `pixels.len() != labels.len() * shape.pixels()`; files are checked before they get here.
    pub fn new(shape: ImageShape, pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), labels.len() * shape.pixels(), "one label per image");
        let range = 0..labels.len();
        Self { shape, pixels: Arc::new(pixels), labels: Arc::new(labels), range }
    }

    /// Shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All pixels of the view, N×C×H×W.
    pub fn pixels(&self) -> &[u8] {
        let size = self.shape.pixels();
        &self.pixels[self.range.start * size..self.range.end * size]
    }

    /// All labels of the view, one per image.
    pub fn labels(&self) -> &[u8] {
        &self.labels[self.range.clone()]
    }

    /// The images one after another, each C×H×W.
    pub fn iter_pixels(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels().chunks_exact(self.shape.pixels())
    }

    /// Number of images per class, for classes `0..classes`.
    ///
    /// # Panics
    /// When a label is not below `classes`.
    pub fn label_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in self.labels() {
            counts[usize::from(label)] += 1;
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

/// One image with its label: a view into the split's bytes, cheap to clone and to send.
#[derive(Clone)]
pub struct LabelledImage {
    images: Images,
    index: usize,
}

impl LabelledImage {
    /// The image's bytes, C×H×W.
    pub fn pixels(&self) -> &[u8] {
        let size = self.images.shape.pixels();
        &self.images.pixels()[self.index * size..(self.index + 1) * size]
    }

    /// Its class.
    pub fn label(&self) -> u8 {
        self.images.labels()[self.index]
    }

    /// Its shape.
    pub fn shape(&self) -> ImageShape {
        self.images.shape
    }
}

impl Dataset<LabelledImage> for Images {
    fn get(&self, index: usize) -> Result<LabelledImage, DatasetError> {
        assert!(index < self.len(), "image {index} of {}", self.len());
        Ok(LabelledImage { images: self.clone(), index })
    }

    fn len(&self) -> usize {
        self.range.len()
    }
}
