//! Small synthetic images, a custom network, and observers that stop a run or record its messages.

use std::{
    fs,
    num::NonZeroU32,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use burn::{
    data::dataset::Dataset,
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor, activation::relu},
};
use mnist_data::{FittedScaling, ImageShape, Images};
use mnist_model::{Model, ModelConfig, initialization::dense};
use mnist_training::{
    Backend, Classifier, Experiment, ExperimentData, FinishedRun, Network, NetworkError, Observer,
    RunSettings, TrainingError, TrainingSettings, TrainingState, dataset::fit, weights,
};

/// Number of classes of [`images`].
pub const CLASSES: usize = 3;

/// Returns this many images of 12×12 pixels. The class determines which row is bright.
pub fn images(count: usize) -> Images {
    square_images(count, 12)
}

/// Returns this many such images of `side`×`side` pixels.
pub fn square_images(count: usize, side: usize) -> Images {
    let shape = ImageShape { channels: 1, height: side, width: side };
    let labels: Vec<u32> = (0..count).map(|i| (i % CLASSES) as u32).collect();
    let pixel = |image: usize, position: usize| {
        let noise = (image * 31 + position * 17) % 97;
        let bright = position / side == 3 * labels[image] as usize + 1;
        (noise + if bright { 150 } else { 0 }) as u8
    };
    let pixels = shape.pixels();
    let values = (0..count * pixels).map(|i| pixel(i / pixels, i % pixels)).collect();
    Images::new(shape, values, labels)
}

/// Returns 100 images to train on and 50 others to test on.
pub fn data() -> ExperimentData {
    split(&images(150))
}

/// Splits images: the first 100 are for training, the others for testing.
pub fn split(images: &Images) -> ExperimentData {
    let (train, test) = images.split_at(100);
    ExperimentData { train, validation: None, test, classes: CLASSES, class_names: None, files: Vec::new() }
}

/// Writes `images` as IDX files. The first `trained_on` images are the train split.
pub fn write_idx(folder: &Path, images: &Images, trained_on: usize) {
    fn bytes(magic: u32, dimensions: &[usize], values: &[u8]) -> Vec<u8> {
        let dimensions = dimensions.iter().map(|&dimension| dimension as u32);
        let header = [magic].into_iter().chain(dimensions).flat_map(u32::to_be_bytes);
        header.chain(values.iter().copied()).collect()
    }
    let (train, test) = images.split_at(trained_on);
    for (split, images) in [("train", train), ("t10k", test)] {
        let ImageShape { height, width, .. } = images.shape();
        let labels: Vec<u8> = images.labels().iter().map(|&label| label as u8).collect();
        let pixels = images.pixels(0..images.len()).unwrap();
        let pixels = bytes(0x803, &[images.len(), height, width], &pixels);
        fs::write(folder.join(format!("{split}-images-idx3-ubyte")), pixels).unwrap();
        let labels = bytes(0x801, &[images.len()], &labels);
        fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
    }
}

/// Returns settings with the scaling `standardize` and batches of 16.
pub fn settings(seed: u64, epochs: u32) -> RunSettings {
    let training = TrainingSettings {
        epochs: NonZeroU32::new(epochs).unwrap(),
        batch_size: NonZeroU32::new(16).unwrap(),
        ..TrainingSettings::default()
    };
    RunSettings { seed, training, scaling: "standardize".parse().unwrap() }
}

pub fn fitted(settings: &RunSettings, train: &Images) -> Arc<FittedScaling> {
    Arc::new(fit(&settings.scaling, train, &()).unwrap())
}

/// Trains on [`data`] in the folder `run`.
pub fn train(
    network: &impl Network,
    settings: &RunSettings,
    run: &Path,
    observer: &dyn Observer,
) -> Result<FinishedRun, TrainingError> {
    train_on(&data(), network, settings, run, observer)
}

/// Trains on these data in the folder `run`.
pub fn train_on(
    data: &ExperimentData,
    network: &impl Network,
    settings: &RunSettings,
    run: &Path,
    observer: &dyn Observer,
) -> Result<FinishedRun, TrainingError> {
    let experiment = Experiment::new(network, data, Backend::Flex.open()?)?;
    let run = experiment.run(settings, &fitted(settings, &data.train), run, observer)?;
    Ok(run.finished().expect("no other process trains in the folder"))
}

/// Returns the tutorial's CNN for [`images`] before its first step.
pub fn fresh(settings: &RunSettings) -> TrainingState<Model> {
    let device = Device::flex().autodiff();
    let network = ModelConfig::new();
    TrainingState::new(network.build(data().image(), CLASSES, settings.seed, &device).unwrap())
}

pub fn sha256<M: Classifier>(state: &TrainingState<M>) -> String {
    weights::sha256(&weights::to_safetensors(&state.model.valid()).unwrap()).unwrap()
}

/// A custom network with a hidden layer of 16 units.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Classifier for Mlp {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.hidden.forward(images.flatten(1, 3)));
        self.output.forward(x)
    }
}

/// The builder of [`Mlp`]s, with the name of the network.
pub struct MlpNetwork(pub &'static str);

impl Network for MlpNetwork {
    type Model = Mlp;

    fn name(&self) -> String {
        self.0.into()
    }

    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Mlp, NetworkError> {
        let pixels = image.iter().product();
        Ok(Mlp {
            hidden: dense("hidden", [pixels, 16], seed, device),
            output: dense("output", [16, classes], seed, device),
        })
    }
}

/// Stops a run after this many steps. The run asks after each step.
pub struct StopAfter(AtomicUsize);

impl StopAfter {
    pub fn steps(steps: usize) -> Self {
        Self(AtomicUsize::new(steps - 1))
    }
}

impl Observer for StopAfter {
    fn wants_stop(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

/// Records notes and warnings.
#[derive(Default)]
pub struct Log {
    pub notes: Mutex<Vec<String>>,
    pub warnings: Mutex<Vec<String>>,
}

impl Observer for Log {
    fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }

    fn warning(&self, text: &str) {
        self.warnings.lock().unwrap().push(text.to_owned());
    }
}
