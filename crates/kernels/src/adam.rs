//! Adam in a single pass over the parameters, their gradients and moments.

use burn::{
    module::Module,
    optim::{
        AdamConfig, AdamState, GradientsParams, LearningRate, ModuleOptimizer, Optimizer, OptimizerRecord,
    },
    tensor::{Device, Tensor},
};

#[cfg(any(feature = "flex", feature = "wgpu"))]
use crate::adam_step::Step;
#[cfg(feature = "wgpu")]
use crate::cube::adam::Update;

/// The Adam optimizer ([Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980)), with the same update as
/// [`burn::optim::Adam`].
///
/// With parameter `θ`, gradient `g`, moments `m` and `v`, learning rate `α`, and step `t` counted from 1:
/// ```text
/// m ← β₁ m + (1 − β₁) g
/// v ← β₂ v + (1 − β₂) g²
/// θ ← θ − α · m √(1 − β₂ᵗ) / (1 − β₁ᵗ) / (√v + ε √(1 − β₂ᵗ))
/// ```
/// This is PyTorch's variant: it adds ε to the square root of the *corrected* second moment. Keras adds ε to the
/// square root of the uncorrected one, so its ε has more effect in the first steps. The accuracies show no
/// difference.
///
/// Burn's own Adam makes a dozen passes over memory, and each creates a new tensor. On Flex, this Adam makes a
/// single pass and writes in place; on GPUs, it is a single launch (see [`ModuleAdam`]). On other backends, and for other types than
/// `f32`, it calls Burn's Adam. The states of the two are interchangeable. AMSGrad is not supported.
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
/// // The first step moves each parameter by the learning rate, in the direction opposite to its gradient.
/// let difference = parameter - Tensor::<1>::from_floats([0.999, 1.001], &device);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-6);
/// ```
///
/// To optimize all parameters of a module, call [`init`](Self::init).
#[derive(Clone)]
pub struct Adam {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    of_burn: burn::optim::Adam,
}

impl Adam {
    /// Creates an optimizer with these decay rates for its two moments, and this ε.
    pub fn new(beta_1: f32, beta_2: f32, epsilon: f32) -> Self {
        let config = AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(epsilon);
        Self { beta_1, beta_2, epsilon, of_burn: config.build() }
    }

    /// Returns the factors of a step, counted from 1. The operations and their order are the same as in Burn, so the
    /// results on Flex have the same bits.
    #[cfg(any(feature = "flex", feature = "wgpu"))]
    fn at(&self, time: usize, learning_rate: LearningRate) -> Step {
        let correction_2 = (1.0 - self.beta_2.powi(time as i32)).sqrt();
        Step {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            factor: correction_2 / (1.0 - self.beta_1.powi(time as i32)),
            epsilon: self.epsilon * correction_2,
            learning_rate: learning_rate as f32,
        }
    }

    /// Turns this into an optimizer for all parameters of a module.
    pub fn init(self) -> ModuleAdam {
        ModuleAdam(ModuleOptimizer::from(self))
    }

    /// Turns this into an optimizer for all parameters of a module that runs [`burn::optim::Adam`]. Tests and benchmarks
    /// compare [`init`](Self::init) with it.
    pub fn init_primitives(self) -> ModuleAdam {
        ModuleAdam(ModuleOptimizer::from(self.of_burn))
    }
}

/// Adam for all parameters of a module: Burn's [`ModuleOptimizer`] with [`Adam`].
///
/// On a GPU, a step updates all parameters in one launch, or in a few if the GPU limits the number of a kernel's
/// arguments.
#[derive(Clone)]
pub struct ModuleAdam(ModuleOptimizer);

impl ModuleAdam {
    /// Updates the parameters of a module.
    pub fn step<M: Module>(
        &mut self,
        learning_rate: LearningRate,
        module: M,
        gradients: GradientsParams,
    ) -> M {
        let step = || self.0.step(learning_rate, module, gradients);
        #[cfg(feature = "wgpu")]
        return crate::cube::adam::launch_together(step);
        #[cfg(not(feature = "wgpu"))]
        step()
    }

    /// Returns the moments of the parameters.
    pub fn to_record(&self) -> OptimizerRecord {
        self.0.to_record()
    }

    /// Replaces the moments of the parameters by those of a record.
    #[must_use]
    pub fn load_record(self, record: OptimizerRecord) -> Self {
        Self(self.0.load_record(record))
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
        #[cfg(feature = "wgpu")]
        if crate::cube::adam::holds([&parameter, &gradient]) {
            let (time, moments) = match state {
                Some(AdamState { momentum }) => (momentum.time, [momentum.moment_1, momentum.moment_2]),
                None => (0, [Tensor::zeros_like(&parameter), Tensor::zeros_like(&parameter)]),
            };
            let (time, step) = (time + 1, self.at(time + 1, learning_rate));
            let (update, [parameter, moment_1, moment_2]) = Update::new(step, parameter, gradient, moments);
            update.launch();
            let momentum = burn::optim::AdaptiveMomentumState::new(time, moment_1, moment_2);
            return (parameter, Some(AdamState::new(momentum)));
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

    use super::{Adam, Step};
    use crate::instruction_set::InstructionSet;

    /// Values per task: enough to be worth a task, few enough to split a large parameter of the CNN into several.
    const TASK: usize = 1 << 12;

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
                // Burn's first step does not add the gradient to a moment. Starting from −0 gives the same
                // bits: −0 + x is x for every x, but 0 + −0 is 0.
                None => (0, gradient.zeros_like().neg(), gradient.zeros_like()),
            };
            let time = time + 1;
            for other in [&gradient, &moment_1, &moment_2] {
                assert_eq!(other.dims(), parameter.dims(), "gradient and moments must match the parameter");
            }
            let [mut parameter, gradient, mut moment_1, mut moment_2] =
                [parameter, gradient, moment_1, moment_2].map(primitive);

            Slices {
                step: self.at(time, learning_rate),
                parameter: parameter.storage_mut(),
                gradient: gradient.storage(),
                moment_1: moment_1.storage_mut(),
                moment_2: moment_2.storage_mut(),
            }
            .update();

            let [parameter, moment_1, moment_2] =
                [parameter, moment_1, moment_2].map(Tensor::from_primitive::<Flex>);
            let momentum = AdaptiveMomentumState::new(time, moment_1, moment_2);
            (parameter, Some(AdamState::new(momentum)))
        }
    }

    /// Returns the Flex tensor. If it is not contiguous, or does not fill its storage as Burn's parameters do,
    /// returns a copy that does.
    fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
        let tensor = tensor.try_into_primitive::<Flex>().expect("the tensor is on Flex");
        let layout = tensor.layout();
        let whole = layout.num_elements() * size_of::<f32>() == tensor.bytes().len();
        if tensor.is_contiguous() && whole { tensor } else { FlexTensor::from_data(tensor.into_data()) }
    }

    struct Slices<'a> {
        step: Step,
        parameter: &'a mut [f32],
        gradient: &'a [f32],
        moment_1: &'a mut [f32],
        moment_2: &'a mut [f32],
    }

    impl Slices<'_> {
        /// Updates the values on all threads. It is not generic, so this crate's profile optimizes it for every caller.
        fn update(self) {
            let step = self.step;
            self.parameter
                .par_chunks_mut(TASK)
                .zip(self.gradient.par_chunks(TASK))
                .zip(self.moment_1.par_chunks_mut(TASK))
                .zip(self.moment_2.par_chunks_mut(TASK))
                .for_each(|(((parameter, gradient), moment_1), moment_2)| {
                    InstructionSet::best().run(Slices { step, parameter, gradient, moment_1, moment_2 });
                });
        }
    }

    impl WithSimd for Slices<'_> {
        type Output = ();

        /// Updates the values with plain Rust, which the compiler vectorizes for the instruction set. It never
        /// fuses a multiplication with an addition, so every instruction set gives the same bits.
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
