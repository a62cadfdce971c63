//! Evaluation of a model on a split.

use burn::{data::dataset::Dataset, tensor::Device};
use mnist_data::{Images, ScalingBatcher};
use mnist_model::Classifier;
use serde::{Deserialize, Serialize};

use crate::{
    Observer, TrainingError, backend, loader,
    prediction::{LabelledPrediction, Prediction, cross_entropy},
    transfers::{ReadEvery, read},
};

/// Values of the images in a GPU's batch: 1,024 MNIST images. Smaller batches do not keep it busy.
const GPU_BATCH_VALUES: usize = 1024 * 28 * 28;

/// Loss, accuracy, confusion matrix and predictions on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of images.
    pub images: usize,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Fraction classified correctly.
    pub accuracy: f64,
    /// Images per true class (row) and predicted class (column).
    pub confusion: Vec<Vec<usize>>,
    /// The prediction for each image, in file order.
    #[serde(skip)]
    pub predictions: Vec<LabelledPrediction>,
}

/// Classifies all images in file order, in batches of `batch_size`, or larger ones on a GPU. `model` must be on `device`
/// and without autodiff, as [`valid`](burn::module::Module::valid) returns it. The device computes the logits; the host
/// computes everything else, so it is the same for all backends.
///
/// # Errors
/// When images cannot be read, the device fails, or the observer asks to stop.
pub fn evaluate<M: Classifier>(
    model: &M,
    images: &Images,
    classes: usize,
    batch_size: usize,
    batcher: &ScalingBatcher,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Evaluation, TrainingError> {
    let mut loss_sum = 0.0;
    let mut predictions: Vec<LabelledPrediction> = Vec::with_capacity(images.len());
    let order: Vec<usize> = (0..images.len()).collect();
    let batch_size = if backend::is_gpu(device) {
        batch_size.max(GPU_BATCH_VALUES / images.shape().pixels())
    } else {
        batch_size
    };
    let mut read_every = ReadEvery::for_device(device);
    let mut unread = Vec::new();
    let mut loaded = loader::batches(images, &order, batch_size, batcher, device).peekable();
    while let Some(batch) = loaded.next() {
        if observer.wants_stop() {
            return Err(TrainingError::Interrupted);
        }
        unread.push(model.forward(batch?.batch.images).flatten::<1>(0, 1));
        if !read_every.is_due(unread.len()) && loaded.peek().is_some() {
            continue;
        }
        for logits in read(std::mem::take(&mut unread))? {
            for logits in logits.chunks(classes) {
                let image = predictions.len();
                let label = images.labels()[image] as usize;
                let Prediction { class: predicted, probabilities, .. } = Prediction::from_logits(logits);
                loss_sum += cross_entropy(logits, label);
                predictions.push(LabelledPrediction {
                    image,
                    label,
                    predicted,
                    probability: probabilities[predicted] as f32,
                    label_probability: probabilities[label] as f32,
                    file: images.file(image),
                });
            }
        }
        read_every.adapt();
    }
    loader::check_all_arrived(predictions.len(), images.len())?;

    let mut confusion = vec![vec![0; classes]; classes];
    for prediction in &predictions {
        confusion[prediction.label][prediction.predicted] += 1;
    }
    let correct = predictions.iter().filter(|prediction| prediction.is_correct()).count();
    Ok(Evaluation {
        images: images.len(),
        loss: loss_sum / images.len() as f64,
        accuracy: correct as f64 / images.len() as f64,
        confusion,
        predictions,
    })
}
