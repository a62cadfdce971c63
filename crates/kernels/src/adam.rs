//! Adam, its whole step in one pass over the parameters, their gradients and moments.

use burn::{
    optim::{AdamConfig, AdamState, LearningRate, ModuleOptimizer, Optimizer},
    tensor::{Device, Tensor},
};

/// Adam [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980), the update of Burn's own [`burn::optim::Adam`].
///
/// With gradient `g`, moments `m` and `v`, and `t` counted from 1:
/// ```text
/// m ← β₁ m + (1 − β₁) g
/// v ← β₂ v + (1 − β₂) g²
/// θ ← θ − α · m √(1 − β₂ᵗ) / (1 − β₁ᵗ) / (√v + ε √(1 − β₂ᵗ))
/// ```
/// This is PyTorch's form: ε is added to the root of the *corrected* second moment. Keras adds it to the
/// uncorrected root, so its ε has more effect in the first steps; accuracies show no difference.
///
/// Burn's own Adam makes a dozen passes over memory, each into a new tensor. On Flex, this one makes a single
/// pass and writes in place; on other backends it *is* Burn's own. The states of the two are
/// interchangeable. There is no AMSGrad.
///
/// # Example
/// ```
/// use burn::{
///     optim::Optimizer,
///     tensor::{Device, Tensor},
/// };
/// use mnist_kernels::Adam;
///
/// let device = Device::flex();
/// let parameter = Tensor::<1>::from_floats([1.0, 1.0], &device);
/// let gradient = Tensor::<1>::from_floats([0.5, -2.0], &device);
///
/// let adam = Adam::new(0.9, 0.999, 1e-7);
/// let (parameter, _state) = adam.step(1e-3, parameter, gradient, None);
/// // The first step changes each parameter by the learning rate, against the sign of its gradient.
/// let difference = parameter - Tensor::<1>::from_floats([0.999, 1.001], &device);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-6);
/// ```
///
/// [`init`](Self::init) makes the optimizer of a whole module.
#[derive(Clone)]
pub struct Adam {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    of_burn: burn::optim::Adam,
}

impl Adam {
    /// An optimizer with these decay rates of its moments, and this ε.
    pub fn new(beta_1: f32, beta_2: f32, epsilon: f32) -> Self {
        let config = AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(epsilon);
        Self { beta_1, beta_2, epsilon, of_burn: config.build() }
    }

    /// The optimizer of a whole module.
    pub fn init(self) -> ModuleOptimizer {
        ModuleOptimizer::from(self)
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        #[cfg(feature = "flex")]
        if flex::holds(&parameter) {
            return self.step_on_flex(learning_rate, parameter, gradient, state);
        }
        self.of_burn.step(learning_rate, parameter, gradient, state)
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        burn::optim::Adam::to_device(state, device)
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::{
        backend::Flex,
        optim::{AdamState, AdaptiveMomentumState, LearningRate},
        tensor::{DType, Tensor},
    };
    use burn_flex::FlexTensor;
    use pulp::{Simd, WithSimd};
    use rayon::prelude::*;

    use super::Adam;
    use crate::instruction_set::InstructionSet;

    /// Values of a task: large enough to be worth one, and a parameter of the CNN gives several.
    const TASK: usize = 1 << 13;

    pub(super) fn holds<const D: usize>(tensor: &Tensor<D>) -> bool {
        tensor.device() == burn::tensor::Device::flex() && tensor.dtype() == DType::F32
    }

    impl Adam {
        pub(super) fn step_on_flex<const D: usize>(
            &self,
            learning_rate: LearningRate,
            parameter: Tensor<D>,
            gradient: Tensor<D>,
            state: Option<AdamState<D>>,
        ) -> (Tensor<D>, Option<AdamState<D>>) {
            let (time, moment_1, moment_2) = match state {
                Some(AdamState { momentum }) => (momentum.time, momentum.moment_1, momentum.moment_2),
                // Burn starts from the gradient alone. Adding it to −0, not to 0, gives its very bits.
                None => (0, gradient.zeros_like().neg(), gradient.zeros_like()),
            };
            let time = time + 1;
            for other in [&gradient, &moment_1, &moment_2] {
                assert_eq!(other.dims(), parameter.dims(), "a gradient and moments of the parameter's shape");
            }
            let [mut parameter, gradient, mut moment_1, mut moment_2] =
                [parameter, gradient, moment_1, moment_2].map(primitive);

            // The same operations in the same order as Burn's, so that the results are the same bits.
            let correction_2 = (1.0 - self.beta_2.powi(time as i32)).sqrt();
            let step = Step {
                beta_1: self.beta_1,
                beta_2: self.beta_2,
                factor: correction_2 / (1.0 - self.beta_1.powi(time as i32)),
                epsilon: self.epsilon * correction_2,
                learning_rate: learning_rate as f32,
            };
            parameter
                .storage_mut::<f32>()
                .par_chunks_mut(TASK)
                .zip(gradient.storage::<f32>().par_chunks(TASK))
                .zip(moment_1.storage_mut::<f32>().par_chunks_mut(TASK))
                .zip(moment_2.storage_mut::<f32>().par_chunks_mut(TASK))
                .for_each(|(((parameter, gradient), moment_1), moment_2)| {
                    InstructionSet::best().run(Slices { step, parameter, gradient, moment_1, moment_2 });
                });

            let [parameter, moment_1, moment_2] =
                [parameter, moment_1, moment_2].map(Tensor::from_primitive::<Flex>);
            let momentum = AdaptiveMomentumState::new(time, moment_1, moment_2);
            (parameter, Some(AdamState::new(momentum)))
        }
    }

    /// A tensor's values side by side, as Burn keeps its parameters.
    fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
        let tensor = tensor.try_into_primitive::<Flex>().expect("the tensor is on Flex");
        let layout = tensor.layout();
        let whole = layout.num_elements() * size_of::<f32>() == tensor.bytes().len();
        if tensor.is_contiguous() && whole { tensor } else { FlexTensor::from_data(tensor.into_data()) }
    }

    #[derive(Clone, Copy)]
    struct Step {
        beta_1: f32,
        beta_2: f32,
        factor: f32,
        epsilon: f32,
        learning_rate: f32,
    }

    struct Slices<'a> {
        step: Step,
        parameter: &'a mut [f32],
        gradient: &'a [f32],
        moment_1: &'a mut [f32],
        moment_2: &'a mut [f32],
    }

    impl WithSimd for Slices<'_> {
        type Output = ();

        /// Plain Rust, which the compiler turns into the vectors of the instruction set; it fuses no
        /// multiplication with an addition, so the results do not depend on which.
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) {
            let Step { beta_1, beta_2, factor, epsilon, learning_rate } = self.step;
            let moments = self.moment_1.iter_mut().zip(self.moment_2);
            for ((parameter, &gradient), (moment_1, moment_2)) in
                self.parameter.iter_mut().zip(self.gradient).zip(moments)
            {
                *moment_1 = *moment_1 * beta_1 + gradient * (1.0 - beta_1);
                *moment_2 = *moment_2 * beta_2 + gradient * gradient * (1.0 - beta_2);
                let update = *moment_1 * factor / (moment_2.sqrt() + epsilon);
                *parameter -= update * learning_rate;
            }
        }
    }
}
