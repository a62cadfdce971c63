//! Comparison of the loss and its gradient with Burn's own, and with the definition in f64.

mod difference;

use burn::{
    nn::loss::CrossEntropyLossConfig,
    tensor::{Device, Int, Tensor, TensorData},
};
use mnist_kernels::cross_entropy;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use difference::difference;

/// Batches and classes; logits are up to the third number from zero.
const CASES: [(usize, usize, f32); 4] = [(64, 10, 3.0), (32, 10, 80.0), (1, 3, 1.0), (7, 62, 1000.0)];

fn logits(batch: usize, classes: usize, largest: f32) -> Vec<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    (0..batch * classes).map(|_| generator.random_range(-largest..largest)).collect()
}

fn targets(batch: usize, classes: usize) -> Vec<i32> {
    (0..batch).map(|row| (row * 7 % classes) as i32).collect()
}

/// Returns the loss and the gradient of the logits, for a loss that is used with this factor.
fn loss_and_gradient(
    (batch, classes, largest): (usize, usize, f32),
    factor: f32,
    loss: fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>,
) -> (f32, Vec<f32>) {
    let device = Device::flex().autodiff();
    let values = TensorData::new(logits(batch, classes, largest), [batch, classes]);
    let logits = Tensor::<2>::from_data(values, &device).require_grad();
    let targets = Tensor::from_data(TensorData::new(targets(batch, classes), [batch]), &device);
    let loss = loss(logits.clone(), targets);
    let gradients = (loss.clone() * factor).backward();
    (loss.into_scalar::<f32>(), logits.grad(&gradients).unwrap().try_into_vec_as().unwrap())
}

#[test]
fn loss_and_gradient_equal_burns_up_to_rounding() {
    let burns = |logits: Tensor<2>, targets| {
        CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets)
    };
    for case in CASES {
        for factor in [1.0, -2.5] {
            let (loss, gradient) = loss_and_gradient(case, factor, cross_entropy);
            let (expected_loss, expected_gradient) = loss_and_gradient(case, factor, burns);
            assert!(
                (loss - expected_loss).abs() <= 1e-6 * expected_loss,
                "{case:?}: {loss}, {expected_loss}"
            );
            let is_close = |a: f32, b: f32| (a - b).abs() <= 1e-6 * factor.abs();
            assert_eq!(difference("gradient", &gradient, &expected_gradient, is_close), None, "{case:?}");
        }
    }
}

#[test]
fn loss_and_gradient_equal_the_definition() {
    for case @ (batch, classes, largest) in CASES {
        let (logits, targets) = (logits(batch, classes, largest), targets(batch, classes));
        let (mut expected_loss, mut expected_gradient) = (0.0, Vec::new());
        for (row, &target) in logits.chunks_exact(classes).zip(&targets) {
            let highest = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
            let exponentials: Vec<f64> = row.iter().map(|&x| (f64::from(x) - highest).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            expected_loss += (sum.ln() + highest - f64::from(row[target as usize])) / batch as f64;
            for (class, exponential) in exponentials.iter().enumerate() {
                let is_target = if class == target as usize { 1.0 } else { 0.0 };
                expected_gradient.push(((exponential / sum - is_target) / batch as f64) as f32);
            }
        }
        let (loss, gradient) = loss_and_gradient(case, 1.0, cross_entropy);
        assert!((f64::from(loss) - expected_loss).abs() <= 1e-6 * expected_loss, "{loss}, {expected_loss}");
        let is_close = |a: f32, b: f32| (a - b).abs() <= 1e-6;
        assert_eq!(difference("gradient", &gradient, &expected_gradient, is_close), None, "{case:?}");
    }
}

#[test]
fn nan_and_infinite_logits_make_the_loss_and_their_gradient_nan() {
    let device = Device::flex().autodiff();
    for odd in [f32::NAN, f32::INFINITY] {
        let logits = Tensor::<2>::from_floats([[0.0, odd, 1.0], [0.0, 1.0, 2.0]], &device).require_grad();
        let loss = cross_entropy(logits.clone(), Tensor::from_ints([0, 2], &device));
        let gradient: Vec<f32> = logits.grad(&loss.backward()).unwrap().try_into_vec_as().unwrap();
        assert!(loss.into_scalar::<f32>().is_nan(), "{odd}");
        assert!(gradient[1].is_nan() && gradient[3..].iter().all(|value| value.is_finite()), "{gradient:?}");
    }
}

#[test]
#[should_panic(expected = "targets must have one class per row of the logits")]
fn mismatched_targets_panic() {
    let device = Device::flex();
    cross_entropy(Tensor::zeros([2, 3], &device), Tensor::from_ints([0], &device));
}
