//! Export as safetensors: weights that PyTorch loads by name, with the scaling in the metadata.

use std::collections::{BTreeMap, HashMap};

use mnist_model::Model;
use safetensors::{SafeTensors, tensor::TensorView};

use super::ExportedFile;
use crate::{Predictor, TrainingError, files, weights};

/// The file of the weights.
pub const NAME: &str = "model.safetensors";

/// The file of the scaling, if it is too large for the metadata.
pub const SCALING: &str = "scaling.json";

/// Largest `scaling.json` for the metadata, in bytes. The metadata is in the file's header, and readers refuse
/// headers above 100 MB. Whitening of 3×32×32 values takes slightly more.
const MOST_METADATA: usize = 99_000_000;

/// Returns the weights with PyTorch's names and layouts (dense weights are output × input), to load with
/// `load_state_dict(strict=True)`. `scaling_json` in the metadata is the text of the run's `scaling.json`.
pub fn files(predictor: &Predictor<Model>) -> Result<Vec<ExportedFile>, TrainingError> {
    let scaling = files::json(predictor.trained.fitted.as_ref())?;
    let mut metadata = super::metadata(&predictor.trained)?;
    let beside = place(scaling, &mut metadata, MOST_METADATA)?;
    // This key tells Hugging Face's libraries that names and layouts are PyTorch's.
    metadata.insert("format", "pt".into());

    let weights = weights::to_pytorch(&predictor.model)?;
    let tensors = SafeTensors::deserialize(&weights).map_err(TrainingError::encode("the weights"))?;
    let bytes = serialize(tensors.tensors(), &metadata)?;
    let about = "weights under PyTorch's names, with the scaling in the metadata";
    let mut files = vec![ExportedFile { name: NAME, about, bytes }];
    files.extend(beside.map(|bytes| ExportedFile {
        name: SCALING,
        about: "the scaling, too large for the metadata",
        bytes,
    }));
    Ok(files)
}

/// Adds the scaling to the metadata. If it is too large, adds the name of a file instead, and returns the file's
/// bytes.
fn place(
    scaling: String,
    metadata: &mut BTreeMap<&'static str, String>,
    most: usize,
) -> Result<Option<Vec<u8>>, TrainingError> {
    // The header is JSON, where quotes and newlines are escaped and take more bytes.
    if serde_json::to_string(&scaling).map_err(TrainingError::encode("the metadata"))?.len() <= most {
        metadata.insert("scaling_json", scaling);
        return Ok(None);
    }
    metadata.insert("scaling_file", SCALING.to_owned());
    Ok(Some(scaling.into_bytes()))
}

/// Returns a safetensors file with the same bytes each time.
pub fn serialize(
    tensors: Vec<(String, TensorView)>,
    metadata: &BTreeMap<&'static str, String>,
) -> Result<Vec<u8>, TrainingError> {
    let unordered: HashMap<String, String> =
        metadata.iter().map(|(&key, value)| (key.to_owned(), value.clone())).collect();
    let file = safetensors::serialize(tensors, Some(unordered))
        .map_err(TrainingError::encode("a safetensors file"))?;
    weights::with_sorted_header(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_too_large_for_the_header_goes_to_a_file_named_in_the_metadata() {
        let text = "{\"matrix\": \"AAAA\"}\n".to_owned();
        let escaped = text.len() + 2 + 4 + 1;
        let placed = |most| {
            let mut metadata = BTreeMap::new();
            let file = place(text.clone(), &mut metadata, most).unwrap();
            (metadata, file)
        };
        let inside = BTreeMap::from([("scaling_json", text.clone())]);
        assert_eq!(placed(escaped), (inside, None));
        let named = BTreeMap::from([("scaling_file", SCALING.to_owned())]);
        assert_eq!(placed(escaped - 1), (named, Some(text.clone().into_bytes())));
    }
}
