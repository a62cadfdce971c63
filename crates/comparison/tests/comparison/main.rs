//! Tests of the public interface of the comparison crate.

mod compare;
mod comparison;
mod configs;
mod folder;
mod headline;
mod looks;
mod mutations;
mod new_images;
mod plan;
mod properties;
mod settings;
mod significance;
mod simulations;
mod statistics;
mod support;
mod until_decided;
mod verdict;
