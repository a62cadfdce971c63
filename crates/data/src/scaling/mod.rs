//! Pixel scaling: a [`Scaling`] describes the steps. Fitting it on the train split returns a [`FittedScaling`], the
//! only type that scales pixels.
//!
//! Field names, the order of the steps and ε are those of Keras' `ImageDataGenerator`, version 1.1.2
//! (<https://github.com/keras-team/keras-preprocessing/blob/1.1.2/keras_preprocessing/image/image_data_generator.py>,
//! methods `standardize` and `fit`). Unlike in Keras, feature-wise statistics describe the pixels after the sample-wise
//! steps. docs/SCALING.md lists all differences.

mod file;
mod fit;
mod fitted;
mod whitening;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ScalingError, images::ImageShape};

pub use fitted::{FittedScaling, Pixel, STD_EPSILON};
pub use whitening::{Whitening, WhiteningCost};

/// The pixels of an image that one feature-wise statistic covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// One statistic for all pixels.
    #[default]
    Global,
    /// One statistic per color channel.
    Channel,
    /// One statistic per position in each channel.
    Pixel,
}

impl Granularity {
    /// Returns the number of statistics for images of this shape.
    fn groups(self, shape: ImageShape) -> usize {
        match self {
            Self::Global => 1,
            Self::Channel => shape.channels,
            Self::Pixel => shape.pixels(),
        }
    }
}

/// Description of a scaling. Its steps apply in the order of the fields.
///
/// In TOML or JSON it is the name of a preset (`"standardize"`) or a table of these fields, all optional.
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
#[allow(clippy::struct_excessive_bools)] // These are Keras' fields.
pub struct Scaling {
    /// Factor for the bytes 0..=255: 1 leaves them unchanged, 1/255 maps them to 0..=1.
    pub rescale: f64,
    /// Whether to subtract each image's own mean.
    pub samplewise_center: bool,
    /// Whether to divide each image by its own standard deviation; needs `samplewise_center`.
    pub samplewise_std_normalization: bool,
    /// Whether to subtract the mean of the train split.
    pub featurewise_center: bool,
    /// Whether to divide by the standard deviation of the train split; needs `featurewise_center`.
    pub featurewise_std_normalization: bool,
    /// The pixels that one feature-wise statistic covers.
    pub granularity: Granularity,
    /// Whether to decorrelate the pixels by ZCA whitening; needs `featurewise_center`, and replaces
    /// `featurewise_std_normalization`.
    pub zca_whitening: bool,
    /// Number added to the eigenvalues before whitening divides by their square roots. The eigenvalues are variances
    /// along the principal directions, in squared units of the rescaled pixels.
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

/// Returns the presets in the order in which users see them.
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

/// Name of every scaling that is not a preset.
pub const CUSTOM: &str = "custom";

/// Returns the names of the presets.
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
    /// Returns the name of the preset that is equal to this scaling, or [`CUSTOM`].
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
            return invalid("zca_whitening replaces featurewise_std_normalization; keep one of them");
        }
        if !(1e-12..=1e12).contains(&self.zca_epsilon) {
            return invalid("zca_epsilon must be a number from 1e-12 to 1e12");
        }
        // A setting without effect is usually a mistake.
        let default = Self::default();
        if self.granularity != default.granularity && !self.featurewise_center {
            return invalid("granularity needs featurewise_center = true");
        }
        if self.zca_epsilon.to_bits() != default.zca_epsilon.to_bits() && !self.zca_whitening {
            return invalid("zca_epsilon needs zca_whitening = true");
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
