//! A model's weights as a safetensors file.

use std::{fs, path::Path};

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore},
};
use data_encoding::HEXLOWER;
use safetensors::SafeTensors;
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
    store.get_bytes().map_err(TrainingError::encode("the weights"))
}

/// Loads the weights of a safetensors file into `model`.
///
/// # Errors
/// When the file cannot be read, or contains the weights of another network.
pub fn load<M: Module>(path: &Path, mut model: M) -> Result<M, TrainingError> {
    let bytes = fs::read(path).map_err(TrainingError::file("read", path))?;
    SafeTensors::deserialize(&bytes).map_err(TrainingError::damaged(path))?;
    let loaded = model.load_from(&mut SafetensorsStore::from_bytes(Some(bytes)));
    loaded.map_err(|_| TrainingError::OtherLayers(path.to_owned()))?;
    Ok(model)
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
