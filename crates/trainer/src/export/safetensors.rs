//! `--to safetensors`: weights that PyTorch loads by name, and the scaling as metadata.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use mnist_model::Model;
use safetensors::{SafeTensors, tensor::TensorInfo, tensor::TensorView};
use serde::Serialize;

use super::ExportedFile;
use crate::{folder, run::FinishedRun, weights};

/// The weights.
pub const NAME: &str = "model.safetensors";

/// The scaling, where it is too large for the metadata.
pub const SCALING: &str = "scaling.json";

/// Bytes of `scaling.json` that the header of a file can take: readers refuse one above 100 MB. Whitening of
/// 3×32×32 values is just above.
const MOST_METADATA: usize = 99_000_000;

/// Weights under PyTorch's names in PyTorch's layouts (dense ones are output × input), to be loaded with
/// `load_state_dict(strict=True)`; `scaling_json` in the metadata is the text of the run's `scaling.json`.
pub fn files(run: &FinishedRun, model: &Model) -> Result<Vec<ExportedFile>> {
    let scaling = folder::json(&run.fitted)?;
    let mut metadata = super::metadata(run)?;
    let beside = place(scaling, &mut metadata, MOST_METADATA)?;
    // Whose names and layouts these are, as Hugging Face's libraries have it.
    metadata.insert("format", "pt".into());

    let weights = weights::to_pytorch(model)?;
    let bytes = serialize(SafeTensors::deserialize(&weights)?.tensors(), &metadata)?;
    let about = "weights under PyTorch's names, the scaling in the metadata";
    let mut files = vec![ExportedFile { name: NAME, about, bytes }];
    files.extend(beside.map(|bytes| ExportedFile {
        name: SCALING,
        about: "the scaling, which is too large for the metadata",
        bytes,
    }));
    Ok(files)
}

/// Puts the scaling into the metadata, or if it is too large the name of a file, whose bytes it then gives.
fn place(
    scaling: String,
    metadata: &mut BTreeMap<&'static str, String>,
    most: usize,
) -> Result<Option<Vec<u8>>> {
    // Quotes and line ends take more as part of a JSON text.
    if serde_json::to_string(&scaling)?.len() <= most {
        metadata.insert("scaling_json", scaling);
        return Ok(None);
    }
    metadata.insert("scaling_file", SCALING.to_owned());
    Ok(Some(scaling.into_bytes()))
}

/// A safetensors file, the same bytes each time: `safetensors` itself writes the metadata in the order of a
/// hash map, here it is that of the keys.
pub fn serialize(
    tensors: Vec<(String, TensorView)>,
    metadata: &BTreeMap<&'static str, String>,
) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Header<'a> {
        #[serde(rename = "__metadata__")]
        metadata: &'a BTreeMap<&'static str, String>,
        #[serde(flatten)]
        tensors: BTreeMap<String, &'a TensorInfo>,
    }

    let unordered: HashMap<String, String> =
        metadata.iter().map(|(&key, value)| (key.to_owned(), value.clone())).collect();
    let mut file = safetensors::serialize(tensors, Some(unordered))?;
    let (length, header) = SafeTensors::read_metadata(&file)?;
    let mut header =
        serde_json::to_vec(&Header { metadata, tensors: header.tensors().into_iter().collect() })?;
    header.resize(length, b' ');
    file.splice(size_of::<u64>()..size_of::<u64>() + length, header);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_that_does_not_fit_into_a_header_gets_a_file_and_its_name_stands_in_the_metadata() {
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
