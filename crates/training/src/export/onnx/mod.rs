//! Export as ONNX: a graph from bytes to probabilities that begins with the scaling.

mod graph;
mod network;
mod scaling;

use mnist_data::ImageShape;
use mnist_model::Model;
use onnx_rs::ast::{
    DataType, Dimension, Graph, Model as OnnxModel, OperatorSetId, StringStringEntry, TensorShape,
    TensorShapeDimension, TensorTypeProto, TypeProto, TypeValue, ValueInfo,
};
use safetensors::SafeTensors;

use self::graph::Chain;
use super::ExportedFile;
use crate::{Predictor, TrainingError, run::Versions, weights};

/// The file of the model.
pub const NAME: &str = "model.onnx";

/// Versions of the operators and of the file format: those of ONNX 1.12 (2022), which current runtimes read.
/// <https://github.com/onnx/onnx/blob/main/docs/Versioning.md>.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// Largest size of a protobuf message, in bytes.
const MOST_BYTES: usize = (1 << 31) - 1;

const DOC: &str = "Classifies images: takes unscaled bytes, and scales them as in training.";
const PIXELS_DOC: &str =
    "Bytes 0..255, unscaled: images, channels (gray, or red, green and blue), rows, columns.";
const LOGITS_DOC: &str = "Score of each class, before softmax.";
const PROBABILITIES_DOC: &str = "Softmax of the logits: the probabilities of an image add up to 1.";

/// Returns the graph `pixels` (`uint8`, N×C×H×W) → `logits` and `probabilities` (`float`, N×classes).
///
/// The scaling is computed in `double` and rounded once to `float`, as in training. The error of the logits after
/// ZCA whitening is then 2e-6 of the largest logit; with `float` throughout, it would be up to 5e-3.
///
/// # Errors
/// When the whitening makes the file larger than ONNX allows.
pub fn file(predictor: &Predictor<Model>) -> Result<ExportedFile, TrainingError> {
    let trained = &predictor.trained;
    let weights = weights::to_pytorch(&predictor.model)?;
    let mut chain = Chain::new("pixels");
    scaling::add(&mut chain, &trained.fitted);
    SafeTensors::deserialize(&weights)
        .and_then(|weights| network::add(&mut chain, &weights))
        .map_err(TrainingError::encode("the weights"))?;

    let metadata = super::metadata(trained)?;
    let versions = Versions::current();
    let model = OnnxModel {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetId { domain: "", version: OPSET }],
        producer_name: "mnist-trainer",
        producer_version: &versions.mnist_trainer,
        doc_string: DOC,
        graph: Some(graph(chain, trained.fitted.shape(), trained.classes)),
        metadata_props: metadata.iter().map(|(key, value)| StringStringEntry { key, value }).collect(),
        ..OnnxModel::default()
    };
    let bytes = onnx_rs::encode(&model);
    if bytes.len() > MOST_BYTES {
        return Err(TrainingError::OnnxTooLarge(bytes.len()));
    }
    let about = "scaling and network in one graph, from bytes to probabilities";
    Ok(ExportedFile { name: NAME, about, bytes })
}

fn graph(chain: Chain, shape: ImageShape, classes: usize) -> Graph {
    let ImageShape { channels, height, width } = shape;
    Graph {
        name: "mnist_trainer",
        doc_string: DOC,
        node: chain.nodes,
        initializer: chain.initializers,
        input: vec![value("pixels", PIXELS_DOC, DataType::Uint8, &[channels, height, width])],
        output: vec![
            value("logits", LOGITS_DOC, DataType::Float, &[classes]),
            value("probabilities", PROBABILITIES_DOC, DataType::Float, &[classes]),
        ],
        ..Graph::default()
    }
}

/// Returns an input or output of shape N × `sides`, for any number of images N.
fn value<'a>(name: &'a str, doc_string: &'a str, elem_type: DataType, sides: &[usize]) -> ValueInfo<'a> {
    let sides = sides.iter().map(|&side| Dimension::Value(side as i64));
    let dimension = |value| TensorShapeDimension { value, denotation: "" };
    let dim = [Dimension::Param("N")].into_iter().chain(sides).map(dimension).collect();
    let tensor = TensorTypeProto { elem_type, shape: Some(TensorShape { dim }) };
    let r#type = TypeProto { value: Some(TypeValue::Tensor(tensor)), denotation: "" };
    ValueInfo { name, doc_string, r#type: Some(r#type), metadata_props: Vec::new() }
}
