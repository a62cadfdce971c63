//! The CNN of Keras' MNIST tutorial, with its configuration.

use burn::{
    config::Config,
    module::{Module, Param},
    nn::{Linear, loss::CrossEntropyLossConfig},
    tensor::{Device, Int, Tensor, activation::relu},
};
use mnist_kernels::{Activation, POOL, conv_block, conv_block_of_primitives, cross_entropy};
use serde::{Deserialize, Serialize};

use crate::{
    Classifier, Network, NetworkError,
    initialization::{dense, glorot_uniform, zeros},
};

/// Side of every convolution kernel.
const KERNEL: usize = 3;

/// Configuration of the CNN. The defaults are those of Keras' MNIST tutorial ("the tutorial").
#[derive(Config, Debug)]
pub struct ModelConfig {
    /// Channels, height and width of the input images.
    #[config(default = "[1, 28, 28]")]
    pub image: [usize; 3],
    /// Output channels of the two convolutions.
    #[config(default = "[32, 64]")]
    pub filters: [usize; 2],
    /// Number of units in the hidden dense layer.
    #[config(default = 64)]
    pub hidden: usize,
    /// Number of classes.
    #[config(default = 10)]
    pub classes: usize,
    /// Implementation of the layers.
    #[config(default = "Kernels::Fused")]
    pub kernels: Kernels,
}

/// Implementation of the layers. The results agree up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernels {
    /// The operations of `mnist-kernels`.
    Fused,
    /// Burn's own operations, for comparison.
    Primitives,
}

/// Number of floating-point operations per image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flops {
    /// Operations of the forward pass.
    pub forward: usize,
    /// Operations of a training step, without the optimizer.
    pub training_step: usize,
}

/// The reason why a configuration is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The images are so small that the convolution blocks leave no pixels for the dense layers.
    #[error(
        "images of {height}×{width} pixels are too small for two convolution blocks; the minimum is 10×10"
    )]
    ImageTooSmall {
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
    },
}

/// Returns the side length of a block's output for an input of length `side`, or `None` if it would be empty.
fn side_after_block(side: usize) -> Option<usize> {
    side.checked_sub(KERNEL - 1).map(|convolved| convolved / POOL).filter(|&pooled| pooled > 0)
}

impl ModelConfig {
    /// Returns the number of values per image that reach the dense layers.
    ///
    /// # Errors
    /// If the images are too small, so that there are none.
    pub fn flat_features(&self) -> Result<usize, ModelError> {
        let [_, height, width] = self.image;
        let shrink = |side| side_after_block(side).and_then(side_after_block);
        match (shrink(height), shrink(width)) {
            (Some(rows), Some(columns)) => Ok(self.filters[1] * rows * columns),
            _ => Err(ModelError::ImageTooSmall { height, width }),
        }
    }

    /// Returns the number of floating-point operations for one image. A multiplication with its addition counts as
    /// two.
    ///
    /// Only operations that affect the result count. Each pooled value needs four convolutions in the forward pass,
    /// but only one of them gets a gradient. The images need no gradient. Gradients that ReLU sets to zero count,
    /// because their number depends on the weights.
    ///
    /// # Errors
    /// If the images are too small.
    pub fn flops(&self) -> Result<Flops, ModelError> {
        let flat = self.flat_features()?;
        let [channels, height, width] = self.image;
        let [filters1, _] = self.filters;
        let after = |side| side_after_block(side).unwrap_or(0);
        let pooled1 = after(height) * after(width) * filters1;
        let taps = KERNEL * KERNEL;
        let block1 = 2 * pooled1 * channels * taps;
        let block2 = 2 * flat * filters1 * taps;
        let dense = 2 * (flat * self.hidden + self.hidden * self.classes);
        let forward = POOL * POOL * (block1 + block2) + dense;
        Ok(Flops { forward, training_step: forward + block1 + 2 * (block2 + dense) })
    }

    /// Builds the network with initial weights for `seed`: uniform Glorot weights and zero biases, the defaults of
    /// Keras.
    ///
    /// # Errors
    /// If the images are too small.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Model, ModelError> {
        let flat = self.flat_features()?;
        let [channels, _, _] = self.image;
        let [filters1, filters2] = self.filters;
        Ok(Model {
            conv1: ConvBlock::new("conv1", [channels, filters1], seed, device),
            conv2: ConvBlock::new("conv2", [filters1, filters2], seed, device),
            dense1: dense("dense1", [flat, self.hidden], seed, device),
            dense2: dense("dense2", [self.hidden, self.classes], seed, device),
            kernels: self.kernels,
        })
    }
}

/// A convolution block: convolution → ReLU → max-pool.
#[derive(Module, Debug)]
struct ConvBlock {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl ConvBlock {
    fn new(name: &str, [channels_in, channels_out]: [usize; 2], seed: u64, device: &Device) -> Self {
        let shape = [channels_out, channels_in, KERNEL, KERNEL];
        let fans = [channels_in * KERNEL * KERNEL, channels_out * KERNEL * KERNEL];
        Self { weight: glorot_uniform(shape, fans, seed, name, device), bias: zeros(channels_out, device) }
    }

    fn forward(&self, input: Tensor<4>, kernels: Kernels) -> Tensor<4> {
        let block = match kernels {
            Kernels::Fused => conv_block,
            Kernels::Primitives => conv_block_of_primitives,
        };
        block(input, self.weight.val(), self.bias.val())
    }
}

/// The CNN. With the tutorial's sizes, it is conv 32 → pool → conv 64 → pool → dense 64 → dense 10. ReLU follows each
/// convolution and the first dense layer.
#[derive(Module, Debug)]
pub struct Model {
    conv1: ConvBlock,
    conv2: ConvBlock,
    dense1: Linear,
    dense2: Linear,
    #[module(skip)]
    kernels: Kernels,
}

impl Classifier for Model {
    // The comments show the shapes for the tutorial's configuration.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.conv1.forward(images, self.kernels); //        [batch, 32, 13, 13]
        let x = self.conv2.forward(x, self.kernels); //             [batch, 64, 5, 5]
        let x = x.flatten(1, 3); //                                 [batch, 1600]
        let x = linear(&self.dense1, x, Activation::Relu, self.kernels); // [batch, 64]
        linear(&self.dense2, x, Activation::Identity, self.kernels) //      [batch, 10]
    }

    fn forward_classification(&self, images: Tensor<4>, targets: Tensor<1, Int>) -> (Tensor<2>, Tensor<1>) {
        let logits = self.forward(images);
        let loss = match self.kernels {
            Kernels::Fused => cross_entropy(logits.clone(), targets),
            Kernels::Primitives => {
                CrossEntropyLossConfig::new().init(&logits.device()).forward(logits.clone(), targets)
            }
        };
        (logits, loss)
    }
}

/// Builds the CNN for the image shape and number of classes in the arguments, not for those in the configuration.
impl Network for ModelConfig {
    type Model = Model;

    fn name(&self) -> String {
        let tutorial = Self::new();
        if (self.filters, self.hidden) == (tutorial.filters, tutorial.hidden) {
            return "cnn".into();
        }
        let [filters1, filters2] = self.filters;
        format!("cnn-{filters1}-{filters2}-{}", self.hidden)
    }

    fn check(&self, image: [usize; 3]) -> Result<(), NetworkError> {
        self.clone().with_image(image).flat_features()?;
        Ok(())
    }

    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Model, NetworkError> {
        Ok(self.clone().with_image(image).with_classes(classes).init(seed, device)?)
    }
}

/// Applies a dense layer and its activation.
fn linear(layer: &Linear, input: Tensor<2>, activation: Activation, kernels: Kernels) -> Tensor<2> {
    match (kernels, &layer.bias, activation) {
        (Kernels::Fused, Some(bias), _) => {
            mnist_kernels::dense(input, layer.weight.val(), bias.val(), activation)
        }
        (_, _, Activation::Relu) => relu(layer.forward(input)),
        (_, _, Activation::Identity) => layer.forward(input),
    }
}
