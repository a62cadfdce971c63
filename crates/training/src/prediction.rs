//! A model's prediction for an image: from logits to a class and probabilities.

use serde::{Deserialize, Serialize};

/// A model's prediction for one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The class with the largest logit; the first one if several are equal.
    pub class: usize,
    /// Softmax of the logits, in `f64`: the probability of each class.
    pub probabilities: Vec<f64>,
    /// The score of each class, before softmax.
    pub logits: Vec<f32>,
}

impl Prediction {
    /// Returns the prediction for these logits, one per class.
    ///
    /// ```
    /// use mnist_training::Prediction;
    ///
    /// let prediction = Prediction::from_logits(&[0.0, 2.0, 0.0]);
    /// assert_eq!(prediction.class, 1);
    /// assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    /// ```
    pub fn from_logits(logits: &[f32]) -> Self {
        let largest = largest(logits);
        let class = class(logits);
        let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        Self {
            class,
            probabilities: powers.into_iter().map(|power| power / sum).collect(),
            logits: logits.to_vec(),
        }
    }
}

/// Returns the class with the largest logit; the first one if several are equal.
pub(crate) fn class(logits: &[f32]) -> usize {
    let largest = largest(logits);
    logits.iter().position(|&logit| logit >= largest).unwrap_or(0)
}

/// Returns the softmax cross-entropy of logits with the true class: `log(Σⱼ exp(logitsⱼ)) − logits[label]`.
pub(crate) fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let largest = largest(logits);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    sum.ln() - f64::from(logits[label] - largest)
}

fn largest(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// A model's prediction for one labelled image of a split: a row of `predictions.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledPrediction {
    /// The image's position in the split, from 0.
    pub image: usize,
    /// Its true class.
    pub label: usize,
    /// The most probable class.
    pub predicted: usize,
    /// The probability of the predicted class, 0..=1.
    pub probability: f32,
    /// The probability of the true class, 0..=1.
    pub label_probability: f32,
    /// The image's file, see [`Images::file`](mnist_data::Images::file). `None` for IDX data, and in runs of old
    /// versions.
    #[serde(default)]
    pub file: Option<String>,
}

impl LabelledPrediction {
    /// Returns whether the prediction is correct.
    pub fn is_correct(&self) -> bool {
        self.label == self.predicted
    }
}
