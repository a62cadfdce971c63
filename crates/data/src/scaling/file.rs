//! `scaling.json`: the file format of a fitted scaling, described in docs/SCALING.md.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use data_encoding::BASE64;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, IgnoredAny, MapAccess},
};
use serde_json::{Value, value::RawValue};

use super::{FittedScaling, Scaling, Whitening};
use crate::{ScalingError, images::ImageShape};

/// Version of the format that this program writes, and the only one it reads.
const VERSION: u32 = 2;

/// The names of the fields of [`ScalingFile`].
const FIELDS: [&str; 8] =
    ["version", "scaling", "description", "shape", "fitted_on_images", "mean", "std", "zca"];

/// The content of the file.
#[derive(Serialize)]
pub(super) struct ScalingFile {
    version: u32,
    scaling: String,
    description: Scaling,
    shape: ImageShape,
    fitted_on_images: usize,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    zca: Option<WhiteningFile<Vec<f64>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhiteningFile<Numbers> {
    eigenvalues: Numbers,
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

/// The JSON texts of the fields in a file, not parsed yet: how long a list may be depends on other fields, and another
/// version may have other fields.
#[derive(Default)]
pub(super) struct Fields {
    known: BTreeMap<String, Box<RawValue>>,
    /// The first field with another name.
    unknown: Option<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> de::Visitor<'de> for Map {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the fields of a fitted scaling")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<Cow<str>>()? {
                    if !FIELDS.contains(&&*name) {
                        map.next_value::<IgnoredAny>()?;
                        fields.unknown.get_or_insert_with(|| name.into_owned());
                    } else if fields.known.insert(name.to_string(), map.next_value()?).is_some() {
                        return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Map)
    }
}

impl Fields {
    /// Takes a field with a short value, such as a name or a number.
    fn take_short<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ScalingError> {
        /// Largest length in bytes. A description has about 300.
        const MOST: usize = 4096;
        let json = self.known.remove(name).ok_or_else(|| corrupt(format!("{name} is missing")))?;
        if json.get().len() > MOST {
            return Err(corrupt(format!("{name} is longer than {MOST} bytes")));
        }
        parse(name, &json)
    }

    /// Takes a list of `count` finite numbers, present if and only if it is `wanted`.
    fn take_numbers(
        &mut self,
        name: &str,
        wanted: bool,
        count: usize,
    ) -> Result<Option<Vec<f64>>, ScalingError> {
        let Some(json) = self.take(name, wanted)? else { return Ok(None) };
        numbers(name, &json, count).map(Some)
    }

    /// Takes a field that is present if and only if it is `wanted`. A value of `null` counts as missing.
    fn take(&mut self, name: &str, wanted: bool) -> Result<Option<Box<RawValue>>, ScalingError> {
        let json = self.known.remove(name).filter(|json| json.get() != "null");
        match json {
            None if wanted => Err(corrupt(format!("{name} is missing"))),
            Some(_) if !wanted => {
                Err(corrupt(format!("{name} is present, but the description does not use it")))
            }
            json => Ok(json),
        }
    }
}

impl TryFrom<Fields> for FittedScaling {
    type Error = ScalingError;

    fn try_from(mut fields: Fields) -> Result<Self, ScalingError> {
        // Checked first, because another version may have other fields.
        let version: Value = fields.take_short("version")?;
        if version != VERSION {
            return Err(corrupt(format!("version {version}, but this program reads version {VERSION}")));
        }
        if let Some(name) = fields.unknown {
            return Err(corrupt(format!("unknown field `{name}`")));
        }
        fields.take_short::<String>("scaling")?;
        let description: Scaling = fields.take_short("description")?;
        let shape: ImageShape = fields.take_short("shape")?;
        let images = fields.take_short("fitted_on_images")?;
        let sides = [shape.channels, shape.height, shape.width];
        let pixels = sides.into_iter().try_fold(1_usize, usize::checked_mul);
        let Some(pixels) = pixels.filter(|&pixels| pixels > 0) else {
            return Err(corrupt(format!("{shape} is not the shape of an image")));
        };
        let groups = description.granularity.groups(shape);
        let mean = fields.take_numbers("mean", description.featurewise_center, groups)?;
        let std = fields.take_numbers("std", description.featurewise_std_normalization, groups)?;
        if std.iter().flatten().any(|&std| std < 0.0) {
            return Err(corrupt("std contains a negative number".into()));
        }
        let zca = fields.take("zca", description.zca_whitening)?;
        let whitening = zca.map(|json| whitening(json, pixels)).transpose()?;
        Ok(Self { scaling: description, shape, images, mean, std, whitening })
    }
}

/// Reads the whitening of images of `values` values.
fn whitening(json: Box<RawValue>, values: usize) -> Result<Whitening, ScalingError> {
    let file: WhiteningFile<Box<RawValue>> = parse("zca", &json)?;
    drop(json); // The matrix may be large.
    let eigenvalues = numbers("the list of eigenvalues", &file.eigenvalues, values)?;
    let matrix = |reason: &str| corrupt(format!("the matrix of zca {reason}"));
    let length = values.checked_pow(2).and_then(|numbers| numbers.checked_mul(size_of::<f64>()));
    if length.is_none_or(|length| file.matrix.len() != BASE64.encode_len(length)) {
        return Err(matrix("does not have as many rows and columns as there are eigenvalues"));
    }
    let bytes =
        BASE64.decode(file.matrix.as_bytes()).map_err(|error| matrix(&format!("is not base64: {error}")))?;
    drop(file);
    let (numbers, rest) = bytes.as_chunks();
    let numbers: Vec<f64> = numbers.iter().map(|&number| f64::from_le_bytes(number)).collect();
    if !rest.is_empty() || Some(numbers.len()) != values.checked_pow(2) {
        return Err(matrix("does not have as many rows and columns as there are eigenvalues"));
    }
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err(matrix("contains a number that is not finite"));
    }
    Ok(Whitening::new(eigenvalues, numbers))
}

/// Parses a list of `count` finite numbers. Lists of another length are refused before memory is allocated for them.
fn numbers(name: &str, json: &RawValue, count: usize) -> Result<Vec<f64>, ScalingError> {
    let commas = json.get().bytes().filter(|&byte| byte == b',').count();
    if commas >= count {
        return Err(corrupt(format!("{name} has {} values, expected {count}", commas + 1)));
    }
    let numbers: Vec<f64> = parse(name, json)?;
    if numbers.len() != count {
        return Err(corrupt(format!("{name} has {} values, expected {count}", numbers.len())));
    }
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err(corrupt(format!("{name} contains a number that is not finite")));
    }
    Ok(numbers)
}

/// Parses the value of a field.
fn parse<T: DeserializeOwned>(name: &str, json: &RawValue) -> Result<T, ScalingError> {
    serde_json::from_str(json.get()).map_err(|error| {
        let reason = error.to_string();
        // Its line and column would be those in the field, not in the file.
        let reason = reason.rsplit_once(" at line ").map_or(&*reason, |(reason, _)| reason);
        corrupt(format!("{name}: {reason}"))
    })
}

fn corrupt(reason: String) -> ScalingError {
    ScalingError::Corrupt(reason)
}
