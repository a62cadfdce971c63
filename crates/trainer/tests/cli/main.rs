//! The program as its users run it.

mod augmentation;
mod bad_input;
mod bad_pictures;
mod browser;
mod commands;
mod comparison;
mod contact_sheet;
mod export;
mod help;
mod interruption;
mod mnist;
mod pictures;
mod predict;
mod printed;
mod report;
mod scalings;
mod sharing;
mod support;
