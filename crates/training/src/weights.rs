//! A model's weights as a safetensors file.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore},
};
use data_encoding::HEXLOWER;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::TrainingError;

/// Returns the weights under their names in the model, such as `conv1.weight`.
///
/// # Errors
/// When the device does not return them.
pub fn to_safetensors(model: &impl Module) -> Result<Vec<u8>, TrainingError> {
    save(model, SafetensorsStore::from_bytes(None))
}

/// Returns the weights in PyTorch's layouts: dense weights are output × input there, and input × output in Burn.
///
/// # Errors
/// When the device does not return them.
pub fn to_pytorch(model: &impl Module) -> Result<Vec<u8>, TrainingError> {
    save(model, SafetensorsStore::from_bytes(None).with_to_adapter(BurnToPyTorchAdapter))
}

fn save(model: &impl Module, mut store: SafetensorsStore) -> Result<Vec<u8>, TrainingError> {
    model.save_into(&mut store).map_err(TrainingError::encode("the weights"))?;
    let bytes = store.get_bytes().map_err(TrainingError::encode("the weights"))?;
    with_sorted_header(&bytes)
}

/// Returns the same safetensors file with the keys of its header in order, so that the same content has the same bytes.
/// The crate `safetensors` writes the metadata in the random order of a hash map.
pub(crate) fn with_sorted_header(file: &[u8]) -> Result<Vec<u8>, TrainingError> {
    const ALIGNMENT: usize = 8;
    let encode = TrainingError::encode("the header of a safetensors file");
    let (length, header) = match SafeTensors::read_metadata(file) {
        Ok((length, _)) => (length, &file[size_of::<u64>()..][..length]),
        Err(error) => return Err(encode(error.to_string())),
    };
    // A map of serde_json keeps the order of the file if any crate asks for that.
    let sorted = serde_json::from_slice::<BTreeMap<String, BTreeMap<String, Value>>>(header)
        .and_then(|header| serde_json::to_vec(&header));
    let mut header = sorted.map_err(|error| encode(error.to_string()))?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &file[size_of::<u64>() + length..]].concat())
}

/// Loads the weights in the bytes of a safetensors file into `model`. Errors show `path` as its name.
///
/// # Errors
/// When the bytes are not a safetensors file, contain the weights of another network, or a weight that is infinite or
/// NaN.
pub fn load<M: Module>(path: &Path, bytes: Vec<u8>, mut model: M) -> Result<M, TrainingError> {
    parse(path, &bytes)?;
    let loaded = model.load_from(&mut SafetensorsStore::from_bytes(Some(bytes)));
    loaded.map_err(|_| TrainingError::OtherLayers(path.to_owned()))?;
    Ok(model)
}

/// Parses a safetensors file. Errors show `path` as its name.
///
/// # Errors
/// When the bytes are not a safetensors file, or contain a weight that is infinite or NaN.
pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, TrainingError> {
    let file = SafeTensors::deserialize(bytes).map_err(TrainingError::damaged(path))?;
    for (name, tensor) in file.iter() {
        let is_finite = |value: &[u8; 4]| f32::from_le_bytes(*value).is_finite();
        if tensor.dtype() == Dtype::F32 && !tensor.data().as_chunks().0.iter().all(is_finite) {
            return Err(TrainingError::damaged(path)(format!(
                "{name} contains a weight that is infinite or NaN"
            )));
        }
    }
    Ok(file)
}

/// Returns the SHA-256 of the values of all tensors, in the order of their names. It is the same for the same
/// weights.
///
/// # Errors
/// When the bytes are not a safetensors file.
pub fn sha256(safetensors: &[u8]) -> Result<String, TrainingError> {
    let file = SafeTensors::deserialize(safetensors).map_err(TrainingError::encode("the weights"))?;
    let mut tensors = file.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let sum = tensors.iter().fold(Sha256::new(), |sum, (_, tensor)| sum.chain_update(tensor.data()));
    Ok(HEXLOWER.encode(&sum.finalize()))
}

/// Returns the version of Burn in this build.
pub fn burn_version() -> String {
    SafetensorsStore::default_metadata().remove("version").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn a_file_with_an_infinite_weight_is_refused() {
        let file = |weight: f32| {
            let values = [1.0, weight].map(f32::to_le_bytes).concat();
            let tensor = TensorView::new(Dtype::F32, vec![2], &values).unwrap();
            safetensors::serialize([("dense1.bias", tensor)], None).unwrap()
        };
        let path = Path::new("model.safetensors");
        assert!(parse(path, &file(-2.0)).is_ok());
        for weight in [f32::NAN, f32::INFINITY] {
            let error = parse(path, &file(weight)).unwrap_err().to_string();
            assert!(error.contains("model.safetensors") && error.contains("infinite or NaN"), "{error}");
        }
    }
}
