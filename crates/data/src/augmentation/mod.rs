//! Image augmentation: an [`Augmentation`] describes the ranges, drawing from it gives a
//! [`Transform`], and that is applied to the bytes of an image.
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

/// Largest number that a field takes: larger than anyone needs, and far below what overflows in a pixel.
const LARGEST: f64 = 1e6;

/// Description of a random augmentation, drawn anew for every image and epoch. The default changes nothing.
///
/// In TOML or JSON it is a table of these fields, all optional.
///
/// # Example
/// ```
/// use mnist_data::{Augmentation, ImageShape};
///
/// let augmentation = Augmentation { rotation_range: 10.0, horizontal_flip: true, ..Default::default() };
///
/// // The transform of image 5 in epoch 1, for seed 42: the same whenever it is drawn.
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
    /// Largest rotation either way, in degrees.
    pub rotation_range: f64,
    /// Largest shift left or right: below 1 a fraction of the width, from 1 on pixels.
    ///
    /// Uniform over real numbers; Keras draws whole pixels if given an `int`, or from a list.
    pub width_shift_range: f64,
    /// Largest shift up or down: below 1 a fraction of the height, from 1 on pixels.
    pub height_shift_range: f64,
    /// Largest shear angle either way, in degrees.
    pub shear_range: f64,
    /// Smallest and largest zoom, drawn for each axis by itself: 2 shrinks the picture to half.
    ///
    /// In a file also one number z below 1, for [1 − z, 1 + z].
    #[serde(deserialize_with = "zoom_range")]
    pub zoom_range: [f64; 2],
    /// Largest number added to or taken from all pixels, in units of bytes.
    pub channel_shift_range: f64,
    /// Smallest and largest factor on all pixels; none leaves them.
    pub brightness_range: Option<[f64; 2]>,
    /// What stands where a transform looks outside of the image.
    pub fill_mode: FillMode,
    /// Value of the fill mode `constant`, in units of bytes.
    pub cval: f64,
    /// Mirror half of the images left and right, by chance.
    pub horizontal_flip: bool,
    /// Mirror half of the images top and bottom, by chance.
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
    /// Whether everything is switched off, so that every image stays as it is.
    pub fn is_identity(&self) -> bool {
        *self == Self { fill_mode: self.fill_mode, cval: self.cval, ..Self::default() }
    }

    /// Draws the transform of one image of this shape in one epoch.
    ///
    /// It depends on the seed, the epoch and the image's index alone, not on threads or on what was
    /// drawn before; and each number of it does not depend on which others are switched on.
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

    /// Refuses what no image can be augmented with; a description read from a file has passed.
    ///
    /// # Errors
    /// When a number is not finite, is out of its range, or a range's ends are the wrong way round.
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
                return refuse(field, "a number from 0");
            }
        }
        let [low, high] = self.zoom_range;
        if !(low > 0.0 && low <= high && high <= LARGEST) {
            return refuse("zoom_range", "[low, high] above 0, low not above high, or one number below 1,");
        }
        if let Some([low, high]) = self.brightness_range
            && !(low >= 0.0 && low <= high && high <= LARGEST)
        {
            return refuse("brightness_range", "[low, high] from 0, low not above high,");
        }
        if !(-LARGEST..=LARGEST).contains(&self.cval) {
            return refuse("cval", "a number");
        }
        Ok(())
    }
}

/// The random numbers of one image in one epoch: a stream per epoch, a place in it per image.
fn generator(seed: u64, epoch: usize, image: usize) -> ChaCha8Rng {
    /// Sets these streams apart from the plain epochs', which shuffle the images under the same seed.
    const AUGMENTATION: u64 = 1 << 63;
    /// Words of 32 bits kept for one image: ten numbers of two words, rounded up to whole blocks of 16.
    const WORDS_PER_IMAGE: u128 = 32;

    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(AUGMENTATION | epoch as u64);
    generator.set_word_pos(WORDS_PER_IMAGE * image as u128);
    generator
}

/// Reads `zoom_range`: one number or both ends, as Keras takes it.
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
