//! The traits that a network implements for training.

use std::error::Error;

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};
use mnist_kernels::cross_entropy;

/// A Burn module that maps images to one logit per class.
///
/// Repeated runs produce the same bits if the module uses no random numbers. Layers that do, such as Burn's
/// `Dropout`, take them from one generator that the entire process shares.
pub trait Classifier: Module {
    /// Returns the logits of a batch.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`
    /// - output: `[batch, classes]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;

    /// Returns the logits of a batch and their softmax cross-entropy, averaged over the images.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`
    /// - `targets`: `[batch]`, the true classes
    /// - output: `[batch, classes]` and `[1]`
    fn forward_classification(&self, images: Tensor<4>, targets: Tensor<1, Int>) -> (Tensor<2>, Tensor<1>) {
        let logits = self.forward(images);
        (logits.clone(), cross_entropy(logits, targets))
    }
}

/// The reason why a network cannot be built for images of a given shape.
pub type NetworkError = Box<dyn Error + Send + Sync>;

/// A network that can be built for images of a given shape.
pub trait Network: Sync {
    /// The module that the network builds.
    type Model: Classifier;

    /// Returns a name that identifies this network. Run folders record it: a run can only be resumed or loaded
    /// with a network of the same name. Change the name when you change the layers.
    fn name(&self) -> String;

    /// Checks that the network accepts images of this shape. The error is the one that [`build`](Self::build)
    /// would return. Training calls this as soon as it knows the shape, before it reads all images.
    ///
    /// `image` is `[channels, height, width]`.
    ///
    /// # Errors
    /// If the network does not accept such images. The default implementation accepts every shape.
    fn check(&self, _image: [usize; 3]) -> Result<(), NetworkError> {
        Ok(())
    }

    /// Builds the module with initial weights for `seed`.
    ///
    /// For reproducible results, draw the weights from `seed` alone, as the functions in
    /// [`initialization`](crate::initialization) do. Burn's own initializers share one generator per process.
    ///
    /// `image` is `[channels, height, width]`. `device` supports autodiff for training, but not for prediction.
    ///
    /// # Errors
    /// If the network does not accept such images.
    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self::Model, NetworkError>;
}
