//! A finished run's model, with the scaling it was trained with.

use std::{path::Path, sync::Arc};

use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    tensor::Device,
};
use mnist_data::{FittedScaling, Images, ScalingBatcher, border::border_mean};
use mnist_model::{Classifier, Network};

use crate::{
    Backend, DatasetSettings, Evaluation, Observer, Prediction, RunSettings, TrainingError,
    dataset::{dimensions, open_splits},
    evaluate,
    files::{CONFIG, sha256},
    run::{RunResult, SCALING, Status, WEIGHTS},
    settings::Overrides,
    transfers::read,
    weights,
};

/// A finished run's model without its weights: the settings, the scaling and the classes.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// The settings of the run.
    pub settings: RunSettings,
    /// The scaling, fitted on the training images.
    pub fitted: Arc<FittedScaling>,
    /// Number of classes.
    pub classes: usize,
    /// Names of the classes in the order of the labels, if they have names.
    pub class_names: Option<Vec<String>>,
    result: RunResult,
}

impl TrainedModel {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// When the run does not exist, is unfinished or diverged, or its files were changed.
    pub fn open(run: &Path) -> Result<Self, TrainingError> {
        if !run.is_dir() {
            return Err(TrainingError::NoRun(run.to_owned()));
        }
        if run.join("runs").is_dir() {
            return Err(TrainingError::IsComparison(run.to_owned()));
        }
        let result = RunResult::read(run)?.ok_or_else(|| unfinished(run))?;
        if result.status == Status::Diverged {
            return Err(TrainingError::Diverged(run.to_owned()));
        }
        let scaling = run.join(SCALING);
        let bytes = result.read_file(SCALING)?;
        if result.scaling_sha256 != sha256(&bytes) {
            return Err(TrainingError::Changed(scaling));
        }
        let fitted: FittedScaling =
            serde_json::from_slice(&bytes).map_err(TrainingError::damaged(scaling))?;
        let settings = Overrides::from_bytes(&run.join(CONFIG), Ok(result.read_file(CONFIG)?))?;
        Ok(Self {
            settings: RunSettings::resolve(&settings)?,
            fitted: Arc::new(fitted),
            classes: result.classes,
            class_names: result.class_names.clone(),
            result,
        })
    }

    /// Loads the weights onto a device without autodiff. `network` must be the one that was trained.
    ///
    /// # Errors
    /// When the run trained another network, or its weights cannot be read.
    pub fn load<N: Network>(self, network: &N, device: Device) -> Result<Predictor<N::Model>, TrainingError> {
        let (found, expected) = (&self.settings.training.network, network.name());
        if *found != expected {
            let found = found.clone();
            return Err(TrainingError::OtherNetwork { path: self.result.run, found, expected });
        }
        let (path, bytes) = (self.result.run.join(WEIGHTS), self.weights()?);
        let image = dimensions(self.fitted.shape());
        let fresh = network.build(image, self.classes, self.settings.seed, &device);
        let model = weights::load(&path, bytes, fresh.map_err(TrainingError::Network)?)?;
        let batcher = ScalingBatcher::new(self.fitted.clone());
        Ok(Predictor { trained: self, model, batcher, device })
    }

    /// Returns the run's folder.
    pub fn run(&self) -> &Path {
        &self.result.run
    }

    /// Returns whether an image, C×H×W bytes, looks like the negative of the training images: they have dark borders and
    /// it has a bright one, or the reverse. If the training images have borders of medium brightness, as photos do, or if
    /// an old version trained the run, it returns false.
    pub fn looks_negative(&self, image: &[u8]) -> bool {
        let Some(of_training) = self.result.border_mean else { return false };
        let border = border_mean(image, self.fitted.shape());
        (of_training < 64.0 && border > 128.0) || (of_training > 191.0 && border < 127.0)
    }

    /// Reads the weights, a safetensors file.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or was changed.
    pub fn weights(&self) -> Result<Vec<u8>, TrainingError> {
        let path = self.result.run.join(WEIGHTS);
        let bytes = self.result.read_file(WEIGHTS)?;
        if Some(weights::sha256(&bytes).map_err(TrainingError::damaged(&path))?) != self.result.weights_sha256
        {
            return Err(TrainingError::Changed(path));
        }
        Ok(bytes)
    }

    /// Opens the test images of a data set, and checks that they fit the model.
    ///
    /// # Errors
    /// When the files cannot be read, or the images have another shape or other classes.
    pub fn test_images(
        &self,
        settings: &DatasetSettings,
        observer: &dyn Observer,
    ) -> Result<Images, TrainingError> {
        let splits = open_splits(settings, observer)?;
        self.fitted.check_shape(splits.test.shape())?;
        if splits.classes > self.classes {
            return Err(TrainingError::Mismatch(format!(
                "the data has {} classes, but the model has {}",
                splits.classes, self.classes
            )));
        }
        if let (Some(of_data), Some(of_model)) = (&splits.class_names, &self.class_names)
            && of_data != of_model
        {
            return Err(TrainingError::Mismatch(
                "the class names of the data differ from those of the model".into(),
            ));
        }
        Ok(splits.test)
    }
}

/// A trained model on a device, with the scaling it was trained with.
///
/// ```no_run
/// use mnist_model::ModelConfig;
/// use mnist_training::{Backend, Predictor};
///
/// let predictor =
///     Predictor::open("runs/standardize".as_ref(), &ModelConfig::new(), Backend::Flex)?;
/// let black = [0; 28 * 28];
/// let predictions = predictor.predict(&[&black])?;
/// println!("class {}: {:.1}%", predictions[0].class, 100.0 * predictions[0].probabilities[predictions[0].class]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Predictor<M> {
    /// The model's settings, scaling and classes.
    pub trained: TrainedModel,
    /// The network with its trained weights.
    pub model: M,
    batcher: ScalingBatcher,
    device: Device,
}

impl<M: Classifier> Predictor<M> {
    /// Opens a run's folder and loads its model onto the first device of `backend`.
    ///
    /// # Errors
    /// As for [`TrainedModel::open`] and [`TrainedModel::load`].
    pub fn open<N: Network<Model = M>>(
        run: &Path,
        network: &N,
        backend: Backend,
    ) -> Result<Self, TrainingError> {
        TrainedModel::open(run)?.load(network, backend.open()?)
    }

    /// Classifies images. Each image is channels × height × width bytes, 0..=255. Its prediction does not depend on
    /// the other images.
    ///
    /// # Errors
    /// When an image has another number of bytes, or the device fails.
    pub fn predict(&self, images: &[&[u8]]) -> Result<Vec<Prediction>, TrainingError> {
        let expected = self.trained.fitted.shape().pixels();
        if let Some(wrong) = images.iter().find(|image| image.len() != expected) {
            return Err(TrainingError::Mismatch(format!(
                "an image has {} bytes, but the model takes {expected}",
                wrong.len()
            )));
        }
        let mut batch = images.to_vec();
        if let [alone] = images {
            // For a single row, `gemm` adds in another order, so the last bits would differ from those in a batch.
            batch.push(alone);
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self.model.forward(self.batcher.batch_unlabelled(&batch, &self.device));
        let logits = read(vec![logits.flatten(0, 1)])?.concat();
        let of_image = logits.chunks(self.trained.classes).take(images.len());
        Ok(of_image.map(Prediction::from_logits).collect())
    }

    /// Evaluates the model on labelled images. They must come from [`TrainedModel::test_images`], which checks that
    /// they fit the model.
    ///
    /// # Errors
    /// When images cannot be read, the device fails, or the observer asks to stop.
    pub fn evaluate(
        &self,
        images: &Images,
        batch_size: usize,
        observer: &dyn Observer,
    ) -> Result<Evaluation, TrainingError> {
        let Self { trained, model, batcher, device } = self;
        evaluate(model, images, trained.classes, batch_size, batcher, device, observer)
    }

    /// Returns the logits of labelled images, one row per image. All images are one batch, scaled on the CPU.
    ///
    /// # Errors
    /// When images cannot be read, or the device fails.
    pub(crate) fn logits(&self, images: &Images) -> Result<Vec<f32>, TrainingError> {
        let items = images.get_many((0..images.len()).collect())?;
        let batch = ScalingBatcher::new(self.trained.fitted.clone()).batch(items, &self.device);
        Ok(read(vec![self.model.forward(batch.images).flatten(0, 1)])?.concat())
    }
}

/// Returns the error for a folder without a result.
fn unfinished(run: &Path) -> TrainingError {
    if run.join(CONFIG).exists() {
        TrainingError::Unfinished(run.to_owned())
    } else {
        TrainingError::NotARun(run.to_owned())
    }
}
