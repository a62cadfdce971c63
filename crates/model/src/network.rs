//! What a training asks of a network.

use std::error::Error;

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    tensor::{Device, Int, Tensor},
};

/// A Burn module that maps images to one logit per class.
///
/// Trainings give the same bits each time if the module draws nothing at random. Layers that do, such as Burn's
/// `Dropout`, draw from a generator that the whole process shares.
pub trait Classifier: Module {
    /// Logits of a batch.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`
    /// - output: `[batch, classes]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;

    /// Logits of a batch and their softmax cross-entropy, averaged over the images.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`
    /// - `targets`: `[batch]`, the true classes
    /// - output: `[batch, classes]` and `[1]`
    fn forward_classification(&self, images: Tensor<4>, targets: Tensor<1, Int>) -> (Tensor<2>, Tensor<1>) {
        let logits = self.forward(images);
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        (logits.clone(), loss.forward(logits, targets))
    }
}

/// Why a network cannot be built for some images.
pub type NetworkError = Box<dyn Error + Send + Sync>;

/// Builds the networks that an experiment trains.
pub trait Network: Sync {
    /// The module that it builds.
    type Model: Classifier;

    /// A name that tells this network from others. Run folders record it: a run is only resumed and loaded
    /// with the network of the same name. Change the name when you change the layers.
    fn name(&self) -> String;

    /// Refuses images that the network cannot take, with the error that [`build`](Self::build) would give. A
    /// training asks this once it knows the shape of the images, before it reads all of them.
    ///
    /// `image` is `[channels, height, width]`.
    ///
    /// # Errors
    /// When the network cannot take such images. By default it takes all.
    fn check(&self, _image: [usize; 3]) -> Result<(), NetworkError> {
        Ok(())
    }

    /// A network with the initial weights that belong to `seed`.
    ///
    /// For results that can be repeated, draw the weights from `seed` alone, as the functions in
    /// [`initialization`](crate::initialization) do. Burn's own initializers share one generator per process.
    ///
    /// `image` is `[channels, height, width]`. `device` has autodiff if the network is to be trained, and none if
    /// it is to predict.
    ///
    /// # Errors
    /// When the network cannot take such images.
    fn build(
        &self,
        image: [usize; 3],
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self::Model, NetworkError>;
}
