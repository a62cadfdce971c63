//! Tests of the training crate through its public interface.

mod checkpoint;
mod configs;
mod curve;
mod damage;
mod dataset;
mod files;
mod lock;
mod machine;
mod mutations;
mod network;
mod observer;
mod predictor;
mod settings;
mod support;
mod training_loop;
