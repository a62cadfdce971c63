//! Image augmentation: an [`Augmentation`] describes the ranges of random numbers. Drawing from it produces a
//! [`Transform`], which is applied to the bytes of an image.
//!
//! Field names and distributions are those of Keras' `ImageDataGenerator`, version 1.1.2
//! (<https://github.com/keras-team/keras-preprocessing/blob/1.1.2/keras_preprocessing/image/image_data_generator.py>,
//! methods `get_random_transform` and `apply_transform`).

mod transform;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::transform::{FillMode, Transform};
use crate::{AugmentationError, images::ImageShape};

/// Largest number that a field accepts: more than any use needs, and far too small to overflow a pixel.
const LARGEST: f64 = 1e6;

/// Description of a random augmentation, drawn anew for each image and epoch. The default changes nothing.
///
/// In TOML or JSON it is a table of these fields, all optional.
///
/// # Example
/// ```
/// use mnist_data::{Augmentation, ImageShape};
///
/// let augmentation = Augmentation { rotation_range: 10.0, horizontal_flip: true, ..Default::default() };
///
/// // The transform of image 5 in epoch 1 with seed 42 is the same each time it is drawn.
/// let shape = ImageShape { channels: 1, height: 2, width: 2 };
/// let transform = augmentation.draw(shape, 42, 1, 5);
/// assert_eq!(transform, augmentation.draw(shape, 42, 1, 5));
/// assert!(transform.theta.abs() <= 10.0);
///
/// let mut augmented = Vec::new();
/// let Augmentation { fill_mode, cval, .. } = augmentation;
/// transform.apply(&[0, 50, 100, 150], shape, fill_mode, cval, &mut augmented);
/// assert_eq!(augmented.len(), shape.pixels());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct Augmentation {
    /// Largest rotation in either direction, in degrees.
    pub rotation_range: f64,
    /// Largest shift left or right: a fraction of the width if below 1, pixels otherwise.
    ///
    /// The shift is uniform over real numbers. Keras instead draws whole pixels for an `int`, or an element of a list.
    pub width_shift_range: f64,
    /// Largest shift up or down: a fraction of the height if below 1, pixels otherwise.
    pub height_shift_range: f64,
    /// Largest shear angle in either direction, in degrees.
    pub shear_range: f64,
    /// Smallest and largest zoom, drawn separately for each axis: 2 shrinks the image to half its size.
    ///
    /// A file may also contain a single number z below 1, which means [1 − z, 1 + z].
    #[serde(deserialize_with = "zoom_range")]
    pub zoom_range: [f64; 2],
    /// Largest number added to or subtracted from all pixels, on the scale 0 to 255.
    pub channel_shift_range: f64,
    /// Smallest and largest factor for all pixels; `None` leaves the brightness unchanged.
    #[serde(deserialize_with = "brightness_range")]
    pub brightness_range: Option<[f64; 2]>,
    /// How places outside the image are filled.
    pub fill_mode: FillMode,
    /// Value for the fill mode `constant`, on the scale 0 to 255.
    pub cval: f64,
    /// Whether to mirror each image left to right with probability ½.
    pub horizontal_flip: bool,
    /// Whether to mirror each image top to bottom with probability ½.
    pub vertical_flip: bool,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            rotation_range: 0.0,
            width_shift_range: 0.0,
            height_shift_range: 0.0,
            shear_range: 0.0,
            zoom_range: [1.0, 1.0],
            channel_shift_range: 0.0,
            brightness_range: None,
            fill_mode: FillMode::Nearest,
            cval: 0.0,
            horizontal_flip: false,
            vertical_flip: false,
        }
    }
}

impl Augmentation {
    /// Returns whether everything is switched off, so that no image changes.
    pub fn is_identity(&self) -> bool {
        *self == Self { fill_mode: self.fill_mode, cval: self.cval, ..Self::default() }
    }

    /// Draws the transform of one image of this shape in one epoch.
    ///
    /// It depends only on the seed, the epoch and the image's index, not on threads or earlier draws. Each of its
    /// numbers is the same whether other augmentations are switched on or off.
    pub fn draw(&self, shape: ImageShape, seed: u64, epoch: usize, image: usize) -> Transform {
        let mut generator = generator(seed, epoch, image);
        let mut uniform = |[low, high]: [f64; 2]| low + (high - low) * generator.random::<f64>();
        let symmetric = |range: f64| [-range, range];
        let pixels = |range: f64, side: usize| if range < 1.0 { range * side as f64 } else { range };
        Transform {
            theta: uniform(symmetric(self.rotation_range)),
            tx: uniform(symmetric(pixels(self.height_shift_range, shape.height))),
            ty: uniform(symmetric(pixels(self.width_shift_range, shape.width))),
            shear: uniform(symmetric(self.shear_range)),
            zx: uniform(self.zoom_range),
            zy: uniform(self.zoom_range),
            flip_horizontal: uniform([0.0, 1.0]) < 0.5 && self.horizontal_flip,
            flip_vertical: uniform([0.0, 1.0]) < 0.5 && self.vertical_flip,
            channel_shift_intensity: uniform(symmetric(self.channel_shift_range)),
            brightness: self.brightness_range.map(uniform),
        }
    }

    /// Checks that every number is within its limits. A description read from a file is already checked.
    ///
    /// # Errors
    /// When a number is not finite or out of its limits, or when a range has its larger end first.
    pub fn check(&self) -> Result<(), AugmentationError> {
        let refuse = |field, expected| Err(AugmentationError::Number { field, expected, largest: LARGEST });
        for (field, range) in [
            ("rotation_range", self.rotation_range),
            ("width_shift_range", self.width_shift_range),
            ("height_shift_range", self.height_shift_range),
            ("shear_range", self.shear_range),
            ("channel_shift_range", self.channel_shift_range),
        ] {
            if !(0.0..=LARGEST).contains(&range) {
                return refuse(field, "a number from 0 to");
            }
        }
        let [low, high] = self.zoom_range;
        if !(low > 0.0 && low <= high && high <= LARGEST) {
            return refuse(
                "zoom_range",
                "a number from 0 to below 1, or [low, high] with 0 < low <= high <=",
            );
        }
        if let Some([low, high]) = self.brightness_range
            && !(low >= 0.0 && low <= high && high <= LARGEST)
        {
            return refuse("brightness_range", "[low, high] with 0 <= low <= high <=");
        }
        if !(-LARGEST..=LARGEST).contains(&self.cval) {
            return refuse("cval", "a number from -1000000 to");
        }
        Ok(())
    }
}

/// Returns the random generator for one image in one epoch: each epoch has its own stream, and each image its own
/// position in that stream.
fn generator(seed: u64, epoch: usize, image: usize) -> ChaCha8Rng {
    /// Distinguishes these streams from those that shuffle the images, which have the same seed and the plain epoch
    /// as their number.
    const AUGMENTATION: u64 = 1 << 63;
    /// 32-bit words reserved for each image: ten numbers of two words, rounded up to a multiple of a 16-word block.
    const WORDS_PER_IMAGE: u128 = 32;

    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(AUGMENTATION | epoch as u64);
    generator.set_word_pos(WORDS_PER_IMAGE * image as u128);
    generator
}

/// Deserializes `zoom_range` from one number or both ends, as Keras accepts it.
fn zoom_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "zoom_range must be a number or [low, high]")]
    enum ZoomRange {
        Around(f64),
        Between([f64; 2]),
    }

    Ok(match ZoomRange::deserialize(deserializer)? {
        ZoomRange::Around(zoom) => [1.0 - zoom, 1.0 + zoom],
        ZoomRange::Between(ends) => ends,
    })
}

/// Deserializes `brightness_range`, and refuses a list of more than two numbers: TOML would ignore the others.
fn brightness_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[f64; 2]>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "brightness_range must be [low, high]")]
    enum BrightnessRange {
        Between([f64; 2]),
    }

    let range = Option::<BrightnessRange>::deserialize(deserializer)?;
    Ok(range.map(|BrightnessRange::Between(ends)| ends))
}

impl Serialize for Augmentation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let augmentation = Self::deserialize(deserializer)?;
        augmentation.check().map_err(de::Error::custom)?;
        Ok(augmentation)
    }
}
