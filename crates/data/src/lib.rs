//! Loads image data sets for training, stores their pixels as bytes, scales them and makes batches.
//!
//! Pixels pass through these modules in order:
//! [`source`] (checked files) → [`images`] (bytes, N×C×H×W, with labels) → [`statistics`] (of the train split) →
//! [`scaling`] (description, fit, scaled values) → [`batcher`] (Burn's `Batcher`: `f32` on the device).
//!
//! [`augmentation`] changes training images at random before they are scaled. [`preparation`] turns a photo of a digit
//! into an image like MNIST's.

pub mod augmentation;
pub mod batcher;
pub mod border;
mod cifar;
mod error;
pub mod idx;
pub mod images;
pub mod input;
mod memory;
pub mod pictures;
pub mod preparation;
pub mod scaling;
pub mod source;
pub mod statistics;

pub use augmentation::{Augmentation, FillMode, Transform};
pub use batcher::{ImageBatch, ScaledImages, ScalingBatcher};
pub use error::{AugmentationError, DataError, ScalingError};
pub use images::{ImageShape, Images, LabelledImage};
pub use pictures::{ColorMode, Fit, PictureFolder, PictureOptions, PictureReader, Pictures, Size};
pub use scaling::{FittedScaling, Granularity, Scaling, Whitening, WhiteningCost};
pub use source::{DatasetKind, Files, Progress, Source, Splits};
pub use statistics::{Moments, PixelSums};

/// Compiles the README's example with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
