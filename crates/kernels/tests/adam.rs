//! Comparison of our Adam with PyTorch's (values from scripts/golden_adam.py), and bit for bit with Burn's.

mod difference;

use burn::{
    module::Param,
    nn::{Linear, LinearConfig},
    optim::{AdamConfig, AdamState, GradientsParams, Optimizer, OptimizerRecord},
    tensor::{DType, Device, Tensor, TensorData},
};
use mnist_kernels::{Adam, ModuleAdam};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use difference::difference;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-7;

fn ours() -> Adam {
    Adam::new(BETA_1, BETA_2, EPSILON)
}

fn of_burn() -> AdamConfig {
    AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    learning_rate: f64,
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    parameters: Vec<Vec<f64>>,
}

#[test]
fn steps_match_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/adam.json")).unwrap();
    assert!(!golden.cases.is_empty());
    let device = Device::flex();
    for Case { learning_rate, start, gradients, parameters } in golden.cases {
        let mut parameter = Tensor::<1>::from_data(start.as_slice(), &device);
        let mut state = None;
        for (step, (gradient, expected)) in (1..).zip(gradients.iter().zip(parameters)) {
            let gradient = Tensor::from_data(gradient.as_slice(), &device);
            (parameter, state) = ours().step(learning_rate, parameter, gradient, state);
            // Like Burn, our Adam computes 1 - β₂ᵗ in f32, so each update has a relative error of up to 1e-5.
            let updates = 1e-5 * learning_rate * f64::from(step);
            for (place, (ours, expected)) in values(parameter.clone()).into_iter().zip(expected).enumerate() {
                let error = (f64::from(ours) - expected).abs();
                let allowed = 1e-6 * expected.abs() + updates;
                assert!(error <= allowed, "step {step}, value {place}: {ours}, expected {expected}");
            }
        }
    }
}

/// Returns random values of very different magnitudes. Some are zero.
fn gradient(shape: [usize; 2], generator: &mut ChaCha8Rng) -> Tensor<2> {
    let mut value = || {
        let size = [0.0, 1e-25, 1e-8, 1e-3, 1.0, 1.0, 1.0, 1e15][generator.random_range(0..8)];
        // Adding 0 turns -0 into 0.
        size * generator.random_range(-1.0..1.0) + 0.0
    };
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| value()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Functions that return the same tensor in different memory layouts.
const LAYOUTS: [fn(Tensor<2>) -> Tensor<2>; 5] = [
    |tensor| tensor,
    |tensor| stored(&tensor.transpose()).transpose(),
    |tensor| stored(&tensor.flip([0, 1])).flip([0, 1]),
    // The first rows of a larger tensor, and the last rows.
    |tensor| Tensor::cat(vec![tensor.clone(), tensor.ones_like()], 0).narrow(0, 0, tensor.dims()[0]),
    |tensor| {
        let rows = tensor.dims()[0];
        Tensor::cat(vec![tensor.ones_like(), tensor], 0).narrow(0, rows, rows)
    },
];

fn stored(tensor: &Tensor<2>) -> Tensor<2> {
    Tensor::from_data(tensor.to_data(), &tensor.device())
}

fn bits<const D: usize>(tensor: &Tensor<D>) -> Vec<u32> {
    values(tensor.clone()).into_iter().map(f32::to_bits).collect()
}

type State = Option<AdamState<2>>;
/// A function that runs a step with this number, parameter, gradient and state.
type Step = fn(usize, Tensor<2>, Tensor<2>, State) -> (Tensor<2>, State);

const LEARNING_RATE: f64 = 1e-2;
const OURS: Step = |_, parameter, gradient, state| ours().step(LEARNING_RATE, parameter, gradient, state);
const BURNS: Step =
    |_, parameter, gradient, state| of_burn().build().step(LEARNING_RATE, parameter, gradient, state);
const IN_TURN: Step =
    |number, parameter, gradient, state| [BURNS, OURS][number % 2](number, parameter, gradient, state);

#[test]
fn steps_in_every_memory_layout_are_bit_identical_to_burns() {
    // More values than fit into one task.
    let shape = [37, 300];
    for of_parameter in LAYOUTS {
        for of_gradient in LAYOUTS {
            let [expected, ours, in_turn] = [BURNS, OURS, IN_TURN].map(|step| {
                let mut generator = ChaCha8Rng::seed_from_u64(1);
                let mut parameter = of_parameter(gradient(shape, &mut generator));
                let mut state = None;
                let mut results = Vec::new();
                for number in 0..20 {
                    let gradient = of_gradient(gradient(shape, &mut generator));
                    (parameter, state) = step(number, parameter, gradient, state);
                    let momentum = &state.as_ref().unwrap().momentum;
                    let tensors = [&parameter, &momentum.moment_1, &momentum.moment_2];
                    results.push(tensors.map(|tensor| values(tensor.clone())));
                }
                results
            });
            for (step, expected) in expected.iter().enumerate() {
                for (who, results) in [("ours", &ours), ("ours, alternating with Burn's", &in_turn)] {
                    for (tensor, what) in ["parameter", "first moment", "second moment"].iter().enumerate() {
                        let same_bits = |a: f32, b: f32| a.to_bits() == b.to_bits();
                        let difference =
                            difference(what, &results[step][tensor], &expected[tensor], same_bits);
                        assert_eq!(difference, None, "step {step}, {who}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_step_with_a_gradient_of_negative_zero_is_bit_identical_to_burns() {
    let zeros = Tensor::<1>::from_data([0.0_f32, -0.0, 0.0, -0.0], &Device::flex());
    let gradient = Tensor::from_data([0.0_f32, 0.0, -0.0, -0.0], &Device::flex());
    let (ours, our_state) = ours().step(LEARNING_RATE, zeros.clone(), gradient.clone(), None);
    let (burns, burns_state) = of_burn().build().step(LEARNING_RATE, zeros, gradient, None);
    assert_eq!(bits(&ours), bits(&burns));
    let [ours, burns] = [our_state, burns_state].map(|state| bits(&state.unwrap().momentum.moment_1));
    assert_eq!(ours, burns);
}

#[test]
fn f64_steps_are_bit_identical_to_burns() {
    let start = gradient([3, 5], &mut ChaCha8Rng::seed_from_u64(1)).cast(DType::F64);
    let (ours, _) = ours().step(LEARNING_RATE, start.clone(), start.clone(), None);
    let (burns, _) = of_burn().build().step(LEARNING_RATE, start.clone(), start, None);
    assert_eq!(ours.dtype(), DType::F64);
    assert_eq!(ours.into_data(), burns.into_data());
}

/// A layer in training.
#[derive(Clone)]
struct Training {
    layer: Linear,
    optimizer: ModuleAdam,
    images: ChaCha8Rng,
}

impl Training {
    fn new(layer: Linear, optimizer: ModuleAdam) -> Self {
        Self { layer, optimizer, images: ChaCha8Rng::seed_from_u64(1) }
    }

    fn steps(mut self, count: usize) -> Self {
        for _ in 0..count {
            let images: Vec<f32> = (0..4 * 6).map(|_| self.images.random_range(-1.0..1.0)).collect();
            let images = Tensor::<2>::from_data(TensorData::new(images, [4, 6]), &self.layer.weight.device());
            let loss = (self.layer.forward(images) - 1.0).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &self.layer);
            self.layer = self.optimizer.step(LEARNING_RATE, self.layer, gradients);
        }
        self
    }

    /// Replaces the optimizer by this one, which takes over the saved state of the old one.
    fn with_optimizer(self, optimizer: ModuleAdam) -> Self {
        let record = self.optimizer.to_record().into_bytes().unwrap();
        let optimizer = optimizer.load_record(OptimizerRecord::from_bytes(record).unwrap());
        Self { optimizer, ..self }
    }

    fn bits(&self) -> [Vec<u32>; 2] {
        let Linear { weight, bias, .. } = &self.layer;
        [bits(&weight.val().inner()), bits(&bias.as_ref().unwrap().val().inner())]
    }
}

fn layer() -> Linear {
    LinearConfig::new(6, 5).init(&Device::flex().autodiff())
}

#[test]
fn a_trained_layer_is_bit_identical_to_burns() {
    let layer = layer();
    let [mut ours, mut burns] =
        [Training::new(layer.clone(), ours().init()), Training::new(layer, ours().init_primitives())];
    for step in 1..=20 {
        (ours, burns) = (ours.steps(1), burns.steps(1));
        assert_eq!(ours.bits(), burns.bits(), "step {step}");
    }
}

#[test]
fn a_trained_transposed_parameter_is_bit_identical_to_burns() {
    let mut layer = layer();
    let weight = layer.weight.val().inner();
    layer.weight = Param::from_tensor(Tensor::from_inner(stored(&weight.transpose()).transpose()));
    let burns = Training::new(layer.clone(), ours().init_primitives()).steps(20);
    assert_eq!(Training::new(layer, ours().init()).steps(20).bits(), burns.bits());
}

#[test]
fn saved_states_are_interchangeable_with_burns() {
    let layer = layer();
    let expected = Training::new(layer.clone(), ours().init_primitives()).steps(10).bits();
    let optimizers = || [ours().init(), ours().init_primitives()];
    for first in optimizers() {
        for second in optimizers() {
            let training =
                Training::new(layer.clone(), first.clone()).steps(5).with_optimizer(second).steps(5);
            assert_eq!(training.bits(), expected);
        }
    }
}

#[test]
fn a_step_does_not_change_copies_of_the_layer() {
    let training = Training::new(layer(), ours().init()).steps(3);
    let copy = training.clone();
    let before = copy.bits();
    let after = training.steps(1).bits();
    assert_ne!(after, before);
    assert_eq!(copy.bits(), before, "the step changed the copy's parameters");
    assert_eq!(copy.steps(1).bits(), after, "the step changed the copy's moments");
}
