//! A model's weights as a safetensors file, which any framework reads.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use data_encoding::HEXLOWER;
use mnist_model::Model;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

/// The weights under their names in the model, such as `conv1.weight`.
pub fn to_safetensors(model: &Model) -> Result<Vec<u8>> {
    let mut store = SafetensorsStore::from_bytes(None);
    model.save_into(&mut store)?;
    Ok(store.get_bytes()?)
}

/// As [`to_safetensors`], in PyTorch's layouts: its dense weights are output × input, Burn's input × output.
pub fn to_pytorch(model: &Model) -> Result<Vec<u8>> {
    let mut store = SafetensorsStore::from_bytes(None).with_to_adapter(BurnToPyTorchAdapter);
    model.save_into(&mut store)?;
    Ok(store.get_bytes()?)
}

/// Puts the weights of a safetensors file into `model`.
pub fn load(path: &Path, mut model: Model) -> Result<Model> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    model
        .load_from(&mut SafetensorsStore::from_bytes(Some(bytes)))
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("{} does not hold this model's weights", path.display()))?;
    Ok(model)
}

/// SHA-256 over the values of all tensors in the order of their names: equal for equal weights.
pub fn sha256(safetensors: &[u8]) -> Result<String> {
    let mut tensors = SafeTensors::deserialize(safetensors)?.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let sum = tensors.iter().fold(Sha256::new(), |sum, (_, tensor)| sum.chain_update(tensor.data()));
    Ok(HEXLOWER.encode(&sum.finalize()))
}

/// Version of Burn in this build.
pub fn burn_version() -> String {
    SafetensorsStore::default_metadata().remove("version").unwrap_or_default()
}
