//! `scaling.json`: the file format of a fitted scaling, described in docs/SCALING.md.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FittedScaling, Scaling, Whitening};
use crate::{ScalingError, images::ImageShape};

/// Version of the format that this program writes, and the only one it reads.
const VERSION: u32 = 2;

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScalingFile {
    version: u32,
    scaling: String,
    description: Scaling,
    shape: ImageShape,
    fitted_on_images: usize,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    zca: Option<WhiteningFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhiteningFile {
    eigenvalues: Vec<f64>,
    /// d×d little-endian `f64` in base64. Decimal numbers would be three times as long.
    matrix: String,
}

impl From<FittedScaling> for ScalingFile {
    fn from(fitted: FittedScaling) -> Self {
        let zca = fitted.whitening.map(|whitening| WhiteningFile {
            eigenvalues: whitening.eigenvalues,
            matrix: BASE64.encode(&whitening.matrix.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()),
        });
        Self {
            version: VERSION,
            scaling: fitted.scaling.name().to_owned(),
            description: fitted.scaling,
            shape: fitted.shape,
            fitted_on_images: fitted.images,
            mean: fitted.mean,
            std: fitted.std,
            zca,
        }
    }
}

impl TryFrom<Value> for FittedScaling {
    type Error = ScalingError;

    fn try_from(value: Value) -> Result<Self, ScalingError> {
        // Checked first, because another version may have other fields.
        let version = value.get("version").unwrap_or(&Value::Null);
        if *version != VERSION {
            let reason = format!("version {version}, but this program reads version {VERSION}");
            return Err(ScalingError::Corrupt(reason));
        }
        let file: ScalingFile =
            serde_json::from_value(value).map_err(|error| ScalingError::Corrupt(error.to_string()))?;
        let (description, shape) = (file.description, file.shape);
        let sides = [shape.channels, shape.height, shape.width];
        let pixels = sides.into_iter().try_fold(1_usize, usize::checked_mul);
        if pixels.is_none_or(|pixels| pixels == 0) {
            return Err(ScalingError::Corrupt(format!("{shape} is not the shape of an image")));
        }
        let groups = description.granularity.groups(shape);
        check_numbers("mean", file.mean.as_deref(), description.featurewise_center, groups)?;
        check_numbers("std", file.std.as_deref(), description.featurewise_std_normalization, groups)?;
        if file.std.iter().flatten().any(|&std| std < 0.0) {
            return Err(ScalingError::Corrupt("std contains a negative number".into()));
        }
        let whitening = file.zca.map(Whitening::try_from).transpose()?;
        let eigenvalues = whitening.as_ref().map(Whitening::eigenvalues);
        check_numbers("zca", eigenvalues, description.zca_whitening, shape.pixels())?;
        Ok(Self {
            scaling: description,
            shape,
            images: file.fitted_on_images,
            mean: file.mean,
            std: file.std,
            whitening,
        })
    }
}

impl TryFrom<WhiteningFile> for Whitening {
    type Error = ScalingError;

    fn try_from(file: WhiteningFile) -> Result<Self, ScalingError> {
        let corrupt = |reason: &str| ScalingError::Corrupt(format!("the matrix of zca {reason}"));
        let bytes = BASE64
            .decode(file.matrix.as_bytes())
            .map_err(|error| corrupt(&format!("is not base64: {error}")))?;
        let (numbers, rest) = bytes.as_chunks();
        let matrix: Vec<f64> = numbers.iter().map(|&number| f64::from_le_bytes(number)).collect();
        if !rest.is_empty() || matrix.len() != file.eigenvalues.len().pow(2) {
            return Err(corrupt("does not have as many rows and columns as there are eigenvalues"));
        }
        if !matrix.iter().all(|number| number.is_finite()) {
            return Err(corrupt("contains a number that is not finite"));
        }
        Ok(Self::new(file.eigenvalues, matrix))
    }
}

/// Checks that numbers are present if and only if they are `wanted`, that there are `count` of them, and that all are
/// finite.
fn check_numbers(name: &str, values: Option<&[f64]>, wanted: bool, count: usize) -> Result<(), ScalingError> {
    let reason = match values {
        None if wanted => format!("{name} is missing"),
        Some(_) if !wanted => format!("{name} is present, but the description does not use it"),
        Some(values) if values.len() != count => {
            format!("{name} has {} values, expected {count}", values.len())
        }
        Some(values) if !values.iter().all(|value| value.is_finite()) => {
            format!("{name} contains a number that is not finite")
        }
        _ => return Ok(()),
    };
    Err(ScalingError::Corrupt(reason))
}
