//! A custom network trains, resumes and predicts like the tutorial's, and is not mistaken for another network.

use std::{fs, path::Path};

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig},
    tensor::{Device, Tensor},
};
use mnist_model::ModelConfig;
use mnist_training::{
    Backend, Classifier, Experiment, ExperimentData, Network, NetworkError, Predictor, RunSettings,
    TrainingError, TrainingSettings, settings::Overrides,
};
use tempfile::tempdir;

use crate::support::{Mlp, MlpNetwork, StopAfter, data, fitted, images, settings, train, write_idx};

const MLP: MlpNetwork = MlpNetwork("mlp");

fn saved_network(run: &Path) -> Option<String> {
    Overrides::read(&run.join("config.toml")).unwrap().network
}

#[test]
fn custom_network_learns_and_is_named_in_the_settings() {
    let folder = tempdir().unwrap();
    let run = train(&MLP, &settings(1, 20), folder.path(), &()).unwrap();
    assert!(run.result.test.unwrap().accuracy > 0.9, "{:?}", run.result.epochs);
    assert_eq!(run.result.parameters, 144 * 16 + 16 + 16 * 3 + 3);
    assert_eq!(saved_network(folder.path()).as_deref(), Some("mlp"));
}

#[test]
fn tutorials_network_is_left_out_of_the_settings() {
    let folder = tempdir().unwrap();
    train(&ModelConfig::new(), &settings(1, 1), folder.path(), &()).unwrap();
    assert_eq!(saved_network(folder.path()), None);
    assert!(!fs::read_to_string(folder.path().join("config.toml")).unwrap().contains("network"));
}

#[test]
fn interrupted_run_of_a_custom_network_resumes_to_the_same_bits() {
    let settings = settings(1, 3);
    let uninterrupted = train(&MLP, &settings, tempdir().unwrap().path(), &()).unwrap().result;
    for steps in [3, 7, 10] {
        let folder = tempdir().unwrap();
        let error = train(&MLP, &settings, folder.path(), &StopAfter::steps(steps)).unwrap_err();
        assert!(error.is_interrupt(), "{error}");
        assert!(matches!(&error, TrainingError::Resumable(path) if path == folder.path()), "{error}");
        assert!(!folder.path().join("result.json").exists());

        let resumed = train(&MLP, &settings, folder.path(), &()).unwrap().result;
        assert!(resumed.weights_sha256.is_some());
        assert_eq!(resumed.weights_sha256, uninterrupted.weights_sha256, "stopped after {steps} steps");
        assert_eq!(resumed.test, uninterrupted.test);
    }
}

#[test]
fn finished_run_is_returned_and_not_trained_again() {
    let (folder, settings) = (tempdir().unwrap(), settings(1, 1));
    let first = train(&MLP, &settings, folder.path(), &()).unwrap();
    // If this trained, it would stop at its first step.
    let second = train(&MLP, &settings, folder.path(), &StopAfter::steps(1)).unwrap();
    assert_eq!(second.result.weights_sha256, first.result.weights_sha256);
    assert_eq!(second.predictions, first.predictions);
    assert_eq!(second.curve, first.curve);
}

#[test]
fn run_is_not_resumed_with_a_network_of_another_name() {
    let (folder, settings) = (tempdir().unwrap(), settings(1, 2));
    train(&MLP, &settings, folder.path(), &StopAfter::steps(3)).unwrap_err();
    let refused = |error: TrainingError| {
        assert!(matches!(&error, TrainingError::OtherSettings { key, .. } if key == "network"), "{error}");
    };
    refused(train(&MlpNetwork("wider"), &settings, folder.path(), &()).unwrap_err());
    refused(train(&ModelConfig::new(), &settings, folder.path(), &()).unwrap_err());
    train(&MLP, &settings, folder.path(), &()).unwrap();
    refused(train(&MlpNetwork("wider"), &settings, folder.path(), &()).unwrap_err());
}

#[test]
fn settings_for_another_network_are_refused_before_anything_is_written() {
    let folder = tempdir().unwrap();
    let mut settings = settings(1, 1);
    settings.training.network = "vit".into();
    let error = train(&MLP, &settings, &folder.path().join("run"), &()).unwrap_err();
    assert!(matches!(error, TrainingError::Settings(_)), "{error}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn run_is_not_loaded_with_a_network_of_another_name() {
    let folder = tempdir().unwrap();
    train(&MLP, &settings(1, 1), folder.path(), &()).unwrap();
    Predictor::open(folder.path(), &MLP, Backend::Flex).unwrap();
    let refused = |error: Option<TrainingError>, name: &str| {
        let Some(TrainingError::OtherNetwork { path, found, expected }) = error else { panic!("{error:?}") };
        assert_eq!(path, folder.path());
        assert_eq!((found.as_str(), expected.as_str()), ("mlp", name));
    };
    refused(Predictor::open(folder.path(), &MlpNetwork("wider"), Backend::Flex).err(), "wider");
    refused(Predictor::open(folder.path(), &ModelConfig::new(), Backend::Flex).err(), "cnn");
}

/// A network that refuses images of this height.
#[derive(Debug)]
struct Picky(usize);

impl Network for Picky {
    type Model = Mlp;

    fn name(&self) -> String {
        "picky".into()
    }

    fn check(&self, [_, height, _]: [usize; 3]) -> Result<(), NetworkError> {
        if height == self.0 {
            Err(format!("images of {height} rows are not supported").into())
        } else {
            Ok(())
        }
    }

    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Mlp, NetworkError> {
        MLP.build(image, classes, seed, device)
    }
}

#[test]
fn network_refuses_images_before_they_are_read() {
    let refused = |error: TrainingError| {
        assert!(matches!(error, TrainingError::Network(_)), "{error}");
        assert_eq!(error.to_string(), "images of 12 rows are not supported");
    };
    let data = data();
    refused(Experiment::new(&Picky(12), &data, Backend::Flex.open().unwrap()).unwrap_err());
    Experiment::new(&Picky(13), &data, Backend::Flex.open().unwrap()).unwrap();

    let folder = tempdir().unwrap();
    write_idx(folder.path(), &images(50), 30);
    let overrides = format!("dataset = 'idx'\ndata_dir = '{}'", folder.path().display());
    let settings = TrainingSettings::resolve(&toml::from_str(&overrides).unwrap()).unwrap();
    refused(ExperimentData::open(&settings, &[], &Picky(12), &()).unwrap_err());
}

/// A network that returns this many logits, whatever the number of classes.
#[derive(Debug)]
struct Fixed(usize);

impl Network for Fixed {
    type Model = Mlp;

    fn name(&self) -> String {
        "fixed".into()
    }

    fn build(&self, image: [usize; 3], _: usize, seed: u64, device: &Device) -> Result<Mlp, NetworkError> {
        MLP.build(image, self.0, seed, device)
    }
}

#[test]
fn network_with_another_number_of_logits_than_classes_is_refused() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let error = train(&Fixed(2), &settings(1, 1), &run, &()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network `fixed` must return logits of shape [1, 3] for one image, but returns [1, 2]"
    );
    assert!(!run.exists(), "nothing is written");
}

#[test]
fn weights_of_other_layers_under_the_same_network_name_are_not_reported_as_damaged() {
    let folder = tempdir().unwrap();
    train(&Fixed(3), &settings(1, 1), folder.path(), &()).unwrap();
    let error = Predictor::open(folder.path(), &Fixed(5), Backend::Flex).err().unwrap();
    assert!(matches!(&error, TrainingError::OtherLayers(_)), "{error}");
}

#[test]
fn fitted_scaling_that_differs_from_the_settings_is_refused() {
    let (folder, data) = (tempdir().unwrap(), data());
    let experiment = Experiment::new(&MLP, &data, Backend::Flex.open().unwrap()).unwrap();
    let center = RunSettings { scaling: "center".parse().unwrap(), ..settings(1, 1) };
    let run = folder.path().join("run");
    let error = experiment.run(&center, &fitted(&settings(1, 1), &data.train), &run, &()).unwrap_err();
    assert_eq!(error.to_string(), "the settings name the scaling `center`, but `standardize` was fitted");
    assert!(!run.exists());
}

#[test]
fn networks_of_different_sizes_have_different_names() {
    assert_eq!(ModelConfig::new().name(), "cnn");
    assert_eq!(ModelConfig::new().with_hidden(128).name(), "cnn-32-64-128");
}

/// A network with running statistics. They are not parameters: Burn keeps the last ones beside the module.
#[derive(Module, Debug)]
struct Normalized {
    norm: BatchNorm,
    rest: Mlp,
}

impl Classifier for Normalized {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.rest.forward(self.norm.forward(images))
    }
}

#[derive(Debug)]
struct NormalizedNetwork;

impl Network for NormalizedNetwork {
    type Model = Normalized;

    fn name(&self) -> String {
        "normalized".into()
    }

    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Normalized, NetworkError> {
        let norm = BatchNormConfig::new(image[0]).init(device);
        Ok(Normalized { norm, rest: MLP.build(image, classes, seed, device)? })
    }
}

#[test]
fn running_statistics_survive_an_interruption() {
    let settings = settings(1, 3);
    let uninterrupted = train(&NormalizedNetwork, &settings, tempdir().unwrap().path(), &()).unwrap().result;
    for steps in [3, 10] {
        let folder = tempdir().unwrap();
        train(&NormalizedNetwork, &settings, folder.path(), &StopAfter::steps(steps)).unwrap_err();
        let resumed = train(&NormalizedNetwork, &settings, folder.path(), &()).unwrap().result;
        assert_eq!(resumed.weights_sha256, uninterrupted.weights_sha256, "stopped after {steps} steps");
        assert_eq!(resumed.test, uninterrupted.test);
    }
}
