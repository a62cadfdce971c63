//! Pixel scaling: a [`Scaling`] describes it, fitting it on the train split gives a
//! [`FittedScaling`], and only that can touch pixels.
//!
//! Field names, order and ε are those of Keras' `ImageDataGenerator`, version 1.1.2
//! (<https://github.com/keras-team/keras-preprocessing/blob/1.1.2/keras_preprocessing/image/image_data_generator.py>,
//! methods `standardize` and `fit`), but for the statistics after a sample-wise step: they are of the pixels
//! as they arrive at their step. docs/SCALING.md has the differences.

mod file;
mod fit;
mod fitted;
mod whitening;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ScalingError, images::ImageShape};

pub use fitted::{FittedScaling, Pixel, STD_EPSILON};
pub use whitening::{Whitening, WhiteningCost};

/// Over which pixels of an image one feature-wise statistic is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// One number for all pixels.
    #[default]
    Global,
    /// One per colour channel.
    Channel,
    /// One per position, channel by channel.
    Pixel,
}

impl Granularity {
    /// Number of statistics for images of this shape.
    fn groups(self, shape: ImageShape) -> usize {
        match self {
            Self::Global => 1,
            Self::Channel => shape.channels,
            Self::Pixel => shape.pixels(),
        }
    }
}

/// Description of a scaling. Steps apply in the order of the fields.
///
/// In TOML or JSON it is a preset's name (`"standardize"`) or a table of these fields, all optional.
///
/// # Example
/// ```
/// use mnist_data::Scaling;
///
/// let preset: Scaling = "normalize-center".parse()?;
/// let described = Scaling { rescale: 1.0 / 255.0, featurewise_center: true, ..Scaling::default() };
/// assert_eq!(described, preset);
///
/// let from_json: Scaling = serde_json::from_str(r#"{"featurewise_center": true}"#)?;
/// assert_eq!(from_json.name(), "center");
///
/// let error = "standardise".parse::<Scaling>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown scaling `standardise`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
#[allow(clippy::struct_excessive_bools)] // Keras' own fields.
pub struct Scaling {
    /// Factor on the bytes 0..=255: 1 leaves them, 1/255 brings them to 0..=1.
    pub rescale: f64,
    /// Subtract each image's own mean.
    pub samplewise_center: bool,
    /// Divide each image by its own standard deviation; needs `samplewise_center`.
    pub samplewise_std_normalization: bool,
    /// Subtract the mean of the train split.
    pub featurewise_center: bool,
    /// Divide by the standard deviation of the train split; needs `featurewise_center`.
    pub featurewise_std_normalization: bool,
    /// What one feature-wise statistic covers.
    pub granularity: Granularity,
    /// Decorrelate the pixels by ZCA whitening; needs `featurewise_center`, and takes the place of
    /// `featurewise_std_normalization`.
    pub zca_whitening: bool,
    /// What is added to the eigenvalues (variances along the principal directions, in squared units of the
    /// rescaled pixels) before whitening divides by their square roots.
    pub zca_epsilon: f64,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            rescale: 1.0,
            samplewise_center: false,
            samplewise_std_normalization: false,
            featurewise_center: false,
            featurewise_std_normalization: false,
            granularity: Granularity::Global,
            zca_whitening: false,
            zca_epsilon: 1e-6,
        }
    }
}

/// The presets, in the order they are listed to users.
fn presets() -> [(&'static str, Scaling); 8] {
    let base = Scaling::default;
    let normalize = Scaling { rescale: 1.0 / 255.0, ..base() };
    let center = Scaling { featurewise_center: true, ..base() };
    let sample_center = Scaling { samplewise_center: true, ..base() };
    [
        ("none", base()),
        ("normalize", normalize.clone()),
        ("center", center.clone()),
        ("standardize", Scaling { featurewise_std_normalization: true, ..center.clone() }),
        ("sample-center", sample_center.clone()),
        ("sample-standardize", Scaling { samplewise_std_normalization: true, ..sample_center }),
        ("normalize-center", Scaling { featurewise_center: true, ..normalize }),
        ("zca", Scaling { zca_whitening: true, ..center }),
    ]
}

/// Name of every scaling that is no preset.
pub const CUSTOM: &str = "custom";

/// Names of the presets.
pub fn preset_names() -> Vec<&'static str> {
    presets().map(|(name, _)| name).to_vec()
}

impl FromStr for Scaling {
    type Err = ScalingError;

    fn from_str(name: &str) -> Result<Self, ScalingError> {
        presets()
            .into_iter()
            .find_map(|(preset, scaling)| (preset == name).then_some(scaling))
            .ok_or_else(|| ScalingError::UnknownPreset(name.to_owned()))
    }
}

impl Scaling {
    /// The name of the preset that this is, or [`CUSTOM`].
    pub fn name(&self) -> &'static str {
        presets().iter().find_map(|(name, preset)| (preset == self).then_some(*name)).unwrap_or(CUSTOM)
    }

    fn check(&self) -> Result<(), ScalingError> {
        let invalid = |reason: &str| Err(ScalingError::Invalid(reason.into()));
        if !(1e-9..=1e9).contains(&self.rescale) {
            return invalid("rescale must be a number from 1e-9 to 1e9");
        }
        if self.samplewise_std_normalization && !self.samplewise_center {
            return invalid("samplewise_std_normalization needs samplewise_center = true");
        }
        if self.featurewise_std_normalization && !self.featurewise_center {
            return invalid("featurewise_std_normalization needs featurewise_center = true");
        }
        if self.zca_whitening && !self.featurewise_center {
            return invalid("zca_whitening needs featurewise_center = true");
        }
        if self.zca_whitening && self.featurewise_std_normalization {
            return invalid(
                "zca_whitening takes the place of featurewise_std_normalization; keep one of them",
            );
        }
        if !(1e-12..=1e12).contains(&self.zca_epsilon) {
            return invalid("zca_epsilon must be a number from 1e-12 to 1e12");
        }
        // A setting without effect is usually a mistake.
        let default = Self::default();
        if self.granularity != default.granularity && !self.featurewise_center {
            return invalid("granularity is of the feature-wise steps: it needs featurewise_center = true");
        }
        if self.zca_epsilon.to_bits() != default.zca_epsilon.to_bits() && !self.zca_whitening {
            return invalid("zca_epsilon is of the whitening: it needs zca_whitening = true");
        }
        Ok(())
    }
}

impl Serialize for Scaling {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Scaling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;

        impl<'de> de::Visitor<'de> for NameOrTable {
            type Value = Scaling;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a scaling or a table that describes one")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Scaling, E> {
                name.parse().map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Scaling, A::Error> {
                let scaling = Scaling::deserialize(de::value::MapAccessDeserializer::new(map))?;
                scaling.check().map_err(de::Error::custom)?;
                Ok(scaling)
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}
