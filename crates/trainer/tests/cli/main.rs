//! Integration tests: each runs the `mnist-trainer` binary as a user would.

mod announcements;
mod arguments;
mod augmentation;
mod bad_input;
mod bad_pictures;
mod browser;
mod commands;
mod comparison;
mod completions;
mod contact_sheet;
mod data_folder;
mod documentation;
mod draw;
mod export;
#[cfg(all(feature = "flex", feature = "wgpu"))]
mod gpu;
mod help;
mod interruption;
mod kills;
mod mnist;
mod pictures;
mod predict;
mod printed;
mod reliability;
mod report;
mod resume;
mod runs;
mod scalings;
mod sharing;
#[cfg(unix)]
mod slurm;
mod support;
mod trackers;
mod verdict;
