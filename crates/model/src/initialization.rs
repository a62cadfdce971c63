//! Initial weights that depend only on the seed and the layer's name.
//!
//! Burn's initializers share one random number generator per process. With them, the weights of a run would
//! depend on what else runs in the process. These functions use a separate generator for each layer.

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

/// Creates the random number generator for one layer of one run.
fn generator(seed: u64, layer: &str) -> ChaCha8Rng {
    let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(layer).finalize();
    ChaCha8Rng::from_seed(key.into())
}

/// Creates weights that are uniformly distributed between ±√(6 / (fan_in + fan_out)).
///
/// `layer` is the name of the layer. The layers of a network need different names.
///
/// The formula is equation 16 of Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
/// networks" (2010). Keras calls it `GlorotUniform`.
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

/// Creates a bias of zeros.
pub fn zeros(size: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_data(TensorData::new(vec![0_f32; size], [size]), device)
}

/// Creates a dense layer with uniform Glorot weights and a bias of zeros, the defaults of Keras.
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

/// Creates a convolution with uniform Glorot weights and a bias of zeros, the defaults of Keras.
///
/// It has stride 1 and no padding. To change its other fields, such as `padding`, assign to them afterwards.
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
