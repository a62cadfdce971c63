//! The training loop: same bits, means over images, order of images.

use std::{array, thread};

use burn::{data::dataset::Dataset, module::Module, tensor::Device};
use mnist_data::{Images, Scaling, ScalingBatcher};
use mnist_training::{
    RunSettings, TrainingLoop, evaluate,
    training_loop::{Ending, epoch_order},
};

use crate::support::{CLASSES, fitted, fresh, images, settings, sha256};

/// Returns a loop over `images`, without a validation split.
fn training<'a>(settings: &'a RunSettings, images: &'a Images) -> TrainingLoop<'a> {
    TrainingLoop {
        settings,
        train: images,
        validation: None,
        classes: CLASSES,
        batcher: ScalingBatcher::new(fitted(settings, images)),
        device: Device::flex(),
        observer: &(),
        steps_per_read: None,
    }
}

/// Trains without interruption. Returns the checksum of the weights and the loss of each epoch.
fn train(settings: &RunSettings) -> (String, Vec<f64>) {
    let images = images(100);
    let (ending, state) = training(settings, &images).run(fresh(settings), &mut ()).unwrap();
    assert_eq!(ending, Ending::Finished);
    (sha256(&state), state.progress.epochs.iter().map(|epoch| epoch.train_loss).collect())
}

#[test]
fn training_reduces_the_loss() {
    let (_, losses) = train(&settings(1, 8));
    assert_eq!(losses.len(), 8);
    assert!(losses[7] < 0.5 * losses[0], "{losses:?}");
}

#[test]
fn same_seed_gives_the_same_bits_and_another_seed_gives_others() {
    assert_eq!(train(&settings(1, 2)), train(&settings(1, 2)));
    assert_ne!(train(&settings(1, 2)), train(&settings(2, 2)));
}

#[test]
fn two_runs_at_once_give_the_same_bits_as_each_alone() {
    let alone = [1, 2].map(|seed| train(&settings(seed, 3)));
    let at_once = [1, 2].map(|seed| thread::spawn(move || train(&settings(seed, 3))));
    assert_eq!(alone, at_once.map(|thread| thread.join().unwrap()));
}

#[test]
fn smaller_last_batch_counts_by_its_size() {
    // This learning rate is too small to change a weight, so the mean loss of an epoch equals that of an evaluation.
    let mut settings = settings(1, 1);
    settings.training.learning_rate = 1e-30.try_into().unwrap();
    let images = images(100);
    let training = training(&settings, &images);
    let (_, state) = training.run(fresh(&settings), &mut ()).unwrap();
    let model = state.model.valid();
    let evaluation =
        evaluate(&model, &images, CLASSES, 100, &training.batcher, &training.device, &()).unwrap();
    let epoch = &state.progress.epochs[0];
    assert!((epoch.train_loss - evaluation.loss).abs() < 1e-6, "{epoch:?}, {}", evaluation.loss);
    assert!((epoch.train_accuracy - evaluation.accuracy).abs() < 1e-12);
}

#[test]
fn evaluation_counts_each_image_once_by_true_and_predicted_class() {
    let settings = settings(1, 8);
    let images = images(100);
    let training = training(&settings, &images);
    let (_, state) = training.run(fresh(&settings), &mut ()).unwrap();
    let model = state.model.valid();
    let evaluation = |batch_size| {
        evaluate(&model, &images, CLASSES, batch_size, &training.batcher, &training.device, &()).unwrap()
    };
    let at_once = evaluation(100);
    let of_class: [usize; CLASSES] = array::from_fn(|class| at_once.confusion[class].iter().sum());
    assert_eq!(of_class.to_vec(), images.label_counts(CLASSES));
    let correct = (0..CLASSES).map(|class| at_once.confusion[class][class]).sum::<usize>();
    assert!((at_once.accuracy - correct as f64 / images.len() as f64).abs() < 1e-12);
    assert_eq!(at_once.predictions, evaluation(7).predictions, "the batch size changes nothing");
}

#[test]
fn validation_images_change_no_weight() {
    let settings = settings(1, 2);
    let (train_part, validation_part) = images(100).split_at(80);
    let sha_with = |validation| {
        let training = TrainingLoop { validation, ..training(&settings, &train_part) };
        let (_, state) = training.run(fresh(&settings), &mut ()).unwrap();
        assert_eq!(state.progress.epochs[1].validation_loss.is_some(), validation.is_some());
        sha256(&state)
    };
    assert_eq!(sha_with(None), sha_with(Some(&validation_part)));
}

#[test]
fn diverging_run_ends_as_diverged() {
    let mut settings = settings(1, 50);
    settings.training.learning_rate = 1e30.try_into().unwrap();
    settings.scaling = Scaling::default();
    let (ending, _) = training(&settings, &images(100)).run(fresh(&settings), &mut ()).unwrap();
    assert_eq!(ending, Ending::Diverged);
}

#[test]
fn reading_several_steps_at_once_changes_nothing_but_times() {
    let images = images(100);
    let mut settings = settings(1, 2);
    let outcome = |settings: &RunSettings, steps_per_read| {
        let training = TrainingLoop { steps_per_read, ..training(settings, &images) };
        let (ending, state) = training.run(fresh(settings), &mut ()).unwrap();
        let epochs = state.progress.epochs.iter().map(|epoch| (epoch.train_loss, epoch.train_accuracy));
        let curve = state.progress.curve.points.iter().map(|point| (point.step, point.loss, point.accuracy));
        (ending, sha256(&state), epochs.collect::<Vec<_>>(), curve.collect::<Vec<_>>())
    };
    assert_eq!(outcome(&settings, Some(1)), outcome(&settings, Some(64)));

    // A diverged run ends at the same step, though later weights are computed.
    settings.training.learning_rate = 1e30.try_into().unwrap();
    settings.scaling = Scaling::default();
    let [(ending, _, epochs, curve), late] = [1, 64].map(|steps| outcome(&settings, Some(steps)));
    assert_eq!((ending, &epochs, &curve), (Ending::Diverged, &late.2, &late.3));
    assert_eq!(late.0, Ending::Diverged);
}

#[test]
fn order_is_a_permutation_that_depends_on_seed_and_epoch_alone() {
    let order = epoch_order(1, 1, 1000);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    assert_eq!(order, epoch_order(1, 1, 1000));
    assert_ne!(order, epoch_order(1, 2, 1000));
    assert_ne!(order, epoch_order(2, 1, 1000));
}
