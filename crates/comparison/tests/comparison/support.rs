//! Synthetic accuracies, runs and images, and a custom network.

use std::{fs, path::Path};

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor, activation::relu},
};
use mnist_comparison::{
    Arm, ArmAccuracies, ArmRuns, Basis, Comparison, ComparisonSettings, Design, Looks, Statistics, Terms,
};
use mnist_model::initialization::dense;
use mnist_training::{
    Classifier, FinishedRun, Network, NetworkError, RunResult, TrainingSettings,
    prediction::LabelledPrediction,
    run::{Machine, Scores, Status, Versions},
};

/// Number of test images behind the synthetic accuracies.
pub const TEST_IMAGES: usize = 10_000;

/// One test of these accuracies.
pub const ONCE: Design =
    Design { test_images: TEST_IMAGES, whole_images: true, margin: 20.0, looks: Looks::Once };

/// Compares arms that classified these numbers of [`TEST_IMAGES`] correctly, one number per seed from 1 on.
pub fn statistics(arms: &[(&str, &[u32])]) -> Statistics {
    let accuracy = |&images: &u32| f64::from(images) / TEST_IMAGES as f64;
    let arms =
        arms.iter().map(|(name, images)| ArmAccuracies::new(*name, (1..).zip(images.iter().map(accuracy))));
    Statistics::of(&arms.collect::<Vec<_>>(), ONCE).unwrap()
}

/// Resolves settings from TOML.
pub fn settings(text: &str) -> ComparisonSettings {
    ComparisonSettings::resolve(&toml::from_str(text).unwrap()).unwrap()
}

/// Returns predictions for this many images, correct where `is_correct` returns true.
pub fn predictions(images: usize, is_correct: impl Fn(usize) -> bool) -> Vec<LabelledPrediction> {
    let predict = |image| LabelledPrediction {
        image,
        label: 3,
        predicted: if is_correct(image) { 3 } else { 5 },
        probability: 0.5,
        label_probability: 0.5,
        file: None,
    };
    (0..images).map(predict).collect()
}

/// Returns a finished run without predictions and curve. An accuracy of `None` means that it diverged.
pub fn run(seed: u64, accuracy: Option<f64>) -> FinishedRun {
    let result = RunResult {
        run: format!("runs/seed{seed}").into(),
        status: if accuracy.is_some() { Status::Ok } else { Status::Diverged },
        scaling: "none".into(),
        seed,
        learning_rate: 0.001,
        batch_size: 64,
        backend: "flex".into(),
        device: String::new(),
        threads: 1,
        machine: Machine { cpu: "made up".into(), cores: 1, os: "made up".into() },
        instruction_set: Some("avx2".into()),
        weights_sha256: None,
        scaling_sha256: String::new(),
        epochs: Vec::new(),
        validation: None,
        test: accuracy.map(|accuracy| Scores { loss: 0.1, accuracy }),
        confusion: None,
        train_images: 1,
        test_images: TEST_IMAGES,
        classes: 10,
        class_names: None,
        border_mean: None,
        parameters: 1,
        seconds: 2.0,
        finished: None,
        versions: Versions::current(),
        data: Vec::new(),
        files: Vec::new(),
        diverged: None,
    };
    FinishedRun { result, curve: Vec::new(), predictions: Vec::new() }
}

/// Returns an arm with the name of a preset and these finished runs.
pub fn arm(name: &str, runs: Vec<FinishedRun>) -> ArmRuns {
    let arm = Arm {
        name: name.to_owned(),
        scaling_name: name.to_owned(),
        scaling_index: 0,
        scaling: name.parse().unwrap(),
        training: TrainingSettings::default(),
    };
    ArmRuns { arm, runs }
}

/// Compares arms for which this many seeds are planned.
pub fn comparison(seeds: usize, arms: &[ArmRuns]) -> Comparison {
    let finished: usize = arms.iter().map(|arm| arm.runs.len()).sum();
    let missing = arms.len() * seeds - finished;
    let basis = if missing == 0 { Basis::Planned { seeds } } else { Basis::Pending { seeds } };
    let terms = Terms { seeds, is_until_decided: false, missing, basis, margin: None };
    Comparison::of("here".into(), &terms, arms)
}

/// Writes IDX files with 96 training images and 50 test images of 12×12 pixels. The position of a bright row
/// determines the class, one of three.
pub fn write_digits(folder: &Path) {
    fn idx(magic: u32, dimensions: &[u32], values: &[u8]) -> Vec<u8> {
        let header = [magic].into_iter().chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
        header.chain(values.iter().copied()).collect()
    }
    fs::create_dir_all(folder).unwrap();
    for (split, count) in [("train", 96_u32), ("t10k", 50)] {
        let labels: Vec<u8> = (0..count).map(|image| (image % 3) as u8).collect();
        let pixel = |image: u32, position: u32| {
            let noise = (image * 31 + position * 17) % 97;
            let bright = position / 12 == 3 * (image % 3) + 1;
            (noise + if bright { 150 } else { 0 }) as u8
        };
        let pixels: Vec<u8> = (0..count * 144).map(|i| pixel(i / 144, i % 144)).collect();
        let write =
            |name: &str, bytes: Vec<u8>| fs::write(folder.join(format!("{split}-{name}")), bytes).unwrap();
        write("images-idx3-ubyte", idx(0x803, &[count, 12, 12], &pixels));
        write("labels-idx1-ubyte", idx(0x801, &[count], &labels));
    }
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

/// Builds [`Mlp`]s. Fails with one seed if `fails_with_seed` is set.
#[derive(Debug, Default)]
pub struct MlpNetwork {
    pub fails_with_seed: Option<u64>,
}

impl Network for MlpNetwork {
    type Model = Mlp;

    fn name(&self) -> String {
        "mlp".into()
    }

    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Mlp, NetworkError> {
        if self.fails_with_seed == Some(seed) {
            return Err(format!("no network for seed {seed}").into());
        }
        let pixels = image.iter().product();
        Ok(Mlp {
            hidden: dense("hidden", [pixels, 16], seed, device),
            output: dense("output", [16, classes], seed, device),
        })
    }
}
