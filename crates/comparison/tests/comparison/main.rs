//! What the comparison crate promises, tested from outside.

mod compare;
mod comparison;
mod configs;
mod folder;
mod plan;
mod properties;
mod settings;
mod significance;
mod simulations;
mod statistics;
mod support;
mod verdict;
