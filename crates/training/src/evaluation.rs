//! Evaluation of a model on a split.

use burn::{
    data::dataset::Dataset,
    tensor::{Device, activation::softmax},
};
use mnist_data::{Images, ScalingBatcher};
use mnist_model::Classifier;
use serde::{Deserialize, Serialize};

use crate::{Observer, TrainingError, loader, prediction::LabelledPrediction};

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

/// Classifies all images in file order. `model` must be on `device` and without autodiff, as
/// [`valid`](burn::module::Module::valid) returns it.
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
    for batch in loader::batches(images, &order, batch_size, batcher, device) {
        if observer.wants_stop() {
            return Err(TrainingError::Interrupted);
        }
        let batch = batch?;
        let (logits, loss) = model.forward_classification(batch.images, batch.targets);
        let [batch_images, classes] = logits.dims();
        loss_sum += f64::from(loss.into_scalar::<f32>()) * batch_images as f64;
        let probabilities =
            softmax(logits.clone(), 1).try_into_vec_as::<f32>().map_err(TrainingError::device)?;
        let predicted = logits.argmax(1).try_into_vec_as::<i64>().map_err(TrainingError::device)?;
        for (of_image, predicted) in probabilities.chunks(classes).zip(predicted) {
            let image = predictions.len();
            let (label, predicted) = (images.labels()[image] as usize, predicted as usize);
            predictions.push(LabelledPrediction {
                image,
                label,
                predicted,
                probability: of_image[predicted],
                label_probability: of_image[label],
            });
        }
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
