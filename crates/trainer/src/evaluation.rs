//! How well a model does on images that it was not trained on.

use anyhow::{Result, ensure};
use burn::{
    data::dataset::Dataset,
    tensor::{Device, activation::softmax},
};
use mnist_data::{Images, ScalingBatcher};
use mnist_model::Model;
use serde::{Deserialize, Serialize};

use crate::{failure::Interrupted, interrupt, loader};

/// What a model made of one image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Its number in the split, from 0.
    pub image: usize,
    /// Its true class.
    pub label: usize,
    /// The class that the model took for the likeliest.
    pub predicted: usize,
    /// How likely the model took that class to be, 0..=1.
    pub probability: f32,
    /// How likely the model took the true class to be, 0..=1.
    pub label_probability: f32,
}

impl Prediction {
    /// Whether the model was right.
    pub fn is_correct(&self) -> bool {
        self.label == self.predicted
    }
}

/// Loss, accuracy and confusions on one split.
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
    /// Image by image.
    #[serde(skip)]
    pub predictions: Vec<Prediction>,
}

/// Runs the model over all images in file order. `model` is a [`valid`](burn::module::Module::valid)
/// one, on `device`.
pub fn evaluate(
    model: &Model,
    images: &Images,
    classes: usize,
    batch_size: usize,
    batcher: &ScalingBatcher,
    device: &Device,
) -> Result<Evaluation> {
    let mut loss_sum = 0.0;
    let mut predictions: Vec<Prediction> = Vec::with_capacity(images.len());
    let order: Vec<usize> = (0..images.len()).collect();
    for batch in loader::batches(images, &order, batch_size, batcher, device) {
        if interrupt::requested() {
            return Err(Interrupted::Lost.into());
        }
        let (logits, loss) = model.forward_classification(batch?);
        let [batch_images, classes] = logits.dims();
        loss_sum += f64::from(loss.into_scalar::<f32>()) * batch_images as f64;
        let probabilities = softmax(logits.clone(), 1).try_into_vec_as::<f32>()?;
        let predicted = logits.argmax(1).try_into_vec_as::<i64>()?;
        for (of_image, predicted) in probabilities.chunks(classes).zip(predicted) {
            let image = predictions.len();
            let (label, predicted) = (images.labels()[image] as usize, predicted as usize);
            predictions.push(Prediction {
                image,
                label,
                predicted,
                probability: of_image[predicted],
                label_probability: of_image[label],
            });
        }
    }

    ensure!(
        predictions.len() == images.len(),
        "only {} of {} images arrived",
        predictions.len(),
        images.len()
    );
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
