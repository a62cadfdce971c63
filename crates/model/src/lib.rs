//! The tutorial's CNN: its configuration, its layers and its initial weights.

mod initialization;
mod model;

pub use model::{Flops, Kernels, Model, ModelConfig, ModelError};
