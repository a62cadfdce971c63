//! Initial weights that depend on the seed and the layer's name alone.
//!
//! Burn's initializers draw from one generator per process, so a training's weights would depend on what else
//! runs in the process. These functions draw from a generator of their own.

use burn::{
    module::Param,
    nn::{
        Linear,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, TensorData},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The stream of random numbers that belongs to one layer of one training.
fn generator(seed: u64, layer: &str) -> ChaCha8Rng {
    let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(layer).finalize();
    ChaCha8Rng::from_seed(key.into())
}

/// Weights drawn uniformly from ±√(6 / (fan_in + fan_out)).
///
/// `layer` names the layer: two layers of one network need different names.
///
/// Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010),
/// equation 16; Keras' `GlorotUniform`.
pub fn glorot_uniform<const D: usize>(
    shape: [usize; D],
    [fan_in, fan_out]: [usize; 2],
    seed: u64,
    layer: &str,
    device: &Device,
) -> Param<Tensor<D>> {
    let limit = (6.0 / (fan_in + fan_out) as f64).sqrt() as f32;
    let mut generator = generator(seed, layer);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| generator.random_range(-limit..=limit)).collect();
    Param::from_data(TensorData::new(values, shape), device)
}

/// A bias of zeros.
pub fn zeros(size: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_data(TensorData::new(vec![0_f32; size], [size]), device)
}

/// A dense layer with uniform Glorot weights and a bias of zeros, as Keras initializes one.
///
/// ```
/// use burn::tensor::Device;
/// use mnist_model::initialization::dense;
///
/// let layer = dense("hidden", [784, 64], 1, &Device::flex());
/// assert_eq!(layer.weight.dims(), [784, 64]);
/// ```
pub fn dense(layer: &str, [inputs, outputs]: [usize; 2], seed: u64, device: &Device) -> Linear {
    Linear {
        weight: glorot_uniform([inputs, outputs], [inputs, outputs], seed, layer, device),
        bias: Some(zeros(outputs, device)),
    }
}

/// A convolution with stride 1 and without padding, with uniform Glorot weights and a bias of zeros, as Keras
/// initializes one. Change its other fields, such as `padding`, afterwards.
///
/// ```
/// use burn::tensor::Device;
/// use mnist_model::initialization::conv2d;
///
/// let layer = conv2d("conv1", [1, 32], [3, 3], 1, &Device::flex());
/// assert_eq!(layer.weight.dims(), [32, 1, 3, 3]);
/// ```
pub fn conv2d(
    layer: &str,
    [channels_in, channels_out]: [usize; 2],
    kernel: [usize; 2],
    seed: u64,
    device: &Device,
) -> Conv2d {
    let [height, width] = kernel;
    let fans = [channels_in, channels_out].map(|channels| channels * height * width);
    let shape = [channels_out, channels_in, height, width];
    Conv2d {
        weight: glorot_uniform(shape, fans, seed, layer, device),
        bias: Some(zeros(channels_out, device)),
        ..Conv2dConfig::new([channels_in, channels_out], kernel).init(device)
    }
}
