//! The weights of the tutorial's CNN, layer by layer, for programs that compute the network themselves.

use mnist_model::{ModelConfig, Network};
use safetensors::{Dtype, tensor::TensorView};

use crate::{TrainingError, dataset::dimensions, predictor::TrainedModel, run::WEIGHTS, weights};

/// The names and the number of dimensions of all tensors, in the order in which the network uses them.
const TENSORS: [(&str, usize); 8] = [
    ("conv1.weight", 4),
    ("conv1.bias", 1),
    ("conv2.weight", 4),
    ("conv2.bias", 1),
    ("dense1.weight", 2),
    ("dense1.bias", 1),
    ("dense2.weight", 2),
    ("dense2.bias", 1),
];

/// Returns the weights and the biases of the four layers in their order, each as little-endian `f32`.
///
/// Weights of a convolution are outputs × inputs × 3 × 3, those of a dense layer inputs × outputs.
///
/// # Errors
/// When the run trained another network than the tutorial's CNN, or its weights cannot be read, were changed, or are
/// not finite.
pub fn layers(trained: &TrainedModel) -> Result<Vec<Vec<u8>>, TrainingError> {
    let path = || trained.run().join(WEIGHTS);
    let bytes = trained.weights()?;
    let file = weights::parse(&path(), &bytes)?;
    let tensor = |(name, dimensions): (&str, usize)| {
        let tensor = file.tensor(name).ok();
        tensor.filter(|tensor| tensor.dtype() == Dtype::F32 && tensor.shape().len() == dimensions)
    };
    let tensors: Option<Vec<TensorView>> = TENSORS.into_iter().map(tensor).collect();
    let tensors = tensors.ok_or_else(|| TrainingError::OtherLayers(path()))?;

    let outputs = |index: usize| tensors[index].shape()[0];
    let config = ModelConfig::new().with_filters([outputs(1), outputs(3)]).with_hidden(outputs(5));
    let (found, expected) = (&trained.settings.training.network, config.name());
    if *found != expected {
        let (path, found) = (trained.run().to_owned(), found.clone());
        return Err(TrainingError::OtherNetwork { path, found, expected });
    }
    let config = config.with_image(dimensions(trained.fitted.shape()));
    let flat = config.flat_features().map_err(|error| TrainingError::Network(error.into()))?;
    let channels = trained.fitted.shape().channels;
    let [filters1, filters2] = config.filters;
    let shapes: [&[usize]; 8] = [
        &[filters1, channels, 3, 3],
        &[filters1],
        &[filters2, filters1, 3, 3],
        &[filters2],
        &[flat, config.hidden],
        &[config.hidden],
        &[config.hidden, trained.classes],
        &[trained.classes],
    ];
    if tensors.iter().zip(shapes).any(|(tensor, shape)| tensor.shape() != shape) {
        return Err(TrainingError::OtherLayers(path()));
    }
    Ok(tensors.iter().map(|tensor| tensor.data().to_vec()).collect())
}
