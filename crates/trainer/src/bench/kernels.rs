//! Times each kernel of a training step on the CPU, beside its limit on this machine.
//!
//! The kernels run one after the other as in a step, with real images, the network's initial weights and the gradients
//! that follow from them. So the zeros that ReLU leaves, which the kernels skip, are those of a training.

use std::{mem::take, time::Duration};

use anyhow::Result;
use burn::{
    backend::{
        Flex, TensorMetadata,
        ops::FloatTensorOps,
        tensor::{FloatTensor, IntTensor},
    },
    module::{Module, ModuleVisitor, Param},
    optim::Optimizer,
    tensor::{Device, Shape, Tensor},
};
use mnist_kernels::{
    Activation, Adam,
    operation::{ConvBlockTraining, CrossEntropyTraining, DenseBackend, DenseTraining, Forward, Layer},
};
use mnist_model::ModelConfig;
use mnist_training::{Backend, ExperimentData, TrainingError};
use serde::Serialize;

use super::{
    Benchmark, Spread,
    limits::{Peaks, Resource, Work},
    step::{LEARNING_RATE, repeat},
};
use crate::terminal::Terminal;

/// Time after which no further repetition of a kernel starts.
const TIME_LIMIT: Duration = Duration::from_millis(300);
/// Repetitions that are not counted.
const WARM_UP: usize = 10;
/// Multiply-adds for a pool window and a pair of channels: nine for each of the four positions.
const DIRECT: usize = 36;
/// The same with Winograd's F(2×2, 3×3), without its transforms.
const WINOGRAD: usize = 16;
/// Side of the convolution kernel.
const KERNEL: usize = 3;
/// Multiply-adds for the gradient of a winner and a channel of the input.
const TAPS: usize = KERNEL * KERNEL;
/// Values in the widest register. Shorter rows of a patch share a register with those of other output channels.
const LANES: usize = 16;
/// Operations of Adam for a parameter.
const ADAM: usize = 13;
/// Operations of the softmax, the loss and its gradient for a logit.
const LOSS: usize = 6;
/// Times that Adam reads or writes a value for each parameter: it reads four tensors and writes three.
const ADAM_ACCESSES: usize = 7;
/// Tensors that Adam uses: parameters, gradients and two moments.
const ADAM_TENSORS: usize = 4;

type Float = FloatTensor<Flex>;
type Int = IntTensor<Flex>;

/// The kernels of a training step on the CPU.
#[derive(Debug, Serialize)]
pub struct KernelTimes {
    /// Vector instructions that the kernels use.
    pub instruction_set: &'static str,
    pub threads: usize,
    pub batch_size: usize,
    #[serde(flatten)]
    pub peaks: Peaks,
    /// The kernels, in the order in which a step runs them.
    pub kernels: Vec<KernelTime>,
    /// The sum of the kernels.
    pub all_kernels: KernelTime,
    /// A training step, measured as a whole. It includes Burn's graph and the allocation of tensors, and computes both
    /// gradients of an operation side by side.
    pub train_step: KernelTime,
}

/// The time of a kernel, beside its limit.
#[derive(Debug, Serialize)]
pub struct KernelTime {
    pub kernel: String,
    /// Floating-point operations that the kernel's algorithm needs, in millions, without Winograd's transforms.
    pub mflop: f64,
    /// Least time for these operations and their data on this machine, in milliseconds.
    pub limit_ms: f64,
    /// What sets the limit. `None` for several kernels together.
    pub limited_by: Option<Resource>,
    /// Measured time in milliseconds.
    pub ms: Spread,
    /// Median time, as a multiple of the limit.
    pub times_limit: f64,
    /// Speed in GFLOP/s of the operations that count.
    pub gflops: f64,
}

impl KernelTime {
    fn new(
        kernel: impl Into<String>,
        mflop: f64,
        limit_ms: f64,
        limited_by: Option<Resource>,
        ms: Spread,
    ) -> Self {
        let kernel = kernel.into();
        let (times_limit, gflops) = (ms.median / limit_ms, mflop / ms.median);
        Self { kernel, mflop, limit_ms, limited_by, ms, times_limit, gflops }
    }
}

impl Benchmark {
    /// Times the kernels on Flex, then training steps.
    pub fn time_kernels(
        &self,
        device: &Device,
        data: &ExperimentData,
        terminal: &Terminal,
    ) -> Result<KernelTimes> {
        let config = ModelConfig::new().with_image(data.image()).with_classes(data.classes);
        let batches = self.batches(data, &device.clone().autodiff())?;
        let mut parameters = Parameters(Vec::new());
        config.init(1, device)?.visit(&mut parameters);
        let parameters: [Float; 8] =
            parameters.0.try_into().expect("four layers with a weight and a bias each");

        let values: usize = parameters.iter().map(|tensor| tensor.shape().num_elements()).sum();
        let measure_peaks = || Peaks::measure(ADAM_TENSORS * size_of::<f32>() * values);
        let peaks = measure_peaks();
        let mut timer = Timer { steps: self.steps, terminal, timed: Vec::new() };
        let images = primitive(batches[0].images.clone().inner());
        let targets = batches[0].targets.clone().inner().try_into_primitive::<Flex>();
        timer.time_step(images, &targets.expect("the batch is on Flex"), parameters)?;
        let model = config.init(1, &device.clone().autodiff())?;
        let (_, train_step) = self.time_training(model, &batches, Backend::Flex, terminal)?;
        let peaks = peaks.max(measure_peaks());

        let kernel = |(name, work, ms): (String, Work, Spread)| {
            let (limit, resource) = peaks.limit(&work);
            KernelTime::new(name, work.flops as f64 / 1e6, 1e3 * limit, Some(resource), ms)
        };
        let kernels: Vec<KernelTime> = timer.timed.into_iter().map(kernel).collect();
        let sum = |of: fn(&KernelTime) -> f64| kernels.iter().map(of).sum::<f64>();
        let (mflop, limit_ms) = (sum(|kernel| kernel.mflop), sum(|kernel| kernel.limit_ms));
        let of_kernels = Spread {
            median: sum(|kernel| kernel.ms.median),
            min: sum(|kernel| kernel.ms.min),
            max: sum(|kernel| kernel.ms.max),
        };
        let all = |name: &str, ms: Spread| KernelTime::new(name, mflop, limit_ms, None, ms);
        Ok(KernelTimes {
            instruction_set: mnist_kernels::instruction_set(),
            threads: rayon::current_num_threads(),
            batch_size: self.batch_size,
            peaks,
            all_kernels: all("all kernels", of_kernels),
            train_step: all("training step", milliseconds(&train_step.seconds)),
            kernels,
        })
    }
}

/// Collects the parameters of a network in the order of its layers, weights before biases.
struct Parameters(Vec<Float>);

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0.push(primitive(parameter.val()));
    }
}

/// Times kernels and collects the times.
struct Timer<'a> {
    steps: usize,
    terminal: &'a Terminal,
    /// Name, work and time of each kernel.
    timed: Vec<(String, Work, Spread)>,
}

impl Timer<'_> {
    /// Times all kernels of a training step. The comments show the shapes for the tutorial's network.
    fn time_step(
        &mut self,
        images: Float,
        targets: &Int,
        parameters: [Float; 8],
    ) -> Result<(), TrainingError> {
        let [conv1, conv1_bias, conv2, conv2_bias, dense1, dense1_bias, dense2, dense2_bias] =
            parameters.clone();
        let block1 = self.block("block 1", [images, conv1, conv1_bias], DIRECT)?; // [batch, 32, 13, 13]
        let block2 = [block1.output.clone(), conv2, conv2_bias];
        let block2 = self.block("block 2", block2, WINOGRAD)?; //                    [batch, 64, 5, 5]
        let shape = block2.output.shape();
        let flat = Shape::new([shape[0], shape.num_elements() / shape[0]]);
        let x = Flex::float_reshape(block2.output.clone(), flat); //                 [batch, 1600]
        let (dense1, x) = self.dense("dense 1", [x, dense1, dense1_bias], Activation::Relu)?; // [batch, 64]
        let (dense2, x) = self.dense("dense 2", [x, dense2, dense2_bias], Activation::Identity)?; // [batch, 10]

        let gradient = self.loss(&x, targets)?;
        let (dense2, gradient) = self.dense_gradients("dense 2", &dense2, &gradient)?;
        let (dense1, gradient) = self.dense_gradients("dense 1", &dense1, &gradient)?;
        let gradient = Flex::float_reshape(gradient, shape);
        let conv2 = self.parameter_gradients("block 2", &block2, &gradient)?;
        let gradient = self.input_gradient("block 2", &block2, &gradient)?;
        let conv1 = self.parameter_gradients("block 1", &block1, &gradient)?;

        let gradients = [conv1, conv2, dense1, dense2].into_iter().flat_map(<[Float; 2]>::from);
        self.adam(parameters.into_iter().zip(gradients))
    }

    /// Times a kernel and returns its last result. The other results are dropped in the measured time, as in a
    /// training.
    fn time<T>(
        &mut self,
        kernel: impl Into<String>,
        work: Work,
        mut run: impl FnMut() -> T,
    ) -> Result<T, TrainingError> {
        let mut measure = |steps| {
            repeat(steps, TIME_LIMIT, self.terminal, || {
                drop(run());
                Ok(())
            })
        };
        measure(WARM_UP)?;
        let seconds = measure(self.steps)?;
        self.timed.push((kernel.into(), work, milliseconds(&seconds)));
        Ok(run())
    }

    /// Times a convolution block with this number of multiply-adds for a pool window and a pair of channels.
    fn block(
        &mut self,
        name: &str,
        [input, weight, bias]: [Float; 3],
        products: usize,
    ) -> Result<Forward<Flex>, TrainingError> {
        let run = || Flex::forward_with_winners(input.clone(), weight.clone(), bias.clone());
        let (output, winners) = run();
        let channels = input.shape()[1];
        let work = Work {
            flops: 2 * products * channels * output.shape().num_elements(),
            l2_bytes: bytes([&input, &weight, &bias, &output, &winners]),
            ..Work::default()
        };
        let (output, winners) = self.time(format!("{name}: forward"), work, run)?;
        Ok(Forward { input, weight, bias, output, winners })
    }

    /// Times the gradients of a block's weights and bias, and returns them.
    fn parameter_gradients(
        &mut self,
        name: &str,
        block: &Forward<Flex>,
        gradient: &Float,
    ) -> Result<(Float, Float), TrainingError> {
        let Forward { input, weight, bias, winners, .. } = block;
        let work = gradient_work(block, gradient, [input, winners, gradient, weight, bias]);
        self.time(format!("{name}: gradients of weights and bias"), work, || {
            ConvBlockTraining::parameter_gradients(block.clone(), gradient.clone())
        })
    }

    /// Times the gradient of a block's input, and returns it.
    fn input_gradient(
        &mut self,
        name: &str,
        block: &Forward<Flex>,
        gradient: &Float,
    ) -> Result<Float, TrainingError> {
        let Forward { input, weight, winners, .. } = block;
        let work = gradient_work(block, gradient, [weight, winners, gradient, input]);
        self.time(format!("{name}: gradient of the input"), work, || {
            ConvBlockTraining::input_gradient(block.clone(), gradient.clone())
        })
    }

    /// Times a dense layer, and returns what its gradients need and its output.
    fn dense(
        &mut self,
        name: &str,
        [input, weight, bias]: [Float; 3],
        activation: Activation,
    ) -> Result<(Layer<Flex>, Float), TrainingError> {
        let output = self.time(format!("{name}: forward"), dense_work(&input, &weight), || {
            Flex::dense(input.clone(), weight.clone(), bias.clone(), activation)
        })?;
        let after_relu = (activation == Activation::Relu).then(|| output.clone());
        Ok((Layer { input, weight, after_relu }, output))
    }

    /// Times the gradients of a dense layer. Returns those of the weights and the bias, and that of the input.
    fn dense_gradients(
        &mut self,
        name: &str,
        layer: &Layer<Flex>,
        gradient: &Float,
    ) -> Result<((Float, Float), Float), TrainingError> {
        let work = dense_work(&layer.input, &layer.weight);
        // ReLU's gradient is applied in place, so the shared gradient is copied here (16 kB), which a training does not do.
        let of_parameters = self.time(format!("{name}: gradients of weights and bias"), work, || {
            DenseTraining::parameter_gradients(layer.clone(), gradient.clone())
        })?;
        // A training applies ReLU's gradient once, for both kernels. The time is part of the first.
        let (layer, gradient) = Flex::before_activation(layer.clone(), gradient.clone());
        let of_input = self.time(format!("{name}: gradient of the input"), work, || {
            DenseTraining::input_gradient(layer.clone(), gradient.clone())
        })?;
        Ok((of_parameters, of_input))
    }

    /// Times the loss with its gradient, and returns the gradient of the logits.
    fn loss(&mut self, logits: &Float, targets: &Int) -> Result<Float, TrainingError> {
        let work = Work {
            flops: LOSS * logits.shape().num_elements(),
            l2_bytes: bytes([logits, logits, targets]),
            ..Work::default()
        };
        let one = primitive(Tensor::<1>::ones([1], &Device::flex()));
        self.time("loss and its gradient", work, || {
            let (_, probabilities) = Flex::forward_with_probabilities(logits.clone(), targets.clone());
            Flex::logits_gradient(probabilities, targets.clone(), one.clone())
        })
    }

    /// Times Adam on pairs of parameters and gradients.
    fn adam(&mut self, parameters: impl Iterator<Item = (Float, Float)>) -> Result<(), TrainingError> {
        let flat = |tensor: Float| {
            let len = tensor.shape().num_elements();
            Tensor::<1>::from_primitive::<Flex>(Flex::float_reshape(tensor, Shape::new([len])))
        };
        let (mut states, gradients): (Vec<_>, Vec<_>) =
            parameters.map(|(parameter, gradient)| ((flat(parameter), None), flat(gradient))).unzip();
        let values: usize = gradients.iter().map(|gradient| gradient.dims()[0]).sum();
        let work = Work {
            flops: ADAM * values,
            memory_bytes: ADAM_ACCESSES * size_of::<f32>() * values,
            ..Work::default()
        };
        let adam = Adam::new(0.9, 0.999, 1e-7);
        self.time("Adam", work, || {
            let updated = take(&mut states).into_iter().zip(&gradients);
            states = updated
                .map(|((parameter, state), gradient)| {
                    adam.step(LEARNING_RATE, parameter, gradient.clone(), state)
                })
                .collect();
        })
    }
}

/// Returns the work of a block's gradient, computed one winner at a time, that reads and writes these tensors.
///
/// Each output value with a gradient needs a multiply-add for each weight of its channel. One factor is in a register,
/// and the sums can stay there too. The other factor is different each time, so it is loaded. A block with few input
/// channels uses each loaded pixel for several output channels instead.
fn gradient_work<const N: usize>(block: &Forward<Flex>, gradient: &Float, tensors: [&Float; N]) -> Work {
    let values = |tensor: &Float| Tensor::<4>::from_primitive::<Flex>(tensor.clone()).into_data();
    let (outputs, gradients) = (values(&block.output), values(gradient));
    let pairs = outputs.iter::<f32>().zip(gradients.iter::<f32>());
    let with_gradient = pairs.filter(|&(output, gradient)| output > 0.0 && gradient != 0.0).count();
    let channels = block.input.shape()[1];
    let products = with_gradient * TAPS * channels;
    let pixels_are_shared = KERNEL * channels < LANES;
    Work {
        flops: 2 * products,
        l1_bytes: if pixels_are_shared { 0 } else { size_of::<f32>() * products },
        l2_bytes: bytes(tensors),
        ..Work::default()
    }
}

/// Returns the least work for a dense layer, which is also that of each of its gradients.
fn dense_work(input: &Float, weight: &Float) -> Work {
    let ([batch, features_in], [_, features_out]) = (input.shape().dims(), weight.shape().dims());
    let output = size_of::<f32>() * batch * features_out;
    Work {
        flops: 2 * batch * features_in * features_out,
        l2_bytes: bytes([input, weight]) + output,
        ..Work::default()
    }
}

/// Returns the bytes of tensors, each counted once.
fn bytes<const N: usize>(tensors: [&Float; N]) -> usize {
    tensors.iter().map(|tensor| tensor.shape().num_elements() * tensor.dtype().size()).sum()
}

fn milliseconds(seconds: &[f64]) -> Spread {
    Spread::of(seconds.iter().map(|seconds| 1e3 * seconds).collect())
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> Float {
    tensor.try_into_primitive::<Flex>().expect("the tensor is on Flex")
}
