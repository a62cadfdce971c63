//! Pixel scaling: a [`Scaling`] describes it, fitting it on the train split gives a
//! [`FittedScaling`], and only that can touch pixels.
//!
//! Field names, order and ε are those of Keras' `ImageDataGenerator`, version 1.1.2
//! (<https://github.com/keras-team/keras-preprocessing/blob/1.1.2/keras_preprocessing/image/image_data_generator.py>,
//! methods `standardize` and `fit`): statistics are those of the pixels as they arrive at their step.

use std::{fmt, str::FromStr};

use burn::data::dataset::Dataset;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    ScalingError,
    images::{ImageShape, Images},
    statistics::{Moments, PixelSums},
};

/// What Keras adds to a standard deviation before dividing by it, so that constant images stay finite.
const STD_EPSILON: f64 = 1e-6;

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
    /// ZCA whitening: a place kept in the format; `true` is refused.
    pub zca_whitening: bool,
    /// ε of ZCA whitening, added to the eigenvalues; without effect while `zca_whitening` is false.
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
fn presets() -> [(&'static str, Scaling); 7] {
    let base = Scaling::default;
    let normalize = Scaling { rescale: 1.0 / 255.0, ..base() };
    let center = Scaling { featurewise_center: true, ..base() };
    let sample_center = Scaling { samplewise_center: true, ..base() };
    [
        ("none", base()),
        ("normalize", normalize.clone()),
        ("center", center.clone()),
        ("standardize", Scaling { featurewise_std_normalization: true, ..center }),
        ("sample-center", sample_center.clone()),
        ("sample-standardize", Scaling { samplewise_std_normalization: true, ..sample_center }),
        ("normalize-center", Scaling { featurewise_center: true, ..normalize }),
    ]
}

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
    /// The name of the preset that this is, or `custom`.
    pub fn name(&self) -> &'static str {
        presets().iter().find_map(|(name, preset)| (preset == self).then_some(*name)).unwrap_or("custom")
    }

    /// Fits the statistics that the description asks for on the train split.
    ///
    /// # Errors
    /// When the description contradicts itself, or `train` is empty.
    pub fn fit(&self, train: &Images) -> Result<FittedScaling, ScalingError> {
        self.check()?;
        if train.is_empty() {
            return Err(ScalingError::Invalid("no image to fit the statistics on".into()));
        }
        let sums = PixelSums::grouped(train, self.granularity.groups(train.shape()));
        let statistic = |wanted: bool, of: fn(PixelSums) -> f64| {
            wanted.then(|| sums.iter().map(|&sums| self.rescale * of(sums)).collect())
        };
        Ok(FittedScaling {
            mean: statistic(self.featurewise_center, PixelSums::mean),
            std: statistic(self.featurewise_std_normalization, PixelSums::std),
            scaling: self.clone(),
            shape: train.shape(),
            images: train.len(),
        })
    }

    fn check(&self) -> Result<(), ScalingError> {
        let invalid = |reason: &str| Err(ScalingError::Invalid(reason.into()));
        if !(self.rescale.is_finite() && self.rescale > 0.0) {
            return invalid("rescale must be a finite number above 0");
        }
        if self.samplewise_std_normalization && !self.samplewise_center {
            return invalid("samplewise_std_normalization needs samplewise_center = true");
        }
        if self.featurewise_std_normalization && !self.featurewise_center {
            return invalid("featurewise_std_normalization needs featurewise_center = true");
        }
        if self.samplewise_center && self.featurewise_center {
            return invalid("samplewise and featurewise steps cannot be combined yet; keep one kind");
        }
        if self.zca_whitening {
            return invalid("zca_whitening cannot be switched on yet");
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

/// A scaling with its statistics: the only thing that turns bytes into network input.
///
/// As JSON it is what a run keeps as `scaling.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "ScalingFile", try_from = "ScalingFile")]
pub struct FittedScaling {
    scaling: Scaling,
    shape: ImageShape,
    images: usize,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
}

impl FittedScaling {
    /// The description that was fitted.
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// Shape of the images it was fitted on.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Feature-wise mean of the rescaled train pixels, one per group of the granularity.
    pub fn mean(&self) -> Option<&[f64]> {
        self.mean.as_deref()
    }

    /// Feature-wise population standard deviation of the rescaled train pixels, likewise.
    pub fn std(&self) -> Option<&[f64]> {
        self.std.as_deref()
    }

    /// Refuses images of another shape than it was fitted on.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn check_shape(&self, found: ImageShape) -> Result<(), ScalingError> {
        if found == self.shape {
            return Ok(());
        }
        Err(ScalingError::Shape { fitted: self.shape.to_string(), found: found.to_string() })
    }

    /// Scales one image, C×H×W bytes, onto the end of `scaled`.
    ///
    /// Computes in `f64` and rounds once, so a value does not depend on what it is batched with.
    ///
    /// # Panics
    /// When `image` is not of the shape it was fitted on; see [`check_shape`](Self::check_shape).
    pub fn scale(&self, image: &[u8], scaled: &mut Vec<f32>) {
        assert_eq!(image.len(), self.shape.pixels(), "an image of {}", self.shape);
        let Scaling { rescale, samplewise_center, samplewise_std_normalization, .. } = self.scaling;
        let sample = samplewise_center.then(|| PixelSums::of(image));
        let sample_mean = sample.map_or(0.0, |sums| rescale * sums.mean());
        let sample_divisor = match sample {
            Some(sums) if samplewise_std_normalization => rescale * sums.std() + STD_EPSILON,
            _ => 1.0,
        };
        let groups = self.scaling.granularity.groups(self.shape);
        for (group, run) in image.chunks_exact(image.len() / groups).enumerate() {
            let mean = self.mean.as_ref().map_or(0.0, |mean| mean[group]);
            let divisor = self.std.as_ref().map_or(1.0, |std| std[group] + STD_EPSILON);
            scaled.extend(run.iter().map(|&byte| {
                let sample = (rescale * f64::from(byte) - sample_mean) / sample_divisor;
                ((sample - mean) / divisor) as f32
            }));
        }
    }

    /// Moments of a whole split after scaling.
    ///
    /// # Panics
    /// When the images are not of the shape it was fitted on.
    pub fn moments(&self, images: &Images) -> Moments {
        let mut scaled = Vec::with_capacity(self.shape.pixels());
        images.iter_pixels().fold(Moments::default(), |moments, image| {
            scaled.clear();
            self.scale(image, &mut scaled);
            moments.merge(Moments::of(&scaled))
        })
    }
}

/// Version of the `scaling.json` format that this program writes, and the only one it reads.
const FILE_VERSION: u32 = 1;

/// `scaling.json` as it stands on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScalingFile {
    version: u32,
    scaling: String,
    description: Scaling,
    shape: ImageShape,
    fitted_on_images: usize,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
}

impl From<FittedScaling> for ScalingFile {
    fn from(fitted: FittedScaling) -> Self {
        Self {
            version: FILE_VERSION,
            scaling: fitted.scaling.name().to_owned(),
            description: fitted.scaling,
            shape: fitted.shape,
            fitted_on_images: fitted.images,
            mean: fitted.mean,
            std: fitted.std,
        }
    }
}

impl TryFrom<ScalingFile> for FittedScaling {
    type Error = ScalingError;

    fn try_from(file: ScalingFile) -> Result<Self, ScalingError> {
        let corrupt = |reason: String| Err(ScalingError::Corrupt(reason));
        if file.version != FILE_VERSION {
            return corrupt(format!("version {}, this program reads {FILE_VERSION}", file.version));
        }
        let groups = file.description.granularity.groups(file.shape);
        for (name, values, wanted) in [
            ("mean", &file.mean, file.description.featurewise_center),
            ("std", &file.std, file.description.featurewise_std_normalization),
        ] {
            match values {
                None if wanted => return corrupt(format!("{name} is missing")),
                Some(_) if !wanted => {
                    return corrupt(format!("{name} is there, but the description has no use for it"));
                }
                Some(values) if values.len() != groups => {
                    return corrupt(format!("{name} has {} values, expected {groups}", values.len()));
                }
                Some(values) if values.iter().any(|value| !value.is_finite() || *value < 0.0) => {
                    return corrupt(format!("{name} holds a number that no pixels have"));
                }
                _ => {}
            }
        }
        Ok(Self {
            scaling: file.description,
            shape: file.shape,
            images: file.fitted_on_images,
            mean: file.mean,
            std: file.std,
        })
    }
}
