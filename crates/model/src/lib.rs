//! The CNN of Keras' MNIST tutorial, and the traits that any network implements for training.
//!
//! [`ModelConfig`] describes the CNN and builds a [`Model`]. The rest of the project uses only two traits to
//! train, evaluate and compare networks, so it works with your own network too. A [`Classifier`] is a Burn module
//! that maps images to logits. A [`Network`] builds one for images of a given shape.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use mnist_model::{Classifier, ModelConfig};
//!
//! let device = Device::flex();
//! let model = ModelConfig::new().init(1, &device)?;
//! let logits = model.forward(Tensor::zeros([2, 1, 28, 28], &device));
//! assert_eq!(logits.dims(), [2, 10]);
//! # Ok::<(), mnist_model::ModelError>(())
//! ```

pub mod initialization;
mod model;
mod network;

pub use model::{Flops, Kernels, Model, ModelConfig, ModelError};
pub use network::{Classifier, Network, NetworkError};

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
