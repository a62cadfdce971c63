//! Finished runs: their predictions for single images, and runs that cannot be used.

use std::{fs, path::Path};

use burn::data::dataset::Dataset;
use mnist_model::ModelConfig;
use mnist_training::{
    Backend, Network, Prediction, Predictor, TrainingError,
    files::parse_csv,
    prediction::LabelledPrediction,
    predictor::TrainedModel,
    run::{PREDICTIONS, SCALING},
};
use tempfile::tempdir;

use crate::support::{MlpNetwork, settings, split, square_images, train, train_on};

const MLP: MlpNetwork = MlpNetwork("mlp");

/// Trains a network for one epoch, and checks that its predictions do not depend on the batch.
fn check_predictions(network: &impl Network) {
    // The images are as large as MNIST's, because products of smaller matrices add in the same order with any
    // number of rows.
    let (folder, data) = (tempdir().unwrap(), split(&square_images(150, 28)));
    train_on(&data, network, &settings(1, 1), folder.path(), &()).unwrap();
    let test = data.test;
    let predictor = Predictor::open(folder.path(), network, Backend::Flex).unwrap();
    let pixels = test.pixels(0..test.len()).unwrap();
    let images: Vec<&[u8]> = pixels.chunks(test.shape().pixels()).collect();
    let predict = |images: &[&[u8]]| predictor.predict(images).unwrap();

    let together = predict(&images);
    assert_eq!(together.len(), test.len());
    for size in [1, 2, 7, 16] {
        let apart: Vec<Prediction> = images.chunks(size).flat_map(predict).collect();
        assert_eq!(apart, together, "{size} at a time");
    }
    assert_eq!(predict(&[]), []);

    let path = folder.path().join(PREDICTIONS);
    let rows: Vec<LabelledPrediction> = parse_csv(&path, &fs::read(&path).unwrap()).unwrap();
    let classes = |predictions: &[Prediction]| -> Vec<usize> {
        predictions.iter().map(|prediction| prediction.class).collect()
    };
    let predicted: Vec<usize> = rows.iter().map(|row| row.predicted).collect();
    assert_eq!(classes(&together), predicted);
    for (row, prediction) in rows.iter().zip(&together) {
        assert!((f64::from(row.probability) - prediction.probabilities[row.predicted]).abs() < 1e-6);
        assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    assert_eq!(predictor.evaluate(&test, 16, &()).unwrap().predictions, rows);
}

#[test]
fn prediction_is_the_same_alone_in_a_batch_and_in_the_evaluation() {
    check_predictions(&ModelConfig::new());
}

#[test]
fn prediction_of_a_custom_network_is_the_same_in_any_batch() {
    check_predictions(&MLP);
}

#[test]
fn error_tells_why_a_run_cannot_be_used() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let error = |run: &Path| TrainedModel::open(run).unwrap_err();
    assert!(matches!(error(&run), TrainingError::NoRun(path) if path == run));
    fs::create_dir_all(folder.path().join("runs")).unwrap();
    assert!(matches!(error(folder.path()), TrainingError::IsComparison(_)));
    fs::create_dir(&run).unwrap();
    assert!(matches!(error(&run), TrainingError::NotARun(_)));
    fs::write(run.join("config.toml"), "").unwrap();
    assert!(matches!(error(&run), TrainingError::Unfinished(_)));
    fs::remove_file(run.join("config.toml")).unwrap();

    train(&MLP, &settings(1, 1), &run, &()).unwrap();
    TrainedModel::open(&run).unwrap();
    let scaling = fs::read_to_string(run.join(SCALING)).unwrap();
    fs::write(run.join(SCALING), scaling.replace('1', "2")).unwrap();
    assert!(matches!(error(&run), TrainingError::Changed(path) if path == run.join(SCALING)));
}

#[test]
fn diverged_run_has_a_result_but_no_model() {
    let folder = tempdir().unwrap();
    let mut settings = settings(1, 50);
    settings.training.learning_rate = 1e30.try_into().unwrap();
    settings.scaling = "none".parse().unwrap();
    let run = train(&ModelConfig::new(), &settings, folder.path(), &()).unwrap();
    assert!(!run.is_usable() && run.predictions.is_empty() && run.result.test.is_none());
    let error = TrainedModel::open(folder.path()).unwrap_err();
    assert!(matches!(error, TrainingError::Diverged(_)), "{error}");
    // The run is finished, so it is not trained again.
    let again = train(&ModelConfig::new(), &settings, folder.path(), &()).unwrap();
    assert_eq!((again.curve, again.result.weights_sha256), (run.curve, None));
}
